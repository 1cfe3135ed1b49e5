"""Runs one task of a compiled pipeline (container, importer or Resolver) and reads in its log what went wrong."""

from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.rehearsal import image as rehearsal_image
from pipeline.rehearsal import invocation
from pipeline.rehearsal import spec as rehearsal_spec
from pipeline.rehearsal.bucket_guard import MARK
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.image import Image
from pipeline.rehearsal.invocation import Artifact, ArtifactStore, Execution
from pipeline.rehearsal.spec import DagTask, SpecError, TaskFailedError
from pipeline.targets import Target

_ABSOLUTE = re.compile(r'(?:file://)?/(?!gcs/)(?!/)[^\s/]+/\S*')
_IN_IMAGE = ('/usr/', '/opt/', '/bin/', '/app/')
_EXCEPTION = re.compile(r'^(?:[\w.]+\.)?(?P<kind>\w*(?:Error|Exception|Exit|Interrupt)): ?(?P<text>.*)$')
_MISSING_MODULE = re.compile(r"No module named '(?P<module>[\w.]+)'")
_LOST_FILE = re.compile(r"No such file or directory: '(?P<path>[^']+)'")
_ABSL = re.compile(r'^[IWEF](\d{4} \d\d:\d\d:\d\d\.\d{6}) .*\] (?P<text>.*)$')
_BEAM_STEP = re.compile(r"\s*\[while running '[^]]*'?\]?\s*$")
_ROOMS = ('components', 'configs', 'models', 'pipeline', 'transforms')
_TAIL_BYTES = 200_000
_SIGNALS = {-9: 'was killed (signal 9), as a pod is that runs out of memory', -15: 'was ended (signal 15)'}


def _reason(lines: Sequence[str], exit_code: int) -> str:
  """Why a step failed, in one sentence without its name."""
  if exit_code in _SIGNALS:
    return f'{_SIGNALS[exit_code]}.'
  last = next((match for line in reversed(lines) if (match := _EXCEPTION.match(line))), None)
  text = _BEAM_STEP.sub('', last['text']).strip() if last else ''
  missing = _MISSING_MODULE.search(text) or (None if last else _MISSING_MODULE.search('\n'.join(lines[-3:])))
  if missing:
    if missing['module'].split('.')[0] in _ROOMS:
      return f"the module '{missing['module']}' is not in the wheel; give its folder an __init__.py."
    return f"the module '{missing['module']}' is not in the image; add its package to setup.py and the lock."
  if lost := _LOST_FILE.search(text):
    return f"'{lost['path']}' is not there: a pod has only what came through its inputs (exit code {exit_code})."
  if last:
    reason = text.rstrip('.') if ' ' in text else f'{last["kind"]}: {text}'.rstrip(': ')
    return f'{reason} (exit code {exit_code}).'
  meaningful = next((line.strip() for line in reversed(lines) if line.strip()), 'it said nothing')
  return f'ended with exit code {exit_code}: {meaningful}.'


def _tail(log: pathlib.Path) -> list[str]:
  if not log.exists():
    return []
  return log.read_bytes()[-_TAIL_BYTES:].decode('utf-8', errors='replace').splitlines()


def _opened_as_local(log: pathlib.Path) -> str | None:
  """A sentence about the first place where the step opened a bucket as a local file, or `None`."""
  for line in _tail(log):
    if line.startswith(MARK):
      place, _, uri = line.removeprefix(MARK).partition(' ')
      return f"opens {uri} as a local file ({place}), which it is in no pod; use TFX's fileio."
  return None


def _seconds_until_executor(log: pathlib.Path, started: datetime.datetime) -> float | None:
  """From the local start time of the process until TFX's hand-over to the executor; `None` if it came to none."""
  for line in _tail(log):
    match = _ABSL.match(line)
    if match and match['text'].startswith('Starting executor'):
      moment = datetime.datetime.strptime(f'{started.year}{match[1]}', '%Y%m%d %H:%M:%S.%f')
      return (moment - started).total_seconds()
  return None


@dataclasses.dataclass(frozen=True)
class Rehearsal:
  """Everything that the tasks of one rehearsal share.

  Attributes:
    target: whose launcher is followed.
    buckets: the folders that stand for their URIs.
    store: what earlier tasks and rehearsals made.
    scratch: a directory for what goes with a pod.
    logs: a directory with one log for each task.
    variables: what the image sets in the environment.
    mounted: whether buckets stand for a mounted volume, where nobody makes the folders of a step's outputs.
    containers: those that run now.
  """

  target: Target
  run: str
  pipeline: rehearsal_spec.ReadPipeline
  image: Image
  buckets: Buckets
  store: ArtifactStore
  scratch: pathlib.Path
  logs: pathlib.Path
  variables: Mapping[str, str]
  mounted: bool = False
  containers: rehearsal_image.Containers = dataclasses.field(default_factory=rehearsal_image.Containers)

  def log(self, task: str) -> pathlib.Path:
    """The log of a task."""
    return self.logs / f'{task}.log'


@dataclasses.dataclass(frozen=True)
class TaskOutcome:
  """What a task came to.

  Attributes:
    start_up_seconds: until TFX handed over to the executor; `None` where no process ran, or another one.
    left_behind: files that the step wrote into its working or home directory; gone with the pod.
  """

  execution: Execution
  start_up_seconds: float | None = None
  left_behind: Sequence[str] = ()


def run_task(stage: Rehearsal, task: DagTask, done: Mapping[str, Execution]) -> TaskOutcome:
  """Runs a task whose upstream tasks are done, and records it.

  Raises `TaskFailedError` where it failed, or would fail in a cluster.
  """
  try:
    if 'container' in task.executor:
      outcome = _run_container(stage, task, done)
    else:
      found = _resolve(stage, task, done) if 'resolver' in task.executor else _import(stage, task)
      outcome = TaskOutcome(_execution(stage, task, found, cached=True))
  except SpecError as error:
    raise TaskFailedError(str(error)) from None
  stage.store.record(outcome.execution)
  return outcome


def _execution(
  stage: Rehearsal, task: DagTask, outputs: Mapping[str, Sequence[Artifact]], cached: bool, **known: Any
) -> Execution:
  about = {'run': stage.run, 'pipeline': stage.pipeline.name, 'task': task.name, 'fingerprint': '', 'parameters': {}}
  return Execution(outputs=outputs, cached=cached, **about | known)


def _resolve(stage: Rehearsal, task: DagTask, done: Mapping[str, Execution]) -> Mapping[str, Sequence[Artifact]]:
  """What was found, or an empty list; nothing new is made."""
  if not stage.target.facts.resolves:
    raise TaskFailedError(f'is a Resolver; {stage.target.facts.title} refuses a pipeline that has one.')
  inputs = invocation.inputs(task, stage.pipeline, done)
  known = stage.store.artifacts(stage.pipeline.name)
  found = {}
  for key, query in task.executor['resolver'].get('outputArtifactQueries', {}).items():
    artifact = invocation.newest(query['filter'], inputs, known)
    found[key] = [artifact] if artifact else []
  return found


def _import(stage: Rehearsal, task: DagTask) -> Mapping[str, Sequence[Artifact]]:
  """One artifact that is there already."""
  importer = task.executor['importer']
  [key] = task.output_artifacts
  uri = str(invocation.constant(importer['artifactUri'], stage.pipeline))
  _refuse_local_paths({'artifact_uri': uri})
  files = stage.buckets.files(uri)
  if not files:
    raise TaskFailedError(f'imports {uri}, where there is no file; put it at {stage.buckets.path(uri)}.')
  artifact = {
    'name': stage.store.new_name(),
    'type': importer['typeSchema'],
    'uri': uri,
    'metadata': importer.get('metadata', {}),
    'files': files,
  }
  return {key: [artifact]}


def _run_container(stage: Rehearsal, task: DagTask, done: Mapping[str, Execution]) -> TaskOutcome:
  spec = task.executor['container']
  inputs = invocation.inputs(task, stage.pipeline, done)
  _refuse_local_paths(inputs['parameterValues'])
  _refuse_local_paths({'args': spec.get('args', []), 'env': spec.get('env', [])})
  empty = _empty_inputs(stage, task, done)
  scratch = rehearsal_image.Scratch(stage.scratch / task.name).fresh()
  outputs = invocation.outputs(task, stage.pipeline, stage.run, stage.target, scratch.temporary, stage.store.new_name)
  # A bucket has no directories that would have to be there first; a volume has.
  for value in () if stage.mounted else outputs['artifacts'].values():
    stage.buckets.path(value['artifacts'][0]['uri']).mkdir(parents=True, exist_ok=True)
  file = stage.buckets.path(outputs['outputFile'])
  file.parent.mkdir(parents=True, exist_ok=True)
  stage.log(task.name).write_bytes(b'')
  hook = spec.get('lifecycle', {}).get('preCacheCheck')
  if hook and stage.target.facts.has_driver:
    _call(stage, task, hook, {'inputs': inputs, 'outputs': outputs}, scratch, empty)
    # What Vertex changes by the driver's word before it looks into the cache and runs the executor.
    written = _written(stage, file)
    values = inputs['parameterValues'] | written.get('parameterValues', {})
    inputs, outputs = inputs | {'parameterValues': values}, invocation.merged(outputs, written)
  key = invocation.fingerprint(stage.pipeline.name, task, inputs)
  earlier = stage.store.cached(stage.pipeline.name, key) if task.cached else None
  if earlier:
    return TaskOutcome(earlier.model_copy(update={'run': stage.run, 'task': task.name, 'cached': True}))
  started = datetime.datetime.now()
  _call(stage, task, spec, {'inputs': inputs, 'outputs': outputs}, scratch, empty)
  start_up = _seconds_until_executor(stage.log(task.name), started)
  written = _written(stage, file)
  outputs = invocation.merged(outputs, written)
  made = {
    name: [artifact | {'files': stage.buckets.files(artifact['uri'])} for artifact in value['artifacts']]
    for name, value in outputs['artifacts'].items()
  }
  parameters = _output_parameters(stage, task, outputs, written)
  execution = _execution(stage, task, made, cached=False, parameters=parameters, fingerprint=key)
  return TaskOutcome(execution, start_up, _left_behind(scratch))


def _refuse_local_paths(content: Mapping[str, Any]) -> None:
  for place, text in rehearsal_spec.texts_in(content):
    if _ABSOLUTE.fullmatch(text) and not text.startswith(_IN_IMAGE):
      raise TaskFailedError(
        f"has the absolute local path '{text}' in {place}: no pod has this machine's files. Use a bucket: gs://…"
      )


def _empty_inputs(stage: Rehearsal, task: DagTask, done: Mapping[str, Execution]) -> list[str]:
  """A sentence for each input that was made without a file; raises where one had files and has none now."""
  sentences = []
  for key, reference in task.spec.get('inputs', {}).get('artifacts', {}).items():
    producer = reference['taskOutputArtifact']['producerTask']
    for artifact in done[producer].outputs.get(reference['taskOutputArtifact']['outputArtifactKey'], ()):
      uri = artifact['uri']
      if stage.buckets.files(uri):
        continue
      if artifact['files']:
        raise TaskFailedError(
          f"its input '{key}' from {producer} has lost its files: {uri} had {artifact['files']}, and there is none at "
          f'{stage.buckets.path(uri)} now.'
        )
      sentences.append(f"{producer} left no file in its '{key}' ({uri}).")
  return sentences


def _call(
  stage: Rehearsal,
  task: DagTask,
  spec: Mapping[str, Any],
  content: dict[str, Any],
  scratch: rehearsal_image.Scratch,
  empty: Sequence[str],
) -> None:
  """Runs a command of the spec as a process; raises where it does not end with 0, for which `empty` may be why."""
  names = {
    'pipeline_job_name': f'{stage.pipeline.name}-{stage.run}',
    'pipeline_job_resource_name': f'{stage.pipeline.name}-{stage.run}',
    'pipeline_job_uuid': stage.run,
    'pipeline_root': stage.pipeline.root,
    'pipeline_task_name': task.name,
    'pipeline_task_uuid': f'{task.name}-{stage.run}',
  }
  text = rehearsal_spec.executor_input(content)
  words = [*spec.get('command', []), *spec.get('args', [])]
  command = [rehearsal_spec.resolved(word, content, names).replace('{{$}}', text) for word in words]
  given = {variable['name']: variable.get('value', '') for variable in spec.get('env', [])}
  variables = rehearsal_image.environment(scratch, stage.image.binaries, {**stage.variables, **given})
  log = stage.log(task.name)
  code = stage.containers.run(
    [stage.buckets.localized(word) for word in command],
    {name: stage.buckets.localized(value) for name, value in variables.items()},
    scratch.work,
    log,
  )
  if code:
    text = ' '.join((_reason(_tail(log), code), *empty, f'Its log: {log}'))
    raise TaskFailedError(stage.buckets.globalized(text))
  if opened := _opened_as_local(log):
    raise TaskFailedError(f'{opened} Its log: {log}')


def _written(stage: Rehearsal, file: pathlib.Path) -> dict[str, Any]:
  """The output metadata, in the spec's URIs; empty where the step wrote none, which the launchers take."""
  if not file.exists():
    return {}
  return rehearsal_spec.executor_output(stage.buckets.globalized(file.read_text(encoding='utf-8')))


def _output_parameters(
  stage: Rehearsal, task: DagTask, outputs: Mapping[str, Any], written: Mapping[str, Any]
) -> dict[str, Any]:
  values = dict(written.get('parameterValues', {}))
  for key in task.output_parameters:
    file = stage.buckets.path(outputs['parameters'][key]['outputFile'])
    if key not in values and file.exists():
      values[key] = _parsed(file.read_text(encoding='utf-8'))
    if key not in values:
      raise TaskFailedError(f"ended without writing its output parameter '{key}'.")
  return {key: values[key] for key in task.output_parameters}


def _parsed(text: str) -> Any:
  try:
    return json.loads(text)
  except ValueError:
    return text


def _left_behind(scratch: rehearsal_image.Scratch) -> list[str]:
  """Files in the working and the home directory; caches, which hidden folders are, don't count."""
  return [
    str(inner)
    for directory in (scratch.work, scratch.home)
    for path in sorted(directory.rglob('*'))
    if path.is_file() and not (inner := path.relative_to(directory)).parts[0].startswith('.')
  ]
