"""Which engineered features a model sees; each block can be switched off and sized."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from configs.base import Config, PositiveFloat, PositiveInt, Problem
from configs.columns import COORDINATES, HOURS_PER_WEEK
from configs.dataset import Dataset, Hour


class BoundaryFit(str, enum.Enum):
  """How bucket boundaries are placed."""

  QUANTILE = 'quantile'
  EQUAL_WIDTH = 'equal_width'


class RawBlock(Config):
  """Scaled coordinates (degrees from the city's center), as they come.

  Attributes:
    enabled: whether the model gets these features.
  """

  enabled: bool = True


class PassengerBlock(Config):
  """The passenger count and whether it is missing.

  Attributes:
    enabled: whether the model gets these features.
  """

  enabled: bool = True


class TemporalBlock(Config):
  """Hour, weekday, month, time line, tariff and the city's windows of the day, from `pickup_seconds`.

  Attributes:
    enabled: whether the model gets these features.
    rush_hours: intervals of the day, in hours, start included, end not.
    cyclic: add sine and cosine of hour, weekday and month.
  """

  enabled: bool = True
  rush_hours: tuple[tuple[Hour, Hour], ...] = ((7.0, 10.0), (16.0, 20.0))
  cyclic: bool = True

  def problems(self) -> Iterator[Problem]:
    for start, end in self.rush_hours:
      if start >= end:
        yield Problem('', f'rush_hours: [{start:g}, {end:g}] must start before it ends.')


class GeographicBlock(Config):
  """Local kilometres, distances, bearing and landmarks.

  Attributes:
    enabled: whether the model gets these features.
    max_distance_km: distances are capped here, except those to landmarks.
    landmark_cap_km: distances to landmarks are capped here.
    proximity_km: decay length of the proximity to a landmark.
  """

  enabled: bool = True
  max_distance_km: PositiveFloat = 50.0
  landmark_cap_km: PositiveFloat = 10.0
  proximity_km: PositiveFloat = 1.5


class BucketBlock(Config):
  """Each latitude and longitude as one of `count` buckets.

  Attributes:
    enabled: whether the model gets these features.
    count: number of buckets along one axis.
    fit: boundaries at quantiles of the training split, or of equal width over `rules.bounds`, as in the case study.
    embedding: width of each bucket's embedding; the fourth root of the vocabulary when unset.
  """

  enabled: bool = False
  count: Annotated[int, Field(ge=2, le=1000)] = 10
  fit: BoundaryFit = BoundaryFit.QUANTILE
  embedding: PositiveInt | None = None


class Cross(str, enum.Enum):
  """A product of bucketized features."""

  PICKUP_CELL = 'pickup_cell'
  DROPOFF_CELL = 'dropoff_cell'
  CELL_PAIR = 'cell_pair'
  HOUR_OF_WEEK = 'hour_of_week'


class CrossBlock(Config):
  """Bucketized crosses, each an exact index into an embedding.

  Attributes:
    enabled: whether the model gets these features.
    crosses: which products.
    embedding: width by cross; the fourth root of the vocabulary when unset.
    max_exact: a larger product is hashed into this many bins.
  """

  enabled: bool = False
  crosses: tuple[Cross, ...] = (Cross.PICKUP_CELL, Cross.DROPOFF_CELL, Cross.HOUR_OF_WEEK)
  embedding: dict[Cross, PositiveInt] = {}
  max_exact: Annotated[int, Field(ge=1000, le=1_000_000)] = 100_000

  def problems(self) -> Iterator[Problem]:
    if self.enabled and not self.crosses:
      yield Problem('crosses', 'is empty; name one, such as pickup_cell, or set features.crosses.enabled to false.')
    twice = next((cross.value for cross in self.crosses if self.crosses.count(cross) > 1), None)
    if twice:
      yield Problem('crosses', f"has '{twice}' twice; leave one out.")

  @property
  def has_cells(self) -> bool:
    """Whether any of the crosses is made of coordinates."""
    return self.enabled and any(cross is not Cross.HOUR_OF_WEEK for cross in self.crosses)


class Features(Config):
  """All blocks. The order here is the order of the feature vector."""

  raw: RawBlock = RawBlock()
  passengers: PassengerBlock = PassengerBlock()
  temporal: TemporalBlock = TemporalBlock()
  geographic: GeographicBlock = GeographicBlock()
  buckets: BucketBlock = BucketBlock()
  crosses: CrossBlock = CrossBlock()

  def problems(self) -> Iterator[Problem]:
    if not any(block.enabled for _, block in self):
      yield Problem('', 'every feature block is off; a model needs at least one.')


def fourth_root(vocabulary: int) -> int:
  """Embedding width by the fourth-root rule: `round(vocabulary ** 0.25)`, at least 1.

  Args: vocabulary: number of distinct values, at least 1.
  Source: Google Developers Blog, "Introducing TensorFlow Feature Columns", 2017.
  """
  return max(1, math.floor(vocabulary**0.25 + 0.5))


def categorical_sizes(dataset: Dataset, features: Features) -> dict[str, tuple[int, int]]:
  """The categorical columns in their order: buckets, crosses, extras.

  Returns: By column: distinct indices, the one for missing values included, and the width of its embedding.
  """
  sizes: dict[str, tuple[int, int | None]] = {}
  if features.buckets.enabled:
    sizes |= {bucket_column(name): (bucket_axis(features), features.buckets.embedding) for name in COORDINATES}
  if features.crosses.enabled:
    widths = features.crosses.embedding
    sizes |= {cross.value: (cross_size(cross, features), widths.get(cross)) for cross in features.crosses.crosses}
  sizes |= {extra.name: (len(extra.vocabulary) + 2, None) for extra in dataset.extras if extra.kind == 'categorical'}
  return {column: (size, width or fourth_root(size)) for column, (size, width) in sizes.items()}


def bucket_column(coordinate: str) -> str:
  """The column of a coordinate's buckets."""
  return f'{coordinate}_bucket'


def bucket_axis(features: Features) -> int:
  """Number of buckets of a coordinate, the one for missing values included."""
  return features.buckets.count + 1


def exact_cross_size(cross: Cross, features: Features) -> int:
  """Number of distinct values of a cross, the buckets of missing coordinates included."""
  powers = {Cross.PICKUP_CELL: 2, Cross.DROPOFF_CELL: 2, Cross.CELL_PAIR: 4}
  return bucket_axis(features) ** powers[cross] if cross in powers else HOURS_PER_WEEK


def cross_size(cross: Cross, features: Features) -> int:
  """Number of indices of a cross: exact, or the number of bins where the product is too large."""
  return min(exact_cross_size(cross, features), features.crosses.max_exact)
