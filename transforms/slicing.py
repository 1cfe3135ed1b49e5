"""Columns by which the evaluation is sliced. Mappers: no full pass; no inputs of the model."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from configs.dataset import City
from configs.run import Slices
from transforms import civil, names
from transforms.geo import haversine_km
from transforms.rides import Rides


def slice_columns(ride: Rides, slices: Slices, city: City) -> dict[str, tf.Tensor]:
  """The slice of each ride.

  Args:
    ride: canonical rides.
    slices: bands and the airports' radius.
    city: names the airports.

  Returns:
    Int64 [batch] by the names in `transforms.names.SLICES`.
  """
  known = tf.reduce_min(tf.reshape(ride.known[:, :4], [-1, 2, 2]), axis=2) > 0
  found = {
    names.SLICE_TIME_BAND: _time_band(ride.seconds, slices),
    names.SLICE_DISTANCE_BAND: _distance_band(ride, known, slices),
    names.SLICE_AIRPORT: _near_airport(ride, known, slices, city),
    names.SLICE_MISSING_DROPOFF: ~known[:, 1],
  }
  return {name: tf.cast(column, tf.int64) for name, column in found.items()}


def _time_band(seconds: tf.Tensor, slices: Slices) -> tf.Tensor:
  _, second_of_day = civil.days_and_seconds(seconds)
  starts = np.array([round(hour * 3600) for hour in slices.hours], np.int32)
  return tf.reduce_sum(tf.cast(second_of_day[:, tf.newaxis] >= starts, tf.int32), axis=1) - 1


def _distance_band(ride: Rides, known: tf.Tensor, slices: Slices) -> tf.Tensor:
  distance = haversine_km(ride.columns[:, :2], ride.columns[:, 2:4])
  starts = np.array(slices.distance_km, np.float32)
  band = tf.reduce_sum(tf.cast(distance >= starts, tf.int32), axis=1) - 1
  return tf.where(tf.reduce_all(known, axis=1), band, len(slices.distance_km))


def _near_airport(ride: Rides, known: tf.Tensor, slices: Slices, city: City) -> tf.Tensor:
  near = tf.zeros_like(known[:, 0])
  for mark in (mark for mark in city.landmarks if mark.airport):
    for end in (0, 1):
      point = ride.columns[:, 2 * end : 2 * end + 2]
      airport = tf.zeros_like(point) + np.array([mark.longitude, mark.latitude], np.float32)
      near |= known[:, end] & (haversine_km(point, airport)[:, 0] <= slices.airport_km)
  return near
