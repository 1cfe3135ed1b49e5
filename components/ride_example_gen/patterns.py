"""Patterns of files: globs, with `**` for folders at any depth, whose places may hold the numbers and days of spans."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from components.ride_example_gen.files import IngestionError

_SPEC = re.compile(r'\{(SPAN|VERSION|YYYY|MM|DD)(?::\d+)?\}')
_WIDTHS = {'YYYY': 4, 'MM': 2, 'DD': 2}
_UNIX_EPOCH = datetime.date(1970, 1, 1)
_LARGEST = 2**63 - 1
"""What the metadata store takes as the number of a span."""

ANY_DEPTH = '**'


def has_spans(pattern: str) -> bool:
  """Whether a pattern has `{SPAN}` or `{YYYY}`, `{MM}`, `{DD}`."""
  return bool(_specs(pattern) - {'VERSION'})


def is_dated(pattern: str) -> bool:
  """Whether the spans of a pattern are days."""
  return _specs(pattern) >= _WIDTHS.keys()


def is_plain(pattern: str) -> bool:
  """Whether TFX and TensorFlow find the same files as we do: there are no spans, no `**` and no brackets."""
  return not (_specs(pattern) or '[' in pattern or ANY_DEPTH in pattern)


def label_of(number: int, *, dated: bool) -> str:
  """What a span is called: its day, or its number."""
  return (_UNIX_EPOCH + datetime.timedelta(days=number)).isoformat() if dated else f'span {number}'


def span_number(day: datetime.date) -> int:
  """The number of a dated span."""
  return (day - _UNIX_EPOCH).days


def excluded_numbers(excluded: Collection[datetime.date | int]) -> tuple[int, ...]:
  """The numbers of the spans that `retraining.exclude` names, in order."""
  return tuple(sorted(span_number(one) if isinstance(one, datetime.date) else one for one in excluded))


def number_of(values: Mapping[str, int]) -> int | None:
  """The number of the span by the values of a pattern's specs; `None` where they are none, no day, or too large."""
  if 'SPAN' in values:
    return values['SPAN'] if values['SPAN'] <= _LARGEST else None
  try:
    return span_number(datetime.date(*(values[name] for name in _WIDTHS)))
  except (KeyError, ValueError):
    return None


def check_pattern(pattern: str) -> None:
  """Raises `IngestionError` for a pattern of which nobody could say what it finds."""
  specs = _specs(pattern)
  dates = specs & _WIDTHS.keys()
  if 'SPAN' in specs and dates:
    raise IngestionError(f"The pattern '{pattern}' has both {{SPAN}} and a date; use one of them.")
  if dates and dates != _WIDTHS.keys():
    missing = ', '.join(f'{{{spec}}}' for spec in _WIDTHS if spec not in dates)
    raise IngestionError(f"The pattern '{pattern}' has a date without {missing}.")
  if specs == {'VERSION'}:
    raise IngestionError(f"The pattern '{pattern}' has {{VERSION}} without {{SPAN}} or a date, whose version it is.")
  if not segments_of(pattern):
    raise IngestionError('The pattern of the files is empty; name one such as *.csv.')


def check_spans(pattern: str) -> None:
  """Raises `IngestionError` for a pattern that has no spans, or that `check_pattern` refuses."""
  check_pattern(pattern)
  if not has_spans(pattern):
    raise IngestionError(
      f"The pattern '{pattern}' has no spans; a window needs {{SPAN}} or {{YYYY}}/{{MM}}/{{DD}} in dataset.path "
      'or --data, such as rides/{YYYY}/{MM}/{DD}/*.csv.'
    )


def _specs(pattern: str) -> set[str]:
  return {spec.group(1) for spec in _SPEC.finditer(pattern)}


class Match(NamedTuple):
  """A name that a segment fits: the segment with the name's digits in place of its specs, and the specs' values."""

  filled: str
  values: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Segment:
  """What stands between two slashes of a pattern.

  Attributes: text: as it stands there.
  """

  text: str

  @property
  def has_specs(self) -> bool:
    """Whether a number or a part of a date stands in it."""
    return _SPEC.search(self.text) is not None

  @property
  def is_wild(self) -> bool:
    """Whether it may fit other names than its own text."""
    return self.has_specs or re.search(r'[*?\[]', self.text) is not None

  def finds(self, name: str) -> bool:
    """Whether a name fits, with anything in place of the specs."""
    return _regex(self.text, True).fullmatch(name) is not None

  def match(self, name: str) -> Match | None:
    """What a name holds in place of the specs; `None` where it does not fit, or one spec has two values."""
    match = _regex(self.text, False).fullmatch(name)
    if match is None:
      return None
    texts = iter(match.groups())
    values: dict[str, int] = {}
    for spec, text in zip(_SPEC.finditer(self.text), match.groups(), strict=True):
      if values.setdefault(spec.group(1), int(text)) != int(text):
        return None
    return Match(_SPEC.sub(lambda _: next(texts), self.text), values)


def segments_of(pattern: str) -> tuple[Segment, ...]:
  """The segments of a pattern; `**` at its end stands for the files at any depth.

  Raises: IngestionError: `**` is only a part of a segment, or brackets hold a range from high to low.
  """
  texts: list[str] = []
  for text in filter(None, pattern.split('/')):
    if ANY_DEPTH in text and text != ANY_DEPTH:
      raise IngestionError(
        f"'{text}' in the pattern '{pattern}': ** stands for folders at any depth, alone between two slashes, as in "
        'rides/**/*.csv; within one folder use *.'
      )
    if texts[-1:] != [ANY_DEPTH] or text != ANY_DEPTH:
      texts.append(text)
    _regex(text, True)
  return tuple(map(Segment, texts + ['*'] * (texts[-1:] == [ANY_DEPTH])))


@functools.lru_cache(maxsize=1024)
def _regex(segment: str, loose: bool) -> re.Pattern[str]:
  """The regular expression of a segment: each spec is a group of digits, or `loose`: anything."""
  regex, end = '', 0
  for spec in _SPEC.finditer(segment):
    regex += _glob_to_regex(segment[end : spec.start()]) + ('.*' if loose else f'({_digits(spec)})')
    end = spec.end()
  try:
    return re.compile(regex + _glob_to_regex(segment[end:]), re.DOTALL)
  except re.error as error:
    raise IngestionError(f"'{segment}' is no pattern: its brackets hold no range ({error.msg}).") from None


def _digits(spec: re.Match[str]) -> str:
  """Months and days may lack their zero (`2026/3/8`) where something else than digits stands around them."""
  name, text = spec.group(1), spec.string
  if name not in _WIDTHS:
    return '[0-9]+'
  around = text[max(0, spec.start() - 1) : spec.start()] + text[spec.end() : spec.end() + 1]
  exact = name == 'YYYY' or re.search(r'[0-9*?\[\]{}]', around)
  return f'[0-9]{{{_WIDTHS[name]}}}' if exact else f'[0-9]{{1,{_WIDTHS[name]}}}'


def _glob_to_regex(glob: str) -> str:
  """`*`, `?`, `[…]` and `[!…]` as in a shell, everything else as it is."""
  pieces = re.findall(r'\[(?:!.|[^!])[^\]]*\]|.', glob, re.DOTALL)
  return ''.join(
    {'*': '.*', '?': '.'}.get(piece) or (_class(piece[1:-1]) if len(piece) > 1 else re.escape(piece))
    for piece in pieces
  )


def _class(characters: str) -> str:
  negated = characters.startswith('!')
  return f'[{"^" if negated else ""}{re.sub(r"([^0-9A-Za-z-])", _escaped, characters[negated:])}]'


def _escaped(character: re.Match[str]) -> str:
  return re.escape(character[1]) if character[1].isascii() else character[1]
