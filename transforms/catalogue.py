"""The list of engineered features: name, block, unit and meaning, in the order of the feature vector."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from configs.dataset import COORDINATES, PASSENGERS, Dataset
from configs.features import Cross, Features, bucket_column, categorical_sizes, cross_size, exact_cross_size

PICKUP = COORDINATES[:2]
DROPOFF = COORDINATES[2:]


@dataclasses.dataclass(frozen=True)
class Feature:
  """One number of the feature vector.

  Attributes:
    name: unique within the vector.
    block: the config block that switches it, `missing`, or `extra`.
    unit: of the value before standardization; empty for a plain number.
    meaning: what it says, for a person.
    inputs: raw inputs it is made of; where one of them is missing, so is the
      feature, and it yields the fitted mean (0 after standardization). Empty
      for what is always known.
  """

  name: str
  block: str
  unit: str
  meaning: str
  inputs: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Categorical:
  """One integer column, an index into an embedding.

  Attributes:
    name: column name.
    size: number of distinct indices, the one for missing values included.
    embedding_width: width of its embedding.
    meaning: what it says, for a person.
  """

  name: str
  size: int
  embedding_width: int
  meaning: str


def catalogue(dataset: Dataset, features: Features, keep: Collection[str] | None = None) -> tuple[Feature, ...]:
  """The numeric features that a config yields, in vector order.

  Args:
    dataset: city, extras.
    features: which blocks are on.
    keep: names of the features that a selection keeps; all when `None`.
  """
  found = (
    *(_raw() if features.raw.enabled else ()),
    *(_passengers() if features.passengers.enabled else ()),
    *(_extra(extra.name, extra.unit, extra.meaning) for extra in dataset.extras if extra.kind == 'numeric'),
    *(_temporal(dataset, features) if features.temporal.enabled else ()),
    *(_geographic(dataset, features) if features.geographic.enabled else ()),
    *_missing(dataset, features),
  )
  return tuple(feature for feature in found if is_kept(feature.name, keep))


def is_kept(name: str, keep: Collection[str] | None) -> bool:
  """Whether a feature is among those that are kept; all are when `None`."""
  return keep is None or name in keep


def categoricals(dataset: Dataset, features: Features) -> tuple[Categorical, ...]:
  """The categorical columns that a config yields: buckets, crosses, then extras."""
  meanings = {
    **{bucket_column(name): _bucket_meaning(name) for name in COORDINATES},
    **{cross.value: _cross_meaning(cross, features) for cross in Cross},
    **{extra.name: extra.meaning for extra in dataset.extras},
  }
  sizes = categorical_sizes(dataset, features)
  return tuple(Categorical(name, size, width, meanings[name]) for name, (size, width) in sizes.items())


def uses_boundaries(features: Features) -> bool:
  """Whether any categorical column needs bucket boundaries."""
  return features.buckets.enabled or features.crosses.has_cells


def missing_inputs(dataset: Dataset, features: Features) -> dict[str, tuple[str, ...]]:
  """What the `missing` block watches: by name, the raw inputs of which none may be missing."""
  # A missing end of the ride matters only where something is made of it.
  ends = features.raw.enabled or features.geographic.enabled or uses_boundaries(features)
  return {
    **({'pickup': PICKUP, 'dropoff': DROPOFF} if ends else {}),
    **({'passengers': (PASSENGERS,)} if features.passengers.enabled else {}),
    **{extra.name: (extra.name,) for extra in dataset.extras if extra.kind == 'numeric'},
  }


def _raw() -> list[Feature]:
  meaning = '{} of the {}, from the city center'
  return [
    Feature(f'{name}_offset', 'raw', '°', meaning.format(name.split('_')[1], name.split('_')[0]), ends)
    for name, ends in zip(COORDINATES, (PICKUP, PICKUP, DROPOFF, DROPOFF), strict=True)
  ]


def _passengers() -> list[Feature]:
  return [Feature(PASSENGERS, 'passengers', 'persons', 'number of passengers', (PASSENGERS,))]


def _temporal(dataset: Dataset, features: Features) -> list[Feature]:
  rush = ', '.join(f'{start:g}-{end:g} h' for start, end in features.temporal.rush_hours)
  rows = [
    ('linear_time', 'years', 'time since 2009-01-01, in years of 365.25 days'),
    ('hour', 'h', 'time of day with its fraction, 0 to 24'),
    ('day_of_week', '', 'Monday 0 to Sunday 6'),
    ('month', '', 'January 1 to December 12'),
    ('weekend', '', '1 on Saturday and Sunday'),
    *((f'tariff_{day:%Y_%m_%d}', '', f'1 from the tariff change of {day} on') for day in dataset.city.tariff_changes),
    *([('rush_hour', '', f'1 in the rush hours ({rush}), on any day')] if rush else []),
  ]
  if features.temporal.cyclic:
    cycles = (('hour', 'time of day'), ('day_of_week', 'weekday'), ('month', 'month'))
    rows += [(f'{name}_sin', '', f'sine of the {text}, one turn a cycle') for name, text in cycles]
    rows += [(f'{name}_cos', '', f'cosine of the {text}, one turn a cycle') for name, text in cycles]
  return [Feature(name, 'temporal', unit, meaning) for name, unit, meaning in rows]


def _geographic(dataset: Dataset, features: Features) -> list[Feature]:
  block = features.geographic
  cap = f'capped at {block.max_distance_km:g} km'
  rows = [
    ('manhattan_km', 'km', f'distance along the street grid, {cap}', COORDINATES),
    ('euclidean_km', 'km', f'straight distance on the local plane, {cap}', COORDINATES),
    ('haversine_km', 'km', f'great-circle distance, {cap}', COORDINATES),
    ('abs_dx_km', 'km', f'distance across the long streets, {cap}', COORDINATES),
    ('abs_dy_km', 'km', f'distance along the long streets, {cap}', COORDINATES),
    *_on_grid('pickup', cap, PICKUP),
    *_on_grid('dropoff', cap, DROPOFF),
    ('log_manhattan', '', 'log(1 + manhattan_km)', COORDINATES),
    ('log_euclidean', '', 'log(1 + euclidean_km)', COORDINATES),
    ('bearing_sin', '', 'sine of the bearing, clockwise from north; 0 for identical ends', COORDINATES),
    ('bearing_cos', '', 'cosine of the bearing, clockwise from north; 0 for identical ends', COORDINATES),
    *_landmarks(dataset, features),
    *(
      (f'{end}_in_{zone.name}', '', f'1 where the {end} lies in {zone.name}', inputs)
      for zone in dataset.city.zones
      for end, inputs in (('pickup', PICKUP), ('dropoff', DROPOFF))
    ),
  ]
  return [Feature(name, 'geographic', unit, meaning, inputs) for name, unit, meaning, inputs in rows]


def _on_grid(end: str, cap: str, inputs: tuple[str, ...]) -> list[tuple[str, str, str, tuple[str, ...]]]:
  where = f'of the {end} from the city center, across the long streets, {cap}'
  return [
    (f'{end}_x_km', 'km', where, inputs),
    (f'{end}_y_km', 'km', where.replace('across', 'along'), inputs),
  ]


def _landmarks(dataset: Dataset, features: Features) -> list[tuple[str, str, str, tuple[str, ...]]]:
  block = features.geographic
  pairs = [(end, inputs, mark.name) for end, inputs in (('pickup', PICKUP), ('dropoff', DROPOFF))
           for mark in dataset.city.landmarks]  # fmt: skip
  cap = f'capped at {block.landmark_cap_km:g} km'
  near = f'exp(-distance / {block.proximity_km:g} km)'
  distances = [(f'{end}_{mark}_km', 'km', f'distance of the {end} to {mark}, {cap}', ins) for end, ins, mark in pairs]
  return distances + [
    (f'{end}_{mark}_proximity', '', f'nearness of the {end} to {mark}: {near}', ins) for end, ins, mark in pairs
  ]


def _missing(dataset: Dataset, features: Features) -> list[Feature]:
  return [Feature(f'missing_{name}', 'missing', '', f'1 where {name} is missing')
          for name in missing_inputs(dataset, features)]  # fmt: skip


def _extra(name: str, unit: str, meaning: str) -> Feature:
  return Feature(name, 'extra', unit, meaning or 'a further column of the dataset', (name,))


def _bucket_meaning(coordinate: str) -> str:
  return f'bucket of the {coordinate.replace("_", " ")}; the last one for a missing value'


def _cross_meaning(cross: Cross, features: Features) -> str:
  size = cross_size(cross, features)
  meaning = {
    Cross.PICKUP_CELL: 'longitude bucket × latitude bucket of the pickup',
    Cross.DROPOFF_CELL: 'longitude bucket × latitude bucket of the dropoff',
    Cross.CELL_PAIR: 'pickup cell × dropoff cell',
    Cross.HOUR_OF_WEEK: 'day of week × hour, Monday 0 h first',
  }[cross]
  hashed = '' if size == exact_cross_size(cross, features) else f', hashed into {size} bins'
  return meaning + hashed


class Scaled(NamedTuple):
  """Some features side by side; `values * factor + offset` has the units that the catalogue names.

  The standardization subtracts and multiplies anyway, so a factor and an
  offset cost nothing there, while in the graph of the lite file each would be
  an operation of its own.

  Attributes:
    values: float32 [batch, n], finite.
    factor: unit of the catalogue per unit of `values`; one number, or n.
    offset: what to add after that, in the unit of the catalogue; one number, or n.
  """

  values: tf.Tensor
  factor: float | Sequence[float] = 1.0
  offset: float | Sequence[float] = 0.0


def side_by_side(pieces: Sequence[Scaled]) -> tuple[tf.Tensor, np.ndarray, np.ndarray]:
  """All values, factors and offsets: float32 [batch, n], [n] and [n]."""
  factors, offsets = (
    np.concatenate([np.broadcast_to(unit, piece.values.shape[1]) for unit, piece in zip(units, pieces, strict=True)])
    for units in ([piece.factor for piece in pieces], [piece.offset for piece in pieces])
  )
  values = tf.concat([piece.values for piece in pieces], axis=1)
  return values, factors.astype(np.float32), offsets.astype(np.float32)
