"""Columns by which the evaluation is sliced. Mappers: no full pass; no inputs of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from configs.dataset import City, Dataset
from configs.evaluation import Slices
from transforms import civil, names
from transforms.blocks.geographic import haversine_km
from transforms.engineering import category, flat
from transforms.rides import RideBatch
from transforms.slice_names import column_slice, window_slice


def slice_columns(
  inputs: Mapping[str, tf.Tensor], ride: RideBatch, slices: Slices, dataset: Dataset
) -> dict[str, tf.Tensor]:
  """The slice of each ride.

  Args:
    inputs: the canonical columns that `ride` was read from.
    dataset: where the airports are, windows of the day, and the extra columns.
  Returns: Int64 [batch] by the names of `transforms.slice_names.slice_keys`.
  """
  known = tf.reduce_all(tf.reshape(ride.known[:, :4], [-1, 2, 2]), axis=2)
  found = {
    names.SLICE_TIME_BAND: _time_band(ride.seconds, slices),
    names.SLICE_DISTANCE_BAND: _distance_band(ride, known, slices),
    names.SLICE_AIRPORT: _near_airport(ride, known, slices, dataset.city),
    names.SLICE_MISSING_DROPOFF: ~known[:, 1],
  }
  found |= {window_slice(name): _in_window(ride.seconds, hours) for name, hours in dataset.city.windows.items()}
  extras = {extra.name: extra for extra in dataset.extras}
  for name, edges in slices.columns.items():
    words = len(extras[name].vocabulary)
    found[column_slice(name)] = category(inputs[name], words) if words else _value_band(inputs[name], edges)
  return {name: tf.cast(column, tf.int64) for name, column in found.items()}


def _time_band(seconds: tf.Tensor, slices: Slices) -> tf.Tensor:
  _, second_of_day = civil.days_and_seconds(seconds)
  starts = np.array([round(hour * 3600) for hour in slices.hours], np.int32)
  return tf.reduce_sum(tf.cast(second_of_day[:, tf.newaxis] >= starts, tf.int32), axis=1) - 1


def _in_window(seconds: tf.Tensor, hours: tuple[float, float]) -> tf.Tensor:
  _, second_of_day = civil.days_and_seconds(seconds)
  edges = civil.window_edges(*hours)
  reached = tf.cast(second_of_day[:, tf.newaxis] >= np.array(edges.seconds, np.int32), tf.int32)
  return tf.reduce_sum(reached * np.array(edges.signs, np.int32), axis=1)


def _value_band(column: tf.Tensor, edges: Sequence[float]) -> tf.Tensor:
  value = tf.cast(flat(column), tf.float32)
  reached = tf.reduce_sum(tf.cast(value[:, tf.newaxis] >= np.array(edges, np.float32), tf.int32), axis=1)
  return tf.where(tf.abs(value) <= np.finfo(np.float32).max, reached, len(edges) + 1)


def _distance_band(ride: RideBatch, known: tf.Tensor, slices: Slices) -> tf.Tensor:
  distance = haversine_km(ride.columns[:, :2], ride.columns[:, 2:4])
  starts = np.array(slices.distance_km, np.float32)
  band = tf.reduce_sum(tf.cast(distance >= starts, tf.int32), axis=1) - 1
  return tf.where(tf.reduce_all(known, axis=1), band, len(slices.distance_km))


def _near_airport(ride: RideBatch, known: tf.Tensor, slices: Slices, city: City) -> tf.Tensor:
  airports = [(mark.longitude, mark.latitude) for mark in city.landmarks if mark.airport]
  near = tf.zeros_like(known[:, 0])
  if airports:
    # Every end with every airport, [batch * 2 * airports, 2], in one call.
    ends = tf.reshape(ride.columns[:, :4], [-1, 2, 1, 2]) + np.zeros((len(airports), 2), np.float32)
    places = tf.zeros_like(ends) + np.array(airports, np.float32)
    distances = haversine_km(tf.reshape(ends, [-1, 2]), tf.reshape(places, [-1, 2]))
    within = tf.reduce_any(tf.reshape(distances, [-1, 2, len(airports)]) <= slices.airport_km, axis=2)
    near = tf.reduce_any(within & known, axis=1)
  return near
