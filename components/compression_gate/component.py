"""The gate between the lite files and the push."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.utils import io_utils, path_utils

from components.artifacts import CompressionReport, LiteVariants
from components.compression_gate.budget import Variant, fetch_variants
from components.compression_gate.gate import Judgement, judge
from components.compression_gate.records import REPORT_FILE
from components.compression_gate.report import PREDICTIONS_FILE, predictions, report
from components.compression_gate.rides import RideVersion, read_eval_rides
from components.compression_gate.version import write_version
from components.pruning_trainer import RECIPE_PREFIX
from configs.compression import Budget, Compression
from configs.dataset import Dataset
from configs.evaluation import Evaluation
from configs.parts import Part, load_part
from models.protocols import EvalExamples
from models.serving import fake_quantized

VARIANTS_KEY, EXAMPLES_KEY = 'variants', 'examples'
BLESSING_KEY, MODEL_KEY, REPORT_KEY = 'blessing', 'model', 'report'
COMPRESSION_KEY, EVALUATION_KEY, DATASET_KEY = 'compression', 'evaluation', 'dataset'
CODE_VERSION_KEY = 'code_version'


class CompressionGateSpec(component_spec.ComponentSpec):
  """Variants and examples to a verdict; further inputs depend on the recipes, see `spec_class`."""

  PARAMETERS = {
    COMPRESSION_KEY: component_spec.ExecutionParameter(type=str),
    EVALUATION_KEY: component_spec.ExecutionParameter(type=str),
    DATASET_KEY: component_spec.ExecutionParameter(type=str),
    CODE_VERSION_KEY: component_spec.ExecutionParameter(type=str),
  }
  INPUTS = {
    VARIANTS_KEY: component_spec.ChannelParameter(type=LiteVariants),
    EXAMPLES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
  }
  OUTPUTS = {
    BLESSING_KEY: component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing),
    MODEL_KEY: component_spec.ChannelParameter(type=standard_artifacts.Model),
    REPORT_KEY: component_spec.ChannelParameter(type=CompressionReport),
  }


def spec_class(recipes: Iterable[str]) -> type[CompressionGateSpec]:
  """The spec with one Model input per recipe name."""
  models = {RECIPE_PREFIX + name: component_spec.ChannelParameter(type=standard_artifacts.Model) for name in recipes}
  inputs = CompressionGateSpec.INPUTS | models
  return type('CompressionGateSpec', (CompressionGateSpec,), {'INPUTS': inputs, '__module__': __name__})


_PROPERTY = 'blessed'
_FILES = {True: 'INFRA_BLESSED', False: 'INFRA_NOT_BLESSED'}


def write_blessing(blessing: types.Artifact, is_blessed: bool) -> None:
  """Marks an InfraBlessing artifact, by a custom property and an empty file."""
  io_utils.write_string_file(os.path.join(blessing.uri, _FILES[is_blessed]), '')
  blessing.set_int_custom_property(_PROPERTY, int(is_blessed))


class CompressionGateExecutor(base_executor.BaseExecutor):
  """Executor of `CompressionGate`."""

  def Do(  # noqa: N802, TFX's own name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Judges; raises `FailedError` where there is nothing to judge by or to compare with."""
    compression = Compression.model_validate_json(exec_properties[COMPRESSION_KEY])
    evaluation = Evaluation.model_validate_json(exec_properties[EVALUATION_KEY])
    dataset = load_part(Dataset, exec_properties[DATASET_KEY])
    saved_models = _saved_models(input_dict)
    examples = read_eval_rides(_eval_files(input_dict), dataset, evaluation.slices)
    with tempfile.TemporaryDirectory() as folder:
      uri = artifact_utils.get_single_uri(input_dict[VARIANTS_KEY])
      variants = fetch_variants(uri, pathlib.Path(folder))
      aware = [name for name, path in saved_models.items() if fake_quantized(path)]
      judgement = judge(variants, examples, compression, evaluation.bootstrap, aware)
      _write_report(output_dict[REPORT_KEY], judgement, variants, examples, compression.budget)
      chosen = judgement.chosen
      if chosen is not None:
        model = artifact_utils.get_single_instance(output_dict[MODEL_KEY])
        model.set_string_custom_property('variant', chosen.variant.name)
        saved_model, version = saved_models[chosen.variant.recipe], path_utils.serving_model_dir(model.uri)
        code_version = exec_properties[CODE_VERSION_KEY]
        says = RideVersion(dataset, examples)
        write_version(version, saved_model, chosen, examples, judgement.baseline, says, code_version)
    write_blessing(artifact_utils.get_single_instance(output_dict[BLESSING_KEY]), chosen is not None)


def _eval_files(input_dict: dict[str, list[types.Artifact]]) -> list[str]:
  [uri] = artifact_utils.get_split_uris(input_dict[EXAMPLES_KEY], 'eval')
  return list(fileio.glob(io_utils.all_files_pattern(uri)))


def _saved_models(input_dict: dict[str, list[types.Artifact]]) -> dict[str, str]:
  """Paths by recipe name."""
  return {
    key.removeprefix(RECIPE_PREFIX): path_utils.serving_model_path(artifact_utils.get_single_uri(artifacts))
    for key, artifacts in input_dict.items()
    if key.startswith(RECIPE_PREFIX)
  }


def _write_report(
  artifacts: list[types.Artifact], judgement: Judgement, variants: list[Variant], examples: EvalExamples, budget: Budget
) -> None:
  uri = artifact_utils.get_single_uri(artifacts)
  text = report(judgement, variants, examples, budget).to_json() + '\n'
  io_utils.write_string_file(os.path.join(uri, REPORT_FILE), text)
  with fileio.open(os.path.join(uri, PREDICTIONS_FILE), 'wb') as file:
    file.write(predictions(judgement, examples))


class CompressionGate(base_component.BaseComponent):
  """Runs every variant's file and blesses the smallest one that keeps the budget.

  Outputs: `blessing`, as TFX's InfraValidator writes it; `model`, the version
  to push, with the chosen file, its manifest and golden examples under
  `assets.extra` (empty where none was chosen); `report`, see
  `components.compression_gate.report`. A variant that crashes is lost with a
  reason; a budget that none keeps is a result and no failure. `judge` takes any
  `models.protocols.EvalExamples`, and `write_version` any `Version`.

  Args:
    variants: of a `QuantizationRewriter`.
    examples: raw ones; the eval split is used.
    models: the SavedModels that the variants were converted from, by recipe
      name.
    compression: schemes, budget, measurement.
    evaluation: slices, resamples.
    dataset: of the examples.
    code_version: part of the cache key, and of the manifest.
  """

  SPEC_CLASS = CompressionGateSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(CompressionGateExecutor)
  DATASET = Part(
    Dataset,
    *('name', 'currency', 'extras.name', 'extras.kind', 'extras.vocabulary', 'extras.unit', 'extras.meaning'),
    *('city.center_latitude', 'city.center_longitude'),
    *('city.landmarks.latitude', 'city.landmarks.longitude', 'city.landmarks.airport'),
  )
  """What the executor reads: for the manifest, and for the slices."""

  def __init__(
    self,
    *,
    variants: channel.BaseChannel,
    examples: channel.BaseChannel,
    models: Mapping[str, channel.BaseChannel],
    compression: Compression,
    evaluation: Evaluation,
    dataset: Dataset,
    code_version: str,
  ) -> None:
    spec = spec_class(models)(
      variants=variants,
      examples=examples,
      **{RECIPE_PREFIX + name: model for name, model in models.items()},
      blessing=channel.Channel(type=standard_artifacts.InfraBlessing),
      model=channel.Channel(type=standard_artifacts.Model),
      report=channel.Channel(type=CompressionReport),
      compression=compression.model_dump_json(),
      evaluation=evaluation.model_dump_json(),
      dataset=self.DATASET.dump(dataset),
      code_version=code_version,
    )
    super().__init__(spec=spec)
