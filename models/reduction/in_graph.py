"""A fitted reduction in TensorFlow, of operations that TFLite has as builtins, and the `preprocessing_fn` around it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from configs.dataset import Dataset
from configs.evaluation import Slices
from configs.features import Features
from models.reduction.fitted import Fitted
from models.reduction.mappings import Affine, Factors, Selection, Solver
from transforms import names
from transforms.constants import Constants
from transforms.engineering import engineer
from transforms.preprocessing import compose


def apply_in_graph(fitted: Fitted, numeric: tf.Tensor, categories: Mapping[str, tf.Tensor]) -> tf.Tensor:
  """What `Fitted.apply` computes, for a projection. A mapper: no full pass.

  A selection has nothing to compute: its features are made alone, see `ReducedFeatures`.

  Args:
    fitted: a projection.
    numeric: float32 [batch, n], the full standardized vector.
    categories: int64 [batch] by categorical column.
  Returns: Float32 [batch, k], standardized.
  """
  within = numeric if fitted.clip is None else tf.clip_by_value(numeric, -fitted.clip, fitted.clip)
  # GPUs multiply matrices in ten bits of mantissa by default (TensorFloat-32), processors in float32.
  with tf.device('/device:CPU:0'):
    if isinstance(fitted.mapping, Factors):
      weights = _factor_weights(fitted.mapping, within)
      return (weights - _float32(fitted.mean)) * _float32(fitted.scale)
    assert isinstance(fitted.mapping, Affine)
    return _affine(fitted, fitted.mapping, within, categories)


def _affine(fitted: Fitted, mapping: Affine, within: tf.Tensor, categories: Mapping[str, tf.Tensor]) -> tf.Tensor:
  """Centering and standardization are folded into one matrix and one vector."""
  weights = mapping.weights * fitted.scale
  bias = -(mapping.center @ mapping.weights + fitted.mean) * fitted.scale
  found = tf.matmul(within, _float32(weights)) + _float32(bias)
  for name, table in mapping.tables.items():
    found += tf.gather(_float32(table * fitted.scale), tf.cast(categories[name], tf.int32))
  return found


def _factor_weights(mapping: Factors, within: tf.Tensor) -> tf.Tensor:
  """`Solver.solve`, unrolled."""
  solver = Solver.of(mapping.factors, mapping.iterations)
  projected = tf.matmul(tf.nn.relu(within - _float32(mapping.lowest)), _float32(solver.project))
  state = before = tf.nn.relu(tf.matmul(projected, _float32(solver.start)))
  step = _float32(solver.step)
  for _ in range(solver.iterations):
    state, before = tf.nn.relu(tf.matmul(tf.concat([state, before, projected], axis=1), step)), state
  return state * _float32(solver.finish)


def _float32(values: np.ndarray) -> np.ndarray:
  return np.asarray(values, np.float32)


@dataclasses.dataclass(frozen=True)
class ReducedFeatures:
  """From raw rides to the reduced vector. A mapper: no full pass.

  Attributes: constants: of the full vector, as NumPy arrays.
  """

  dataset: Dataset
  features: Features
  slices: Slices
  constants: Constants
  fitted: Fitted

  def __call__(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """What `transforms.preprocessing.compose` yields, with the reduced vector as `numeric`.

    Of a selection only the kept features are made. Categorical columns that are part of a projection are not among the
    outputs.
    """
    mapping, constants, keep = self.fitted.mapping, self.constants, None
    if isinstance(mapping, Selection):
      constants = dataclasses.replace(constants, mean=constants.mean[mapping.kept], scale=constants.scale[mapping.kept])
      keep = frozenset(self.fitted.outputs)
    engineered = engineer(inputs, self.dataset, self.features, keep)
    outputs = compose(inputs, engineered, self.dataset, self.features, self.slices, constants)
    if not isinstance(mapping, Selection):
      outputs[names.NUMERIC] = apply_in_graph(self.fitted, outputs[names.NUMERIC], outputs)
    return {name: column for name, column in outputs.items() if name not in self.fitted.taken}
