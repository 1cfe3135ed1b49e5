"""Reads a compiled pipeline: strictly, as the backends do, into plain dictionaries in the spec's own words."""

from __future__ import annotations

import dataclasses
import graphlib
import json
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from configs.errors import FailedError, UserError


class SpecError(UserError):
  """The compiled spec is not what a backend takes, or holds what a rehearsal can't run; a sentence."""


class TaskFailedError(FailedError):
  """A task failed, or would fail in a cluster; the text is a sentence without the task's name."""


@dataclasses.dataclass(frozen=True)
class DagTask:
  """A task of the DAG with its component and its executor, in the JSON names of the spec.

  Attributes:
    spec: `PipelineTaskSpec`.
    component: `ComponentSpec`.
    executor: `ExecutorSpec`: a `container`, an `importer` or a `resolver`.
  """

  name: str
  spec: Mapping[str, Any]
  component: Mapping[str, Any]
  executor: Mapping[str, Any]

  @property
  def upstream(self) -> frozenset[str]:
    """Names of the tasks that end before this one begins."""
    inputs = self.spec.get('inputs', {})
    artifacts = [value.get('taskOutputArtifact') for value in inputs.get('artifacts', {}).values()]
    parameters = [value.get('taskOutputParameter') for value in inputs.get('parameters', {}).values()]
    producers = (reference['producerTask'] for reference in (*artifacts, *parameters) if reference)
    return frozenset((*self.spec.get('dependentTasks', ()), *producers))

  @property
  def cached(self) -> bool:
    """Whether the backend may take the outputs of an earlier, equal execution."""
    return bool(self.spec.get('cachingOptions', {}).get('enableCache'))

  @property
  def output_artifacts(self) -> Mapping[str, Any]:
    """Output key to artifact type and fixed metadata."""
    return self.component.get('outputDefinitions', {}).get('artifacts', {})

  @property
  def output_parameters(self) -> Mapping[str, Any]:
    """Output key to parameter type."""
    return self.component.get('outputDefinitions', {}).get('parameters', {})


@dataclasses.dataclass(frozen=True)
class ReadPipeline:
  """What a backend is given.

  Attributes:
    root: the bucket prefix of its outputs; empty where the submission names it.
    tasks: in an order in which they can run.
    parameters: values of the runtime parameters.
  """

  name: str
  root: str
  tasks: tuple[DagTask, ...]
  parameters: Mapping[str, Any]


def load(path: pathlib.Path) -> ReadPipeline:
  """Reads a `PipelineJob` (JSON, Vertex) or a `PipelineSpec` (YAML, KFP) of schema 2.1, which both targets get.

  Raises `SpecError` where it is neither, or its DAG can't run.
  """
  text = path.read_text(encoding='utf-8')
  try:
    if path.suffix == '.json':
      job = json_format.ParseDict(json.loads(text), pipeline_spec_pb2.PipelineJob())
      runtime, content = map(json_format.MessageToDict, (job.runtime_config, job.pipeline_spec))
    else:
      runtime, content = {}, next(yaml.safe_load_all(text))
    spec = _strict(content, pipeline_spec_pb2.PipelineSpec())
    deployment = _strict(spec.get('deploymentSpec', {}), pipeline_spec_pb2.PipelineDeploymentConfig())
  except (ValueError, yaml.YAMLError, json_format.Error) as error:
    raise SpecError(f'{path} is no compiled pipeline: {error}.') from error
  schema = spec.get('schemaVersion', '')
  if not schema.startswith('2.1'):
    raise SpecError(f"{path} has schema version '{schema}'; a rehearsal takes 2.1, which `farelite compile` writes.")
  return ReadPipeline(
    name=spec['pipelineInfo']['name'],
    root=runtime.get('gcsOutputDirectory') or spec.get('defaultPipelineRoot', ''),
    tasks=_ordered(_tasks(spec, deployment['executors'])),
    parameters=_runtime_parameters(spec, runtime.get('parameterValues', {})),
  )


def _strict(content: Any, message: Any) -> dict[str, Any]:
  """The content after it went through the proto: an unknown field raises."""
  return json_format.MessageToDict(json_format.ParseDict(content, message))


def _tasks(spec: dict[str, Any], executors: dict[str, Any]) -> list[DagTask]:
  tasks = []
  for name, task in sorted(spec.get('root', {}).get('dag', {}).get('tasks', {}).items()):
    component = spec.get('components', {}).get(task.get('componentRef', {}).get('name', name))
    if component is None:
      raise SpecError(f"The task '{name}' names a component that the spec does not have.")
    if 'dag' in component:
      raise SpecError(
        f"The task '{name}' is a DAG of its own (an exit handler or a loop); a rehearsal has none of them."
      )
    if task.get('triggerPolicy', {}).get('condition'):
      raise SpecError(
        f"The task '{name}' has a condition ({task['triggerPolicy']['condition']}); none can be rehearsed."
      )
    tasks.append(DagTask(name, task, component, executors[component['executorLabel']]))
  return tasks


def _ordered(tasks: list[DagTask]) -> tuple[DagTask, ...]:
  """The tasks in topological order, by name where the order is free."""
  by_name = {task.name: task for task in tasks}
  for task in tasks:
    unknown = sorted(task.upstream - set(by_name))
    if unknown:
      raise SpecError(f"The task '{task.name}' waits for '{unknown[0]}', which the spec does not have.")
  try:
    order = graphlib.TopologicalSorter({task.name: sorted(task.upstream) for task in tasks}).static_order()
    return tuple(by_name[name] for name in order)
  except graphlib.CycleError as error:
    raise SpecError(f'The tasks wait for each other in a circle: {" → ".join(error.args[1])}.') from None


def _runtime_parameters(spec: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
  """Values by name: what the job gives, else the default. Raises `SpecError` where a parameter has neither."""
  values: dict[str, Any] = {}
  for name, definition in spec.get('root', {}).get('inputDefinitions', {}).get('parameters', {}).items():
    value = given.get(name, definition.get('defaultValue'))
    if value is None and not definition.get('isOptional'):
      raise SpecError(f"The runtime parameter '{name}' has no value and no default.")
    values[name] = value
  return values


def texts_in(content: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
  """Every text in dictionaries and lists, each with its dotted place; text that is JSON is looked into."""
  if isinstance(content, Mapping | list):
    for key, value in content.items() if isinstance(content, Mapping) else enumerate(content):
      yield from texts_in(value, (*place, str(key)))
  elif isinstance(content, str):
    try:
      inner = json.loads(content) if content.lstrip().startswith(('{', '[')) else None
    except ValueError:
      inner = None
    yield from [('.'.join(place), content)] if inner is None else texts_in(inner, place)


def executor_input(content: dict[str, Any]) -> str:
  """The JSON of an `ExecutorInput`, which is what `{{$}}` stands for; an unknown field raises."""
  return json_format.MessageToJson(json_format.ParseDict(content, pipeline_spec_pb2.ExecutorInput()), indent=None)


def schema_title(kind: Mapping[str, Any]) -> str:
  """The title of an artifact type, such as `tfx.Model`; '' where it has none."""
  return kind.get('schemaTitle') or yaml.safe_load(kind.get('instanceSchema', '{}')).get('title', '')


def executor_output(text: str) -> dict[str, Any]:
  """An `ExecutorOutput` that a step wrote. Raises `SpecError` where the launchers of the backends would not read it."""
  try:
    return json_format.MessageToDict(json_format.Parse(text, pipeline_spec_pb2.ExecutorOutput()))
  except json_format.Error as error:
    raise SpecError(f'wrote output metadata that no launcher reads: {error}.') from error


_PLACEHOLDER = re.compile(r'\{\{\$(?!\}\})(.*?)\}\}')
_PARTS = re.compile(
  r"\.(?P<side>inputs|outputs)\.(?P<kind>parameters|artifacts)\['(?P<key>[^']+)'\]"
  r"(?:\.(?P<field>uri|path|name|value|output_file|metadata)(?:\['(?P<property>[^']+)'\])?)?"
)


def resolved(text: str, content: Mapping[str, Any], names: Mapping[str, str]) -> str:
  """A text with the values of its placeholders, but for `{{$}}`.

  Args:
    content: the `ExecutorInput` that they refer to, as a dictionary.
    names: what else has a name, such as `pipeline_job_name`.

  Raises `SpecError` where a placeholder refers to nothing.
  """
  return _PLACEHOLDER.sub(lambda match: _value_of(match[1], content, names), text)


def _value_of(expression: str, content: Mapping[str, Any], names: Mapping[str, str]) -> str:
  """What `.inputs.parameters['x']` or `.inputs.artifacts['x'].uri` stands for."""
  if expression.removeprefix('.') in names:
    return names[expression.removeprefix('.')]
  if expression in ('.outputs.output_file', '.outputMetadataUri'):
    return content['outputs']['outputFile']
  match = _PARTS.fullmatch(expression)
  if match is None:
    raise SpecError(f'uses the placeholder {{{{${expression}}}}}, which no launcher knows.')
  try:
    return _text(_looked_up(match, content))
  except (KeyError, IndexError):
    raise SpecError(f'uses the placeholder {{{{${expression}}}}}, but there is no such {match["side"][:-1]}.') from None


def _looked_up(match: re.Match[str], content: Mapping[str, Any]) -> Any:
  side, key = content[match['side']], match['key']
  if match['kind'] == 'parameters':
    return side['parameters'][key]['outputFile'] if match['side'] == 'outputs' else side['parameterValues'][key]
  artifact = side['artifacts'][key]['artifacts'][0]
  if match['field'] == 'metadata':
    return artifact['metadata'][match['property']] if match['property'] else artifact['metadata']
  return artifact['uri' if match['field'] == 'path' else match['field'] or 'uri']


def _text(value: Any) -> str:
  """As the launchers write it: whole numbers without a point, structures as JSON."""
  if isinstance(value, str):
    return value
  if isinstance(value, float) and value.is_integer():
    return str(int(value))
  return json.dumps(value)
