"""Composes the mappers: from canonical rides to the feature vector and the categorical indices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from configs.dataset import COORDINATES, PASSENGERS, TIME, Dataset
from configs.features import Features
from transforms import crosses
from transforms.catalogue import Scaled, catalogue, is_kept, missing_inputs, side_by_side
from transforms.constants import Constants
from transforms.geographic import geographic, origin
from transforms.temporal import SECONDS_PER_YEAR, temporal

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
    inputs: int32 or int64 `pickup_seconds` and float columns by canonical name, each [batch] or [batch, 1]. NaN and
      infinity are missing values, and so are coordinates that are none on earth.
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
  Returns: Int32 [batch] in [0, len(vocabulary) + 1]: the code; `len(vocabulary)` for any other value; one more for a
    missing one.
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


class Engineered(NamedTuple):
  """Features before anything fitted is applied.

  Attributes:
    values: float32 [batch, n], finite, in the catalogue's order; `values * factor + offset` has the catalogue's units.
    factor, offset: float32 [n].
    known: float32 [batch, n], 0 where an input of the feature is missing.
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
    inputs: canonical raw columns, see `transforms.engineering.rides`.
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

  Args: constants: fitted mean and scale, in the catalogue's units.
  Returns: Float32 [batch, n], finite: zero mean and unit variance over the analyzed rides; 0, the fitted mean, where an
    input is missing; 0 for a constant feature.
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
