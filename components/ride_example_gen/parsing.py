"""Source columns as text, as numbers and as the city's wall clock, whatever type they came in.

Neither Arrow's nor pandas' parser will do: Arrow's rolls 30 February over to 2 March, pandas' takes short cuts that let
other formats pass.
"""

from __future__ import annotations

import bisect
import calendar
import contextlib
import datetime
import functools
import zoneinfo
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.notation import plainly, ungrouped
from configs import time_format
from configs.dataset import EPOCH, Clock, PickupTime, TimeEncoding
from configs.numbers import Notation
from configs.source import primary

_PLAIN = Notation()
_NUMBER = r'^(\d+\.?\d*|\.\d+|-\d+\.?\d*|-\.\d+)([eE][+-]?\d+)?$|^-?(?i:inf|infinity|nan)$'


class Numbers(NamedTuple):
  """A column read as numbers.

  Attributes:
    values: float64 [rows]; NaN where missing or unparsable.
    unparsable: bool [rows]; text that is no number.
  """

  values: np.ndarray
  unparsable: np.ndarray


def is_text(kind: pa.DataType) -> bool:
  """Whether cells of this Arrow type are text (strings or bytes)."""
  return kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())


def plain(column: pa.Array) -> pa.Array:
  """The column without a dictionary encoding."""
  return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def as_string(column: pa.Array) -> pa.Array:
  """A column of any type as strings, [rows]; null where it is null, bytes that are no UTF-8 as `\\xNN`."""
  column = plain(column)
  try:
    return column.cast(pa.string())
  except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
    # Nested types and undecodable bytes, of which Arrow makes no text.
    values = column.to_pylist()
    readable = (value.decode('utf-8', 'backslashreplace') if isinstance(value, bytes) else value for value in values)
    return pa.array([None if value is None else str(value) for value in readable], pa.string())


def as_text(column: pa.Array, missing: Sequence[str]) -> pa.Array:
  """A text column, trimmed; null where it is empty or one of `missing`."""
  # Trimming and comparing are bytewise, so bytes that are no UTF-8 do no harm here.
  text = pc.ascii_trim_whitespace(column.cast(pa.large_binary()).view(pa.large_string()))
  absent = pc.is_in(text, value_set=pa.array(['', *missing], pa.large_string()))
  return pc.if_else(absent, pa.scalar(None, pa.large_string()), text)


def as_numbers(column: pa.Array, missing: Sequence[str], name: str, notation: Notation = _PLAIN) -> Numbers:
  """Reads a source column as numbers.

  Args:
    column: text, or any Arrow type of numbers.
    missing: texts that mean a missing value, besides the empty one.
    name: the source column's name, for the error message.
    notation: how numbers are written in text.
  Returns: The values, NaN where missing or unparsable, infinite ones as they are.
  Raises: IngestionError: the column's type holds no numbers.
  """
  column = plain(column)
  if is_text(column.type):
    return _numbers_of_text(as_text(column, missing), notation)
  if pa.types.is_null(column.type):
    return Numbers(np.full(len(column), np.nan), np.zeros(len(column), bool))
  if pa.types.is_boolean(column.type):
    column = column.cast(pa.int8())
  if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
    raise IngestionError(f"Column '{name}' holds {column.type}, but numbers are expected.")
  if pa.types.is_float16(column.type):  # Which pyarrow 10 does not cast.
    column = pa.array(column.to_numpy(zero_copy_only=False).astype(np.float64))
  return Numbers(_to_numpy(column.cast(pa.float64(), safe=False)), np.zeros(len(column), bool))


def _numbers_of_text(text: pa.Array, notation: Notation) -> Numbers:
  with contextlib.suppress(pa.ArrowInvalid):
    values = _to_numpy(ungrouped(text, notation).cast(pa.float64()))
    # Arrow takes 'nan(1)' for a number: a text that is NaN is looked at again.
    if np.count_nonzero(np.isnan(values)) == text.null_count:
      return Numbers(values, np.zeros(len(text), bool))
  # Arrow's cast is all or nothing: keep what looks like a number, and try again.
  text = pc.replace_substring_regex(text, r'^\+([\d.])', r'\1') if notation == _PLAIN else plainly(text, notation)
  number = pc.match_substring_regex(text, _NUMBER)
  unparsable = np.asarray(pc.fill_null(pc.invert(number), False))
  kept = pc.if_else(number, text, pa.scalar(None, text.type))
  return Numbers(_to_numpy(kept.cast(pa.float64())), unparsable)


def _to_numpy(column: pa.Array) -> np.ndarray:
  return np.array(pc.fill_null(column, np.nan), dtype=np.float64)


def as_codes(column: pa.Array, vocabulary: Sequence[str], missing: Sequence[str], name: str) -> np.ndarray:
  """Reads a categorical column.

  A value that the vocabulary does not have as it stands is looked for in another spelling: whole numbers by their value
  (`1.0` and `01` are `1`), true and false in any case.

  Returns: float64 [rows]: the position in `vocabulary`, `len(vocabulary)` for any other value, NaN where missing.
  Raises: IngestionError: the column's type has no text form.
  """
  column = plain(column)
  if pa.types.is_decimal(column.type):
    column = column.cast(pa.float64(), safe=False)
  if pa.types.is_floating(column.type):
    column = pc.if_else(pc.is_nan(column), None, column)
    values = np.asarray(column.drop_null())
    if np.all((np.abs(values) < 2**53) & (values == np.trunc(values))):
      # Integers with gaps come as floats out of many tools; a vocabulary has '1', not '1.0'.
      column = column.cast(pa.int64())
  if pa.types.is_boolean(column.type) and not {'true', 'false'} & {word.lower() for word in vocabulary}:
    column = column.cast(pa.int8())  # As numbers, then.
  if not is_text(column.type):
    try:
      column = column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
      raise IngestionError(f"Column '{name}' holds {column.type}, but text is expected.") from None
  text = as_text(column, missing)
  codes = pc.fill_null(_positions(text, vocabulary).cast(pa.float64()), float(len(vocabulary)))
  return _to_numpy(pc.if_else(pc.is_null(text), None, codes))


def _positions(text: pa.Array, vocabulary: Sequence[str]) -> pa.Array:
  """int32 [rows]; null for a value that is not there, whatever its spelling."""
  words = pa.array(vocabulary, pa.large_string())
  found = pc.index_in(text, value_set=words)
  if found.null_count == text.null_count:
    return found
  others = pc.unique(text.filter(pc.is_null(found))).drop_null()
  # A word that is spelled that way comes before one that only means the same.
  spelled = pc.index_in(_respelled(others), value_set=pa.concat_arrays([words, _respelled(words)]))
  if spelled.null_count == len(spelled):
    return found
  meant = pa.array(np.asarray(pc.fill_null(spelled, 0)) % len(words), pa.int32(), mask=np.asarray(spelled.is_null()))
  return pc.coalesce(found, meant.take(pc.index_in(text, value_set=others)))


def _respelled(text: pa.Array) -> pa.Array:
  """Whole numbers without leading and decimal zeros, true and false in small letters; other texts as they are."""
  text = pc.replace_substring_regex(text, r'^\+?(-?)0*(\d+)(\.0*)?$', r'\1\2')
  text = pc.replace_substring_regex(text, r'^(?i:true)$', 'true')
  return pc.replace_substring_regex(text, r'^(?i:false)$', 'false')


_MONTHS = tuple(name.lower() for name in calendar.month_name[1:])
_FIELDS = ('Y', 'y', 'm', 'd', 'H', 'I', 'M', 'S')


class Stamps(NamedTuple):
  """Parsed time stamps.

  Attributes:
    seconds: int64 [rows], the stamp's own reading in Unix seconds as if it were UTC, fractions dropped; 0 where it is
      not valid.
    offset: int64 [rows], seconds east of UTC that the stamp itself claims by `%z`; None if the format has no `%z`.
    valid: bool [rows]; false for null, for text in another format, and for days and hours that do not exist.
  """

  seconds: np.ndarray
  offset: np.ndarray | None
  valid: np.ndarray


def parse_stamps(text: pa.Array, format_: str) -> Stamps:
  """Parses text by a `strptime` format.

  Args:
    text: large_string [rows], trimmed; may hold nulls.
    format_: one without `time_format.problems`; names are English.
  Returns: The stamps. 30 February, hour 24, second 60 and an offset of 24 hours are not valid, as in
    `datetime.strptime`'s result; which weekday it is, is not compared.
  """
  matched: np.ndarray | bool = True
  fields: dict[str, pa.Array] = {}
  numbers = _laid_out(text, format_)
  if numbers is None:
    found = pc.extract_regex(text, time_format.pattern(format_))
    matched = np.asarray(pc.is_valid(found))
    fields = {found.type[i].name: pc.struct_field(found, [i]) for i in range(found.type.num_fields)}
    numbers = {name: _integers(fields[name]) for name in _FIELDS if name in fields}
  # The POSIX rule for %y: 69 to 99 are in the twentieth century.
  year = numbers['Y'] if 'Y' in numbers else numbers['y'] + np.where(numbers['y'] < 69, 2000, 1900)
  month, known_month = _month(numbers, fields)
  hour, known_hour = _hour(numbers, fields)
  zeros = np.zeros(len(text), np.int64)
  minute, second = numbers.get('M', zeros), numbers.get('S', zeros)
  days, known_day = _days(year, month, numbers['d'])
  valid = matched & known_month & known_hour & known_day & (minute < 60) & (second < 60)
  offset, known_offset = _utc_offset(fields['z']) if 'z' in fields else (None, True)
  valid = valid & known_offset
  seconds = np.where(valid, days * 86400 + hour * 3600 + minute * 60 + second, 0)
  return Stamps(seconds, offset, valid)


def _laid_out(text: pa.Array, format_: str) -> dict[str, np.ndarray] | None:
  """The numbers, int64 [rows] by directive, where every stamp has all digits, as most columns do; `None` elsewhere.

  A stamp as long as its format's longest fits in one way only, which takes no regular expression.
  """
  layout = time_format.layout(format_)
  if layout is None or text.null_count or not len(text):
    return None
  _, offsets, data = text.buffers()
  ends = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
  if np.any(np.diff(ends) != layout.width):
    return None
  stamps = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]].reshape(len(text), layout.width).T
  if not all((stamps[place] == byte).all() for place, byte in layout.literals.items()):
    return None
  numbers = {}
  for directive, (start, end) in layout.digits.items():
    # What is less than '0' becomes larger than 9.
    digits = stamps[start:end] - np.uint8(ord('0'))
    if digits.max() > 9:
      return None
    numbers[directive] = np.array([10**place for place in reversed(range(end - start))]) @ digits.astype(np.int64)
  return numbers


def _integers(digits: pa.Array) -> np.ndarray:
  return np.asarray(pc.fill_null(digits.cast(pa.int64()), 0))


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


def _utc_offset(zone: pa.Array) -> tuple[np.ndarray, np.ndarray]:
  """Seconds east of UTC, and whether it is an offset of less than a day."""
  digits = pc.replace_substring(zone, ':', '')
  digits = pc.if_else(pc.equal(digits, pa.scalar('Z', digits.type)), pa.scalar('+0000', digits.type), digits)
  digits = pc.replace_substring_regex(digits, r'^([+-]\d\d)$', r'\100')  # PostgreSQL's `+01`.
  number = _integers(pc.replace_substring(digits, '+', ''))
  hours, minutes = np.abs(number) // 100, np.abs(number) % 100
  return np.sign(number) * (hours * 3600 + minutes * 60), (hours < 24) & (minutes < 60)


_FIRST = datetime.datetime(1935, 1, 1, tzinfo=datetime.timezone.utc)
_LAST = datetime.datetime(2085, 1, 1, tzinfo=datetime.timezone.utc)
_STEP = 86400
"""Seconds between two samples of a zone's offset; no zone changed twice within this."""


def wall_clock_of(instants: np.ndarray, zone: str) -> np.ndarray:
  """The wall clock's reading at each instant.

  Every instant has exactly one reading, so an hour that the clock shows twice or leaves out in a change of daylight
  saving time needs no decision. pandas is not used, as its zones by name know no daylight saving after 2037.

  Args:
    instants: int64 [rows], Unix seconds.
    zone: an IANA name, or a fixed offset such as `+05:30`.
  Returns: int64 [rows], the reading as if it were UTC, in Unix seconds. Before 1935 and after 2085 the nearest known
    offset is used.
  """
  starts, offsets = _offsets(zone)
  return instants + offsets[np.clip(np.searchsorted(starts, instants, side='right') - 1, 0, None)]


@functools.lru_cache(maxsize=32)
def _offsets(zone: str) -> tuple[np.ndarray, np.ndarray]:
  """Where each offset begins (Unix seconds, ascending) and the offset in seconds."""
  is_fixed = zone.startswith(('+', '-'))
  tz = datetime.datetime.strptime(zone, '%z').tzinfo if is_fixed else zoneinfo.ZoneInfo(zone)
  samples = range(int(_FIRST.timestamp()), int(_LAST.timestamp()), _STEP)
  starts, offsets = [samples[0]], [_offset(tz, samples[0])]
  for sample in samples[1:]:
    offset = _offset(tz, sample)
    if offset != offsets[-1]:
      between = range(sample - _STEP + 1, sample)
      # The key is False before the change and True from then on.
      starts.append(between.start + bisect.bisect(between, False, key=lambda instant: _offset(tz, instant) == offset))
      offsets.append(offset)
  return np.array(starts, np.int64), np.array(offsets, np.int64)


def _offset(tz: datetime.tzinfo | None, instant: int) -> int:
  reading = datetime.datetime.fromtimestamp(instant, tz)
  return round((reading.utcoffset() or datetime.timedelta()).total_seconds())


_EPOCH = int((EPOCH - EPOCH.replace(year=1970)).total_seconds())
_FARTHEST = 2**40
"""Unix seconds beyond this (some 34,000 years) are clipped, far outside every valid range."""


class PickupSeconds(NamedTuple):
  """Pickup times.

  Attributes:
    seconds: int64 [rows] since 2009-01-01 00:00:00 on the wall clock, fractions dropped; 0 where missing or unparsable.
    missing, unparsable: bool [rows].
  """

  seconds: np.ndarray
  missing: np.ndarray
  unparsable: np.ndarray


def parse_pickup_time(
  column: pa.Array, time: PickupTime, missing: Sequence[str], notation: Notation = _PLAIN
) -> PickupSeconds:
  """Reads the pickup-time column.

  A column of Arrow timestamps or dates is taken as such, whatever `time.encoding` is. A stamp that carries its own zone
  (an Arrow time zone, or `%z`) is shown in that zone for `clock: local`, and is that instant for `clock: utc`.

  Args:
    column: text, numbers, timestamps or dates, [rows].
    missing: texts that mean a missing value, besides the empty one.
    notation: how numbers are written in text.
  Returns: The times; those too far away for any range are some 34,000 years away.
  Raises: IngestionError: the column's type does not fit `time.encoding`, or its zone is none.
  """
  column = plain(column)
  if pa.types.is_null(column.type):
    parsed = PickupSeconds(np.zeros(len(column), np.int64), np.ones(len(column), bool), np.zeros(len(column), bool))
  elif pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
    parsed = _from_timestamps(column, time)
  elif time.encoding.ticks:
    parsed = _from_unix(column, time, missing, notation)
  elif time.encoding is TimeEncoding.STRING and is_text(column.type):
    parsed = _from_text(column, time, missing)
  else:
    raise IngestionError(
      f"Column '{primary(time.column)}' holds {column.type}, which does not fit time.encoding '{time.encoding.value}'; "
      "use 'string' for text, 'unix_seconds' (or _milliseconds, _microseconds) for numbers, 'timestamp' for Parquet "
      'timestamps.'
    )
  invalid = parsed.missing | parsed.unparsable
  return parsed._replace(seconds=np.where(invalid, 0, parsed.seconds - _EPOCH))


def _from_timestamps(column: pa.Array, time: PickupTime) -> PickupSeconds:
  missing = np.asarray(column.is_null())
  # Not by a cast to another unit of Arrow's, in which a year far away wraps to another one.
  if pa.types.is_date32(column.type):
    instants = _ticks(column.cast(pa.int32())) * 86_400
  else:
    unit = 'ms' if pa.types.is_date64(column.type) else column.type.unit
    instants = _ticks(column.cast(pa.int64())) // _TICKS[unit]
  instants = np.clip(instants, -_FARTHEST, _FARTHEST)
  zone = column.type.tz if pa.types.is_timestamp(column.type) else None
  if time.clock is Clock.UTC and time.time_zone:
    instants = wall_clock_of(instants, time.time_zone)
  elif zone:
    try:
      instants = wall_clock_of(instants, zone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
      raise IngestionError(
        f"Column '{primary(time.column)}' holds {column.type}, whose zone is unknown here; write the time stamps in "
        "UTC, and set time.clock to utc and time.time_zone to the city's."
      ) from None
  return PickupSeconds(instants, missing, np.zeros(len(column), bool))


_TICKS = {'s': 1, 'ms': 1_000, 'us': 1_000_000, 'ns': 1_000_000_000}
"""Of Arrow's units, in a second."""


def _ticks(whole: pa.Array) -> np.ndarray:
  return np.asarray(pc.fill_null(whole, 0)).astype(np.int64)


def _from_unix(column: pa.Array, time: PickupTime, missing: Sequence[str], notation: Notation) -> PickupSeconds:
  numbers = as_numbers(column, missing, primary(time.column), notation)
  unparsable = numbers.unparsable | np.isinf(numbers.values)
  absent = np.isnan(numbers.values) & ~unparsable
  seconds = np.where(np.isfinite(numbers.values), numbers.values, 0) // (time.encoding.ticks or 1)
  instants = np.clip(seconds, -_FARTHEST, _FARTHEST).astype(np.int64)
  if time.clock is Clock.UTC and time.time_zone:
    instants = wall_clock_of(instants, time.time_zone)
  return PickupSeconds(instants, absent, unparsable)


def _from_text(column: pa.Array, time: PickupTime, missing: Sequence[str]) -> PickupSeconds:
  text = as_text(column, missing)
  absent = np.asarray(text.is_null())
  stamps = parse_stamps(text, time.format)
  seconds = stamps.seconds
  if time.clock is Clock.UTC and time.time_zone:
    seconds = wall_clock_of(seconds if stamps.offset is None else seconds - stamps.offset, time.time_zone)
  return PickupSeconds(seconds, absent, ~stamps.valid & ~absent)
