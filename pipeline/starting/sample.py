"""The first rides of a file, with what can be said about the file itself: its format and its delimiter."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import zlib
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from components.ride_example_gen import parsing
from components.ride_example_gen.files import Container, IngestionError, format_of, open_source
from components.ride_example_gen.reading import CsvTable, RowBlock, open_parquet
from configs.base import shortened
from configs.dataset import Dataset, FileFormat

_BLOCKS = 2
"""Of some megabytes each."""

_ROWS = 20_000
"""Spread evenly over what was read; enough for quantiles of half a percent."""

_START_BYTES = 1 << 16
_RECORDS = 100
_DELIMITERS = (',', ';', '\t', '|')


class Sample(NamedTuple):
  """Some rides of a file.

  Attributes:
    path: of the file.
    kind: its format.
    delimiter: of a CSV file.
    columns: by name, in order: text trimmed and null where it is empty, other types as they came; all of one length.
    rows: how many were read, of which `columns` hold some.
    whole: whether these are all.
    twice: names that several columns have; of these the first one is in `columns`.
  """

  path: str
  kind: FileFormat
  delimiter: str
  columns: dict[str, pa.Array]
  rows: int
  whole: bool
  twice: tuple[str, ...]


def read_sample(path: str) -> Sample:
  """Reads the first megabytes of a CSV (also gzip) or Parquet file.

  Raises: IngestionError: it can't be read, it has no header, one column, or no row.
  """
  kind, container = format_of(path, Dataset.model_construct(format=FileFormat.AUTO))
  delimiter = ','
  if kind is FileFormat.PARQUET:
    names, stream = open_parquet(path)
  else:
    delimiter = guess_delimiter(_start(path, container))
    table = CsvTable(path, container, delimiter)
    names, stream = table.columns, table.blocks()
    _check_header(path, names)
  with contextlib.closing(stream):  # type: ignore[type-var]  # A generator, whose file is to be closed.
    blocks = [block for block in itertools.islice(stream, _BLOCKS) if block.read]
    whole = next(stream, None) is None
  if not any(block.rows.num_rows for block in blocks):
    raise IngestionError(f"'{path}' has no ride, only {_what_there_is(blocks, names)}")
  rows = pa.Table.from_batches([block.rows for block in blocks]).combine_chunks()
  twice = tuple(name for name, count in Counter(names).items() if count > 1)
  return Sample(path, kind, delimiter, _columns(rows, names), rows.num_rows, whole, twice)


def _start(path: str, container: Container) -> str:
  """The first characters of a CSV file."""
  with open_source(path) as file:
    content: Any = gzip.GzipFile(fileobj=file) if container is Container.GZIP else file
    try:
      return content.read(_START_BYTES).decode('utf-8', 'backslashreplace').removeprefix('\ufeff')
    except (EOFError, zlib.error, OSError) as error:
      raise IngestionError(f"'{path}' breaks off or is damaged ({error}); copy or write it again.") from error


def guess_delimiter(text: str) -> str:
  """The delimiter that gives every line as many fields as the first one, outside of quotation marks; ',' if none does.

  Args: text: the first lines of a file; the last one may break off.
  """
  found = {delimiter: _fields(text, delimiter) for delimiter in _DELIMITERS}
  agreeing = {
    delimiter: (sum(count == counts[0] for count in counts) >= 0.9 * len(counts), counts[0])
    for delimiter, counts in found.items()
    if counts and counts[0] > 1
  }
  return max(agreeing, key=lambda delimiter: agreeing[delimiter], default=',')


def _fields(text: str, delimiter: str) -> list[int]:
  """How many fields each of the first records has."""
  records = csv.reader(io.StringIO(text, newline=''), delimiter=delimiter)
  counts = []
  try:
    for record in itertools.islice(records, _RECORDS):
      if any(cell.strip() for cell in record):
        counts.append(len(record))
  except csv.Error:
    return []
  return counts[:-1] if len(counts) > 2 else counts


def _check_header(path: str, names: tuple[str, ...]) -> None:
  if len(names) == 1:
    raise IngestionError(
      f"'{path}' has one column, '{shown(names[0])}': none of , ; | and tab divides its first line. Rides have several."
    )
  values = [name for name in names if _is_value(name)]
  if len(values) > len(names) / 2:
    raise IngestionError(
      f"'{path}' has no header: its first line holds values ({shortened([shown(name) for name in values], 3)}). "
      'Put a line with the names of the columns before it.'
    )


def shown(name: str) -> str:
  """A name as a sentence can have it: on one line, and no longer than 60 characters."""
  return ' '.join(name.split())[:60]


def _is_value(name: str) -> bool:
  return name[:1].isdigit() or (name[:1] in '+-.' and name[1:2].isdigit())


def _what_there_is(blocks: list[RowBlock], names: tuple[str, ...]) -> str:
  malformed = sum(len(block.malformed) for block in blocks)
  if not malformed:
    return 'a header; name a file with rides.'
  first = shortened([f"'{shown(name)}'" for name in names], 3)
  return (
    f'a header (and lines with another number of fields: {malformed:,}). If its first line, {first}, is not the names '
    'of the columns, take it away; if the lines end with a delimiter, let the header end with it, too.'
  )


def _columns(rows: pa.Table, names: tuple[str, ...]) -> dict[str, pa.Array]:
  chosen = pa.array(np.unique(np.linspace(0, rows.num_rows - 1, min(_ROWS, rows.num_rows)).astype(np.int64)))
  columns: dict[str, pa.Array] = {}
  for position, name in enumerate(names):
    if name in columns:
      continue
    column = rows.column(position).take(chosen)
    column = parsing.plain(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    columns[name] = _as_valid_text(column) if parsing.is_text(column.type) else column
  return columns


def _as_valid_text(column: pa.Array) -> pa.Array:
  """A text column, trimmed, as UTF-8, which a Parquet file's need not be."""
  text = parsing.as_text(column, ())
  try:
    text.validate(full=True)
  except pa.ArrowInvalid:
    cells = [
      None if cell is None else cell.decode('utf-8', 'backslashreplace')
      for cell in text.view(pa.large_binary()).to_pylist()
    ]
    return pa.array(cells, pa.large_string())
  return text
