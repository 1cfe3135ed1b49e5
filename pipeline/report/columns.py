"""What the columns of the train split hold, out of TFDV's statistics, read without TensorFlow."""

from __future__ import annotations

import dataclasses
import datetime

from tensorflow_metadata.proto.v0 import statistics_pb2

from configs.dataset import EPOCH, TIME
from pipeline.report.record import RunRecord


@dataclasses.dataclass(frozen=True)
class ColumnSummary:
  """A numeric column of the train split.

  Attributes:
    name: the canonical name.
    missing: share of the rides without a value.
    low: smallest value.
    median: middle value.
    mean: mean value.
    high: largest value.
  """

  name: str
  missing: float
  low: float
  median: float
  mean: float
  high: float


def read_columns(record: RunRecord) -> tuple[ColumnSummary, ...]:
  """Columns by name; empty where the run did not come to its statistics."""
  folder = record.artifact('StatisticsGen', 'statistics')
  path = folder / 'Split-train' / 'FeatureStats.pb' if folder else None
  if path is None or not path.is_file():
    return ()
  [dataset] = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes()).datasets
  found = [feature for feature in dataset.features if feature.HasField('num_stats')]
  return tuple(sorted((_column(feature) for feature in found), key=lambda column: column.name))


def period(columns: tuple[ColumnSummary, ...]) -> tuple[datetime.datetime, datetime.datetime] | None:
  """First and last pickup of the train split, on the city's wall clock."""
  for column in columns:
    if column.name == TIME:
      return EPOCH + datetime.timedelta(seconds=column.low), EPOCH + datetime.timedelta(seconds=column.high)
  return None


def _column(feature: statistics_pb2.FeatureNameStatistics) -> ColumnSummary:
  numbers = feature.num_stats
  missing, known = numbers.common_stats.num_missing, numbers.common_stats.num_non_missing
  return ColumnSummary(
    name=feature.path.step[0] if feature.path.step else feature.name,
    missing=missing / (missing + known) if missing + known else 0.0,
    low=numbers.min,
    median=numbers.median,
    mean=numbers.mean,
    high=numbers.max,
  )
