"""How a file writes time: an encoding and a `strptime` format that read its cells, and whose clock they show."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ride_example_gen import parsing
from components.ride_example_gen.parsing import wall_clock_of
from configs.dataset import Clock, TimeEncoding

_YEARS = (datetime.datetime(1990, 1, 1), datetime.datetime(2060, 1, 1))
_FIRST, _LAST = (int(year.replace(tzinfo=datetime.timezone.utc).timestamp()) for year in _YEARS)
"""Unix seconds between which a column of numbers may be pickup times."""

_UNITS = {'unix_seconds': 1, 'unix_milliseconds': 1_000, 'unix_microseconds': 1_000_000}
"""Ticks a second of the encodings that are numbers."""

_UTC = frozenset({'UTC', 'Etc/UTC', 'Z', '+00:00'})
_MOSTLY = 0.8
_TRIED_ON, _SHAPES = 50, 3
_UNSORTED = 0.01


class TimeStyle(NamedTuple):
  """How a column of time stamps is to be read.

  Attributes:
    encoding: a value of `time.encoding`.
    format: the `strptime` format of texts.
    readings: int64, Unix seconds of the cells that can be read, as they are written.
    claims_utc: whether the cells say by their suffix, or by what they are, that they are UTC.
    has_offset: whether they carry offsets of their own.
    others: formats that read as many cells to other days.
  """

  encoding: str
  format: str | None
  readings: np.ndarray
  claims_utc: bool
  has_offset: bool = False
  others: tuple[str, ...] = ()


def guess_time(column: pa.Array, *, month_first: bool = False) -> TimeStyle | None:
  """How to read a column as pickup times; None where it mostly is no time.

  Args: month_first: which of 01/02 comes first where nothing else decides.
  """
  kind = column.type
  if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
    ticks = column.drop_null().cast(pa.timestamp('us', tz=getattr(kind, 'tz', None)), safe=False).cast(pa.int64())
    readings = np.asarray(ticks) // 1_000_000
    zone = getattr(kind, 'tz', None)
    return TimeStyle(TimeEncoding.TIMESTAMP.value, None, readings, zone in _UTC, zone is not None and zone not in _UTC)
  if parsing.is_text(kind):
    return _of_text(column, month_first) or _of_numbers(column)
  if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
    return _of_numbers(column)
  return None


def is_time_of_day(column: pa.Array) -> bool:
  """Whether a column mostly holds hours and minutes without a day."""
  if pa.types.is_time(column.type):
    return True
  if not parsing.is_text(column.type) or column.null_count == len(column):
    return False
  found = pc.mean(pc.match_substring_regex(column, r'^\d{1,2}[:h]\d{2}(:\d{2})?( ?[AaPp][Mm])?$').cast(pa.float64()))
  return found.as_py() > _MOSTLY


def _of_numbers(column: pa.Array) -> TimeStyle | None:
  values = parsing.as_numbers(column, (), '').values
  values = values[np.isfinite(values)]
  if len(values) < max(1, _MOSTLY * (len(column) - column.null_count)):
    return None
  for encoding, ticks in _UNITS.items():
    seconds = values / ticks
    inside = (seconds >= _FIRST) & (seconds < _LAST)
    if inside.mean() > _MOSTLY:
      return TimeStyle(encoding, None, np.floor(seconds[inside]).astype(np.int64), claims_utc=True)
  return None


def _of_text(column: pa.Array, month_first: bool) -> TimeStyle | None:
  text = column.drop_null()
  candidates = dict.fromkeys(format_ for cell in _shapes(text) for format_ in formats_of(cell))
  read = {format_: parsing.parse_stamps(text, format_) for format_ in candidates}
  counts = {format_: int(stamps.valid.sum()) for format_, stamps in read.items()}
  most = max(counts.values(), default=0)
  if most <= _MOSTLY * len(text) or not most:
    return None
  best = [format_ for format_, count in counts.items() if count == most]
  # A file in the order of time is in that order only if it is rightly read.
  sorted_ = {format_: len(text) > _TRIED_ON and _backwards(read[format_].seconds) < _UNSORTED for format_ in best}
  best.sort(key=lambda format_: (not sorted_[format_], _month_first(format_) != month_first))
  chosen = best[0]
  valid = read[chosen].valid
  others = tuple(
    other
    for other in best[1:]
    if sorted_[other] == sorted_[chosen] and not np.array_equal(read[other].seconds, read[chosen].seconds)
  )
  offset = read[chosen].offset
  east = offset is not None and bool(np.any(offset[valid] != 0))
  claims = re.search(r'(?:UTC|GMT|Z|%z)$', chosen) is not None and not east
  return TimeStyle('string', chosen, read[chosen].seconds[valid], claims, east, others)


def _shapes(text: pa.Array) -> list[str]:
  """Cells of different make, as digits and letters go, the most frequent first."""
  first = text[:_TRIED_ON].to_pylist()
  made = [re.sub(r'[A-Za-z]+', 'a', re.sub(r'\d', '9', cell)) for cell in first]
  ranked = sorted(set(made), key=lambda one: -made.count(one))[:_SHAPES]
  return [first[made.index(one)] for one in ranked]


def _backwards(seconds: np.ndarray) -> float:
  """The share of rides that are before the one above them: small where a file is sorted and rightly read."""
  return float(np.mean(np.diff(seconds) < 0)) if len(seconds) > 1 else 0.0


def _month_first(format_: str) -> bool:
  return format_.find('%m') < format_.find('%d')


_DATE = re.compile(
  r'(?P<iso>(?:19|20)\d\d(?P<a>[-/.])\d{1,2}(?P=a)\d{1,2})'
  r'|(?P<digits>(?:19|20)\d{6}(?!\d(?!\d{3}(?:\d\d)?(?!\d))))'
  r'|(?P<european>\d{1,2}(?P<b>[-/.])\d{1,2}(?P=b)(?P<year>\d{4}|\d{2})(?!\d))'
  r'|(?P<named>\d{1,2}(?P<c>[- /])[A-Za-z]{3,9}(?P=c)(?P<named_year>\d{4}|\d{2})(?!\d))'
  r'|(?P<american>[A-Za-z]{3,9} \d{1,2}, \d{4})'
  r'|(?P<month_amid>(?:19|20)\d\d(?P<d>[- /])[A-Za-z]{3,9}(?P=d)\d{1,2})'
)
_TIME = re.compile(
  r'(?P<between>T|,? +|[-:_]?)(?P<hour>\d{2}|(?<!\d)\d)'
  r'(?:(?P<mark>[:.h]|)\d{2}(?P<second>(?P=mark)\d{2}(?P<fraction>[.,]\d{1,9})?)?)?(?!\d)'
  r'(?P<half> ?[AaPp][Mm](?![A-Za-z]))?'
)
_WEEKDAY = re.compile(r'([A-Za-z]{3,9}),? (?=\d|[A-Za-z]{3,9} \d{1,2}, )')
_CLOCK_FIRST = re.compile(r'\d{1,2}:\d{2}(:\d{2})?(,? )(?=\d)')
_UNIX_DATE = re.compile(r'[A-Za-z]{3} [A-Za-z]{3} {1,2}\d{1,2} \d{2}:\d{2}:\d{2} \d{4}')
"""As `date` and C's `ctime` write it."""


def formats_of(cell: str) -> Iterator[str]:
  """`strptime` formats that fit the make of one cell, the likelier first; days and months are not looked at."""
  if _UNIX_DATE.fullmatch(cell):
    yield '%a %b %d %H:%M:%S %Y'
  if weekday := _WEEKDAY.match(cell):
    before = ('%a' if len(weekday[1]) == len('Mon') else '%A') + weekday[0][len(weekday[1]) :]
    yield from (before + format_ for format_ in formats_of(cell[weekday.end() :]))
  if clock := _CLOCK_FIRST.match(cell):
    hour = f'%H:%M{":%S" if clock[1] else ""}{clock[2]}'
    yield from (hour + format_ for format_ in formats_of(cell[clock.end() :]) if '%H' not in format_)
  date = _DATE.match(cell)
  if date is None:
    return
  time = _TIME.match(cell, date.end())
  rest = cell[time.end() if time else date.end() :]
  suffixes = _suffixes(rest)
  for day in _date_formats(date):
    for suffix in suffixes:
      yield day + (_time_format(time) if time else '') + suffix


def _date_formats(date: re.Match[str]) -> list[str]:
  if date['iso']:
    return [f'%Y{date["a"]}%m{date["a"]}%d']
  if date['digits']:
    return ['%Y%m%d']
  if date['american']:
    return [f'{_month_word(date["american"])} %d, %Y']
  if date['month_amid']:
    return [f'%Y{date["d"]}{_month_word(date["month_amid"])}{date["d"]}%d']
  year = '%Y' if len(date['year'] or date['named_year']) == 4 else '%y'
  if date['named']:
    return [f'%d{date["c"]}{_month_word(date["named"])}{date["c"]}{year}']
  mark = date['b']
  return [f'%d{mark}%m{mark}{year}', f'%m{mark}%d{mark}{year}']


def _month_word(text: str) -> str:
  word = re.search('[A-Za-z]+', text)
  return '%b' if word and len(word[0]) == 3 else '%B'


def _time_format(time: re.Match[str]) -> str:
  mark, half = time['mark'], time['half']
  hour = f'{time["between"]}%{"I" if half else "H"}' + (f'{mark}%M' if mark is not None else '')
  second = f'{mark}%S{time["fraction"][0] + "%f" if time["fraction"] else ""}' if time['second'] else ''
  return hour + second + (f'{" " if half.startswith(" ") else ""}%p' if half else '')


def _suffixes(rest: str) -> list[str]:
  if re.fullmatch(r' ?[+-]\d{2}(:?\d{2})?', rest):
    return [' %z' if rest.startswith(' ') else '%z']
  if rest == 'Z':
    return ['Z', '%z']
  return [rest.replace('%', '%%')]


_HOURLY = np.array(
  [
    4.0,
    3.0,
    2.2,
    1.5,
    1.1,
    1.1,
    2.0,
    3.5,
    4.5,
    4.5,
    4.3,
    4.5,
    4.7,
    4.7,
    4.9,
    4.8,
    4.5,
    5.0,
    6.0,
    6.2,
    6.0,
    5.8,
    5.5,
    5.0,
  ]
)
"""Rides by hour of day, roughly, as the taxis of large cities have them: fewest from three to six in the morning."""

_SURE, _APART = 4.0, 0.06
"""Standard errors, and nats a ride, between two readings of a clock.

Real rides of New York and Chicago differ by 0.02 to 0.07 from themselves two hours later or earlier, by 0.11 to 0.17 at
four hours: nearer to Greenwich than three hours the hours tell nothing.
"""

_HOURS_SEEN = 20
"""Rides of fewer hours of the day don't show when a city sleeps."""


class ClockGuess(NamedTuple):
  """Whose clock the stamps show, and whether the rides by hour of day prove it."""

  clock: Clock
  sure: bool


def guess_clock(style: TimeStyle, zone: str | None) -> ClockGuess:
  """Whether stamps are UTC or the city's clock, by the hours in which a city sleeps, or else by what they claim.

  Args: zone: the city's; without one the stamps are taken as they are written.
  """
  if style.has_offset and zone:
    return ClockGuess(Clock.UTC, True)
  if re.search(r'[A-SU-Y][A-Z]{1,4}$', style.format or '') and not style.claims_utc:
    return ClockGuess(Clock.LOCAL, False)  # The name of a zone, which is not UTC.
  claimed = ClockGuess(Clock.UTC if style.claims_utc and zone else Clock.LOCAL, False)
  hours = style.readings // 3600 % 24
  if zone is None or len(np.unique(hours)) < _HOURS_SEEN:
    return claimed
  logs = np.log(_HOURLY / _HOURLY.sum())
  differences = logs[hours] - logs[wall_clock_of(style.readings, zone) // 3600 % 24]
  error = float(np.std(differences)) / np.sqrt(len(differences))
  if abs(differences.mean()) < max(_APART, _SURE * error):
    return claimed
  return ClockGuess(Clock.LOCAL if differences.mean() > 0 else Clock.UTC, True)
