"""From instants to a city's wall clock, in whole columns."""

from __future__ import annotations

import datetime
import functools
import re
import zoneinfo

import numpy as np

_FIRST = datetime.datetime(1935, 1, 1, tzinfo=datetime.timezone.utc)
_LAST = datetime.datetime(2085, 1, 1, tzinfo=datetime.timezone.utc)
_STEP = 86400
"""Seconds between two samples of a zone's offset; no zone changed twice within this."""


def wall_clock_of(instants: np.ndarray, zone: str) -> np.ndarray:
  """The wall clock's reading at each instant.

  Every instant has exactly one reading, so an hour that the clock shows twice
  or leaves out in a change of daylight saving time needs no decision.
  pandas is not used, as its zones by name know no daylight saving after 2037.

  Args:
    instants: int64 [rows], Unix seconds.
    zone: an IANA name, or a fixed offset such as `+05:30`.

  Returns:
    int64 [rows], the reading as if it were UTC, in Unix seconds. Before 1935
    and after 2085 the nearest known offset is used.
  """
  starts, offsets = _offsets(zone)
  return instants + offsets[np.clip(np.searchsorted(starts, instants, side='right') - 1, 0, None)]


@functools.lru_cache(maxsize=32)
def _offsets(zone: str) -> tuple[np.ndarray, np.ndarray]:
  """Where each offset begins (Unix seconds, ascending) and the offset in seconds."""
  tz = _zone(zone)
  samples = range(int(_FIRST.timestamp()), int(_LAST.timestamp()), _STEP)
  starts, offsets = [samples[0]], [_offset(tz, samples[0])]
  for sample in samples[1:]:
    offset = _offset(tz, sample)
    if offset != offsets[-1]:
      starts.append(_first_instant_with(tz, offset, sample - _STEP, sample))
      offsets.append(offset)
  return np.array(starts, np.int64), np.array(offsets, np.int64)


def _offset(tz: datetime.tzinfo, instant: int) -> int:
  reading = datetime.datetime.fromtimestamp(instant, tz)
  return round((reading.utcoffset() or datetime.timedelta()).total_seconds())


def _first_instant_with(tz: datetime.tzinfo, offset: int, before: int, after: int) -> int:
  while after - before > 1:
    middle = (before + after) // 2
    if _offset(tz, middle) == offset:
      after = middle
    else:
      before = middle
  return after


def _zone(name: str) -> datetime.tzinfo:
  fixed = re.fullmatch(r'([+-])(\d\d):?(\d\d)', name)
  if not fixed:
    return zoneinfo.ZoneInfo(name)
  minutes = int(fixed[2]) * 60 + int(fixed[3])
  return datetime.timezone(datetime.timedelta(minutes=-minutes if fixed[1] == '-' else minutes))
