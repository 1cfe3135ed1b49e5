"""The canonical ride as tensors: what is known of it, and safe values for what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from configs.dataset import COORDINATES, PASSENGERS, TIME, Dataset
from configs.features import Features
from transforms.geo import origin

_LIMITS = dict(zip(COORDINATES, (180.0, 90.0, 180.0, 90.0), strict=True))


class RideBatch(NamedTuple):
  """A batch of canonical rides, columns as `column_names` names them.

  Attributes:
    seconds: int32 [batch], seconds since 2009-01-01 on the city's wall clock.
    columns: float32 [batch, k], finite: a value that is missing is replaced by
      the city's center or 0. Whoever uses it masks it by `known`.
    offsets: float32 [batch, k], `columns` minus the city's center for the
      coordinates (degrees), unchanged for the others.
    known: bool [batch, k], whether the input is known; the time always is.
  """

  seconds: tf.Tensor
  columns: tf.Tensor
  offsets: tf.Tensor
  known: tf.Tensor


def column_names(dataset: Dataset, features: Features) -> tuple[str, ...]:
  """Raw inputs as columns of floats: the coordinates first, then passengers and extras, and the time last."""
  passengers = (PASSENGERS,) if features.passengers.enabled else ()
  return (*COORDINATES, *passengers, *(extra.name for extra in dataset.extras if extra.kind == 'numeric'), TIME)


def rides(inputs: Mapping[str, tf.Tensor], dataset: Dataset, features: Features) -> RideBatch:
  """Reads the canonical columns. A mapper: no full pass.

  Args:
    inputs: int32 or int64 `pickup_seconds` and float columns by canonical name,
      each [batch] or [batch, 1]. NaN and infinity are missing values, and so
      are coordinates that are none on earth.
    dataset: names the extras and the city's center.
    features: says whether passengers are read.
  """
  names = column_names(dataset, features)
  fill = np.array([*origin(dataset.city), *origin(dataset.city), *(0.0 for _ in names[4:])], np.float32)
  limits = np.array([_LIMITS.get(name, np.finfo(np.float32).max) for name in names], np.float32)
  seconds = tf.cast(_flat(inputs[TIME]), tf.int32)
  raw = tf.stack([tf.cast(seconds if name == TIME else _flat(inputs[name]), tf.float32) for name in names], axis=1)
  # False for NaN too: a comparison is the one operation that every runtime agrees on for NaN.
  known = tf.greater_equal(limits, tf.abs(raw))
  columns = tf.where(known, raw, fill)
  return RideBatch(seconds, columns, columns - fill, known)


def category(inputs: Mapping[str, tf.Tensor], name: str, vocabulary: Sequence[str]) -> tf.Tensor:
  """Index of a categorical extra. A mapper: no full pass.

  Args:
    inputs: float codes [batch] by name; NaN where missing.
    name: the extra's canonical name.
    vocabulary: its known values; code i means `vocabulary[i]`.

  Returns:
    Int32 [batch] in [0, len(vocabulary) + 1]: the code; `len(vocabulary)` for
    any other value; one more for a missing one.
  """
  code = tf.cast(_flat(inputs[name]), tf.float32)
  size = len(vocabulary)
  within = (code >= 0) & (code < size)
  known = tf.abs(code) <= np.finfo(np.float32).max
  index = tf.where(within, tf.floor(code), float(size))
  return tf.cast(tf.where(known, index, float(size + 1)), tf.int32)


def _flat(tensor: tf.Tensor) -> tf.Tensor:
  """[batch] of a [batch] or [batch, 1] tensor."""
  return tensor if tensor.shape.rank == 1 else tf.reshape(tensor, [-1])
