"""The `preprocessing_fn` of a reduced graph: features of constants already fitted, then the reduction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from configs.dataset import Dataset
from configs.evaluation import Slices
from configs.features import Features
from models.reduction.fitted import Fitted
from models.reduction.in_graph import apply_in_graph
from models.reduction.mappings import Selection
from transforms import names
from transforms.constants import Constants
from transforms.engineering import engineer
from transforms.outputs import compose


@dataclasses.dataclass(frozen=True)
class ReducedFeatures:
  """From raw rides to the reduced vector. A mapper: no full pass.

  Attributes:
    dataset: city, extras.
    features: which blocks are on.
    slices: how the evaluation is sliced.
    constants: of the full vector, as NumPy arrays.
    fitted: the reduction.
  """

  dataset: Dataset
  features: Features
  slices: Slices
  constants: Constants
  fitted: Fitted

  def __call__(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """What `transforms.outputs.compose` yields, with the reduced vector as `numeric`.

    Of a selection only the kept features are made. Categorical columns that are
    part of a projection are not among the outputs.
    """
    mapping = self.fitted.mapping
    if isinstance(mapping, Selection):
      constants = dataclasses.replace(
        self.constants, mean=self.constants.mean[mapping.kept], scale=self.constants.scale[mapping.kept]
      )
      return self._composed(inputs, constants, keep=frozenset(self.fitted.outputs))
    outputs = self._composed(inputs, self.constants, keep=None)
    outputs[names.NUMERIC] = apply_in_graph(self.fitted, outputs[names.NUMERIC], outputs)
    return {name: column for name, column in outputs.items() if name not in self.fitted.taken}

  def _composed(
    self, inputs: Mapping[str, tf.Tensor], constants: Constants, keep: frozenset[str] | None
  ) -> dict[str, tf.Tensor]:
    engineered = engineer(inputs, self.dataset, self.features, keep)
    return compose(inputs, engineered, self.dataset, self.features, self.slices, constants)
