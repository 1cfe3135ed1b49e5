"""The geographic block: local kilometres, distances, bearing, landmarks. Mappers: no full pass."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from configs.dataset import City, Zone
from configs.features import GeographicBlock

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the earth, kilometres (IUGG)."""

_SHORTEST_KM = 1e-6


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


def grid_km(degrees: tf.Tensor, latitude: float, rotation: float) -> tf.Tensor:
  """Degrees as kilometres across and along the street grid.

  Args:
    degrees: float32 [..., 2], longitude and latitude relative to an origin.
    latitude: the city's latitude, degrees, where the plane touches the earth.
    rotation: clockwise angle from north to the grid's long streets, degrees.

  Returns:
    Float32 of the same shape: x across the long streets, y along them.
  """
  east, north = km_per_degree(latitude)
  cosine, sine = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
  straight = degrees * np.array([east * cosine, north * cosine], np.float32)
  if rotation == 0:
    return straight
  swapped = tf.gather(degrees, [1, 0], axis=-1)
  return straight + swapped * np.array([-north * sine, east * sine], np.float32)


def geographic(offsets: tf.Tensor, block: GeographicBlock, city: City) -> list[tf.Tensor]:
  """The geographic features.

  Args:
    offsets: float32 [batch, 4], coordinates relative to `origin(city)` in
      degrees, in the order of `configs.dataset.COORDINATES`, all finite.
    block: caps and lengths.
    city: grid, landmarks and zones.

  Returns:
    Float32 tensors [batch, ...], side by side in the catalogue's order: both
    ends on the grid; distances; two logarithms; the bearing; landmarks; zones.
  """
  pickup, dropoff = tf.split(offsets, 2, axis=1)
  # Differences before scaling: identical points then differ by exactly 0, whatever a kernel rounds.
  difference = dropoff - pickup
  points = tf.reshape(tf.concat([offsets, difference], axis=1), [-1, 3, 2])
  grid = grid_km(points, city.center_latitude, city.grid_rotation_degrees)
  ends = grid[:, :2, tf.newaxis]
  cap = block.max_distance_km
  straight = tf.abs(grid[:, 2])
  euclidean = tf.sqrt(tf.reduce_sum(tf.square(straight), axis=1, keepdims=True))
  manhattan = tf.reduce_sum(straight, axis=1, keepdims=True)
  haversine = _great_circle_km(difference, tf.gather(offsets, [1, 3], axis=1), origin(city)[1])
  distances = tf.minimum(tf.concat([euclidean, manhattan, haversine, straight], axis=1), cap)
  bearing = difference * np.array(km_per_degree(city.center_latitude), np.float32) / tf.maximum(euclidean, _SHORTEST_KM)
  pieces = [
    tf.reshape(tf.clip_by_value(ends, -cap, cap), [-1, 4]),
    distances,
    tf.math.log1p(distances[:, :2]),
    bearing,
  ]
  pieces += _near_landmarks(ends, block, city) if city.landmarks else []
  return pieces + [in_zone(points[:, :2], zone, city) for zone in city.zones]


def _near_landmarks(ends: tf.Tensor, block: GeographicBlock, city: City) -> list[tf.Tensor]:
  """Capped distances of both ends, pickup first, then their proximities exp(-d / length).

  `ends` is float32 [batch, 2, 1, 2], on the street grid, km.
  """
  degrees = np.array([[mark.longitude, mark.latitude] for mark in city.landmarks]) - np.array(origin(city))
  east, north = np.moveaxis(degrees * km_per_degree(city.center_latitude), -1, 0)
  angle = math.radians(city.grid_rotation_degrees)
  across = east * math.cos(angle) - north * math.sin(angle)
  along = east * math.sin(angle) + north * math.cos(angle)
  between = ends - np.stack([across, along], axis=1).astype(np.float32)
  distances = tf.reshape(tf.sqrt(tf.reduce_sum(tf.square(between), axis=3)), [-1, 2 * len(city.landmarks)])
  return [tf.minimum(distances, block.landmark_cap_km), tf.exp(distances * (-1 / block.proximity_km))]


def in_zone(ends: tf.Tensor, zone: Zone, city: City) -> tf.Tensor:
  """Whether each end of a ride lies in a polygon, by the even-odd rule.

  Args:
    ends: float32 [batch, 2, 2], longitude and latitude relative to
      `origin(city)`, degrees, all finite.
    zone: the polygon.
    city: gives the origin.

  Returns:
    Float32 [batch, 2], 1 inside and 0 outside, pickup first.

  Source: M. Shimrat, "Algorithm 112: Position of point relative to polygon",
  Communications of the ACM 5(8), 1962.
  """
  corners = np.array(zone.polygon) - np.array(origin(city))
  (x, y), (next_x, next_y) = corners.T, np.roll(corners, -1, axis=0).T
  rising = next_y != y  # No ray to the east crosses a level edge.
  slope = ((next_x - x)[rising] / (next_y - y)[rising]).astype(np.float32)
  at_zero = (x[rising] - slope * y[rising]).astype(np.float32)
  longitude, latitude = tf.split(ends, 2, axis=2)
  below, next_below = (latitude >= side[rising].astype(np.float32) for side in (y, next_y))
  crossed = tf.logical_and(tf.not_equal(below, next_below), longitude < at_zero + slope * latitude)
  return tf.math.floormod(tf.reduce_sum(tf.cast(crossed, tf.float32), axis=2), 2.0)
