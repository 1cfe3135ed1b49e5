"""Time stamps written in a `strptime` format, read in whole columns.

Neither Arrow's nor pandas' parser will do: Arrow's rolls 30 February over to
2 March, pandas' takes short cuts that let other formats pass.
"""

from __future__ import annotations

import calendar
import functools
import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ride_example_gen.errors import IngestionError

_MONTHS = tuple(name.lower() for name in calendar.month_name[1:])
_DIRECTIVES = {
  'Y': r'(?P<Y>\d{4})',
  'y': r'(?P<y>\d{2})',
  'm': r'(?P<m>\d{1,2})',
  'd': r'(?P<d>\d{1,2})',
  'H': r'(?P<H>\d{1,2})',
  'I': r'(?P<I>\d{1,2})',
  'M': r'(?P<M>\d{1,2})',
  'S': r'(?P<S>\d{1,2})',
  'f': r'(?P<f>\d{1,9})',
  'p': r'(?P<p>[AaPp][Mm])',
  'b': r'(?P<b>[A-Za-z]{3})',
  'B': r'(?P<B>[A-Za-z]{3,9})',
  'z': r'(?P<z>Z|[+-]\d{2}:?\d{2})',
  'Z': r'[A-Za-z]{1,5}',
  'a': r'[A-Za-z]{3}',
  'A': r'[A-Za-z]{6,9}',
  '%': '%',
}
_SHORTHANDS = {'%F': '%Y-%m-%d', '%T': '%H:%M:%S', '%R': '%H:%M', '%D': '%m/%d/%y'}
_FIELDS = ('Y', 'y', 'm', 'd', 'H', 'I', 'M', 'S')


class Stamps(NamedTuple):
  """Parsed time stamps.

  Attributes:
    seconds: int64 [rows], the stamp's own reading in Unix seconds as if it
      were UTC, fractions dropped; 0 where it is not valid.
    offset: int64 [rows], seconds east of UTC that the stamp itself claims by
      `%z`; None if the format has no `%z`.
    valid: bool [rows]; false for null, for text in another format, and for
      days and hours that do not exist.
  """

  seconds: np.ndarray
  offset: np.ndarray | None
  valid: np.ndarray


def parse_stamps(text: pa.Array, format_: str) -> Stamps:
  """Parses text by a `strptime` format.

  Args:
    text: large_string [rows], trimmed; may hold nulls.
    format_: directives Y y m d H I M S f p b B z Z a A F T R D; English names.

  Returns:
    The stamps. 30 February, hour 24 and second 60 are not valid, as in
    `datetime.strptime`'s result; names of weekdays are not compared.

  Raises:
    IngestionError: the format has another directive, or lacks year, month or day.
  """
  found = pc.extract_regex(text, _pattern(format_))
  matched = np.asarray(pc.is_valid(found))
  fields = {found.type[i].name: pc.struct_field(found, [i]) for i in range(found.type.num_fields)}
  numbers = {name: _integers(fields[name]) for name in _FIELDS if name in fields}
  year = _year(numbers)
  month, known_month = _month(numbers, fields)
  hour, known_hour = _hour(numbers, fields)
  zeros = np.zeros(len(text), np.int64)
  minute, second = numbers.get('M', zeros), numbers.get('S', zeros)
  days, known_day = _days(year, month, numbers['d'])
  valid = matched & known_month & known_hour & known_day & (minute < 60) & (second < 60)
  seconds = np.where(valid, days * 86400 + hour * 3600 + minute * 60 + second, 0)
  return Stamps(seconds, _utc_offset(fields['z']) if 'z' in fields else None, valid)


@functools.lru_cache(maxsize=32)
def _pattern(format_: str) -> str:
  for short, long in _SHORTHANDS.items():
    format_ = format_.replace(short, long)
  pieces = re.split(r'%(.)', format_)
  unknown = [directive for directive in pieces[1::2] if directive not in _DIRECTIVES]
  if unknown:
    raise IngestionError(
      f"time.format '{format_}' uses %{unknown[0]}, which is not supported; "
      f'the supported directives are {" ".join("%" + directive for directive in _DIRECTIVES)}.'
    )
  if not ({'Y', 'y'} & set(pieces[1::2]) and {'m', 'b', 'B'} & set(pieces[1::2]) and 'd' in pieces[1::2]):
    raise IngestionError(f"time.format '{format_}' needs a year (%Y), a month (%m) and a day (%d).")
  pieces[0::2] = [re.escape(literal) for literal in pieces[0::2]]
  pieces[1::2] = [_DIRECTIVES[directive] for directive in pieces[1::2]]
  return '^' + ''.join(pieces) + '$'


def _integers(digits: pa.Array) -> np.ndarray:
  return np.asarray(pc.fill_null(digits.cast(pa.int64()), 0))


def _year(numbers: dict[str, np.ndarray]) -> np.ndarray:
  if 'Y' in numbers:
    return numbers['Y']
  # The POSIX rule for %y: 69 to 99 are in the twentieth century.
  return numbers['y'] + np.where(numbers['y'] < 69, 2000, 1900)


def _month(numbers: dict[str, np.ndarray], fields: dict[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
  if 'm' in numbers:
    month = numbers['m']
  else:
    name = 'b' if 'b' in fields else 'B'
    known = [month[:3] if name == 'b' else month for month in _MONTHS]
    found = pc.index_in(pc.ascii_lower(fields[name]), value_set=pa.array(known, fields[name].type))
    month = np.asarray(pc.fill_null(found, -1)).astype(np.int64) + 1
  known_month = (month >= 1) & (month <= 12)
  return np.where(known_month, month, 1), known_month


def _hour(numbers: dict[str, np.ndarray], fields: dict[str, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
  if 'I' not in numbers:
    hour = numbers.get('H', np.zeros(len(numbers['d']), np.int64))
    return hour, hour < 24
  hour = numbers['I'] % 12
  if 'p' in fields:
    afternoon = pc.equal(pc.ascii_lower(fields['p']), pa.scalar('pm', fields['p'].type))
    hour = hour + 12 * np.asarray(pc.fill_null(afternoon, False)).astype(np.int64)
  return hour, (numbers['I'] >= 1) & (numbers['I'] <= 12)


def _days(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Days since 1970-01-01 by NumPy's proleptic Gregorian calendar, and whether the day exists."""
  months = (year - 1970) * 12 + month - 1
  first = months.astype('datetime64[M]').astype('datetime64[D]').astype(np.int64)
  following = (months + 1).astype('datetime64[M]').astype('datetime64[D]').astype(np.int64)
  return first + day - 1, (day >= 1) & (day <= following - first)


def _utc_offset(zone: pa.Array) -> np.ndarray:
  digits = pc.replace_substring(zone, ':', '')
  digits = pc.if_else(pc.equal(digits, pa.scalar('Z', digits.type)), pa.scalar('+0000', digits.type), digits)
  number = _integers(pc.replace_substring(digits, '+', ''))
  magnitude = np.abs(number)
  return np.sign(number) * (magnitude // 100 * 3600 + magnitude % 100 * 60)
