"""Compiled pipelines of a few lines, whose containers are real processes that start in milliseconds."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.local.steps import Step
from pipeline.rehearsal import dag_runner, invocation
from pipeline.rehearsal import spec as rehearsal_spec
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.image import Image
from pipeline.rehearsal.task_runner import Rehearsal
from pipeline.targets import Target

ROOT = 'gs://fares/root'

PRELUDE = """
import json, os, pathlib, sys
executor_input = json.loads(sys.argv[1])
inputs, outputs = executor_input['inputs'], executor_input['outputs']
def uri(side, key): return side['artifacts'][key]['artifacts'][0]['uri']
def write(text='x', **metadata):
  for key, value in outputs.get('artifacts', {}).items():
    pathlib.Path(value['artifacts'][0]['uri'], 'file').write_text(text)
    value['artifacts'][0]['metadata'] = metadata
  pathlib.Path(outputs['outputFile']).write_text(json.dumps({'artifacts': outputs.get('artifacts', {})}))
"""


def artifact_type(title: str) -> dict[str, str]:
  """A type as TFX compiles it: a YAML schema with a title."""
  return {'instanceSchema': f'title: {title}\ntype: object\n'}


def container(
  script: str = 'write()',
  inputs: Mapping[str, tuple[str, str]] | None = None,
  outputs: Mapping[str, str] | None = None,
  parameters: Mapping[str, str | float] | None = None,
  after: Sequence[str] = (),
  cache: bool = True,
  **more: Any,
) -> dict[str, Any]:
  """A task with a Python script for a container.

  Args:
    script: goes after `PRELUDE`.
    inputs: input key to producer and output key.
    outputs: output key to the title of the artifact's type.
    parameters: constants by name.
    after: tasks to wait for.
    cache: whether caching is enabled.
    **more: of the container, such as `env`.
  """
  return {
    'inputs': dict(inputs or {}),
    'outputs': dict(outputs or {}),
    'parameters': dict(parameters or {}),
    'after': list(after),
    'cache': cache,
    'executor': {
      'container': {
        'image': 'fares:1',
        'command': ['python', '-c', PRELUDE + script],
        'args': ['{{$}}'],
        **more,
      }
    },
  }


def resolver(filters: Mapping[str, str], outputs: Mapping[str, str], **more: Any) -> dict[str, Any]:
  """A task that looks something up."""
  queries = {key: {'filter': text} for key, text in filters.items()}
  return {**container(outputs=outputs, **more), 'executor': {'resolver': {'outputArtifactQueries': queries}}}


def spec(tasks: Mapping[str, dict[str, Any]], name: str = 'fares') -> dict[str, Any]:
  """The `PipelineSpec` of tasks."""
  number, text = {'parameterType': 'NUMBER_INTEGER'}, {'parameterType': 'STRING'}
  components, dag, executors = {}, {}, {}
  for task_name, task in tasks.items():
    components[task_name] = {
      'executorLabel': f'{task_name}_executor',
      'inputDefinitions': {
        'parameters': {k: number if isinstance(v, float) else text for k, v in task['parameters'].items()}
      },
      'outputDefinitions': {'artifacts': {k: {'artifactType': artifact_type(v)} for k, v in task['outputs'].items()}},
    }
    dag[task_name] = {
      'taskInfo': {'name': task_name},
      'componentRef': {'name': task_name},
      'dependentTasks': task['after'],
      'cachingOptions': {'enableCache': task['cache']},
      'inputs': {
        'artifacts': {
          key: {'taskOutputArtifact': {'producerTask': producer, 'outputArtifactKey': output}}
          for key, (producer, output) in task['inputs'].items()
        },
        'parameters': {key: {'runtimeValue': {'constant': value}} for key, value in task['parameters'].items()},
      },
    }
    executors[f'{task_name}_executor'] = task['executor']
  return {
    'pipelineInfo': {'name': name},
    'schemaVersion': '2.1.0',
    'sdkVersion': 'tfx-1.16.0',
    'defaultPipelineRoot': ROOT,
    'deploymentSpec': {'executors': executors},
    'components': components,
    'root': {'dag': {'tasks': dag}},
  }


class Recorder:
  """A `StepObserver` that remembers."""

  def __init__(self) -> None:
    self.order: list[str] = []

  def started(self, name: str) -> None:
    """Remembers the begin."""
    self.order.append(f'+{name}')

  def ended(self, step: Step) -> None:
    """Remembers the end."""
    self.order.append(f'-{step.name}')


class Rehearsals:
  """Rehearsals of small specs in one directory, one after another."""

  def __init__(self, directory: pathlib.Path, target: Target, binaries: Image | None = None) -> None:
    self.directory = directory
    self.target = target
    self.recorder = Recorder()
    self.runs = 0
    self.image = binaries or Image(pathlib.Path(sys.prefix))

  @property
  def buckets(self) -> Buckets:
    """Where `gs://` lies."""
    return Buckets(self.directory / 'buckets')

  @property
  def store(self) -> invocation.ArtifactStore:
    """What the store has on disk now."""
    return invocation.ArtifactStore(self.directory / 'executions.jsonl', self.target)

  def run(
    self,
    content: dict[str, Any],
    parallel: int = 2,
    variables: Mapping[str, str] | None = None,
    mounted: bool = False,
  ) -> list[dag_runner.RehearsedStep]:
    """Writes the spec, loads it strictly, runs it."""
    self.runs += 1
    path = self.directory / f'spec{self.runs}.yaml'
    path.write_text(json.dumps(content), encoding='utf-8')
    logs = self.directory / f'logs{self.runs}'
    logs.mkdir()
    stage = Rehearsal(
      target=self.target,
      run=f'run{self.runs}',
      pipeline=rehearsal_spec.load(path),
      image=self.image,
      buckets=self.buckets,
      store=self.store,
      scratch=self.directory / 'scratch',
      logs=logs,
      variables=variables or {},
      mounted=mounted,
    )
    return dag_runner.run_tasks(stage, self.recorder, parallel)

  def states(self, content: dict[str, Any]) -> dict[str, str]:
    """State by task of one more run."""
    return {step.step.name: step.step.state.value for step in self.run(content)}

  def failure(self, content: dict[str, Any]) -> str:
    """The only failure of one more run."""
    [sentence] = [step.failure for step in self.run(content) if step.failure]
    return sentence
