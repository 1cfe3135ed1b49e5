"""How far a split is from another one, column by column, in a run and before it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_data_validation.utils import stats_util
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.dsl.io import fileio

from components.ride_validator.findings import Column, Kind, columns
from components.ride_validator.hours import jensen_shannon
from components.ride_validator.schema import ride_schema
from configs.dataset import Dataset
from configs.validation import Validation

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList


def value_divergences(now: Statistics, other: Statistics, schema: schema_pb2.Schema, kind: Kind) -> dict[str, float]:
  """TFDV's Jensen-Shannon divergence of the numbers, by column, base 2, in [0, 1].

  It compares the ten-bucket histograms that the schema names and does not see NaN. Where both sides have no number at
  all it gives 1; those columns are left out here, as nothing differs. Where one side has no number it gives none.

  Args:
    now: the statistics that are checked.
    other: the previous span (`kind` DRIFT) or the eval split (`kind` SKEW).
    schema: its comparators choose the columns.
  """
  against = {'previous_statistics' if kind is Kind.DRIFT else 'serving_statistics': other}
  anomalies = tfdv.validate_statistics(statistics=now, schema=schema, **against)
  here, there = columns(now), columns(other)
  found = {}
  for info in anomalies.drift_skew_info:
    name = '.'.join(info.path.step)
    measured = info.drift_measurements if kind is Kind.DRIFT else info.skew_measurements
    if measured and not (_all_missing(here.get(name)) and _all_missing(there.get(name))):
      found[name] = measured[0].value
  return found


def _all_missing(column: Column | None) -> bool:
  return column is None or column.missing_share == 1.0


def missing_divergence(share: float, other: float) -> float:
  """Jensen-Shannon divergence of missing against present, which TFDV's does not see.

  Args: share: the share of missing values, in [0, 1].
  Returns: Base 2, in [0, 1]: 0 for equal shares, 1 for all against none.
  """
  return jensen_shannon((share, 1 - share), (other, 1 - other))


@dataclasses.dataclass(frozen=True)
class SpanDrift:
  """The column that is furthest away.

  Attributes:
    column: canonical name; '' where nothing could be compared.
    divergence: Jensen-Shannon, base 2, in [0, 1], of its values or of its share of missing ones.
  """

  column: str
  divergence: float


def span_drift(rides: Iterable[pa.RecordBatch], trained_on: str, dataset: Dataset, validation: Validation) -> SpanDrift:
  """The largest divergence over all columns but the time: the anomaly gate's own measure, before a run.

  Args:
    rides: valid canonical rides of a span, from `ingestion.valid_rides`.
    trained_on: URI of the statistics artifact of the run to compare with; its train split counts.
    validation: its `drift_threshold` chooses no columns, but goes into the schema.
  """
  now = _statistics(rides)
  before = os.path.join(trained_on, 'Split-train', 'FeatureStats.pb')
  if not fileio.exists(before):
    raise FileNotFoundError(f"No statistics at '{before}'.")
  other = stats_util.load_stats_binary(before)
  found = value_divergences(now, other, ride_schema(dataset, validation), Kind.DRIFT)
  here, there = columns(now), columns(other)
  for name in here.keys() & there.keys():
    missing = missing_divergence(here[name].missing_share, there[name].missing_share)
    found[name] = max(found.get(name, 0.0), missing)
  if not found:
    return SpanDrift('', 0.0)
  worst = max(sorted(found), key=lambda name: found[name])
  return SpanDrift(worst, found[worst])


def _statistics(rides: Iterable[pa.RecordBatch]) -> Statistics:
  """TFDV's statistics of rides in memory, in lists of one value, as decoded Examples have them."""
  table = pa.Table.from_batches(list(rides)).combine_chunks()
  offsets = pa.array(np.arange(table.num_rows + 1, dtype=np.int64))
  lists = [pa.LargeListArray.from_arrays(offsets, pa.concat_arrays(column.chunks)) for column in table.columns]
  batch = pa.RecordBatch.from_arrays(lists, table.schema.names)
  return stats_impl.generate_statistics_in_memory(batch, tfdv.StatsOptions())
