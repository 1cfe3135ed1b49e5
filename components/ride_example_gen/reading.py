"""Streams files of rides, CSV or Parquet, block by block, in bounded memory."""

from __future__ import annotations

import codecs
import contextlib
import csv
import difflib
import gzip
import io
import itertools
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from components.parquet import pq
from components.ride_example_gen import files
from components.ride_example_gen.files import Container, IngestionError, open_arrow_source, open_source
from components.ride_example_gen.parquet_pages import inspect_pages
from components.ride_example_gen.parsing import is_text
from configs.base import shortened
from configs.dataset import LABEL, Dataset, FileFormat

_BLOCK_BYTES = 4 << 20
_HEADER_CHARACTERS = 1 << 20
_PATIENCE, _RETURN = 1.0, 0.005
"""Seconds: for a reading thread to ask once more, and to get back from Python."""

_LONGEST_CELL = 1 << 16
"""Bytes; a longer cell (or malformed record) is thousands of rides behind one stray quotation mark."""


class MalformedLine(NamedTuple):
  """A CSV record with the wrong number of fields.

  Attributes: number: 1 for the first record after the header; blank lines don't count.
  """

  number: int
  text: str


class RowBlock(NamedTuple):
  """Some consecutive rows of a file.

  Attributes:
    rows: the source's columns; CSV cells as bytes, missing ones empty.
    numbers: int64 [rows], 1 for the first row after the header; the numbers of malformed lines are left out.
    malformed: lines between (or after) these rows that are no rows.
  """

  rows: pa.RecordBatch
  numbers: np.ndarray
  malformed: tuple[MalformedLine, ...]

  @property
  def read(self) -> int:
    """Rows and malformed lines together."""
    return self.rows.num_rows + len(self.malformed)


class CsvTable:
  """A CSV file: its header at once, its rows as a stream.

  Bytes that are no UTF-8 are read as `\\xNN`, so that they spoil no more than the cell in which they stand.

  Attributes: columns: the header's names, trimmed, in order.
  """

  def __init__(self, path: str, container: Container, delimiter: str):
    """Opens a file and reads its header. Raises `IngestionError`: there is no header, or it is no text."""
    self._path = path
    self._delimiter = delimiter
    self._text = _Utf8Stream(path, container)
    self.columns = self._read_header()

  def _read_header(self) -> tuple[str, ...]:
    text = self._text.take(_HEADER_CHARACTERS).removeprefix('\ufeff')
    buffer = io.StringIO(text, newline='')
    header: list[str] = []
    try:
      records = csv.reader(buffer, delimiter=self._delimiter)
      while not any(name.strip() for name in header):
        header = next(records)
    except StopIteration:
      raise IngestionError(f"'{self._path}' is empty; a CSV file needs at least a header line.") from None
    except csv.Error:
      header = ['\0']
    if any('\0' in name or '\\x' in name for name in header):
      raise IngestionError(f"'{self._path}' is not CSV text: its first line holds bytes that are no UTF-8 text.")
    self._text.put_back(text[buffer.tell() :])
    return tuple(name.strip() for name in header)

  def blocks(self) -> Iterator[RowBlock]:
    """Yields the rows with the malformed lines that came before them or between them.

    Raises: IngestionError: the file breaks off, or a record is longer than a block.
    """
    records = _Records()
    names = list(_distinct(self.columns))
    if self._text.is_blank():
      return
    try:
      # Closed, not left to the collector: Arrow's thread, which reads ahead, waits for Python's lock to end.
      with contextlib.closing(self._open(names, records)) as reader:
        for rows in reader:
          named = pa.RecordBatch.from_arrays(rows.columns, names)
          yield self._plausible(RowBlock(named, records.number(rows.num_rows), records.take_malformed()))
    except pa.ArrowInvalid as error:
      if 'straddl' in str(error) or 'block size' in str(error):
        raise self._open_quotation() from error
      raise IngestionError(f"'{self._path}' can't be read as CSV ({_first_line(error)}).") from error
    finally:
      # However this ends: Arrow reads ahead in a thread of its own, and its reader must not be freed while that
      # thread waits for Python's lock, which the one who frees it holds; both would wait for ever.
      self._text.stop()
    if records.malformed:
      empty = pa.RecordBatch.from_pydict({name: pa.array([], pa.binary()) for name in names})
      yield self._plausible(RowBlock(empty, np.zeros(0, np.int64), records.take_malformed()))

  def _open(self, names: list[str], records: _Records) -> pa_csv.CSVStreamingReader:
    return pa_csv.open_csv(
      pa.PythonFile(self._text, mode='r'),
      # One thread, as Arrow knows the numbers of malformed records only then, and is no slower.
      read_options=pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=_BLOCK_BYTES),
      parse_options=pa_csv.ParseOptions(
        delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=records.refuse
      ),
      convert_options=pa_csv.ConvertOptions(
        check_utf8=False, strings_can_be_null=False, column_types={name: pa.binary() for name in names}
      ),
    )

  def _plausible(self, block: RowBlock) -> RowBlock:
    longest = [pc.max(pc.binary_length(column)).as_py() or 0 for column in block.rows.columns]
    longest += [len(line.text) for line in block.malformed]
    if max(longest, default=0) > _LONGEST_CELL:
      raise self._open_quotation()
    return block

  def _open_quotation(self) -> IngestionError:
    return IngestionError(
      f"'{self._path}' has a cell of more than {_LONGEST_CELL >> 10} KiB; a quotation mark is left open or astray."
    )


def _distinct(names: tuple[str, ...]) -> Iterator[str]:
  seen: dict[str, int] = {}
  for name in names:
    seen[name] = seen.get(name, 0) + 1
    yield name if seen[name] == 1 else f'{name}#{seen[name]}'


def _first_line(error: Exception) -> str:
  """Of its text; its class where it has none."""
  return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


class _Records:
  """Keeps count of a file's records: Arrow hands over malformed ones apart from the rows."""

  def __init__(self) -> None:
    self._next = 1
    self._skipped: list[int] = []
    self.malformed: list[MalformedLine] = []

  def refuse(self, record: pa_csv.InvalidRow) -> str:
    """Arrow's callback for a record with the wrong number of fields."""
    self._skipped.append(record.number)
    if record.text.strip():
      self.malformed.append(MalformedLine(record.number, record.text))
    return 'skip'

  def number(self, rows: int) -> np.ndarray:
    """Numbers of the next rows, those of the refused records left out."""
    candidates = np.arange(self._next, self._next + rows + len(self._skipped))
    numbers = np.setdiff1d(candidates, np.array(self._skipped, np.int64), assume_unique=True)[:rows]
    self._next = int(numbers[-1]) + 1 if rows else self._next
    self._skipped = [number for number in self._skipped if number >= self._next]
    return numbers

  def take_malformed(self) -> tuple[MalformedLine, ...]:
    taken, self.malformed = tuple(self.malformed), []
    return taken


class _Utf8Stream(io.RawIOBase):
  """A file's bytes as valid UTF-8, unpacked, for Arrow to read."""

  def __init__(self, path: str, container: Container):
    super().__init__()
    self._path = path
    file = open_source(path)
    self._file: Any = gzip.GzipFile(fileobj=file) if container is Container.GZIP else file
    self._decoder = codecs.getincrementaldecoder('utf-8')('backslashreplace')
    self._pending = b''
    self._ended = False
    self._stopped = False
    self._nothing_follows = threading.Event()

  def readable(self) -> bool:
    return True

  def take(self, characters: int) -> str:
    """The next characters, at most `characters` bytes of them, fewer at the end."""
    text = ''
    while len(text) < characters and not self._ended:
      text += self._next_chunk(characters).decode()
    return text

  def put_back(self, text: str) -> None:
    """Puts characters before what is read next."""
    self._pending = text.encode() + self._pending

  def is_blank(self) -> bool:
    """Whether nothing but white space is left."""
    while not self._pending.strip() and not self._ended:
      self._pending = self._next_chunk(1 << 16)
    return not self._pending.strip()

  def read(self, size: int = -1) -> bytes:
    if size < 0:
      raise io.UnsupportedOperation('read a block at a time')
    taken = b''
    try:
      while len(self._pending) < size and not (self._ended or self._stopped):
        self._pending += self._next_chunk(size - len(self._pending))
      if not self._stopped:
        taken, self._pending = self._pending[:size], self._pending[size:]
      return taken
    finally:
      if not taken:
        self._nothing_follows.set()

  def stop(self) -> None:
    """Ends the stream for whoever reads it in another thread, and waits until that one knows.

    The wait is bounded: a reader that is far enough ahead does not ask again.
    """
    self._stopped = True
    self._nothing_follows.wait(_PATIENCE)
    time.sleep(_RETURN)

  def _next_chunk(self, size: int) -> bytes:
    try:
      chunk = self._file.read(size)
    except (EOFError, zlib.error, OSError) as error:
      raise IngestionError(f"'{self._path}' breaks off or is damaged ({error}); copy or write it again.") from error
    self._ended = not chunk
    if chunk.isascii() and not self._decoder.getstate()[0]:
      return chunk
    return self._decoder.decode(chunk, final=self._ended).encode()

  def close(self) -> None:
    self._file.close()
    super().close()


_BLOCK_ROWS = 1 << 17
_UNPACKED_BYTES = 64 << 20
"""Of a block of a Parquet file, where each text may be there once for many rows."""

_PAGES_BYTES = 512 << 20
"""Of pages that are unpacked at once, one of each column; usual ones have 1 MiB."""

_VALUES_PER_BYTE, _BYTES_PER_BYTE = 100, 1000
"""The most that a Parquet file unpacks to; rides that differ from each other are far from it."""


def open_parquet(path: str) -> tuple[tuple[str, ...], Iterator[RowBlock]]:
  """Opens a Parquet file.

  Returns: The names of its columns, and its rows as a stream.
  Raises: IngestionError: the file breaks off or is damaged, also while streaming; it carries pickled Python; it would
    unpack to more than rides do.
  """
  try:
    with open_arrow_source(path) as source:
      block_rows = _block_rows(path, source)
    table = pq.ParquetFile(open_arrow_source(path))
  except (pa.ArrowException, OSError) as error:
    raise _broken(path, error) from error
  except RuntimeError as error:  # pyarrow_hotfix
    raise IngestionError(
      f"'{path}' has a column of a Python class of its author's, pickled, which may run anything when it is read; "
      'write it with plain columns.'
    ) from error
  return tuple(table.schema_arrow.names), _parquet_blocks(path, table, block_rows)


def _block_rows(path: str, source: pa.NativeFile) -> int:
  """Rows that take no more memory than a block may, by the pages and the dictionaries of texts."""
  plain = pq.ParquetFile(source)
  footer = plain.metadata
  pages, size = inspect_pages(source, footer), source.size()
  if pages.values > _VALUES_PER_BYTE * footer.num_columns * size or pages.unpacked > _BYTES_PER_BYTE * size:
    raise IngestionError(
      f"'{path}' has {footer.num_rows:,} rows and unpacks to {pages.unpacked:,} bytes, all from {size:,} bytes; rides "
      'that differ from each other take more. Check where it comes from.'
    )
  if pages.at_once > _PAGES_BYTES:
    raise IngestionError(
      f"'{path}' has pages of {pages.at_once >> 20:,} MiB, which are unpacked at once; write it with pages of 1 MiB, "
      'as is usual.'
    )
  if pages.has_differences:
    raise IngestionError(
      f"'{path}' has texts that are packed by what they differ in (an encoding DELTA_…), which takes unknown memory; "
      'write it with plain texts or dictionaries.'
    )
  lengths = [footer.schema.column(number).length for number in range(footer.num_columns)]
  if max(lengths, default=0) > _LONGEST_CELL:
    raise _long_cell(path)
  texts = [field.name for field in plain.schema_arrow if pa.types.is_dictionary(field.type) or is_text(field.type)]
  packed = pq.ParquetFile(source, read_dictionary=texts)
  words = 0
  for number in range(footer.num_row_groups):
    for row in itertools.islice(packed.iter_batches(1, row_groups=[number], columns=texts), 1):
      words = max(words, sum(_longest_cells(path, row)))
  return int(min(_BLOCK_ROWS, max(1, _UNPACKED_BYTES // max(pages.per_row + sum(lengths) + words, 1))))


def _longest_cells(path: str, rows: pa.RecordBatch) -> list[int]:
  """Bytes of the longest text in each column that has texts, those of a dictionary that no row has included."""
  texts = [column.dictionary if pa.types.is_dictionary(column.type) else column for column in rows.columns]
  longest = [pc.max(pc.binary_length(text)).as_py() or 0 for text in texts if is_text(text.type)]
  if max(longest, default=0) > _LONGEST_CELL:
    raise _long_cell(path)
  return longest


def _long_cell(path: str) -> IngestionError:
  return IngestionError(f"'{path}' has a cell of more than {_LONGEST_CELL >> 10} KiB, which no ride has; take it out.")


def _parquet_blocks(path: str, table: pq.ParquetFile, block_rows: int) -> Iterator[RowBlock]:
  first = 1
  try:
    for rows in table.iter_batches(batch_size=block_rows):
      _longest_cells(path, rows)
      yield RowBlock(rows, np.arange(first, first + rows.num_rows), ())
      first += rows.num_rows
  except (pa.ArrowException, OSError) as error:
    raise _broken(path, error) from error


def _broken(path: str, error: Exception) -> IngestionError:
  return IngestionError(f"'{path}' is no whole Parquet file ({_first_line(error)}); copy or write it again.")


def read_blocks(path: str, dataset: Dataset, *, label_required: bool = True) -> Iterator[RowBlock]:
  """Reads a CSV (also gzip) or Parquet file.

  Args:
    path: a file on a disk or in a bucket.
    dataset: the format and the columns that have to be there.
    label_required: false if the label's column may be absent.
  Yields: Blocks in the file's order; none for a file that has a header only.
  Raises: IngestionError: the file can't be read or lacks a column.
  """
  kind, container = files.format_of(path, dataset)
  if kind is FileFormat.PARQUET:
    columns, blocks = open_parquet(path)
  else:
    table = CsvTable(path, container, dataset.delimiter)
    columns, blocks = table.columns, table.blocks()
  check_columns(path, columns, dataset, label_required=label_required)
  yield from blocks


def check_columns(path: str, columns: Sequence[str], dataset: Dataset, *, label_required: bool = True) -> None:
  """Checks that the columns that the dataset names are in a file, each once.

  Raises: IngestionError: one is not; the message has the file, the column, the columns that are there and the nearest.
  """
  for canonical, column in dataset.source_columns().items():
    if canonical == 'key' or (canonical == LABEL and not label_required):
      continue
    if column not in columns:
      free = [name for name in columns if name not in dataset.source_columns().values()]
      near = difflib.get_close_matches(column, free, n=1, cutoff=0.5)
      hint = f" Did you mean '{near[0]}'?" if near else ''
      there = shortened([name[:60] for name in columns], 30)
      raise IngestionError(
        f"'{path}' has no column '{column}', which dataset maps to {canonical}; it has: {there}.{hint}"
      )
    if list(columns).count(column) > 1:
      raise IngestionError(f"'{path}' has the column '{column}' twice; rename or drop one of them.")
