"""Composes the mappers: from canonical rides to the feature vector and the categorical indices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from configs.dataset import COORDINATES, Dataset
from configs.features import Features
from transforms import crosses
from transforms.catalogue import DROPOFF, PICKUP, catalogue, uses_missing_ends
from transforms.constants import Constants
from transforms.geo import geographic
from transforms.rides import Rides, category, numeric_inputs, rides
from transforms.temporal import temporal


class Engineered(NamedTuple):
  """Features before anything fitted is applied.

  Attributes:
    values: float32 [batch, n], finite, in the catalogue's order.
    known: float32 [batch, n], 0 where an input of the feature is missing.
    rides: the canonical rides they were made of.
  """

  values: tf.Tensor
  known: tf.Tensor
  rides: Rides


def engineer(inputs: Mapping[str, tf.Tensor], dataset: Dataset, features: Features) -> Engineered:
  """Makes every numeric feature of the catalogue. A mapper: no full pass.

  Args:
    inputs: canonical raw columns, see `transforms.rides.rides`.
    dataset: city, extras.
    features: which blocks are on.
  """
  ride = rides(inputs, dataset, features)
  known = _known(ride.known)
  coordinates, *others = _columns(ride.offsets, dataset, features)
  pieces = [coordinates] if features.raw.enabled else []
  if features.passengers.enabled:
    pieces.append(others.pop(0))
  if features.temporal.enabled:
    pieces += temporal(ride.seconds, features.temporal, dataset.city)
  if features.geographic.enabled:
    pieces += geographic(coordinates, features.geographic, dataset.city)
  first, last = (0 if uses_missing_ends(features) else 2), len(numeric_inputs(dataset, features)) - 2
  if first < last:
    pieces.append(1 - known[:, first:last])
  pieces += others
  positions = _positions(dataset, features)
  return Engineered(tf.concat(pieces, axis=1), tf.gather(known, positions, axis=1), ride)


def observed(engineered: Engineered) -> tf.Tensor:
  """The features with NaN where an input is missing: float32 [batch, n], what analyzers look at."""
  return tf.where(engineered.known > 0, engineered.values, np.float32(np.nan))


def standardize(engineered: Engineered, constants: Constants) -> tf.Tensor:
  """The model's feature vector.

  Args:
    engineered: the features.
    constants: fitted mean and scale.

  Returns:
    Float32 [batch, n], finite: zero mean and unit variance over the analyzed
    rides; 0, the fitted mean, where an input is missing; 0 for a constant
    feature.
  """
  return (engineered.values - constants.mean) * constants.scale * engineered.known


def categorical_indices(
  inputs: Mapping[str, tf.Tensor], ride: Rides, dataset: Dataset, features: Features, constants: Constants
) -> dict[str, tf.Tensor]:
  """The categorical columns by the catalogue's names: int64 [batch] each."""
  buckets = None
  if constants.boundaries is not None:
    buckets = crosses.bucketize(ride.columns[:, :4], ride.known[:, :4], constants.boundaries)
  found = crosses.indices(buckets, ride.seconds, features)
  for extra in dataset.extras:
    if extra.kind == 'categorical':
      found[extra.name] = category(inputs, extra.name, extra.vocabulary)
  return {name: tf.cast(index, tf.int64) for name, index in found.items()}


def _columns(offsets: tf.Tensor, dataset: Dataset, features: Features) -> list[tf.Tensor]:
  """Splits the raw columns: the four coordinates, passengers if they are on, extras if there are any."""
  extras = len(numeric_inputs(dataset, features)) - len(COORDINATES) - features.passengers.enabled
  widths = [len(COORDINATES), *([1] if features.passengers.enabled else []), *([extras] if extras else [])]
  return tf.split(offsets, widths, axis=1) if len(widths) > 1 else [offsets]


def _known(known: tf.Tensor) -> tf.Tensor:
  """What is known of a ride: pickup, dropoff, passengers and extras, both ends, and 1 for what always is."""
  ends = tf.reduce_min(tf.reshape(known[:, :4], [-1, 2, 2]), axis=2)
  both = tf.reduce_min(ends, axis=1, keepdims=True)
  # Ones of the right shape in a single operation.
  always = tf.maximum(both, 1.0)
  return tf.concat([ends, known[:, 4:], both, always], axis=1)


def _positions(dataset: Dataset, features: Features) -> list[int]:
  """For each feature, the column of `_known` that says whether its inputs are known."""
  further = numeric_inputs(dataset, features)[4:]
  columns = [PICKUP, DROPOFF, *((name,) for name in further), COORDINATES, ()]
  return [columns.index(feature.inputs) for feature in catalogue(dataset, features)]
