"""Composes the blocks: from canonical rides to the feature vector, its catalogue, and the categorical indices."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import numpy as np

from configs.dataset import COORDINATES, PASSENGERS, TIME, City, Dataset
from configs.features import Features
from transforms import blocks, crosses
from transforms.blocks.geographic import origin
from transforms.blocks.temporal import SECONDS_PER_YEAR
from transforms.catalogue import DROPOFF, PICKUP, Feature, Scaled, is_kept, side_by_side, uses_boundaries
from transforms.constants import Constants
from transforms.later import tf
from transforms.rides import RideBatch, column_names

_LIMITS = dict(zip(COORDINATES, (180.0, 90.0, 180.0, 90.0), strict=True))
_RAW = [
  Feature(f'{name}_offset', 'raw', '°', f'{axis} of the {end}, from the city center', inputs)
  for name, inputs in zip(COORDINATES, (PICKUP, PICKUP, DROPOFF, DROPOFF), strict=True)
  for end, axis in [name.split('_')]
]
_PASSENGERS = [Feature(PASSENGERS, 'passengers', 'persons', 'number of passengers', (PASSENGERS,))]


def rides(inputs: Mapping[str, tf.Tensor], dataset: Dataset, features: Features) -> RideBatch:
  """Reads the canonical columns. A mapper: no full pass.

  Args:
    inputs: int32 or int64 `pickup_seconds` and float columns by canonical name, each [batch] or [batch, 1]. NaN and
      infinity are missing values, and so are coordinates that are none on earth.
    dataset: names the extras and the city's center.
    features: whether passengers are read.
  """
  names = column_names(dataset, features)
  fill = np.array([*origin(dataset.city), *origin(dataset.city), *(0.0 for _ in names[4:])], np.float32)
  limits = np.array([_LIMITS.get(name, np.finfo(np.float32).max) for name in names], np.float32)
  seconds = tf.cast(flat(inputs[TIME]), tf.int32)
  raw = tf.stack([tf.cast(seconds if name == TIME else flat(inputs[name]), tf.float32) for name in names], axis=1)
  # False for NaN too: a comparison is the one operation that every runtime agrees on for NaN.
  known = tf.greater_equal(limits, tf.abs(raw))
  columns = tf.where(known, raw, fill)
  return RideBatch(seconds, columns, columns - fill, known)


def category(codes: tf.Tensor, size: int) -> tf.Tensor:
  """Index of a categorical extra: int32 [batch] in [0, size + 1].

  Args:
    codes: floats, NaN where missing; code i means entry i of the vocabulary.
    size: of the vocabulary, and the index of all other values; that of a missing one is one more.
  """
  code = tf.cast(flat(codes), tf.float32)
  within = (code >= 0) & (code < size)
  known = tf.abs(code) <= np.finfo(np.float32).max
  index = tf.where(within, tf.floor(code), float(size))
  return tf.cast(tf.where(known, index, float(size + 1)), tf.int32)


def flat(tensor: tf.Tensor) -> tf.Tensor:
  """[batch] of a [batch] or [batch, 1] tensor."""
  return tensor if tensor.shape.rank == 1 else tf.reshape(tensor, [-1])


class Block(Protocol):
  """A module of `transforms.blocks`; its settings are the field of its name in `configs.features.Features`."""

  def catalogue(self, block: Any, city: City) -> list[Feature]:
    """The features that the settings yield, in vector order."""

  def engineer(self, ride: RideBatch, block: Any, city: City, keep: Collection[str] | None) -> list[Scaled]:
    """Makes them. A mapper: no full pass.

    Args:
      ride: the canonical rides.
      block: its settings.
      city: grid, landmarks, tariffs.
      keep: names of the features that are made; all when `None`.
    """


_MODULE = 'transforms.blocks.{}'
"""All of them count in the digest of a step's code, which reads such texts: `pipeline.code_version`."""


def _blocks(features: Features) -> list[tuple[Block, Any]]:
  """The blocks that are on, each with its settings, in vector order."""
  modules = {module.name for module in pkgutil.iter_modules(blocks.__path__)}
  settings = {name: getattr(features, name) for name in Features.model_fields if name in modules}
  enabled = {_MODULE.format(name): block for name, block in settings.items() if block.enabled}
  return [(cast(Block, importlib.import_module(path)), block) for path, block in enabled.items()]


def catalogue(dataset: Dataset, features: Features, keep: Collection[str] | None = None) -> tuple[Feature, ...]:
  """The numeric features that a config yields, in vector order.

  Args: keep: names of the features that a selection keeps; all when `None`.
  """
  watched = missing_inputs(dataset, features)
  missing = [Feature(f'missing_{name}', 'missing', '', f'1 where {name} is missing') for name in watched]
  return tuple(feature for feature in (*_of_inputs(dataset, features), *missing) if is_kept(feature.name, keep))


def _of_inputs(dataset: Dataset, features: Features) -> list[Feature]:
  """All but the indicators of missing inputs."""
  return [
    *(_RAW if features.raw.enabled else ()),
    *(_PASSENGERS if features.passengers.enabled else ()),
    *(
      Feature(extra.name, 'extra', extra.unit, extra.meaning or 'a further column of the dataset', (extra.name,))
      for extra in dataset.extras
      if extra.kind == 'numeric'
    ),
    *(feature for module, block in _blocks(features) for feature in module.catalogue(block, dataset.city)),
  ]


def missing_inputs(dataset: Dataset, features: Features) -> dict[str, tuple[str, ...]]:
  """What the `missing` block watches: by name, the raw inputs of which none may be missing."""
  # A missing end of the ride matters only where something is made of it.
  made_of = {name for feature in _of_inputs(dataset, features) for name in feature.inputs}
  return {
    **({'pickup': PICKUP, 'dropoff': DROPOFF} if uses_boundaries(features) or made_of & {*COORDINATES} else {}),
    **({'passengers': (PASSENGERS,)} if features.passengers.enabled else {}),
    **{extra.name: (extra.name,) for extra in dataset.extras if extra.kind == 'numeric'},
  }


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
  for module, block in _blocks(features):
    pieces += module.engineer(ride, block, dataset.city, keep)
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
      found[extra.name] = category(inputs[extra.name], len(extra.vocabulary))
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
