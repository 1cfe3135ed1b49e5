"""The geographic block: local kilometres, distances, bearing, landmarks. Mappers: no full pass."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from configs.dataset import City
from configs.features import GeographicBlock
from transforms.measured import Measured
from transforms.zones import in_zone

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the earth, kilometres (IUGG)."""

_MID_LATITUDE_ERROR = 5e-6
"""Largest relative error at which the mid-latitude formula may stand in for the haversine."""

_NO_LENGTH = 1e-18
"""Added to one side of the Euclidean distance, in units of the cap. It is lost beside any real distance, but its square
is still a normal float32, so the bearing of identical ends is 0 / 1e-18 = 0 and needs no case of its own."""


def origin(city: City) -> tuple[float, float]:
  """Longitude and latitude of the city's center, degrees, as float32 holds them.

  Rounded once and for all, so that float32 and float64 mean the same origin;
  the rounding is below half a metre.
  """
  return float(np.float32(city.center_longitude)), float(np.float32(city.center_latitude))


def km_per_degree(latitude: float) -> tuple[float, float]:
  """Kilometres per degree of longitude and of latitude on the plane that touches the earth at a latitude."""
  north = math.radians(EARTH_RADIUS_KM)
  return north * math.cos(math.radians(latitude)), north


def haversine_km(pickup: tf.Tensor, dropoff: tf.Tensor) -> tf.Tensor:
  """Great-circle distance from pickup to dropoff.

  Args:
    pickup: float32 [batch, 2], longitude and latitude in degrees (WGS84).
    dropoff: the same of the other end.

  Returns:
    Float32 [batch, 1], kilometres; 0 for identical points, NaN where an input
    is NaN.

  Source: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68(2),
  1984; by atan2, which TFLite has.
  """
  return _great_circle_km(dropoff - pickup, tf.concat([pickup[:, 1:], dropoff[:, 1:]], axis=1), 0.0)


def _great_circle_km(difference: tf.Tensor, latitudes: tf.Tensor, origin: float) -> tf.Tensor:
  """The haversine formula from a difference in degrees and both latitudes, relative to an origin."""
  cosines = tf.reduce_prod(tf.cos(latitudes * math.radians(1) + math.radians(origin)), axis=1, keepdims=True)
  east, north = tf.split(tf.square(tf.sin(difference * math.radians(0.5))), 2, axis=1)
  chord = north + cosines * east
  return 2 * EARTH_RADIUS_KM * tf.atan2(tf.sqrt(chord), tf.sqrt(tf.maximum(1 - chord, 0)))


def geographic(offsets: tf.Tensor, block: GeographicBlock, city: City) -> list[Measured]:
  """The geographic features.

  Args:
    offsets: float32 [batch, k], finite; the first four columns are coordinates
      relative to `origin(city)` in degrees, in the order of
      `configs.dataset.COORDINATES`.
    block: caps and lengths.
    city: grid, landmarks and zones.

  Returns:
    In the catalogue's order: distances and both ends on the grid, in units of
    their cap; two logarithms; the bearing; landmarks; zones.
  """
  rest = offsets.shape[1] - 4
  # Equal parts need no list of sizes in the lite file.
  pickup, dropoff, _ = tf.split(offsets, 3 if rest == 2 else [2, 2, rest], axis=1)
  cap = block.max_distance_km
  projected = _project(pickup, dropoff, block, city)
  manhattan = tf.reduce_sum(tf.abs(projected.between), axis=1, keepdims=True)
  great_circle = _great_circle(projected, pickup, dropoff, block, city)
  euclidean, great_circle, *to_landmarks = _lengths(projected, great_circle, block, city)
  distances = [manhattan, euclidean, great_circle, tf.abs(projected.between), projected.pickup, projected.dropoff]
  capped = tf.clip_by_value(tf.concat(distances, axis=1), -1, 1)
  pieces = [
    Measured(capped, cap),
    # log(1 + d * cap) = log(1 / cap + d) + log(cap)
    Measured(tf.math.log(tf.gather(capped, [0, 1], axis=1) + 1 / cap), 1, math.log(cap)),
    Measured(projected.compass / euclidean),
  ]
  for distances in to_landmarks:
    pieces.append(Measured(tf.minimum(distances, block.landmark_cap_km / cap), cap))
    pieces.append(Measured(tf.exp(distances * (-cap / block.proximity_km))))
  ends = tf.stack([pickup, dropoff], axis=1) if city.zones else None
  return pieces + [Measured(in_zone(ends, zone, origin(city))) for zone in city.zones]


class _Projected(NamedTuple):
  """Pairs of float32 columns, [batch, 2] each, lengths in units of the cap.

  Attributes:
    pickup: across and along the street grid, from the city's center.
    dropoff: the same of the other end.
    between: the same from pickup to dropoff.
    compass: from pickup to dropoff, east and north.
    turn: from pickup to dropoff, the angles of latitude and longitude as arcs
      of a great circle.
    middle: half the difference of the longitudes and the mean latitude, in
      radians.
  """

  pickup: tf.Tensor
  dropoff: tf.Tensor
  between: tf.Tensor
  compass: tf.Tensor
  turn: tf.Tensor
  middle: tf.Tensor


def _project(pickup: tf.Tensor, dropoff: tf.Tensor, block: GeographicBlock, city: City) -> _Projected:
  """All that is linear in the coordinates, in one product."""
  # The difference before the product: identical points then differ by exactly 0, whatever a kernel rounds.
  points = tf.concat([pickup, dropoff, dropoff - pickup], axis=1)
  compass = np.diag(km_per_degree(city.center_latitude)) / block.max_distance_km
  grid = compass @ _rotation(city)
  arc = math.radians(EARTH_RADIUS_KM) / block.max_distance_km
  weights = np.zeros((3, 2, 6, 2))
  weights[0, :, 0] = weights[1, :, 1] = weights[2, :, 2] = grid
  weights[2, :, 3] = compass
  weights[2, :, 4] = [[0, arc], [arc, 0]]
  weights[2, 0, 5, 0] = weights[0, 1, 5, 1] = weights[1, 1, 5, 1] = math.radians(0.5)
  shift = np.zeros(12, np.float32)
  shift[11] = math.radians(origin(city)[1])
  # GPUs multiply matrices in ten bits of mantissa by default (TensorFloat-32), processors in float32.
  with tf.device('/device:CPU:0'):
    product = tf.matmul(points, weights.reshape(6, 12).astype(np.float32)) + shift
  return _Projected(*tf.split(product, 6, axis=1))


def _rotation(city: City) -> np.ndarray:
  """From east and north to across and along streets that run clockwise from north: [2, 2], for rows."""
  angle = math.radians(city.grid_rotation_degrees)
  return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def _great_circle(
  projected: _Projected, pickup: tf.Tensor, dropoff: tf.Tensor, block: GeographicBlock, city: City
) -> tf.Tensor:
  """Two sides of a right-angled triangle, [batch, 2], whose third is as long as the great circle.

  They are the sides of the mid-latitude formula, which takes few operations and
  errs, relative to the haversine, by at most `d² / 24 * max(tan² latitude, 1/2)`
  for a distance of d radians: 2e-6 for 50 km in New York, a tenth of a metre.
  Where the city's cap or latitude allows for more than `_MID_LATITUDE_ERROR`,
  one side is the haversine itself and the other 0.
  """
  farthest = block.max_distance_km / EARTH_RADIUS_KM
  if farthest**2 / 24 * max(math.tan(math.radians(city.center_latitude)) ** 2, 0.5) <= _MID_LATITUDE_ERROR:
    return projected.turn * tf.cos(projected.middle)
  latitudes = tf.concat([pickup[:, 1:], dropoff[:, 1:]], axis=1)
  exact = _great_circle_km(dropoff - pickup, latitudes, origin(city)[1]) / block.max_distance_km
  return tf.concat([exact, tf.zeros_like(exact)], axis=1)


def _lengths(projected: _Projected, great_circle: tf.Tensor, block: GeographicBlock, city: City) -> list[tf.Tensor]:
  """Euclidean and great-circle distance, [batch, 1] each, then landmarks if there are any; in units of the cap."""
  marks = np.array([(mark.longitude, mark.latitude) for mark in city.landmarks]).reshape(-1, 2) - np.array(origin(city))
  marks = marks * km_per_degree(city.center_latitude) @ _rotation(city) / block.max_distance_km
  count = len(marks)
  sides = [projected.between, great_circle, *[projected.pickup] * count, *[projected.dropoff] * count]
  start = np.concatenate([[[-_NO_LENGTH, 0], [0, 0]], marks, marks]).astype(np.float32)
  lengths = tf.sqrt(tf.reduce_sum(tf.math.squared_difference(tf.stack(sides, axis=1), start), axis=2))
  return tf.split(lengths, [1, 1, 2 * count] if count else [1, 1], axis=1)
