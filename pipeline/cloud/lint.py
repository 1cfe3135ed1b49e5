"""Refuses a compiled pipeline that a backend would refuse, or that would fail in its first pod.

Each finding is one sentence. What is checked is what is sent: the compiled spec, not the pipeline that it came from.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.utils import import_utils

from configs.base import nearest
from models.whole_files import is_bucket
from pipeline.cloud.compiled import CompiledPipeline
from pipeline.rehearsal.spec import schema_title, texts_in
from pipeline.sources import BUCKET

_NAME = re.compile(r'[a-z0-9][a-z0-9-]{0,127}')
_LOCAL = re.compile(r'(/|~/|\.{1,2}/|file://)[\w.]')
_USER_FUNCTIONS = ('preprocessing_fn', 'run_fn')
_SETTING = {'input_base': 'dataset.path or --data', 'push_destination': 'platform.serving'}


def lint(compiled: CompiledPipeline) -> list[str]:
  """What is wrong with a compiled pipeline; empty if a backend takes it."""
  malformed = _malformed(compiled)
  if malformed:
    return malformed
  sentences = [
    *_header(compiled),
    *_executors(compiled),
    *_wiring(compiled.spec),
    *_artifact_types(compiled.spec),
    *_user_functions(compiled.spec),
    *_paths(compiled),
    *_parameters(compiled),
  ]
  return list(dict.fromkeys(sentences))


def _malformed(compiled: CompiledPipeline) -> list[str]:
  """What strict parsing refuses: a field that the format does not know, or a value of another type."""
  parts = (
    (compiled.spec, pipeline_spec_pb2.PipelineSpec()),
    (compiled.job or {}, pipeline_spec_pb2.PipelineJob()),
    (compiled.spec.get('deploymentSpec', {}), pipeline_spec_pb2.PipelineDeploymentConfig()),
  )
  sentences = []
  for content, message in parts:
    try:
      json_format.ParseDict(content, message)
    except json_format.ParseError as error:
      sentences.append(f'The spec is no {message.DESCRIPTOR.name}: {" ".join(str(error).split())}')
  return sentences


def _header(compiled: CompiledPipeline) -> Iterator[str]:
  if not _NAME.fullmatch(compiled.name):
    yield (
      f"The pipeline's name '{compiled.name}' is refused: it takes up to 128 small letters, digits and hyphens, and "
      'begins with no hyphen; fix name in the config.'
    )
  version = str(compiled.spec.get('schemaVersion', ''))
  if '.'.join(version.split('.')[:2]) not in compiled.target.facts.schemas:
    takes = ' or '.join(compiled.target.facts.schemas)
    yield f"The spec has schema version '{version}', and {compiled.target.value} takes {takes}; compile it again."
  if not BUCKET.match(compiled.pipeline_root):
    yield (
      f"The pipeline root '{compiled.pipeline_root}' is no folder in a bucket; set platform.pipeline_root or "
      'FARELITE_PIPELINE_ROOT to one, such as gs://BUCKET/farelite.'
    )


def _executors(compiled: CompiledPipeline) -> Iterator[str]:
  """How each step runs."""
  executors, facts = compiled.spec.get('deploymentSpec', {}).get('executors', {}), compiled.target.facts
  for name, component in sorted(compiled.spec.get('components', {}).items()):
    executor = executors.get(component.get('executorLabel'), {})
    if 'resolver' in executor and not facts.resolves:
      yield f"{name} is a Resolver, which {facts.title} can't run; read what an earlier run left by a step."
    if 'container' in executor:
      yield from _container(name, executor['container'])


def _container(name: str, container: Mapping[str, Any]) -> Iterator[str]:
  if not container.get('image'):
    yield f'{name} has no image; set platform.image or FARELITE_IMAGE.'
  hook = container.get('lifecycle', {}).get('preCacheCheck', {})
  for command in (container.get('command', []), hook.get('command', [])):
    module = _following(command, '-m')
    if module and not _module_exists(module):
      yield f"{name} runs the module '{module}', which does not exist."
  path = _following(container.get('args', []), '--executor_class_path')
  if path and (problem := _import_problem(path)):
    yield (
      f"{name}: the executor '{path}' does not import ({problem}); it has to be a class at the top of a module that "
      'setup.py packages.'
    )


def _following(words: list[str], flag: str) -> str | None:
  return words[words.index(flag) + 1] if flag in words[:-1] else None


def _module_exists(module: str) -> bool:
  try:
    return importlib.util.find_spec(module) is not None
  except ImportError:
    return False


def _import_problem(path: str) -> Exception | None:
  try:
    import_utils.import_class_by_path(path)
  except (ImportError, AttributeError, ValueError) as error:
    return error
  return None


def _wiring(spec: Mapping[str, Any]) -> Iterator[str]:
  """Tasks that name a task, an output or a component that is not there."""
  tasks, components = spec['root']['dag']['tasks'], spec.get('components', {})
  for name, task in sorted(tasks.items()):
    component = task.get('componentRef', {}).get('name', '')
    if component not in components:
      yield f"{name} refers to the component '{component}', which the spec does not have."
    inputs = task.get('inputs', {}).get('artifacts', {})
    sources = {key: source['taskOutputArtifact'] for key, source in inputs.items() if 'taskOutputArtifact' in source}
    for key, source in sorted(sources.items()):
      producer, output = source.get('producerTask', ''), source.get('outputArtifactKey', '')
      if producer not in tasks:
        yield f"{name}.{key} comes from the task '{producer}', which the spec does not have.{nearest(producer, tasks)}"
        continue
      produced = components.get(tasks[producer].get('componentRef', {}).get('name', ''), {})
      if output not in produced.get('outputDefinitions', {}).get('artifacts', {}):
        yield f"{name}.{key} takes the output '{output}' of {producer}, which has no such output."
    for upstream in task.get('dependentTasks', []):
      if upstream not in tasks:
        yield f"{name} waits for the task '{upstream}', which the spec does not have.{nearest(upstream, tasks)}"


def _artifact_types(spec: Mapping[str, Any]) -> Iterator[str]:
  """Types that a step could not import; a custom one is imported by its title."""
  titles: dict[str, str] = {}
  for name, component in sorted(spec.get('components', {}).items()):
    for side in ('inputDefinitions', 'outputDefinitions'):
      for key, artifact in component.get(side, {}).get('artifacts', {}).items():
        titles.setdefault(schema_title(artifact.get('artifactType', {})), f'{name}.{key}')
  for title, where in titles.items():
    if _import_problem(compiler_utils.TITLE_TO_CLASS_PATH.get(title, title)):
      yield f"{where} has the artifact type '{title}', which does not import; TYPE_NAME has to be package.Class."


def _user_functions(spec: Mapping[str, Any]) -> Iterator[str]:
  """User functions travel as dotted paths; their modules are not imported here, as they bring all of Keras along."""
  for name, key, parameter in _task_parameters(spec):
    path = _constant(parameter) if key in _USER_FUNCTIONS else None
    module = path.rpartition('.')[0] if isinstance(path, str) else ''
    if module and not _module_exists(module):
      yield f"{name}.{key}: there is no module '{module}'."


def _paths(compiled: CompiledPipeline) -> Iterator[str]:
  """Local paths among the parameters, also inside JSON, and buckets that TensorFlow can't open."""
  for name, key, parameter in _task_parameters(compiled.spec):
    where = _SETTING.get(key, f'{name}.{key}')
    for _, text in texts_in(_constant(parameter)):
      if compiled.pipeline_root and text.startswith(f'{compiled.pipeline_root}/'):
        continue  # `_header` reports what is wrong with the root.
      if _LOCAL.match(text):
        yield (
          f"{where}: '{text}' is on this machine, and no step in the cloud sees it; copy it to a bucket and name "
          'it as gs://BUCKET/...'
        )
      elif key in _SETTING and is_bucket(text) and not BUCKET.match(text):
        yield f"{where}: '{text}' is not in a bucket that TensorFlow reads by itself; use gs://BUCKET/..."


def _task_parameters(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
  """Task, key and parameter, in order."""
  for name, task in sorted(spec['root']['dag']['tasks'].items()):
    for key, parameter in sorted(task.get('inputs', {}).get('parameters', {}).items()):
      yield name, key, parameter


def _constant(parameter: Mapping[str, Any]) -> Any:
  return parameter.get('runtimeValue', {}).get('constant')


def _parameters(compiled: CompiledPipeline) -> Iterator[str]:
  """Runtime parameters that nobody gives a value: TFX's compiler drops their defaults."""
  root = compiled.spec['root']
  declared = root.get('inputDefinitions', {}).get('parameters', {})
  config = (compiled.job or {}).get('runtimeConfig', {})
  given = {*config.get('parameters', {}), *config.get('parameterValues', {})}
  given |= {name for name, parameter in declared.items() if 'defaultValue' in parameter}
  for name in sorted(set(declared) - given):
    yield f"The RuntimeParameter '{name}' has no value (TFX's compiler drops defaults); put its value in the config."
  for name, key, parameter in _task_parameters(compiled.spec):
    runtime = parameter.get('componentInputParameter')
    if runtime is not None and runtime not in declared:
      yield f"{name}.{key} refers to the RuntimeParameter '{runtime}', which the spec does not declare."
