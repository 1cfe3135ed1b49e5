"""The records of CSV text by RFC 4180, strictly: what Arrow may read, and which lines are no records.

A quotation mark opens only at the start of a cell; behind the one that closes comes a delimiter, a line end or the end
of the file; two of them inside are one. Lines end in LF, CR LF or CR. A record that breaks this loses the line on which
it begins, and reading goes on with the next line, so that no ride vanishes in a cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

LONGEST_CELL = 1 << 16
"""Bytes; no ride has a longer cell, or a longer line that is no ride."""

_QUOTED, _QUOTED_ON_ONE_LINE = (rb'"[^"%s]*(?:""[^"%s]*){0,32767}"' % (ends, ends) for ends in (b'', b'\r\n'))
_END = rb'(?:\r\n|\n|\r|\Z)'
_LINE_END = re.compile(rb'\r\n|\n|\r')
_QUOTES = re.compile(rb'"+')
_MOST_CELLS, _RUN = 1 << 16, 100
"""Of a record, and records that are matched at once; Python's engine takes memory for each."""

_BROKEN = 'a quotation mark that neither opens nor closes a cell'
_SWALLOWS = 'a quotation mark that makes one cell of several lines of rides'


class StrayLine(NamedTuple):
  """A line that is set aside for its quotation marks.

  Attributes:
    line: its number in the file.
    text: without its end.
    detail: what is wrong.
  """

  line: int
  text: bytes
  detail: str


class Records(NamedTuple):
  """What was found in some text.

  Attributes:
    text: whole legal records, with their ends, and blank lines.
    lines: int64 [records], the line on which each one begins; empty lines are none.
    stray: the lines between them that are set aside.
    used: bytes of the text, from its start, that these take.
    next_line: number of the line behind them.
  """

  text: bytes
  lines: np.ndarray
  stray: tuple[StrayLine, ...]
  used: int
  next_line: int


OpenQuote = Callable[[int, int], bool]
"""Gets the position and the line of a quotation mark whose cell doesn't end in the text. True: it is a stray one.
False: more text has to be read. Raises: it is left open."""


class Grammar:
  """CSV with a delimiter of one byte."""

  def __init__(self, delimiter: str):
    self._delimiter = delimiter.encode()
    cut = re.escape(self._delimiter)
    plain = rb'[^"\r\n' + cut + rb']*'
    cell, one_line = (rb'(?:' + quoted + rb'|' + plain + rb')' for quoted in (_QUOTED, _QUOTED_ON_ONE_LINE))
    more = rb'{0,%d}' % _MOST_CELLS
    line = one_line + rb'(?:' + cut + one_line + rb')' + more + _END
    self._lines = re.compile(rb'(?:' + line + rb'){1,%d}' % _RUN)
    self._record = re.compile(cell + rb'(?:' + cut + cell + rb')' + more + _END)
    self._before_quote = re.compile(rb'(?:' + cell + cut + rb')' + more + rb'(?=")')
    self._cells = re.compile(cut + rb'(' + cell + rb')')

  def split(self, text: bytes, line: int, fields: int, on_open: OpenQuote) -> Records:
    """Tells records from stray lines.

    Args:
      text: whole lines, the last one of a file perhaps without its end.
      line: number of the first of them.
      fields: of the header.
      on_open: decides on a cell that goes on behind the text.
    """
    if b'"' not in text or self._quotes_whole_cells(text):
      return Records(text, _record_lines(text, line), (), len(text), line + _count_lines(text))
    return _Splitting(self, text, line, fields, on_open).records()

  def _quotes_whole_cells(self, text: bytes) -> bool:
    """Whether each quotation mark opens or closes a cell of one line; what `lines` finds out in many times the time.

    False also where there may be records of too many cells, or two marks inside of a cell, which are one.
    """
    characters = np.frombuffer(text, np.uint8)
    marks = np.flatnonzero(characters == ord('"'))
    breaks = np.flatnonzero((characters == ord('\n')) | (characters == ord('\r')))
    if len(marks) % 2 or np.max(np.diff(breaks, prepend=-1, append=len(text))) > _MOST_CELLS:
      return False
    opening, closing = marks[0::2], marks[1::2]
    is_edge = np.zeros(256, bool)
    is_edge[[ord('\n'), ord('\r'), ord(self._delimiter)]] = True
    # Both ends of the text are edges, too.
    before, behind = opening[opening > 0] - 1, closing[closing < len(text) - 1] + 1
    return bool(
      is_edge[characters[before]].all()
      and is_edge[characters[behind]].all()
      and np.array_equal(np.searchsorted(breaks, opening), np.searchsorted(breaks, closing))
    )

  def lines(self, text: bytes, position: int) -> int:
    """The end of the records that begin at a position and have a line each; the position itself where none does."""
    while position < len(text) and (found := self._lines.match(text, position)):
      position = found.end()
    return position

  def record(self, text: bytes, position: int) -> bytes | None:
    """The legal record, with its end, that begins at a position."""
    found = self._record.match(text, position)
    return found[0] if found else None

  def open_quote(self, text: bytes, position: int) -> int | None:
    """Where the cell opens that takes up all the rest of the text, in a record that begins at a position."""
    found = self._before_quote.match(text, position)
    return found.end() if found and closing_quote(text, found.end() + 1) is None else None

  def cells(self, record: bytes) -> list[bytes]:
    """The cells of a legal record, still in their quotation marks."""
    return self._cells.findall(self._delimiter + record.rstrip(b'\r\n'))

  def ends_cell(self, following: bytes) -> bool:
    """Whether this byte (none: the end of the file) may stand behind a closing quotation mark."""
    return following in (b'', b'\r', b'\n', self._delimiter)

  def swallows(self, record: bytes, fields: int) -> bool:
    """Whether a cell of several lines is rides behind a stray quotation mark, and no text.

    It is where a whole line in it has as many fields as the header, or the line on which it opens and the one on which
    it closes both have, each read for itself.
    """
    cells = self.cells(record)
    return any(self._is_rides(cell, before, len(cells) - before - 1, fields) for before, cell in enumerate(cells))

  def _is_rides(self, cell: bytes, before: int, behind: int, fields: int) -> bool:
    first, *others = _LINE_END.split(cell[:LONGEST_CELL])
    if not others:
      return False
    *inner, last = others
    if self.holds_line(inner, fields):
      return True
    return before + 1 + first.count(self._delimiter) == fields == last.count(self._delimiter) + 1 + behind

  def holds_line(self, lines: list[bytes], fields: int) -> bool:
    """Whether one of some lines has so many fields."""
    return any(line.count(self._delimiter) + 1 == fields for line in lines)


class _Splitting:
  """One text with quotation marks on its way into records."""

  def __init__(self, grammar: Grammar, text: bytes, line: int, fields: int, on_open: OpenQuote):
    self._grammar, self._text, self._fields, self._on_open = grammar, text, fields, on_open
    self._position, self._line = 0, line
    self._legal: list[bytes] = []
    self._lines: list[np.ndarray] = [np.zeros(0, np.int64)]
    self._stray: list[StrayLine] = []

  def records(self) -> Records:
    while self._position < len(self._text) and self._step():
      pass
    text, lines = b''.join(self._legal), np.concatenate(self._lines)
    return Records(text, lines, tuple(self._stray), self._position, self._line)

  def _step(self) -> bool:
    """Takes some records or sets a line aside; false where more text has to be read first."""
    text, position = self._text, self._position
    end = self._grammar.lines(text, position)
    if end > position:
      self._take(text[position:end], _record_lines(text[position:end], self._line))
      return True
    record = self._grammar.record(text, position)
    if record is not None:
      if self._grammar.swallows(record, self._fields):
        self._set_aside(_SWALLOWS)
      else:
        self._take(record, np.array([self._line]))
      return True
    opens = self._grammar.open_quote(text, position)
    if opens is not None and not self._on_open(opens, self._line + line_ends(text[position:opens])):
      return False
    self._set_aside(_BROKEN)
    return True

  def _take(self, text: bytes, lines: np.ndarray) -> None:
    self._legal.append(text)
    self._lines.append(lines)
    self._position += len(text)
    self._line += _count_lines(text)

  def _set_aside(self, detail: str) -> None:
    end = _LINE_END.search(self._text, self._position)
    text = self._text[self._position : end.start() if end else None]
    self._stray.append(StrayLine(self._line, text, detail))
    self._position = end.end() if end else len(self._text)
    self._line += 1


def closing_quote(text: bytes, position: int) -> re.Match[bytes] | None:
  """The quotation marks the last of which ends a cell, from a position in it; `None` where the text ends first."""
  return next((quotes for quotes in _QUOTES.finditer(text, position) if len(quotes[0]) % 2), None)


def last_line_end(text: bytes) -> int:
  """Where the last whole line ends, 0 where none does; a CR at the very end may be half of a line end."""
  return max(text.rfind(b'\n'), text.rfind(b'\r', 0, -1)) + 1


def _record_lines(text: bytes, line: int) -> np.ndarray:
  """int64 [records], their numbers, of text in which every line but an empty one is a record."""
  if b'\r' not in text and b'\n\n' not in text and not text.startswith(b'\n'):
    return np.arange(line, line + _count_lines(text))
  characters = np.frombuffer(text, np.uint8)
  breaks = np.flatnonzero((characters == ord('\n')) | (characters == ord('\r')))
  second = (characters[breaks] == ord('\n')) & (breaks > 0) & (characters[breaks - 1] == ord('\r'))
  first = np.append(second[1:], False)[: len(second)]
  starts = np.concatenate([[0], breaks[~first] + 1])
  ends = np.append(breaks[~second], len(text))
  return np.flatnonzero(ends > starts) + line


def line_ends(text: bytes) -> int:
  """How many there are."""
  ends = text.count(b'\n')
  return ends + text.count(b'\r') - text.count(b'\r\n') if b'\r' in text else ends


def _count_lines(text: bytes) -> int:
  """Lines, the last one perhaps without its end."""
  return line_ends(text) + (text[-1:] not in b'\r\n')
