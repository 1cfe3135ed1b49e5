"""What reading gives: rows in blocks, between them the lines that are no rows, and the reasons to set either aside."""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np
import pyarrow as pa


class Reason(str, enum.Enum):
  """Stable identifiers; of several reasons the first in this order is given."""

  WRONG_NUMBER_OF_FIELDS = 'wrong_number_of_fields'
  MALFORMED_QUOTES = 'malformed_quotes'
  MISSING_TIME = 'missing_time'
  UNPARSABLE_TIME = 'unparsable_time'
  TIME_OUT_OF_RANGE = 'time_out_of_range'
  UNPARSABLE_NUMBER = 'unparsable_number'
  NOT_FINITE = 'not_finite'
  MISSING_FARE = 'missing_fare'
  FARE_OUT_OF_RANGE = 'fare_out_of_range'
  UNKNOWN_ZONE = 'unknown_zone'
  PICKUP_OUTSIDE_BOUNDS = 'pickup_outside_bounds'
  DROPOFF_OUTSIDE_BOUNDS = 'dropoff_outside_bounds'
  PASSENGERS_OUT_OF_RANGE = 'passengers_out_of_range'
  EXTRA_OUT_OF_RANGE = 'extra_out_of_range'


class MalformedLine(NamedTuple):
  """A line of CSV that is no row: with the wrong number of fields, or with stray quotation marks.

  Attributes:
    number: its place among rows and malformed lines, 1 for the first one after the header; blank lines don't count.
    text: of the record, or of the one line that is set aside for its quotation marks.
    line: on which it begins, 1 for the first one of the file; the header, blank lines and lines in cells count.
    reason: why it is no row.
    detail: the same for people, such as '11 fields where the header has 9'.
  """

  number: int
  text: str
  line: int
  reason: Reason
  detail: str


class RowBlock(NamedTuple):
  """Some consecutive rows of a file.

  Attributes:
    rows: the source's columns; CSV cells as bytes, missing ones empty.
    numbers: int64 [rows], 1 for the first row after the header; the numbers of malformed lines are left out.
    malformed: lines before, between and behind these rows that are no rows, in their order.
    lines: int64 [rows], the line on which each row begins, 1 for the first one of the file; `None` for Parquet.
  """

  rows: pa.RecordBatch
  numbers: np.ndarray
  malformed: tuple[MalformedLine, ...]
  lines: np.ndarray | None = None

  @property
  def read(self) -> int:
    """Rows and malformed lines together."""
    return self.rows.num_rows + len(self.malformed)
