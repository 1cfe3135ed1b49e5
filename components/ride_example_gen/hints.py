"""Which setting makes a value readable that broke a rule: a setting is named only after the value was read by it."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from components.ride_example_gen import parsing
from components.ride_example_gen.canonical import time_checks
from components.ride_example_gen.quarantine import BrokenExample
from components.ride_example_gen.rows import Reason
from configs import time_format
from configs.base import joined
from configs.dataset import Clock, Dataset, PickupTime, TimeEncoding
from configs.numbers import SPACES, Notation
from configs.source import primary
from configs.texts import quoted

_MOST = 2
"""So many settings are offered where a value can be read in several ways."""


def hint(reason: Reason, column: str, value: str, dataset: Dataset) -> str:
  """What to set, as the end of a sentence; '' where no setting would help.

  Args:
    reason: why the row was set aside.
    column: the source column.
    value: the cell as text, trimmed as cells are.
    dataset: the settings by which the value could not be read.
  """
  if reason in (Reason.UNPARSABLE_NUMBER, Reason.UNPARSABLE_TIME) and _says_missing(value):
    return 'add it to dataset.missing'
  if reason is Reason.UNPARSABLE_NUMBER:
    return _either(_notations(column, value, dataset))
  if reason in (Reason.UNPARSABLE_TIME, Reason.TIME_OUT_OF_RANGE):
    return _either(_times(value, dataset))
  if reason in (Reason.PICKUP_OUTSIDE_BOUNDS, Reason.DROPOFF_OUTSIDE_BOUNDS):
    return _exchange(reason, value, column, dataset)
  return ''


def hinted(examples: Iterable[BrokenExample], dataset: Dataset) -> tuple[BrokenExample, ...]:
  """The examples with a hint, where there is one and they have none."""
  return tuple(
    example
    if example.hint
    else dataclasses.replace(example, hint=hint(Reason(example.reason), example.column, example.value, dataset))
    for example in examples
  )


def _either(settings: Iterable[str]) -> str:
  return ', or '.join(list(dict.fromkeys(settings))[:_MOST])


def _exchange(reason: Reason, value: str, column: str, dataset: Dataset) -> str:
  """What to exchange where a longitude is in the city as a latitude, or the reverse."""
  if dataset.places is not None:
    return ''
  end = 'pickup' if reason is Reason.PICKUP_OUTSIDE_BOUNDS else 'dropoff'
  is_longitude = dataset.source_columns()[f'{end}_longitude'] == column
  other = dataset.rules.bounds.latitude if is_longitude else dataset.rules.bounds.longitude
  number = parsing.as_numbers(pa.array([value]), dataset.missing, column, dataset.notation_of(column)).values[0]
  if not other.min <= number <= other.max:
    return ''
  what = 'latitude' if is_longitude else 'longitude'
  return f'a {what}? Exchange dataset.columns.{end}_longitude and {end}_latitude'


_MISSING = frozenset(
  {'n/a', '#n/a', 'n.a.', 'na', 'nan', 'none', 'null', 'nil', 'nul', 'missing', 'unknown', 'undefined', 'empty',
   r'\n', r'\\n', 'not available', 'keine', 'nd', 'n.d.', 'inconnu', 'desconocido'}
)  # fmt: skip


def _says_missing(value: str) -> bool:
  """Whether a cell is a word for 'missing', perhaps in brackets, or a few signs such as `-` or `?`."""
  bare = value.strip('<>()[]').casefold()
  signs_alone = not any(unicodedata.category(sign) == 'Sc' or sign.isalnum() for sign in value)
  return bool(value) and (bare in _MISSING or (signs_alone and len(value) <= 3))


def _notations(column: str, value: str, dataset: Dataset) -> Iterator[str]:
  """Settings of `dataset.numbers` by which the value is a number, first those by which it is one that may be there."""
  found: dict[float, tuple[bool, str]] = {}
  for notation, words in _settings(column, value, dataset):
    number = parsing.as_numbers(pa.array([value]), dataset.missing, column, notation).values[0]
    if np.isfinite(number) and number not in found:
      found[number] = (_may_be(number, column, dataset), words)
  best = max((valid for valid, _ in found.values()), default=False)
  return (words for valid, words in found.values() if valid == best)


def _settings(column: str, value: str, dataset: Dataset) -> Iterator[tuple[Notation, str]]:
  """Other notations of a column, each with what to set."""
  now, everywhere = dataset.notation_of(column), dataset.numbers.everywhere()
  if now != everywhere:
    yield everywhere, 'add it to dataset.numbers.columns'
    return
  for notation in _candidates(value, now):
    # Amounts may be written for readers, and coordinates beside them as a device has them.
    mixed = notation.decimal != now.decimal and not dataset.numbers.columns
    alone = f'; where other columns have points, dataset.numbers.columns to {_yaml((column,))}' if mixed else ''
    yield notation, f'{_changes(now, notation)}{alone}'
  if now.decimal == ',':
    yield Notation(), 'list in dataset.numbers.columns those that have a decimal comma'


_SEPARATORS = (('.', ''), ('.', ','), (',', ''), (',', '.'), (',', ' '), ('.', ' '), ('.', "'"), (',', "'"))


def _candidates(value: str, now: Notation) -> Iterator[Notation]:
  """Other notations: those that still read what the present one reads, or any, where that is the default one."""
  sign = _sign(value)
  signs = (*now.signs, sign) if sign and sign not in now.signs else now.signs
  is_default = now == Notation(signs=now.signs)
  for decimal, thousands in ((now.decimal, now.thousands), *_SEPARATORS):
    if is_default or (decimal == now.decimal and now.thousands in ('', thousands)):
      yield now.model_copy(update={'decimal': decimal, 'thousands': thousands, 'signs': signs})


_UNITS = frozenset({'rs', 'rs.', 'kr', 'kr.', 'fr', 'fr.', 'zł', 'kč', 'ft', 'lei', 'tl', 'r$', 'us$', 'a$', 'c$', '°'})


def _sign(value: str) -> str:
  """The sign of a currency (or of degrees) before or after a number; '' where there is none."""
  found = re.fullmatch(r'[+-]?(?P<before>\D*?)[+-]?[.,]?\d[^A-Za-z]*?(?P<after>[^\d.,]*)', value)
  parts = [part.strip(f'{SPACES}+-') for part in found.groups()] if found else []
  signs = [part for part in parts if part]
  if len(signs) != 1:
    return ''
  [sign] = signs
  is_currency = any(unicodedata.category(letter) == 'Sc' for letter in sign) and len(sign) <= 4
  return sign if is_currency or sign.casefold() in _UNITS or re.fullmatch('[A-Z]{3}', sign) else ''


def _may_be(number: float, column: str, dataset: Dataset) -> bool:
  names = (name for name, source in dataset.source_columns().items() if source == column)
  intervals = (dataset.rules.interval(name) for name in names)
  return all(interval is None or interval.min <= number <= interval.max for interval in intervals)


def _changes(now: Notation, then: Notation) -> str:
  changes = {name: getattr(then, name) for name in Notation.model_fields if getattr(then, name) != getattr(now, name)}
  words = [f'{name} to {_yaml(value)}' for name, value in changes.items()]
  return f'set dataset.numbers.{joined(words)}'


def _yaml(value: str | tuple[str, ...]) -> str:
  if isinstance(value, tuple):
    return f'[{", ".join(map(_yaml, value))}]'
  return f'"{value}"' if "'" in value else quoted(value)


def _times(value: str, dataset: Dataset) -> Iterator[str]:
  """Settings of `dataset.time` by which the value is a time in the valid range."""
  now = dataset.time
  if now.encoding is TimeEncoding.TIMESTAMP:
    return
  has_format = now.format != PickupTime.model_fields['format'].default
  for encoding in (encoding for encoding in TimeEncoding if encoding.ticks and encoding is not now.encoding):
    if _reading(value, now.model_copy(update={'encoding': encoding}), dataset) is not None:
      leave = ' and dataset.time.format to null' if has_format else ''
      yield f'{encoding.value.split("_")[1]}? Set dataset.time.encoding to {encoding.value}{leave}'
  is_text = now.encoding is TimeEncoding.STRING
  # A number that stands for no text may come from a column of numbers.
  formats = (format_ for format_ in time_format.guesses(value) if is_text or not value.isdigit())
  found: set[int | None] = {None}
  for format_ in formats:
    changed = now.model_copy(update={'encoding': TimeEncoding.STRING, 'format': format_})
    wrong = any(time_format.problems(format_, instants=now.clock is Clock.UTC))
    seconds = None if wrong or changed == now else _reading(value, changed, dataset)
    if seconds not in found:
      yield f'set dataset.time.{"" if is_text else "encoding to string and dataset.time."}format to {quoted(format_)}'
    found.add(seconds)


def _reading(value: str, time: PickupTime, dataset: Dataset) -> int | None:
  """The time that a value is by a setting; `None` where it breaks a rule."""
  notation = dataset.notation_of(primary(time.column))
  parsed = parsing.parse_pickup_time(pa.array([value]), time, dataset.missing, notation)
  return None if any(check.broken[0] for check in time_checks(parsed, dataset)) else int(parsed.seconds[0])
