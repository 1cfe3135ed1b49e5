"""The gate between the lite files and the push."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Mapping

from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.utils import io_utils, path_utils

from components.artifacts import CompressionReport, LiteVariants
from components.compression_gate.choice import Variant, fetch_variants
from components.compression_gate.gate import Judgement, judge
from components.compression_gate.pushed_version import write_version
from components.compression_gate.records import REPORT_FILE
from components.compression_gate.report import PREDICTIONS_FILE, predictions, report
from components.compression_gate.rides import RideVersion, read_eval_rides
from components.pruning_trainer.keys import RECIPE_PREFIX, recipe_key
from components.specs import Artifacts, Properties, channels, new_outputs, parameters, split_files, with_models
from configs.compression import Budget, Compression
from configs.dataset import Dataset
from configs.evaluation import Evaluation
from configs.parts import Part, load_part
from models.protocols import EvalExamples
from models.serving import fake_quantized


class CompressionGateSpec(component_spec.ComponentSpec):
  """Variants and examples to a verdict; there is one more input per recipe."""

  PARAMETERS = parameters('compression', 'evaluation', 'dataset', 'code_version')
  INPUTS = channels(variants=LiteVariants, examples=standard_artifacts.Examples)
  OUTPUTS = channels(
    blessing=standard_artifacts.InfraBlessing, model=standard_artifacts.Model, report=CompressionReport
  )


class CompressionGateExecutor(base_executor.BaseExecutor):
  """Executor of `CompressionGate`."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Judges; raises `FailedError` where there is nothing to judge by or to compare with."""
    compression = Compression.model_validate_json(exec_properties['compression'])
    evaluation = Evaluation.model_validate_json(exec_properties['evaluation'])
    dataset = load_part(Dataset, exec_properties['dataset'])
    saved_models = _saved_models(input_dict)
    examples = read_eval_rides(split_files(input_dict['examples'], 'eval'), dataset, evaluation.slices)
    with tempfile.TemporaryDirectory() as folder:
      uri = artifact_utils.get_single_uri(input_dict['variants'])
      variants = fetch_variants(uri, pathlib.Path(folder))
      aware = [name for name, path in saved_models.items() if fake_quantized(path)]
      judgement = judge(variants, examples, compression, evaluation.bootstrap, aware)
      _write_report(output_dict['report'], judgement, variants, examples, compression.budget)
      chosen = judgement.chosen
      if chosen is not None:
        model = artifact_utils.get_single_instance(output_dict['model'])
        model.set_string_custom_property('variant', chosen.variant.name)
        write_version(
          path_utils.serving_model_dir(model.uri),
          saved_models[chosen.variant.facts.recipe],
          chosen,
          examples,
          judgement.baseline,
          RideVersion(dataset, examples),
          exec_properties['code_version'],
        )
    # By a custom property and an empty file, as TFX's InfraValidator.
    blessing = artifact_utils.get_single_instance(output_dict['blessing'])
    blessing.set_int_custom_property('blessed', int(chosen is not None))
    file = 'INFRA_NOT_BLESSED' if chosen is None else 'INFRA_BLESSED'
    io_utils.write_string_file(os.path.join(blessing.uri, file), '')


def _saved_models(input_dict: Artifacts) -> dict[str, str]:
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

  Outputs: `blessing`, as TFX's InfraValidator writes it; `model`, the version to push, with the chosen file, its
  manifest and golden examples under `assets.extra` (empty where none was chosen); `report`, see
  `components.compression_gate.report`. A variant that crashes is lost with a reason; a budget that none keeps is a
  result and no failure. `judge` takes any `models.protocols.EvalExamples`, and `write_version` any `Version`.

  ```
  gate = CompressionGate(
      variants=rewriter.outputs['variants'],
      examples=ingest.outputs['examples'],
      models=models,
      compression=config.compression, evaluation=config.evaluation, dataset=config.dataset,
      code_version=step_version(CompressionGate))
  ```

  Args:
    variants: of a `QuantizationRewriter`.
    examples: raw ones; the eval split is used.
    models: the SavedModels that the variants were converted from, by recipe name.
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
    spec = with_models(CompressionGateSpec, 'INPUTS', map(recipe_key, models))(
      variants=variants,
      examples=examples,
      **{recipe_key(name): model for name, model in models.items()},
      **new_outputs(CompressionGateSpec),
      compression=compression.model_dump_json(),
      evaluation=evaluation.model_dump_json(),
      dataset=self.DATASET.dump(dataset),
      code_version=code_version,
    )
    super().__init__(spec=spec)
