"""`strptime` formats of pickup times: which directives are read and as what, and what makes a format wrong."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

DIRECTIVES = {
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
  'z': r'(?P<z>Z|[+-]\d{2}(?::?\d{2})?)',
  'a': r'(?:(?i:mon|tue|wed|thu|fri|sat|sun))',
  'A': r'(?:(?i:mon|tues|wednes|thurs|fri|satur|sun)(?i:day))',
  '%': '%',
}
"""What each directive reads, as a regular expression of RE2 and of Python whose group has the directive's name."""

SHORTHANDS = {'F': '%Y-%m-%d', 'T': '%H:%M:%S', 'R': '%H:%M', 'D': '%m/%d/%y'}

_SUPPORTED = ' '.join(f'%{directive}' for directive in DIRECTIVES)
_INSTEAD = {
  'Z': "drops the zone's name; write the name itself where all stamps have the same, or %z for offsets such as +01:00",
  's': 'is for Unix seconds; set time.encoding to unix_seconds and leave the format out',
  'e': 'is %d here, which reads one digit or two',
  'k': 'is %H here, which reads one digit or two',
  'l': 'is %I here, which reads one digit or two',
  'h': 'is %b here',
  'N': 'is %f here',
  'L': 'is %f here',
  '-': 'is not needed: numbers are read with and without a leading zero',
}
"""What to write in place of a directive that other programs know, or of one that says nothing."""

_PARTS = {'year': 'Yy', 'month': 'mbB', 'day': 'd', 'hour': 'HI', 'minute': 'M', 'second': 'S', 'fraction': 'f',
          'half of the day': 'p', 'offset': 'z', 'weekday': 'aA'}  # fmt: skip
"""The directives that say the same of a stamp."""

_ZONE = re.compile(
  r'(?<![A-Za-z])(?:[ECMP][SD]T|AK[SD]T|HST|A[SD]T|N[SD]T|BRS?T|ART|CLS?T|COT|PET|VET|WES?T|BST|CES?T|MES?Z|EES?T|MSK|SAST|'
  r'TRT|[EWC]AT|IST|PKT|ICT|WIB|HKT|SGT|[JK]ST|AWST|AC[SD]T|AE[SD]T|NZ[SD]T)(?![A-Za-z])|'
  r'(?:US|Canada|Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)/[\w/+-]+|'
  r'(?:[A-Z][a-z]+ )+(?:Standard|Daylight|Summer) Time|'
  r'(?:UTC|GMT)?[+-](?!0{1,2}(?::?00)?$)\d{1,2}(?::?\d{2})?$'
)
"""The names of zones other than UTC, and offsets."""


@functools.lru_cache(maxsize=256)
def pattern(format_: str) -> str:
  """The regular expression of a whole stamp, for RE2 and for Python, of a format without `problems`."""
  literals, directives = _pieces(format_)
  read = [DIRECTIVES[directive] for directive in directives]
  return f'^{"".join(map("".join, zip(map(re.escape, literals), [*read, ""], strict=True)))}$'


_WIDTHS = {'Y': 4, 'y': 2, 'm': 2, 'd': 2, 'H': 2, 'M': 2, 'S': 2}
"""Digits of the directives that read nothing but digits, at most."""


class Layout(NamedTuple):
  """Where everything is in a stamp that has all the digits that its format reads.

  Attributes:
    width: bytes of the stamp.
    digits: where each number begins and where it has ended, by the directive.
    literals: bytes by their places.
  """

  width: int
  digits: dict[str, tuple[int, int]]
  literals: dict[int, int]


@functools.lru_cache(maxsize=256)
def layout(format_: str) -> Layout | None:
  """The layout of a format without `problems`; `None` where it reads more than digits."""
  literals, directives = _pieces(format_)
  if not {*directives} <= {*_WIDTHS}:
    return None
  place = 0
  digits: dict[str, tuple[int, int]] = {}
  fixed: dict[int, int] = {}
  for literal, directive in zip(literals, [*directives, ''], strict=True):
    fixed |= dict(enumerate(literal.encode(), place))
    place += len(literal.encode())
    if directive:
      digits[directive] = place, place + _WIDTHS[directive]
      place += _WIDTHS[directive]
  return Layout(place, digits, fixed)


def _pieces(format_: str) -> tuple[list[str], list[str]]:
  """The texts between the directives, one more than these, and the directives' letters; shorthands are written out."""
  long = re.sub('%(.)', lambda found: SHORTHANDS.get(found[1], found[0]), format_, flags=re.DOTALL)
  pieces = re.split('%(.)', long, flags=re.DOTALL)
  return pieces[0::2], pieces[1::2]


def problems(format_: str, *, instants: bool) -> Iterator[str]:
  """What is wrong with a format, each a sentence without its full stop.

  Args: instants: whether the stamps are instants of UTC instead of readings of the city's clock.
  """
  literals, directives = _pieces(format_)
  named = f"'{format_}'"
  if meant := _of_java(format_):
    wrong = next(problems(meant, instants=instants), '')
    yield f'{named} is written as Java has it; ' + (f'as directives, {wrong}' if wrong else f"write '{meant}'")
    return
  unknown = [directive for directive in directives if directive not in DIRECTIVES]
  for directive in dict.fromkeys(unknown):
    yield f'{named} uses %{directive}, which {_INSTEAD.get(directive, _NOT_SUPPORTED)}'
  if any('%' in literal for literal in literals):
    yield f"{named} ends with a single '%'; for the sign itself write %%"
  if format_ != format_.strip():
    yield f'{named} begins or ends with white space, of which cells are trimmed; leave it out'
  yield from (f'{named} {problem}' for problem in _of_parts(directives))
  if not unknown:
    yield from (f'{named} {problem}' for problem in _of_the_clock(directives))
    # The city's own clock is read as it stands, whatever zone a stamp claims.
    yield from (f'{named} {problem}' for problem in _of_instants(literals, directives) if instants)


_JAVA = {
  'yyyy': 'Y', 'YYYY': 'Y', 'uuuu': 'Y', 'yy': 'y', 'YY': 'y', 'MMMM': 'B', 'MMM': 'b', 'mmmm': 'B', 'mmm': 'b',
  'MM': 'm', 'M': 'm', 'dd': 'd', 'DD': 'd', 'd': 'd', 'D': 'd', 'HH': 'H', 'H': 'H', 'hh': 'I', 'h': 'I', 'mm': 'M',
  'm': 'M', 'ss': 'S', 's': 'S', 'a': 'p', 'A': 'p', 'tt': 'p', 'EEEE': 'A', 'EEE': 'a', 'XXX': 'z', 'XX': 'z',
  'X': 'z', 'Z': 'z', 'z': 'z',
}  # fmt: skip
"""Directives by the letters of Java's `DateTimeFormatter`, and of JavaScript's libraries."""

_JAVA_PIECE = re.compile(r"'(?P<quoted>[^']*)'|(?P<letters>(?P<letter>[A-Za-z])(?P=letter)*)|(?P<other>.)", re.DOTALL)


def _of_java(format_: str) -> str:
  """The format that is meant by one in Java's letters; empty where it is none."""
  pieces = list(_JAVA_PIECE.finditer(format_))
  words = [piece['letters'] for piece in pieces if _is_java(piece['letters'])]
  if '%' in format_ or not {'yyyy', 'YYYY', 'uuuu', 'yy', 'YY'} & {*words}:
    return ''
  directives = iter(_directives(words))
  return ''.join(
    f'%{next(directives)}' if _is_java(piece['letters']) else next(filter(None, piece.group('quoted', 0)))
    for piece in pieces
  )


def _is_java(word: str | None) -> bool:
  return word is not None and (word in _JAVA or set(word) == {'S'})


def _directives(words: list[str]) -> Iterator[str]:
  """The directives of Java's words, small and capital letters of months, minutes and seconds taken as they stand."""
  found = [_JAVA.get(word, 'f') for word in words]
  for place, directive in enumerate(found):
    before, after = found[place - 1] if place else '', found[place + 1] if place + 1 < len(found) else ''
    if directive in 'mM':
      # Beside hours or seconds it is the minute, beside a day or a year the month, however it is written.
      of_clock = (bool(before) and before in 'HI') or words[place + 1 : place + 2] in (['ss'], ['s'])
      of_date = bool({before, after} & {*'dYy'})
      yield 'M' if of_clock else 'm' if of_date else directive
    elif directive == 'I':
      yield 'I' if 'p' in found else 'H'
    elif directive == 'f' and 'S' not in found and len(words[place]) <= 2:
      yield 'S'
    else:
      yield directive


_NOT_SUPPORTED = f'is not supported; the supported directives are {_SUPPORTED}'


def _of_parts(directives: list[str]) -> Iterator[str]:
  for part, group in _PARTS.items():
    found = [directive for directive in directives if directive in group]
    if len(found) > 1:
      yield f'reads the {part} twice (%{" and %".join(found)}); leave one of them out'
  if not all(any(directive in group for directive in directives) for group in ('Yy', 'mbB', 'd')):
    yield 'needs a year (%Y), a month (%m) and a day (%d)'


def _of_the_clock(directives: list[str]) -> Iterator[str]:
  """Halves of a clock: a part of it that means nothing without another one."""
  if 'I' in directives and 'p' not in directives:
    yield 'has %I, which counts hours from 1 to 12, without %p for AM or PM; write %H for 0 to 23, or add %p'
  if 'p' in directives and 'I' not in directives:
    yield 'has %p, which has no effect without %I; write %I for hours from 1 to 12, or leave %p out'
  for part, whole, words in (('M', 'HI', 'an hour (%H)'), ('S', 'M', 'a minute (%M)'), ('f', 'S', 'a second (%S)')):
    if part in directives and not any(directive in whole for directive in directives):
      yield f'has %{part} without {words}'


def _of_instants(literals: list[str], directives: list[str]) -> Iterator[str]:
  if not {'H', 'I'} & {*directives}:
    yield 'has no hour (%H), and without one clock: utc has no instant to find the wall clock of'
  for literal in literals:
    found = _ZONE.search(literal.strip())
    if found:
      yield (
        f"has the zone '{found[0]}', while clock: utc takes the stamps for UTC; write %z where they have offsets, or "
        "set clock: local where they are the city's wall clock"
      )


_DATES = ('%Y-%m-%d', '%Y/%m/%d', '%Y.%m.%d', '%m/%d/%Y', '%d/%m/%Y', '%d.%m.%Y', '%d-%m-%Y', '%m-%d-%Y', '%m/%d/%y',
          '%d/%m/%y', '%d.%m.%y', '%Y%m%d', '%d %b %Y', '%d-%b-%Y', '%d %B %Y', '%b %d, %Y', '%B %d, %Y',
          '%b %d %Y')  # fmt: skip
_CLOCKS = ('%H:%M:%S', '%H:%M', '%I:%M:%S %p', '%I:%M %p', '%I:%M:%S%p', '%I:%M%p', '%H:%M:%S.%f', '%H:%M:%S,%f',
           '%H%M%S')  # fmt: skip
_BETWEEN = (' ', 'T', ', ', '')
_ZONES = ('', ' UTC', 'Z', ' Z', '%z', ' %z', ' GMT')


def guesses(text: str) -> Iterator[str]:
  """Common formats whose pattern a stamp has, the likeliest ones first; its numbers need not exist in them."""
  for date in _DATES:
    if _begins(date, text):
      if re.match(pattern(date), text):
        yield date
      for day in (f'{date}{between}' for between in _BETWEEN if _begins(f'{date}{between}', text)):
        formats = (f'{day}{clock}{zone}' for clock in _CLOCKS if _begins(f'{day}{clock}', text) for zone in _ZONES)
        yield from (format_ for format_ in formats if re.match(pattern(format_), text))


def _begins(format_: str, text: str) -> bool:
  return re.match(pattern(format_)[:-1], text) is not None
