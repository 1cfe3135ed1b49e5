"""One column's numbers out of TFDV's statistics."""

from __future__ import annotations

import dataclasses

from tensorflow_metadata.proto.v0 import statistics_pb2


@dataclasses.dataclass(frozen=True)
class Column:
  """What the statistics know about one column of one split.

  Attributes:
    rides: number of rides in the split.
    absent: rides without the feature.
    nan: rides whose value is NaN.
    type_name: TFDV's type: INT, FLOAT, STRING, BYTES.
    smallest: the smallest number; 0 where there is none.
    largest: the largest number; 0 where there is none.
    most_values: the largest number of values in one ride.
  """

  rides: int
  absent: int
  nan: int
  type_name: str
  smallest: float
  largest: float
  most_values: int

  @property
  def missing(self) -> int:
    """Rides without a number."""
    return self.absent + self.nan

  @property
  def missing_share(self) -> float:
    """A share in [0, 1]; 0 for no rides."""
    return self.missing / self.rides if self.rides else 0.0


def columns(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, Column]:
  """The columns of a split by name; slices other than the whole split are ignored."""
  dataset = _whole(statistics)
  return {_name(feature): _column(feature, dataset.num_examples) for feature in dataset.features}


def _whole(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> statistics_pb2.DatasetFeatureStatistics:
  whole = [dataset for dataset in statistics.datasets if dataset.name == 'All Examples']
  return (whole or statistics.datasets)[0]


def _name(feature: statistics_pb2.FeatureNameStatistics) -> str:
  return feature.name or '.'.join(feature.path.step)


def _column(feature: statistics_pb2.FeatureNameStatistics, rides: int) -> Column:
  numeric = feature.num_stats
  common = getattr(feature, feature.WhichOneof('stats') or 'num_stats').common_stats
  return Column(
    rides=int(rides),
    # Not num_missing: it misses the rides of files where the feature is absent altogether.
    absent=int(rides) - int(common.num_non_missing),
    nan=int(numeric.histograms[0].num_nan) if numeric.histograms else 0,
    type_name=statistics_pb2.FeatureNameStatistics.Type.Name(feature.type),
    smallest=numeric.min,
    largest=numeric.max,
    most_values=int(common.max_num_values),
  )
