"""A CSV file as blocks of rows with the numbers of their lines: every line is a row, malformed, blank, or an error."""

from __future__ import annotations

import codecs
import contextlib
import functools
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from components.ride_example_gen.csv_records import LONGEST_CELL, Grammar, Records, last_line_end, line_ends
from components.ride_example_gen.csv_text import Scout, Utf8Text
from components.ride_example_gen.files import AS_UTF_8, Container, IngestionError
from components.ride_example_gen.rows import MalformedLine, Reason, RowBlock

_BLOCK_BYTES = 4 << 20
_HEADER_BYTES = 1 << 20
_LONGEST_RECORD = 4 << 20
"""Bytes of a line, or of a record, that is read whole."""

_PLURALS = {',': 'commas', ';': 'semicolons', '\t': 'tabs'}


class CsvTable:
  """A CSV file: its header at once, its rows as a stream.

  Bytes that are no UTF-8 are read as `\\xNN`, so that they spoil no more than the cell in which they stand.

  Attributes: columns: the header's names, trimmed, in order.
  """

  def __init__(self, path: str, container: Container, delimiter: str):
    """Opens a file and reads its header. Raises `IngestionError`: there is no header, or it is no text."""
    self._path, self._container, self._delimiter = path, container, delimiter
    self._grammar = Grammar(delimiter)
    self._open = contextlib.ExitStack()
    self._text = self._open.enter_context(Utf8Text(path, container))
    # What is read and not yet used, where that begins in the file's text, and the number of its first line.
    self._buffer, self._offset, self._line = b'', 0, 1
    self._before = 0
    self._blanks = ' \t\v\f\r\n'.replace(delimiter, '')
    self._scout: Scout | None = None
    self.columns = self._read_header()

  def _read_header(self) -> tuple[str, ...]:
    self._fill(_HEADER_BYTES)
    while self._buffer.startswith(codecs.BOM_UTF8):
      self._advance(len(codecs.BOM_UTF8), self._line)
    names: tuple[str, ...] = ()
    while not any(names):
      if not self._buffer:
        raise IngestionError(f"'{self._path}' is empty; a CSV file needs at least a header line.")
      names = self._header_record()
    if any('\0' in name or '\\x' in name for name in names):
      raise self._no_text()
    return names

  def _header_record(self) -> tuple[str, ...]:
    record = self._grammar.record(self._buffer, 0)
    cells = self._grammar.cells(record) if record is not None else []
    if record is None or self._grammar.swallows(record, len(cells)):
      start = self._buffer.splitlines()[0]
      if b'\0' in start or b'\\x' in start:
        raise self._no_text()
      raise IngestionError(
        f"'{self._path}' has a quotation mark astray, or left open, in its header on line {self._line}; mend it."
      )
    if len(record) == len(self._buffer) and not self._text.ended:
      raise IngestionError(f"'{self._path}' has a header of more than {_HEADER_BYTES >> 10} KiB; is it CSV?")
    self._advance(len(record), self._line + line_ends(record))
    return tuple(_unquoted(cell).decode().strip() for cell in cells)

  def _no_text(self) -> IngestionError:
    return IngestionError(
      f"'{self._path}' is not CSV text: its first line holds bytes that are no UTF-8 text. {AS_UTF_8}"
    )

  def _fill(self, size: int) -> None:
    """Reads until so many bytes are in the buffer, or the file ends."""
    while len(self._buffer) < size and not self._text.ended:
      self._buffer += self._text.read(size - len(self._buffer))

  def _advance(self, used: int, line: int) -> None:
    self._buffer, self._offset, self._line = self._buffer[used:], self._offset + used, line

  def blocks(self) -> Iterator[RowBlock]:
    """Yields the rows with the malformed lines before, between and behind them.

    Raises: IngestionError: the file breaks off, a quotation mark is left open, or a cell or a line is too long.
    """
    size = _BLOCK_BYTES
    with self._open:
      while True:
        self._fill(size)
        text, final = self._buffer[:size], self._text.ended and len(self._buffer) <= size
        text = text if final else text[: last_line_end(text)]
        on_open = functools.partial(self._is_stray, None if final else len(text))
        records = self._grammar.split(text, self._line, len(self.columns), on_open)
        self._advance(records.used, records.next_line)
        if (block := self._block(records)).read:
          yield block
        if final:
          return
        if not records.used and size > _LONGEST_RECORD:
          raise self._too_long('record', self._line)
        size = _BLOCK_BYTES if records.used else 2 * size

  def _is_stray(self, known: int | None, position: int, line: int) -> bool:
    """The verdict on a quotation mark whose cell the text at hand doesn't end, as `csv_records.OpenQuote` has it.

    Args: known: bytes of that text; `None` where it is all that is left of the file.
    """
    if known is not None and known - position <= LONGEST_CELL:
      return False
    following = self._behind_cell(position) if known is not None else None
    if following is None:
      raise IngestionError(
        f"'{self._path}' has a quotation mark on line {line} that is left open to the end of the file; take it out, or "
        'close it.'
      )
    inner = self._buffer[position : position + LONGEST_CELL].splitlines()[1:-1]
    if self._grammar.ends_cell(following) and not self._grammar.holds_line(inner, len(self.columns)):
      raise self._too_long('cell', line)
    return True

  def _behind_cell(self, position: int) -> bytes | None:
    if self._scout is None:
      self._scout = Scout(self._open.enter_context(Utf8Text(self._path, self._container)))
    return self._scout.behind_cell(self._offset + position + 1)

  def _too_long(self, what: str, line: int) -> IngestionError:
    return IngestionError(
      f"'{self._path}' has a {what} of more than {LONGEST_CELL >> 10} KiB on line {line}, which no ride has; take it "
      'out.'
    )

  def _block(self, records: Records) -> RowBlock:
    """The rows among some records, and what is none, numbered in the order of their lines."""
    rows, refused = self._parse(records)
    is_row = np.ones(len(records.lines), bool)
    is_row[[record.number - 1 for record in refused]] = False
    lines = records.lines[is_row]
    self._check_cells(rows, lines)
    malformed = [
      MalformedLine(0, text.decode(), line, Reason.MALFORMED_QUOTES, why) for line, text, why in records.stray
    ]
    malformed += [self._of_wrong_width(record, records.lines) for record in refused if record.text.strip(self._blanks)]
    malformed.sort(key=lambda found: found.line)
    for found in malformed:
      if len(found.text) > LONGEST_CELL:
        raise self._too_long('line', found.line)
    starts = np.array([found.line for found in malformed], np.int64)
    before, self._before = self._before, self._before + len(lines) + len(starts)
    numbers = before + 1 + np.arange(len(lines)) + np.searchsorted(starts, lines)
    places = before + 1 + np.arange(len(starts)) + np.searchsorted(lines, starts)
    placed = tuple(found._replace(number=int(place)) for found, place in zip(malformed, places, strict=True))
    return RowBlock(rows, numbers, placed, lines)

  def _parse(self, records: Records) -> tuple[pa.RecordBatch, list[pa_csv.InvalidRow]]:
    """Arrow's rows of legal records, and those that have not as many fields as the header."""
    names = list(_distinct(self.columns))
    empty = pa.RecordBatch.from_pydict({name: pa.nulls(0, pa.binary()) for name in names})
    if not len(records.lines):
      return empty, []
    # Arrow drops a byte order mark at the start of what it gets, which may be in the middle of the file.
    text = b'\n' + records.text if records.text.startswith(codecs.BOM_UTF8) else records.text
    refused: list[pa_csv.InvalidRow] = []

    def refuse(record: pa_csv.InvalidRow) -> str:
      refused.append(record)
      return 'skip'

    table = pa_csv.read_csv(
      pa.BufferReader(text),
      # One thread and one block, as Arrow knows the numbers of malformed records only then, and is no slower.
      read_options=pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
      parse_options=pa_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=refuse),
      convert_options=pa_csv.ConvertOptions(
        check_utf8=False, strings_can_be_null=False, column_types={name: pa.binary() for name in names}
      ),
    )
    if table.num_rows + len(refused) != len(records.lines):
      raise ValueError(f"'{self._path}': of {len(records.lines)} records Arrow makes {table.num_rows} rows.")
    [rows] = table.combine_chunks().to_batches() or [empty]
    return rows, refused

  def _of_wrong_width(self, record: pa_csv.InvalidRow, lines: np.ndarray) -> MalformedLine:
    surplus = record.actual_columns - record.expected_columns
    plural = 's' if record.actual_columns != 1 else ''
    detail = f'{record.actual_columns} field{plural} where the header has {record.expected_columns}'
    if surplus > 0 and record.text.rstrip('\r\n').endswith(self._delimiter * surplus):
      detail += f': trailing {_PLURALS.get(self._delimiter, "delimiters")}?'
    return MalformedLine(0, record.text, int(lines[record.number - 1]), Reason.WRONG_NUMBER_OF_FIELDS, detail)

  def _check_cells(self, rows: pa.RecordBatch, lines: np.ndarray) -> None:
    for column in rows.columns:
      lengths = pc.binary_length(column)
      if (pc.max(lengths).as_py() or 0) > LONGEST_CELL:
        raise self._too_long('cell', int(lines[np.argmax(lengths.to_numpy())]))


def _unquoted(cell: bytes) -> bytes:
  return cell[1:-1].replace(b'""', b'"') if cell.startswith(b'"') else cell


def _distinct(names: tuple[str, ...]) -> Iterator[str]:
  seen: dict[str, int] = {}
  for name in names:
    seen[name] = seen.get(name, 0) + 1
    yield name if seen[name] == 1 else f'{name}#{seen[name]}'
