"""Zones: whether an end of a ride lies in an area with other fares. Mappers: no full pass."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from configs.dataset import Zone


def in_zone(ends: tf.Tensor, zone: Zone, origin: tuple[float, float]) -> tf.Tensor:
  """Whether each end of a ride lies in a polygon, by the even-odd rule.

  Args:
    ends: float32 [batch, ends, 2], longitude and latitude relative to the
      origin, degrees, all finite.
    zone: the polygon.
    origin: longitude and latitude, degrees.

  Returns:
    Float32 [batch, ends], 1 inside and 0 outside.

  Source: M. Shimrat, "Algorithm 112: Position of point relative to polygon",
  Communications of the ACM 5(8), 1962.
  """
  corners = np.array(zone.polygon) - np.array(origin)
  edges = np.concatenate([corners, np.roll(corners, -1, axis=0)], axis=1)
  edges = edges[edges[:, 1] != edges[:, 3]]  # No ray to the east crosses a level edge.
  x, y, next_x, next_y = edges.T
  slope = (next_x - x) / (next_y - y)
  at_zero = (x - slope * y).astype(np.float32)
  longitude, latitude = tf.split(ends, 2, axis=2)
  below, next_below = (latitude >= side.astype(np.float32) for side in (y, next_y))
  crossed = (at_zero + slope.astype(np.float32) * latitude >= longitude) & tf.not_equal(below, next_below)
  return tf.math.floormod(tf.reduce_sum(tf.cast(crossed, tf.float32), axis=2), 2.0)
