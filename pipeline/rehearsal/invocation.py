"""What a step is given (inputs, parameters, outputs), found as a metadata service and a cache would find it."""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from configs.records import Record, RecordError
from pipeline.rehearsal.spec import DagTask, ReadPipeline, SpecError, resolved, schema_title
from pipeline.targets import Target

Artifact = dict[str, Any]
"""A `RuntimeArtifact` in its JSON names, and `files`: how many there were at its URI when it was made."""


class Execution(Record):
  """A task that ended well, and its line in the file.

  Attributes:
    fingerprint: of what it depended on; empty where nothing may be taken from it.
    outputs: artifacts by output key.
    parameters: values by output key.
    cached: whether the outputs are those of an earlier execution.
  """

  run: str
  pipeline: str
  task: str
  fingerprint: str
  outputs: Mapping[str, Sequence[Artifact]]
  parameters: Mapping[str, Any]
  cached: bool


class ArtifactStore:
  """Executions of all rehearsals in one directory, one JSON line each; what a killed one half wrote is skipped.

  Args:
    file: is created with the first execution.
    target: decides what the names of artifacts look like.
  """

  def __init__(self, file: pathlib.Path, target: Target) -> None:
    self._file = file
    self._target = target
    self._lock = threading.Lock()
    self._executions = list(_read(file))
    self._next = 1 + sum(len(values) for execution in self._executions for values in execution.outputs.values())

  def new_name(self) -> str:
    """A name for an artifact that is yet to be made: Vertex's resource name, or a number as KFP's MLMD has it."""
    with self._lock:
      number, self._next = self._next, self._next + 1
    if self._target.facts.in_pod:
      return str(number)
    return f'projects/0/locations/rehearsal/metadataStores/default/artifacts/{number}'

  def record(self, execution: Execution) -> None:
    """Adds an execution; a crash right after it loses nothing."""
    with self._lock, self._file.open('a', encoding='utf-8') as file:
      file.write(execution.to_json(indent=None) + '\n')
      self._executions.append(execution)

  def cached(self, pipeline: str, fingerprint: str) -> Execution | None:
    """The newest execution of a pipeline with this fingerprint that made its outputs itself."""
    found = (e for e in reversed(self._executions) if e.pipeline == pipeline and e.fingerprint == fingerprint)
    return next((execution for execution in found if not execution.cached), None)

  def artifacts(self, pipeline: str) -> list[Artifact]:
    """All artifacts of a pipeline, the newest first; what came from the cache counts where it was made."""
    made = [execution for execution in self._executions if execution.pipeline == pipeline and not execution.cached]
    return [artifact for execution in reversed(made) for values in execution.outputs.values() for artifact in values]


def _read(file: pathlib.Path) -> Iterator[Execution]:
  if not file.exists():
    return
  for line in file.read_text(encoding='utf-8').splitlines():
    try:
      yield Execution.parse(line, file)
    except RecordError:
      continue


def inputs(task: DagTask, pipeline: ReadPipeline, done: Mapping[str, Execution]) -> dict[str, Any]:
  """`ExecutorInput.inputs`: artifacts of upstream tasks, and parameters.

  A Resolver that found nothing gives an empty list. Raises `SpecError` where the task takes an output that its producer
  does not have.
  """
  wanted = task.spec.get('inputs', {})
  return {
    'artifacts': {key: {'artifacts': _taken(value, done)} for key, value in wanted.get('artifacts', {}).items()},
    'parameterValues': {key: _parameter(value, pipeline, done) for key, value in wanted.get('parameters', {}).items()},
  }


def _taken(reference: Mapping[str, Any], done: Mapping[str, Execution]) -> list[dict[str, Any]]:
  if 'taskOutputArtifact' not in reference:
    raise SpecError('takes an input artifact of the pipeline itself; a rehearsal has none to give.')
  producer = reference['taskOutputArtifact']['producerTask']
  key = reference['taskOutputArtifact']['outputArtifactKey']
  if key not in done[producer].outputs:
    raise SpecError(f"takes the output '{key}' of {producer}, which has no such output.")
  # Without what only a rehearsal notes.
  return [{name: value for name, value in found.items() if name != 'files'} for found in done[producer].outputs[key]]


def _parameter(reference: Mapping[str, Any], pipeline: ReadPipeline, done: Mapping[str, Execution]) -> Any:
  if 'componentInputParameter' in reference:
    return pipeline.parameters[reference['componentInputParameter']]
  if 'taskOutputParameter' in reference:
    producer = reference['taskOutputParameter']['producerTask']
    return done[producer].parameters[reference['taskOutputParameter']['outputParameterKey']]
  return constant(reference.get('runtimeValue', {}), pipeline)


def constant(value: Mapping[str, Any], pipeline: ReadPipeline) -> Any:
  """The value of a `ValueOrRuntimeParameter`."""
  if 'constant' in value:
    return value['constant']
  if 'runtimeParameter' in value:
    return pipeline.parameters[value['runtimeParameter']]
  raise SpecError('has a parameter that is neither a constant, a runtime parameter nor an output of another task.')


def outputs(
  task: DagTask, pipeline: ReadPipeline, run: str, target: Target, scratch: pathlib.Path, new_name: Callable[[], str]
) -> dict[str, Any]:
  """`ExecutorInput.outputs`: one artifact for each output, with its URI and fixed metadata.

  Vertex numbers its tasks in the bucket and has the metadata of the outputs beside them, KFP has it inside the pod,
  here in `scratch`.

  Source for KFP: kubeflow/pipelines, backend/src/v2/component/launcher_v2.go, `OutputMetadataFilepath`.
  """
  if target.facts.in_pod:
    root = f'{pipeline.root}/{pipeline.name}/{run}/{task.name}'
    file = f'{scratch}/kfp_outputs/output_metadata.json'
  else:
    root = f'{pipeline.root}/0/{pipeline.name}-{run}/{task.name}_{run}'
    file = f'{root}/executor_output.json'
  artifacts = {}
  for key, definition in task.output_artifacts.items():
    kind, metadata = definition['artifactType'], definition.get('metadata', {})
    artifact = {'name': new_name(), 'type': kind, 'uri': f'{root}/{key}', 'metadata': metadata}
    artifacts[key] = {'artifacts': [artifact]}
  folder = file.rpartition('/')[0]
  parameters = {key: {'outputFile': f'{folder}/{key}'} for key in task.output_parameters}
  return {'artifacts': artifacts, 'parameters': parameters, 'outputFile': file}


def merged(outputs: dict[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
  """`ExecutorInput.outputs` with what the step wrote: another URI, more metadata.

  Source: kubeflow/pipelines, launcher_v2.go, `mergeRuntimeArtifacts`.
  """
  artifacts = {}
  for key, value in outputs['artifacts'].items():
    [artifact] = value['artifacts']
    [new] = written.get('artifacts', {}).get(key, {}).get('artifacts', [])[:1] or [{}]
    artifact = artifact | {
      'uri': new.get('uri') or artifact['uri'],
      'metadata': artifact['metadata'] | new.get('metadata', {}),
    }
    artifacts[key] = {'artifacts': [artifact]}
  return outputs | {'artifacts': artifacts}


_CLAUSE = re.compile(
  r'(?P<field>schema_title|state|name|metadata\.(?P<key>\w+)\.(?P<kind>\w+)_value)\s*=\s*"?(?P<value>.*?)"?'
)


def newest(query: str, inputs: Mapping[str, Any], artifacts: Iterable[Artifact]) -> Artifact | None:
  """The newest artifact that a query matches, or `None`.

  Args:
    query: clauses joined by AND, as TFX compiles LatestArtifactStrategy and LatestBlessedModelStrategy.
    inputs: the Resolver's own inputs, `{'artifacts': …}`; where the query refers to one that was not found, nothing
      is found.
    artifacts: to look among, the newest first.

  Raises `SpecError` where the query has a clause of another kind.
  """
  try:
    query = resolved(query, {'inputs': inputs}, {})
  except SpecError:
    return None
  clauses = [_clause(text) for text in query.split(' AND ')]
  return next((artifact for artifact in artifacts if all(_holds(clause, artifact) for clause in clauses)), None)


def _clause(text: str) -> re.Match[str]:
  match = _CLAUSE.fullmatch(text.strip())
  if match is None:
    raise SpecError(f"asks for '{text}', which a rehearsal can't look up.")
  return match


def _holds(clause: re.Match[str], artifact: Artifact) -> bool:
  if clause['key']:
    value = artifact.get('metadata', {}).get(clause['key'])
    return str(value) == clause['value'] if clause['kind'] == 'string' else value == float(clause['value'])
  facts = {'schema_title': schema_title(artifact['type']), 'state': 'LIVE', 'name': artifact['name']}
  return facts[clause['field']] == clause['value']


def fingerprint(pipeline: str, task: DagTask, inputs: Mapping[str, Any]) -> str:
  """The cache key of an execution.

  Both backends compare the same: the pipeline's name, the names of input artifacts, the values of parameters, the
  definition of the outputs, and the container's image, command and environment. Neither looks at the content of
  files or of the image.

  Source: Vertex AI documentation, "Configure execution caching"; kubeflow/pipelines,
  backend/src/v2/cacheutils/cache.go, `GenerateCacheKey`.

  Args:
    task: with its component and container.
    inputs: `ExecutorInput.inputs`, after the driver hook.
  """
  container = task.executor['container']
  key = {
    'pipeline': pipeline,
    'artifacts': {
      key: [artifact['name'] for artifact in value['artifacts']] for key, value in inputs['artifacts'].items()
    },
    'parameters': inputs['parameterValues'],
    'outputs': task.component.get('outputDefinitions', {}),
    'container': {field: container.get(field) for field in ('image', 'command', 'args', 'env')},
  }
  return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
