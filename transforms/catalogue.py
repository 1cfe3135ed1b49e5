"""What a feature is: name, block, unit and meaning; the categorical ones; and numeric ones side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from configs.dataset import COORDINATES, Dataset
from configs.features import Cross, Features, bucket_column, categorical_sizes, cross_size, exact_cross_size
from transforms.later import tf

PICKUP = COORDINATES[:2]
DROPOFF = COORDINATES[2:]


@dataclasses.dataclass(frozen=True)
class Feature:
  """One number of the feature vector.

  Attributes:
    name: unique within the vector.
    block: the config block that switches it, `missing`, or `extra`.
    unit: of the value before standardization; empty for a plain number.
    meaning: a phrase for people.
    inputs: raw inputs it is made of; where one of them is missing, so is the feature, and it yields the fitted mean (0
      after standardization). Empty for what is always known.
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
    size: number of distinct indices, the one for missing values included.
    meaning: a phrase for people.
  """

  name: str
  size: int
  embedding_width: int
  meaning: str


def is_kept(name: str, keep: Collection[str] | None) -> bool:
  """Whether a feature is among those that are kept; all are when `None`."""
  return keep is None or name in keep


def categoricals(dataset: Dataset, features: Features) -> tuple[Categorical, ...]:
  """The categorical columns that a config yields: buckets, crosses, then extras."""
  meanings = {
    **{
      bucket_column(name): f'bucket of the {name.replace("_", " ")}; the last one for a missing value'
      for name in COORDINATES
    },
    **{cross.value: _cross_meaning(cross, features) for cross in Cross},
    **{extra.name: extra.meaning for extra in dataset.extras},
  }
  sizes = categorical_sizes(dataset, features)
  return tuple(Categorical(name, size, width, meanings[name]) for name, (size, width) in sizes.items())


def uses_boundaries(features: Features) -> bool:
  """Whether any categorical column needs bucket boundaries."""
  return features.buckets.enabled or features.crosses.has_cells


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

  The standardization subtracts and multiplies anyway, so a factor and an offset cost nothing there, while in the graph
  of the lite file each would be an operation of its own.

  Attributes:
    values: float32 [batch, n], finite.
    factor: unit of the catalogue per unit of `values`; one number, or n.
    offset: what to add after that, in the unit of the catalogue; one number, or n.
  """

  values: tf.Tensor
  factor: float | Sequence[float] = 1.0
  offset: float | Sequence[float] = 0.0


def picked(columns: tf.Tensor, names: Sequence[Any], wanted: Sequence[Any]) -> tf.Tensor:
  """Some of the columns [batch, n] by their names; no operation where they are all."""
  return columns if list(names) == list(wanted) else tf.gather(columns, [names.index(name) for name in wanted], axis=1)


def side_by_side(pieces: Sequence[Scaled]) -> tuple[tf.Tensor, np.ndarray, np.ndarray]:
  """All values, factors and offsets: float32 [batch, n], [n] and [n]."""
  factors, offsets = (
    np.concatenate([np.broadcast_to(unit, piece.values.shape[1]) for unit, piece in zip(units, pieces, strict=True)])
    for units in ([piece.factor for piece in pieces], [piece.offset for piece in pieces])
  )
  values = tf.concat([piece.values for piece in pieces], axis=1)
  return values, factors.astype(np.float32), offsets.astype(np.float32)
