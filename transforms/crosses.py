"""Buckets of the coordinates and their crosses, as integer indices. Mappers: no full pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from configs.dataset import COORDINATES, Bounds
from configs.features import BoundaryFit, Cross, Features, bucket_axis, bucket_column, cross_size, exact_cross_size
from transforms import civil
from transforms.catalogue import uses_boundaries
from transforms.constants import Array
from transforms.later import tf

# A prime near the largest number of bins, and factors that keep every product below 2 ** 31 for cells of up to
# 1001 × 1001 buckets.
_HASH_PRIME = 999_983
_HASH_FACTORS = (1543, 1777)


def fitted_boundaries(bounds: Bounds, features: Features, quantiles: Callable[[int], Array]) -> Array | None:
  """Bucket boundaries as `bucketize` takes them; `None` where no bucket is used.

  Args: quantiles: yields the boundaries at quantiles of the rides, given the number of buckets.
  """
  count = features.buckets.count
  if not uses_boundaries(features):
    return None
  return equal_width(bounds, count) if features.buckets.fit is BoundaryFit.EQUAL_WIDTH else quantiles(count)


def equal_width(bounds: Bounds, count: int) -> np.ndarray:
  """Boundaries of equal width over the bounding box: float32 [4, count - 1], degrees."""
  axes = [np.linspace(axis.min, axis.max, count + 1)[1:-1] for axis in (bounds.longitude, bounds.latitude)]
  return np.array([*axes, *axes], np.float32)


def bucketize(columns: tf.Tensor, known: tf.Tensor, boundaries: tf.Tensor) -> tf.Tensor:
  """Bucket of each coordinate.

  Args:
    columns: float32 [batch, k], finite; the first four are coordinates in degrees.
    known: bool [batch, k], false where the value is missing.
    boundaries: float32 [4, count - 1], rising; a bucket includes its lower end.
  Returns: Float32 [batch, k], whole numbers in [0, count]; `count` where missing; nonsense for the columns that are no
    coordinates: leaving them out here costs the lite file more than taking them along.
  """
  count = boundaries.shape[1] + 1
  edges = tf.pad(boundaries, [[0, columns.shape[1] - 4], [0, 0]])
  # Summed comparisons: TFLite has no searchsorted.
  reached = tf.cast(tf.expand_dims(columns, 2) >= edges, tf.float32)
  return tf.where(known, tf.reduce_sum(reached, axis=2), float(count))


def indices(buckets: tf.Tensor | None, seconds: tf.Tensor, features: Features) -> dict[str, tf.Tensor]:
  """Bucket and cross columns by the catalogue's names.

  Args:
    buckets: float32 [batch, 4 or more], see `bucketize`; `None` where none are used.
    seconds: int32 [batch], seconds since 2009-01-01 00:00:00.
    features: which columns are wanted.
  Returns: Tensors [batch] of whole numbers: buckets as float32, crosses as int32.
  """
  result: dict[str, tf.Tensor] = {}
  # TFLite's UNPACK takes no empty batch.
  columns = [] if buckets is None else [tf.gather(buckets, index, axis=1) for index in range(len(COORDINATES))]
  if features.buckets.enabled:
    result |= {bucket_column(name): column for name, column in zip(COORDINATES, columns, strict=True)}
  for cross in features.crosses.crosses if features.crosses.enabled else ():
    result[cross.value] = hour_of_week(seconds) if cross is Cross.HOUR_OF_WEEK else _cells(cross, columns, features)
  return result


def hour_of_week(seconds: tf.Tensor) -> tf.Tensor:
  """Day of week × hour: int32 [batch] in [0, 167], Monday 0 h first."""
  days, second_of_day = civil.days_and_seconds(seconds)
  return civil.day_of_week(days) * 24 + second_of_day // 3600


def _cells(cross: Cross, columns: Sequence[tf.Tensor], features: Features) -> tf.Tensor:
  """The index of a product of buckets: exact, or a hash where it has more values than bins.

  Neighbouring cells never collide before the last step: the hash is linear modulo a prime, with factors larger than the
  number of buckets of an axis.
  """
  axis, bins = bucket_axis(features), cross_size(cross, features)
  buckets = [tf.cast(column, tf.int32) for column in columns]
  left, right = buckets[:2] if cross is Cross.PICKUP_CELL else buckets[2:]
  if cross is Cross.CELL_PAIR:
    # Cells themselves always fit int32; only their product may not.
    left, right, axis = buckets[0] * axis + buckets[1], left * axis + right, axis**2
  if exact_cross_size(cross, features) <= bins:
    return left * axis + right
  first, second = _HASH_FACTORS
  mixed = tf.math.floormod(left * first + tf.math.floormod(right * second, _HASH_PRIME), _HASH_PRIME)
  return tf.math.floormod(mixed, bins)
