"""What a full pass fits, kept apart from the mappers that use it, and read back out of a Transform graph.

tft replaces analyzers by their results, but the graph goes on computing with them: the scale is one over the root of a
variance. So the tensors that the features use carry names, and are computed by the very operations that serve.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from transforms.later import tf

# Vectorised kernels may round the last bit of one and the same value differently; that is no spread.
_RELATIVE_SPREAD = 1e-6
_ABSOLUTE_SPREAD = 1e-7


Array: TypeAlias = 'tf.Tensor | np.ndarray'


@dataclasses.dataclass(frozen=True)
class Constants:
  """Fitted constants, from tft analyzers in graph or from NumPy arrays.

  Attributes:
    mean: float32 [n], mean of each numeric feature where it is known; 0 for one that was never observed.
    scale: float32 [n], one over the standard deviation; 0 for a feature that is constant or was never observed, so that
      it always yields 0.
    boundaries: float32 [4, buckets - 1], bucket boundaries of the coordinates in degrees, in the order of
      `configs.dataset.COORDINATES`; `None` where no bucket is used.
  """

  mean: Array
  scale: Array
  boundaries: Array | None = None

  @classmethod
  def from_moments(cls, mean: Array, variance: Array, boundaries: Array | None) -> Constants:
    """Turns float64 moments of shape [n], NaN where nothing was observed, into constants."""
    mean = tf.where(tf.math.is_finite(mean), mean, 0)
    spread = _RELATIVE_SPREAD * tf.abs(mean) + _ABSOLUTE_SPREAD
    varies = tf.math.is_finite(variance) & (variance > spread * spread)
    scale = tf.where(varies, tf.math.rsqrt(tf.where(varies, variance, 1)), 0)
    return cls(tf.cast(mean, tf.float32), tf.cast(scale, tf.float32), boundaries)


def read_tensors(transform_fn: str, named: Mapping[str, str]) -> dict[str, np.ndarray]:
  """Values of tensors, computed by the graph's own operations.

  Args:
    transform_fn: folder of a SavedModel that tft wrote.
    named: by key of the result, the name of the operation that yields it.
  Returns: Those that there are in the graph.
  """
  function: Any = tf.saved_model.load(transform_fn).transform_fn
  if hasattr(function, 'concrete_functions'):
    [function] = function.concrete_functions
  known = {operation.name.rpartition('/')[2]: operation.name for operation in function.graph.get_operations()}
  found = {key: f'{known[name]}:0' for key, name in named.items() if name in known}
  graph = function.graph.as_graph_def()
  # What analyzers found is captured from outside of the function.
  captured = zip(function.graph.internal_captures, function.captured_inputs, strict=True)
  values = {inner.name: outer.numpy() for inner, outer in captured if outer.dtype != tf.resource}

  def imported() -> list[tf.Tensor]:
    constants = {name: tf.constant(value) for name, value in values.items()}
    return tf.graph_util.import_graph_def(graph, constants, list(found.values()), name='')

  # Only the named tensors are computed: the inputs, which nobody feeds, are not.
  return {key: value.numpy() for key, value in zip(found, tf.compat.v1.wrap_function(imported, [])(), strict=True)}


_PREFIX = 'farelite_'
_FIELDS = ('mean', 'scale', 'boundaries')


def named(constants: Constants) -> Constants:
  """The same constants under names that `read_constants` finds; called while `preprocessing_fn` is traced."""
  values = {field: getattr(constants, field) for field in _FIELDS}
  known = {field: value for field, value in values.items() if value is not None}
  tensors = {field: tf.identity(tf.cast(value, tf.float32), name=_PREFIX + field) for field, value in known.items()}
  return Constants(**tensors)


def read_constants(transform_fn: str) -> Constants:
  """Float32 arrays, as the graph has them.

  Args: transform_fn: folder of the SavedModel that the Transform step wrote.
  Raises: ValueError: the graph was made by a version that did not name its constants.
  """
  found = read_tensors(transform_fn, {field: _PREFIX + field for field in _FIELDS})
  if not {'mean', 'scale'} <= set(found):
    raise ValueError(f"'{transform_fn}' does not name its fitted constants; run FeatureEngineering again.")
  return Constants(**found)
