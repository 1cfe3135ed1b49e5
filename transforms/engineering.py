"""Composes the mappers: from canonical rides to the feature vector and the categorical indices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from configs.dataset import COORDINATES, TIME, Dataset
from configs.features import Features
from transforms import crosses
from transforms.catalogue import catalogue, is_kept, missing_inputs
from transforms.constants import Constants
from transforms.geo import geographic
from transforms.measured import Scaled, side_by_side
from transforms.rides import RideBatch, category, column_names, rides
from transforms.temporal import SECONDS_PER_YEAR, temporal


class Engineered(NamedTuple):
  """Features before anything fitted is applied.

  Attributes:
    values: float32 [batch, n], finite, in the catalogue's order;
      `values * factor + offset` has the catalogue's units.
    factor: float32 [n].
    offset: float32 [n].
    known: float32 [batch, n], 0 where an input of the feature is missing.
    rides: the canonical rides they were made of.
  """

  values: tf.Tensor
  factor: np.ndarray
  offset: np.ndarray
  known: tf.Tensor
  rides: RideBatch


def engineer(
  inputs: Mapping[str, tf.Tensor], dataset: Dataset, features: Features, keep: Collection[str] | None = None
) -> Engineered:
  """Makes every numeric feature of the catalogue. A mapper: no full pass.

  Args:
    inputs: canonical raw columns, see `transforms.rides.rides`.
    dataset: city, extras.
    features: which blocks are on.
    keep: names of the features that are made, and no others; all when `None`.
  """
  ride = rides(inputs, dataset, features)
  pieces = _as_they_come(ride.offsets, dataset, features, keep)
  if features.temporal.enabled:
    pieces += temporal(ride.seconds, features.temporal, dataset.city, keep)
  if features.geographic.enabled:
    pieces += geographic(ride.offsets, features.geographic, dataset.city, keep)
  missing, known = _missing_and_known(ride.known, dataset, features, keep)
  return Engineered(*side_by_side([*pieces, *missing]), known, ride)


def observed(engineered: Engineered) -> tf.Tensor:
  """The features in the catalogue's units, NaN where an input is missing: float32 [batch, n], for analyzers."""
  values = engineered.values * engineered.factor + engineered.offset
  return tf.where(engineered.known > 0, values, np.float32(np.nan))


def standardize(engineered: Engineered, constants: Constants) -> tf.Tensor:
  """The model's feature vector.

  Args:
    engineered: the features.
    constants: fitted mean and scale, in the catalogue's units.

  Returns:
    Float32 [batch, n], finite: zero mean and unit variance over the analyzed
    rides; 0, the fitted mean, where an input is missing; 0 for a constant
    feature.
  """
  mean = (constants.mean - engineered.offset) / engineered.factor
  return (engineered.values - mean) * (constants.scale * engineered.factor) * engineered.known


def categorical_indices(
  inputs: Mapping[str, tf.Tensor], ride: RideBatch, dataset: Dataset, features: Features, constants: Constants
) -> dict[str, tf.Tensor]:
  """The categorical columns by the catalogue's names: int64 [batch] each."""
  buckets = None
  if constants.boundaries is not None:
    buckets = crosses.bucketize(ride.columns, ride.known, constants.boundaries)
  found = crosses.indices(buckets, ride.seconds, features)
  for extra in dataset.extras:
    if extra.kind == 'categorical':
      found[extra.name] = category(inputs, extra.name, extra.vocabulary)
  return {name: tf.cast(index, tf.int64) for name, index in found.items()}


def _as_they_come(
  offsets: tf.Tensor, dataset: Dataset, features: Features, keep: Collection[str] | None
) -> list[Scaled]:
  """The raw columns that are features themselves; the time is one in years."""
  names = column_names(dataset, features)
  unwanted = {*(() if features.raw.enabled else COORDINATES), *(() if features.temporal.enabled else (TIME,))}
  called = {TIME: 'linear_time'} | {name: f'{name}_offset' for name in COORDINATES}
  wanted = [index for index, name in enumerate(names) if name not in unwanted and is_kept(called.get(name, name), keep)]
  if not wanted:
    return []
  columns = offsets if len(wanted) == len(names) else tf.gather(offsets, wanted, axis=1)
  return [Scaled(columns, [1 / SECONDS_PER_YEAR if names[index] == TIME else 1 for index in wanted])]


def _missing_and_known(
  known: tf.Tensor, dataset: Dataset, features: Features, keep: Collection[str] | None
) -> tuple[list[Scaled], tf.Tensor]:
  """The indicators of missing inputs, and for each feature whether all its inputs are known: float32 [batch, n]."""
  names = column_names(dataset, features)
  missing_of = missing_inputs(dataset, features).items()
  watched = [inputs for name, inputs in missing_of if is_kept(f'missing_{name}', keep)]
  needed = [feature.inputs for feature in catalogue(dataset, features, keep)]
  sets = list(dict.fromkeys([*watched, *needed]))
  weights = np.zeros((len(names), len(sets)), np.float32)
  for column, inputs in enumerate(sets):
    weights[[names.index(name) for name in inputs], column] = 1
    # All n flags are set where their sum exceeds n - 1. The time, always known, stands for 1.
    weights[names.index(TIME), column] = 1 - len(inputs)
  complete = tf.nn.relu(tf.matmul(tf.cast(known, tf.float32), weights))
  each = _picked(complete, sets, needed)
  return ([Scaled(_picked(complete, sets, watched), -1, 1)] if watched else []), each


def _picked(complete: tf.Tensor, sets: Sequence[tuple[str, ...]], wanted: Sequence[tuple[str, ...]]) -> tf.Tensor:
  return tf.gather(complete, np.array([sets.index(inputs) for inputs in wanted], np.int32), axis=1)
