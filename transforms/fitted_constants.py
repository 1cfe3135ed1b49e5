"""The constants that a Transform step fitted, read back out of its graph to the last bit.

tft replaces analyzers by their results, but the graph goes on computing with them: the scale is one over the root of a
variance. So the tensors that the features use carry names, and are computed by the very operations that serve.
"""

from __future__ import annotations

import tensorflow as tf

from transforms.constants import Constants
from transforms.named_tensors import read_tensors

_PREFIX = 'farelite_'
_FIELDS = ('mean', 'scale', 'boundaries')


def named(constants: Constants) -> Constants:
  """The same constants under names that `read_constants` finds; called while `preprocessing_fn` is traced."""
  values = {field: getattr(constants, field) for field in _FIELDS}
  return Constants(
    **{
      field: None if value is None else tf.identity(tf.cast(value, tf.float32), name=_PREFIX + field)
      for field, value in values.items()
    }
  )


def read_constants(transform_fn: str) -> Constants:
  """Float32 arrays, as the graph has them.

  Args:
    transform_fn: folder of the SavedModel that the Transform step wrote.

  Raises:
    ValueError: the graph was made by a version that did not name its constants.
  """
  found = read_tensors(transform_fn, {field: _PREFIX + field for field in _FIELDS})
  if not {'mean', 'scale'} <= set(found):
    raise ValueError(f"'{transform_fn}' does not name its fitted constants; run FeatureEngineering again.")
  return Constants(**found)
