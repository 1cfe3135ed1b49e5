"""The process of a step in the cloud: what TFX's own entry does, with lazy packages, and no package for a question.

TFX's entry, `kubeflow_v2_run_executor`, imports Beam and TFMA to ask of any executor whether it is one of theirs. An
executor that is has them imported; so here only what is imported is asked.
"""

from __future__ import annotations

import posixpath
import sys
from typing import TYPE_CHECKING, Any

from pipeline import garbage, lazy_packages

if TYPE_CHECKING:
  import argparse

COMMAND = ('python', '-m', 'pipeline.cloud.step')
"""What a container runs; the arguments are those of TFX's entry."""


_EVALUATORS = (
  ('tfx.components.evaluator.executor', 'Executor'),
  ('components.fare_evaluator.component', 'FareEvaluatorExecutor'),
)
"""Whose blessings name models by the ids of this process."""


def run(executor_class_path: str, invocation: str, inputs_spec: str | None, beam_args: list[str]) -> None:
  """Runs an executor, and writes what came of it where the invocation says.

  Args:
    executor_class_path: dotted path of the class.
    invocation: the `ExecutorInput` as JSON.
    inputs_spec: the component's `ComponentInputsSpec` as JSON, for the types of its parameters.
    beam_args: options of Beam's pipelines, or of the executor if it is none of Beam's.
  Raises: ValueError: an output parameter has no artifact of one value.
  """
  with garbage.none_expected():
    from absl import logging
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2
    from tfx.dsl.components.base import base_executor
    from tfx.dsl.io import fileio
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils as entry_utils
    from tfx.orchestration.portable import outputs_utils
    from tfx.types import artifact_utils, standard_component_specs
    from tfx.utils import import_utils

    executor_class = import_utils.import_class_by_path(executor_class_path)

  logging.set_verbosity(logging.INFO)
  given = json_format.Parse(invocation, pipeline_spec_pb2.ExecutorInput(), ignore_unknown_fields=True)
  spec = inputs_spec and json_format.Parse(
    inputs_spec, pipeline_spec_pb2.ComponentInputsSpec(), ignore_unknown_fields=True
  )
  output_file = given.outputs.output_file
  if fileio.exists(output_file):  # A driver's, with other parameters.
    with fileio.open(output_file, 'rb') as file:
      driven = json_format.Parse(file.read(), pipeline_spec_pb2.ExecutorOutput(), ignore_unknown_fields=True)
    for before, after in (
      (given.inputs.parameter_values, driven.parameter_values),
      (given.inputs.parameters, driven.parameters),
    ):
      for name, value in after.items():
        before[name].CopyFrom(value)
  names: dict[int, str] = {}
  inputs = entry_utils.parse_raw_artifact_dict(given.inputs.artifacts, names)
  outputs = entry_utils.parse_raw_artifact_dict(given.outputs.artifacts, names)
  properties = entry_utils.parse_execution_properties(
    given.inputs.parameter_values, given.inputs.parameters, spec or None
  )
  logging.info(
    'Executor %s do: inputs: %s, outputs: %s, exec_properties: %s', executor_class_path, inputs, outputs, properties
  )
  folder = posixpath.dirname(output_file)
  place = {'unique_id': posixpath.basename(folder), 'tmp_dir': posixpath.join(folder, '.temp')}
  beam_executor = _imported('tfx.dsl.components.base.base_beam_executor', 'BaseBeamExecutor')
  if beam_executor and issubclass(executor_class, beam_executor):
    context = beam_executor.Context(beam_pipeline_args=beam_args, **place)
  else:
    context = base_executor.BaseExecutor.Context(extra_flags=beam_args, **place)
  executor = executor_class(context)
  logging.info('Starting executor')
  executor.Do(inputs, outputs, properties)
  outputs_utils.tag_output_artifacts_with_version(outputs)
  evaluators = tuple(filter(None, (_imported(*name) for name in _EVALUATORS)))
  blessing = outputs.get(standard_component_specs.BLESSING_KEY)
  if issubclass(executor_class, evaluators) and blessing:
    # The ids of models in it become names, which is what Vertex has.
    entry_utils.refactor_model_blessing(artifact_utils.get_single_instance(blessing), names)
  written = pipeline_spec_pb2.ExecutorOutput()
  for key, artifacts in entry_utils.translate_executor_output(outputs, names).items():
    written.artifacts[key].CopyFrom(artifacts)
  for key in given.outputs.parameters:
    _write_parameter(outputs.get(key, []), written.parameter_values[key])
  fileio.makedirs(folder)
  with fileio.open(output_file, 'wb') as file:
    file.write(json_format.MessageToJson(written))


def _imported(module: str, name: str) -> Any:
  """A class of a module that something has imported; None where nothing has."""
  return getattr(sys.modules.get(module), name, None)


def _write_parameter(artifacts: list[Any], value: Any) -> None:
  from tfx.types import standard_artifacts

  kinds = {
    standard_artifacts.String: 'string_value',
    standard_artifacts.Float: 'number_value',
    standard_artifacts.Integer: 'number_value',
    standard_artifacts.Boolean: 'bool_value',
  }
  kind = next((kinds[kind] for kind in kinds if len(artifacts) == 1 and isinstance(artifacts[0], kind)), None)
  if kind is None:
    raise ValueError('An output parameter needs one artifact that holds a string, a number or a truth value.')
  setattr(value, kind, artifacts[0].read())


def _parsed(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
  from absl.flags import argparse_flags

  parser = argparse_flags.ArgumentParser(prog=' '.join(COMMAND[1:]), description='Runs one step of a pipeline.')
  parser.add_argument('--executor_class_path', required=True, help='dotted path of a class')
  parser.add_argument('--json_serialized_invocation_args', required=True, help='its ExecutorInput as JSON')
  parser.add_argument('--json_serialized_inputs_spec_args', help='its ComponentInputsSpec as JSON')
  return parser.parse_known_args(argv)  # type: ignore[no-any-return]


def _main(parsed: tuple[argparse.Namespace, list[str]]) -> None:
  known, beam_args = parsed
  run(
    known.executor_class_path,
    known.json_serialized_invocation_args,
    known.json_serialized_inputs_spec_args,
    beam_args,
  )


if __name__ == '__main__':
  from absl import app

  lazy_packages.install()
  garbage.left_at_exit()
  app.run(_main, flags_parser=_parsed)
