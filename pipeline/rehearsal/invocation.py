"""What a step is told: its inputs, its parameters, and where its outputs go."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.rehearsal.artifact_store import Artifact, Execution
from pipeline.rehearsal.errors import SpecError
from pipeline.rehearsal.kubeflow_spec import DagTask, ReadPipeline, typed_value
from pipeline.targets.target import Target

_TYPED = {'NUMBER_INTEGER': 'intValue', 'INT': 'intValue', 'NUMBER_DOUBLE': 'doubleValue', 'DOUBLE': 'doubleValue'}


@dataclasses.dataclass(frozen=True)
class OutputPlaces:
  """Where the outputs of one execution go.

  Attributes:
    root: prefix of its artifacts, `gs://…`.
    output_file: where it writes its metadata; on KFP a path inside the pod.
  """

  root: str
  output_file: str


def places(target: Target, pipeline: ReadPipeline, run: str, task: str, scratch: pathlib.Path) -> OutputPlaces:
  """The layout that each backend has: Vertex's numbered tasks in the bucket, KFP's file inside the pod.

  Source for KFP: kubeflow/pipelines, backend/src/v2/component/launcher_v2.go, `OutputMetadataFilepath`.
  """
  if target is Target.KFP:
    root = f'{pipeline.root}/{pipeline.name}/{run}/{task}'
    return OutputPlaces(root, str(scratch / 'kfp_outputs' / 'output_metadata.json'))
  root = f'{pipeline.root}/0/{pipeline.name}-{run}/{task}_{run}'
  return OutputPlaces(root, f'{root}/executor_output.json')


def inputs(task: DagTask, pipeline: ReadPipeline, done: Mapping[str, Execution]) -> dict[str, Any]:
  """`ExecutorInput.inputs`: artifacts of upstream tasks, and parameters.

  A Resolver that found nothing gives an empty list.

  Raises:
    SpecError: the task takes an output that its producer does not have.
  """
  wanted = task.spec.get('inputs', {})
  artifacts = {key: {'artifacts': _taken(task, value, done)} for key, value in wanted.get('artifacts', {}).items()}
  values = {key: _parameter(task, value, pipeline, done) for key, value in wanted.get('parameters', {}).items()}
  content: dict[str, Any] = {'artifacts': artifacts}
  if pipeline.legacy:
    content['parameters'] = {key: _typed(task, key, value) for key, value in values.items()}
  else:
    content['parameterValues'] = values
  return content


def _taken(task: DagTask, reference: Mapping[str, Any], done: Mapping[str, Execution]) -> list[dict[str, Any]]:
  if 'taskOutputArtifact' not in reference:
    raise SpecError('takes an input artifact of the pipeline itself; a rehearsal has none to give.')
  producer = reference['taskOutputArtifact']['producerTask']
  key = reference['taskOutputArtifact']['outputArtifactKey']
  if key not in done[producer].outputs:
    raise SpecError(f"takes the output '{key}' of {producer}, which has no such output.")
  return [runtime_artifact(artifact) for artifact in done[producer].outputs[key]]


def runtime_artifact(artifact: Artifact) -> dict[str, Any]:
  """The artifact without what only a rehearsal notes."""
  return {key: value for key, value in artifact.items() if key != 'files'}


def _parameter(
  task: DagTask, reference: Mapping[str, Any], pipeline: ReadPipeline, done: Mapping[str, Execution]
) -> Any:
  if 'componentInputParameter' in reference:
    return pipeline.parameters[reference['componentInputParameter']]
  if 'taskOutputParameter' in reference:
    producer = reference['taskOutputParameter']['producerTask']
    return done[producer].parameters[reference['taskOutputParameter']['outputParameterKey']]
  return constant(reference.get('runtimeValue', {}), pipeline)


def constant(value: Mapping[str, Any], pipeline: ReadPipeline) -> Any:
  """A `ValueOrRuntimeParameter`, in either schema's words."""
  if 'constant' in value:
    return value['constant']
  if 'constantValue' in value:
    return typed_value(value['constantValue'])
  if 'runtimeParameter' in value:
    return pipeline.parameters[value['runtimeParameter']]
  raise SpecError('has a parameter that is neither a constant, a runtime parameter nor an output of another task.')


def _typed(task: DagTask, key: str, value: Any) -> dict[str, Any]:
  definition = task.component.get('inputDefinitions', {}).get('parameters', {}).get(key, {})
  kind = _TYPED.get(definition.get('type', definition.get('parameterType', '')), 'stringValue')
  return {kind: str(value) if kind == 'intValue' else value}


def outputs(task: DagTask, where: OutputPlaces, new_name: Callable[[], str]) -> dict[str, Any]:
  """`ExecutorInput.outputs`: one artifact for each output, with its URI and fixed metadata."""
  artifacts = {
    key: {
      'artifacts': [
        {
          'name': new_name(),
          'type': definition['artifactType'],
          'uri': f'{where.root}/{key}',
          'metadata': definition.get('metadata', {}),
        }
      ]
    }
    for key, definition in task.output_artifacts.items()
  }
  folder = where.output_file.rpartition('/')[0]
  parameters = {key: {'outputFile': f'{folder}/{key}'} for key in task.output_parameters}
  return {'artifacts': artifacts, 'parameters': parameters, 'outputFile': where.output_file}


def merged(told: dict[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
  """`ExecutorInput.outputs` with what the step wrote: another URI, more metadata.

  Source: kubeflow/pipelines, launcher_v2.go, `mergeRuntimeArtifacts`.
  """
  artifacts = {}
  for key, value in told['artifacts'].items():
    [artifact] = value['artifacts']
    [new] = written.get('artifacts', {}).get(key, {}).get('artifacts', [])[:1] or [{}]
    artifact = artifact | {
      'uri': new.get('uri') or artifact['uri'],
      'metadata': artifact['metadata'] | new.get('metadata', {}),
    }
    artifacts[key] = {'artifacts': [artifact]}
  return told | {'artifacts': artifacts}
