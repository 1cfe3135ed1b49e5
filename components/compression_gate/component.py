"""The gate between the lite files and the push."""

from __future__ import annotations

from collections.abc import Mapping

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel, standard_artifacts

from components.artifacts import CompressionReport
from components.compression_gate.executor import CompressionGateExecutor
from components.compression_gate.spec import CompressionGateSpec, spec_class
from components.pruning_trainer import RECIPE_PREFIX
from configs.compression import Compression
from configs.dataset import Dataset
from configs.evaluation import Evaluation
from configs.parts import Part


class CompressionGate(base_component.BaseComponent):
  """Runs every variant's file and blesses the smallest one that keeps the budget.

  Outputs: `blessing`, as TFX's InfraValidator writes it; `model`, the version
  to push, with the chosen file, its manifest and golden rides under
  `assets.extra` (empty where none was chosen); `report`, see
  `components.compression_gate.reporting`. A variant that crashes is lost with a
  reason; a budget that none keeps is a result and no failure.

  Args:
    variants: of a `QuantizationRewriter`.
    examples: raw rides; the eval split is used.
    models: the SavedModels that the variants were converted from, by recipe
      name.
    compression: schemes, budget, measurement.
    evaluation: slices, resamples.
    dataset: of the rides.
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
