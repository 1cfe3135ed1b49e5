"""The pickup time as the city's wall clock, from any encoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ride_example_gen import cells
from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.time_format import parse_stamps
from components.ride_example_gen.wall_clock import wall_clock_of
from configs.dataset import EPOCH, Clock, PickupTime, TimeEncoding

_EPOCH = int((EPOCH - EPOCH.replace(year=1970)).total_seconds())
_FARTHEST = 2**40
"""Unix seconds beyond this (some 34,000 years) are clipped, far outside every valid range."""


class PickupSeconds(NamedTuple):
  """Pickup times.

  Attributes:
    seconds: int64 [rows] since 2009-01-01 00:00:00 on the wall clock,
      fractions dropped; 0 where missing or unparsable.
    missing: bool [rows].
    unparsable: bool [rows].
  """

  seconds: np.ndarray
  missing: np.ndarray
  unparsable: np.ndarray


def parse_pickup_time(column: pa.Array, time: PickupTime, missing: Sequence[str]) -> PickupSeconds:
  """Reads the pickup-time column.

  A column of Arrow timestamps or dates says itself what it holds and is taken
  as such, whatever `time.encoding` says. A stamp that carries its own zone (an
  Arrow time zone, or `%z`) is shown in that zone for `clock: local`, and is
  that instant for `clock: utc`.

  Args:
    column: text, numbers, timestamps or dates, [rows].
    time: how to read them.
    missing: texts that mean a missing value, besides the empty one.

  Raises:
    IngestionError: the column's type does not fit `time.encoding`.
  """
  column = cells.plain(column)
  if pa.types.is_null(column.type):
    parsed = PickupSeconds(np.zeros(len(column), np.int64), np.ones(len(column), bool), np.zeros(len(column), bool))
  elif pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
    parsed = _from_timestamps(column, time)
  elif time.encoding is TimeEncoding.UNIX_SECONDS:
    parsed = _from_unix(column, time, missing)
  elif time.encoding is TimeEncoding.STRING and cells.is_text(column.type):
    parsed = _from_text(column, time, missing)
  else:
    raise IngestionError(
      f"Column '{time.column}' holds {column.type}, which does not fit time.encoding '{time.encoding.value}'; "
      "use 'string' for text, 'unix_seconds' for numbers, 'timestamp' for Parquet timestamps."
    )
  invalid = parsed.missing | parsed.unparsable
  return parsed._replace(seconds=np.where(invalid, 0, parsed.seconds - _EPOCH))


def _from_timestamps(column: pa.Array, time: PickupTime) -> PickupSeconds:
  missing = np.asarray(column.is_null())
  zone = column.type.tz if pa.types.is_timestamp(column.type) else None
  ticks = pc.fill_null(column.cast(pa.timestamp('us', tz=zone), safe=False).cast(pa.int64()), 0)
  instants = np.asarray(ticks) // 1_000_000
  if time.clock is Clock.UTC and time.time_zone:
    instants = wall_clock_of(instants, time.time_zone)
  elif zone:
    instants = wall_clock_of(instants, zone)
  return PickupSeconds(instants, missing, np.zeros(len(column), bool))


def _from_unix(column: pa.Array, time: PickupTime, missing: Sequence[str]) -> PickupSeconds:
  numbers = cells.as_numbers(column, missing, time.column)
  unparsable = numbers.unparsable | np.isinf(numbers.values)
  absent = np.isnan(numbers.values) & ~unparsable
  values = np.where(np.isfinite(numbers.values), numbers.values, 0)
  instants = np.floor(np.clip(values, -_FARTHEST, _FARTHEST)).astype(np.int64)
  if time.clock is Clock.UTC and time.time_zone:
    instants = wall_clock_of(instants, time.time_zone)
  return PickupSeconds(instants, absent, unparsable)


def _from_text(column: pa.Array, time: PickupTime, missing: Sequence[str]) -> PickupSeconds:
  text = cells.as_text(column, missing)
  absent = np.asarray(text.is_null())
  stamps = parse_stamps(text, time.format)
  seconds = stamps.seconds
  if time.clock is Clock.UTC and time.time_zone:
    seconds = wall_clock_of(seconds if stamps.offset is None else seconds - stamps.offset, time.time_zone)
  return PickupSeconds(seconds, absent, ~stamps.valid & ~absent)
