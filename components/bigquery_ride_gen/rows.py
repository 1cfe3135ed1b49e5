"""BigQuery's values as Arrow columns."""

from __future__ import annotations

import decimal
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa


def to_record_batch(rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
  """Rows as Arrow columns that the canonical mapping takes.

  Args:
    rows: at least one; every row has the same columns. Values are what Beam's
      reader gives: bool, int, float, `Decimal` (NUMERIC, BIGNUMERIC), str,
      bytes, `date`, `time`, `datetime` (naive for DATETIME, aware for
      TIMESTAMP), lists and mappings (ARRAY, STRUCT), and None.

  Returns:
    Columns in the first row's order. Whole numbers stay whole; a TIMESTAMP
    keeps its zone, UTC; ARRAY and STRUCT are JSON text; a column of nothing
    but None has Arrow's null type.
  """
  names = list(rows[0])
  return pa.RecordBatch.from_arrays([_column([row[name] for row in rows]) for name in names], names)


def _column(values: list[Any]) -> pa.Array:
  present = [value for value in values if value is not None]
  if any(isinstance(value, (list, dict)) for value in present):
    texts = (None if value is None else json.dumps(value, default=str, ensure_ascii=False) for value in values)
    return pa.array(texts, pa.string())
  if present and all(isinstance(value, decimal.Decimal) for value in present):
    return _decimals(values, present)
  return pa.array(values)


def _decimals(values: list[Any], present: list[decimal.Decimal]) -> pa.Array:
  """NUMERIC comes with nine decimal places, whatever it holds; whole numbers are whole again."""
  whole = all(value == value.to_integral_value() and abs(value) < 2**63 for value in present)
  return pa.array([None if value is None else int(value) for value in values]) if whole else pa.array(values)
