"""How far a split lies from another one, column by column."""

from __future__ import annotations

import math
from typing import TypeAlias

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.anomaly_gate.columns import Column, columns
from components.anomaly_gate.findings import Kind

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList


def value_divergences(now: Statistics, other: Statistics, schema: schema_pb2.Schema, kind: Kind) -> dict[str, float]:
  """TFDV's Jensen-Shannon divergence of the numbers, by column, base 2, in [0, 1].

  It compares the ten-bucket histograms that the schema names and does not see NaN. Where both sides have no number at
  all it says 1; those columns are left out here, as nothing differs. Where one side has none it says nothing.

  Args:
    now: the statistics that are checked.
    other: the previous span (`kind` DRIFT) or the eval split (`kind` SKEW).
    schema: its comparators choose the columns.
    kind: DRIFT or SKEW.
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

  Args:
    share: the share of missing values, in [0, 1].
    other: the same on the other side.

  Returns:
    Base 2, in [0, 1]: 0 for equal shares, 1 for all against none.

  Source: J. Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37(1), 1991.
  """
  middle = (share + other) / 2
  # Rounding may leave a divergence of equal shares a hair below zero.
  return max(0.0, _entropy(middle) - (_entropy(share) + _entropy(other)) / 2)


def _entropy(share: float) -> float:
  return -sum(part * math.log2(part) for part in (share, 1 - share) if part > 0)
