"""Between the features and the training: the same graph and Examples with fewer model inputs."""

from __future__ import annotations

import json

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import channel, standard_artifacts

from components.artifacts import ReductionReport
from components.dimensionality_reduction.executor import DimensionalityReductionExecutor
from components.dimensionality_reduction.spec import DimensionalityReductionSpec
from configs.dataset import Dataset
from configs.evaluation import Slices
from configs.features import Features
from configs.parts import Part
from configs.reduction import Reduction


class DimensionalityReduction(base_beam_component.BaseBeamComponent):
  """Fits a reduction on the transformed training split, and puts it into the Transform graph.

  Outputs: `reduced_graph`, a Transform graph like the one that came in whose `numeric` is the reduced vector, so that
  training, TFMA, serving and the lite model take it as they took the other; `reduced_examples`, the same of the
  Examples; `report`, the fitted arrays, data and pictures.

  Args:
    transform_graph: the fitted features.
    transformed_examples: their `train` split is fitted on; every split is reduced.
    reduction: the method; not none.
    dataset, features, slices: what the features were made by.
    clip: what the model clips its numeric inputs to, in standard deviations.
    code_version: part of the cache key.
  """

  SPEC_CLASS = DimensionalityReductionSpec
  EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(DimensionalityReductionExecutor)
  DATASET = Part(Dataset, 'extras.name', 'extras.kind', 'extras.vocabulary', 'extras.unit', 'extras.meaning', 'city')
  """What the executor reads."""

  def __init__(
    self,
    *,
    transform_graph: channel.BaseChannel,
    transformed_examples: channel.BaseChannel,
    reduction: Reduction,
    dataset: Dataset,
    features: Features,
    slices: Slices,
    clip: float | None,
    code_version: str,
  ) -> None:
    spec = DimensionalityReductionSpec(
      transform_graph=transform_graph,
      transformed_examples=transformed_examples,
      reduction=reduction.model_dump_json(),
      dataset=self.DATASET.dump(dataset),
      features=features.model_dump_json(),
      slices=slices.model_dump_json(),
      clip=json.dumps(clip),
      currency=dataset.currency,
      code_version=code_version,
      reduced_graph=channel.Channel(type=standard_artifacts.TransformGraph),
      reduced_examples=channel.Channel(type=standard_artifacts.Examples),
      report=channel.Channel(type=ReductionReport),
    )
    super().__init__(spec=spec)
