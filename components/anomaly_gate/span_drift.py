"""How far a span that no run has seen yet lies from what the last run trained on."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_data_validation.utils import stats_util
from tfx.dsl.io import fileio

from components.anomaly_gate.columns import columns
from components.anomaly_gate.divergence import Statistics, missing_divergence, value_divergences
from components.anomaly_gate.findings import Kind
from components.ride_schema.schema import ride_schema
from configs.dataset import Dataset
from configs.validation import Validation

_STATISTICS = os.path.join('Split-train', 'FeatureStats.pb')


@dataclasses.dataclass(frozen=True)
class SpanDrift:
  """The column that lies furthest away.

  Attributes:
    column: canonical name; '' where nothing could be compared.
    divergence: Jensen-Shannon, base 2, in [0, 1], of its values or of its share of missing ones.
  """

  column: str
  divergence: float


def span_drift(rides: Iterable[pa.RecordBatch], trained_on: str, dataset: Dataset, validation: Validation) -> SpanDrift:
  """The largest divergence over all columns but the time: the anomaly gate's own measure, before a run.

  Args:
    rides: valid canonical rides of a span, from `survey.valid_rides`.
    trained_on: URI of the statistics artifact of the run to compare with; its train split counts.
    dataset: for the schema.
    validation: its `drift_threshold` chooses no columns, but goes into the schema.
  """
  now = _statistics(rides)
  other = stats_util.load_stats_binary(_local(os.path.join(trained_on, _STATISTICS)))
  found = dict(value_divergences(now, other, ride_schema(dataset, validation), Kind.DRIFT))
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


def _local(uri: str) -> str:
  if not fileio.exists(uri):
    raise FileNotFoundError(f"No statistics at '{uri}'.")
  return uri
