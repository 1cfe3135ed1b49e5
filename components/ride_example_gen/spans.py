"""Finds the spans of a source: the numbered or dated parts that its rides arrive in."""

from __future__ import annotations

import dataclasses
import datetime
import posixpath
import re
from collections.abc import Iterable

from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.files import check_inputs
from configs.problems import joined

_SPEC = re.compile(r'\{(SPAN|VERSION|YYYY|MM|DD)(?::(\d+))?\}')
_WIDTHS = {'YYYY': 4, 'MM': 2, 'DD': 2}
_DATE_SPECS = frozenset(_WIDTHS)
_UNIX_EPOCH = datetime.date(1970, 1, 1)


@dataclasses.dataclass(frozen=True, order=True)
class Span:
  """One span of rides.

  Attributes:
    number: of `{SPAN}`, or days since 1970-01-01 of a date, as TFX counts them.
    label: `2026-03-08`, or `span 7`.
    pattern: the source's glob below its base with this span, and its newest version, filled in.
    files: what the pattern matches, sorted.
  """

  number: int
  label: str
  pattern: str
  files: tuple[str, ...]


def has_spans(pattern: str) -> bool:
  """Whether a pattern has `{SPAN}` or `{YYYY}`, `{MM}`, `{DD}`."""
  return bool(_specs(pattern) - {'VERSION'})


def is_dated(pattern: str) -> bool:
  """Whether the spans of a pattern are days."""
  return _specs(pattern) >= _DATE_SPECS


def label_of(number: int, *, dated: bool) -> str:
  """What a span is called: its day, or its number."""
  return span_day(number).isoformat() if dated else f'span {number}'


def span_day(number: int) -> datetime.date:
  """The day of a dated span."""
  return _UNIX_EPOCH + datetime.timedelta(days=number)


def span_number(day: datetime.date) -> int:
  """The number of a dated span."""
  return (day - _UNIX_EPOCH).days


def find_spans(base: str, pattern: str) -> tuple[Span, ...]:
  """Every span that has a file, oldest first; of several versions the newest.

  Args:
    base: a folder, or the prefix of a bucket.
    pattern: a glob below it with `{SPAN}` or `{YYYY}`, `{MM}` and `{DD}`, and perhaps `{VERSION}`, as in TFX.

  Raises:
    IngestionError: no file matches, the pattern's specs don't go together, or two folders are the same span.
  """
  _check_specs(pattern)
  whole = posixpath.join(base, pattern)
  regex = _regex(whole)
  found: dict[int, dict[int, dict[str, list[str]]]] = {}
  for file in check_inputs(base, pattern):
    match = regex.fullmatch(file)
    number = _number(match.groupdict()) if match else None
    if match is None or number is None:
      continue  # A glob also matches what is no number and no day, such as month 13.
    version = int(match.groupdict().get('VERSION') or 0)
    filled = _SPEC.sub(lambda spec, match=match: match.group(spec.group(1)), pattern)  # type: ignore[misc]
    found.setdefault(number, {}).setdefault(version, {}).setdefault(filled, []).append(file)
  if not found:
    raise IngestionError(f"The files that '{whole}' matches have no number or day where the pattern wants one.")
  dated = is_dated(pattern)
  return tuple(_span(number, label_of(number, dated=dated), found[number]) for number in sorted(found))


def _span(number: int, label: str, versions: dict[int, dict[str, list[str]]]) -> Span:
  patterns = versions[max(versions)]
  if len(patterns) > 1:
    raise IngestionError(f'Two folders are the same part of the data, {label}: {joined(sorted(patterns))}.')
  [(pattern, files)] = patterns.items()
  return Span(number, label, pattern, tuple(sorted(files)))


def _check_specs(pattern: str) -> None:
  specs = _specs(pattern)
  dates = specs & _DATE_SPECS
  if 'SPAN' in specs and dates:
    raise IngestionError(f"The pattern '{pattern}' has both {{SPAN}} and a date; use one of them.")
  if dates and dates != _DATE_SPECS:
    missing = ', '.join(f'{{{spec}}}' for spec in _WIDTHS if spec not in dates)
    raise IngestionError(f"The pattern '{pattern}' has a date without {missing}.")
  if 'SPAN' not in specs and not dates:
    raise IngestionError(
      f"The pattern '{pattern}' has no spans; a window needs {{SPAN}} or {{YYYY}}/{{MM}}/{{DD}} in dataset.path "
      'or --data, such as rides/{YYYY}/{MM}/{DD}/*.csv.'
    )


def _specs(pattern: str) -> set[str]:
  return {spec.group(1) for spec in _SPEC.finditer(pattern)}


def _regex(pattern: str) -> re.Pattern[str]:
  """The regular expression of a glob whose specs are captured; a spec that comes again has to be the same text."""
  seen: set[str] = set()
  parts, end = [], 0
  for spec in _SPEC.finditer(pattern):
    parts += [_glob_to_regex(pattern[end : spec.start()]), _captured(spec, seen)]
    end = spec.end()
  return re.compile(''.join([*parts, _glob_to_regex(pattern[end:])]))


def _captured(spec: re.Match[str], seen: set[str]) -> str:
  name = spec.group(1)
  if name in seen:
    return f'(?P={name})'
  seen.add(name)
  width = _WIDTHS.get(name)
  return f'(?P<{name}>' + (rf'\d{{{width}}}' if width else r'\d+') + ')'


def _glob_to_regex(glob: str) -> str:
  """`*`, `?` and `[…]` within one folder, everything else as it is."""
  pieces: Iterable[str] = re.findall(r'\[[^\]]+\]|.', glob, re.DOTALL)
  return ''.join(
    {'*': '[^/]*', '?': '[^/]'}.get(piece) or (piece.replace('[!', '[^') if len(piece) > 1 else re.escape(piece))
    for piece in pieces
  )


def _number(groups: dict[str, str | None]) -> int | None:
  if groups.get('SPAN'):
    return int(groups['SPAN'] or 0)
  try:
    return span_number(datetime.date(*(int(groups[name] or 0) for name in _WIDTHS)))
  except ValueError:
    return None
