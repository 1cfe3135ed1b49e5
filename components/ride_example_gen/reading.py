"""Streams files of rides, CSV or Parquet, block by block, in bounded memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.parquet import pq
from components.ride_example_gen import files
from components.ride_example_gen.column_names import check_columns, with_primary_names
from components.ride_example_gen.csv_records import LONGEST_CELL
from components.ride_example_gen.csv_table import CsvTable
from components.ride_example_gen.files import IngestionError, open_arrow_source
from components.ride_example_gen.parquet_pages import inspect_pages
from components.ride_example_gen.parsing import is_text
from components.ride_example_gen.rows import RowBlock
from configs.dataset import Dataset, FileFormat

_BLOCK_ROWS = 1 << 17
_STRETCH_ROWS = 1 << 20
"""Of a stretch that ends where it may: some seconds of work."""

_UNPACKED_BYTES = 64 << 20
"""Of a block of a Parquet file, where each text may be there once for many rows."""

_PAGES_BYTES = 512 << 20
"""Of pages that are unpacked at once, one of each column; usual ones have 1 MiB."""

_READ_BYTES = 1 << 20
"""Of a column at a time; Arrow would read all that a row group has of it, and some files are a single group."""

_FOOTER_BYTES = 16 << 20
"""Arrow takes some 15 times as many for a footer; usual ones have a kilobyte for each row group."""

_VALUES_PER_BYTE, _BYTES_PER_BYTE = 100, 1000
"""The most that a Parquet file unpacks to; rides that differ from each other are far from it."""


class Stretch(NamedTuple):
  """Consecutive rows of a file that are read by themselves in the very blocks that reading all of it gives.

  Attributes:
    rows: how many, malformed lines included.
    before: rows of the file that come before.
    groups: the row groups of a Parquet file, from and to; `None` for a whole file.
  """

  rows: int
  before: int = 0
  groups: tuple[int, int] | None = None


def open_parquet(path: str, stretch: Stretch | None = None) -> tuple[tuple[str, ...], Iterator[RowBlock]]:
  """Opens a Parquet file.

  Args: stretch: what to read; everything where it is left out.
  Returns: The names of its columns, and its rows as a stream.
  Raises: IngestionError: the file breaks off or is damaged, also while streaming; it carries pickled Python; it would
    unpack to more than rides do.
  """
  try:
    with open_arrow_source(path) as source:
      block_rows = _block_rows(path, source)
    # INT96 reaches farther than Arrow's nanoseconds and microseconds, in which a far year wraps to another one.
    table = pq.ParquetFile(open_arrow_source(path), coerce_int96_timestamp_unit='ms', buffer_size=_READ_BYTES)
  except (pa.ArrowException, OSError) as error:
    raise _broken(path, error) from error
  except RuntimeError as error:  # pyarrow_hotfix
    raise IngestionError(
      f"'{path}' has a column of a Python class of its author's, pickled, which may run anything when it is read; "
      'write it with plain columns.'
    ) from error
  return tuple(table.schema_arrow.names), _parquet_blocks(path, table, block_rows, stretch)


def _block_rows(path: str, source: pa.NativeFile) -> int:
  """Rows that take no more memory than a block may, by the pages and the dictionaries of texts."""
  _check_footer(path, source)
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
  if max(lengths, default=0) > LONGEST_CELL:
    raise _long_cell(path)
  texts = [field.name for field in plain.schema_arrow if pa.types.is_dictionary(field.type) or is_text(field.type)]
  packed = pq.ParquetFile(source, read_dictionary=texts, buffer_size=_READ_BYTES)
  words = 0
  for number in range(footer.num_row_groups):
    for row in itertools.islice(packed.iter_batches(1, row_groups=[number], columns=texts), 1):
      words = max(words, sum(_longest_cells(path, row)))
  return int(min(_BLOCK_ROWS, max(1, _UNPACKED_BYTES // max(pages.per_row + sum(lengths) + words, 1))))


def _check_footer(path: str, source: pa.NativeFile) -> None:
  """Refuses a footer that takes much memory before Arrow reads it: it says what is in each column of each row group."""
  source.seek(max(0, source.size() - 8))
  size = int.from_bytes(source.read(4), 'little')
  if source.read(4) == b'PAR1' and _FOOTER_BYTES < size < source.size():
    raise IngestionError(
      f"'{path}' has a footer of {size >> 20:,} MiB, as of very many row groups; write it with row groups of "
      '100,000 rows and more, as is usual.'
    )
  source.seek(0)


def _longest_cells(path: str, rows: pa.RecordBatch) -> list[int]:
  """Bytes of the longest text in each column that has texts, those of a dictionary that no row has included."""
  texts = [column.dictionary if pa.types.is_dictionary(column.type) else column for column in rows.columns]
  longest = [pc.max(pc.binary_length(text)).as_py() or 0 for text in texts if is_text(text.type)]
  if max(longest, default=0) > LONGEST_CELL:
    raise _long_cell(path)
  return longest


def _long_cell(path: str) -> IngestionError:
  return IngestionError(f"'{path}' has a cell of more than {LONGEST_CELL >> 10} KiB, which no ride has; take it out.")


def _parquet_blocks(
  path: str, table: pq.ParquetFile, block_rows: int, stretch: Stretch | None = None
) -> Iterator[RowBlock]:
  first = 1 + (stretch.before if stretch else 0)
  groups = range(*stretch.groups) if stretch and stretch.groups else range(table.num_row_groups)
  try:
    for rows in table.iter_batches(batch_size=block_rows, row_groups=groups):
      _longest_cells(path, rows)
      yield RowBlock(rows, np.arange(first, first + rows.num_rows), ())
      first += rows.num_rows
  except (pa.ArrowException, OSError) as error:
    raise _broken(path, error) from error


def _first_line(error: Exception) -> str:
  """Of its text; its class where it has none."""
  return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _broken(path: str, error: Exception) -> IngestionError:
  return IngestionError(f"'{path}' is no whole Parquet file ({_first_line(error)}); copy or write it again.")


def read_blocks(
  path: str, dataset: Dataset, *, label_required: bool = True, stretch: Stretch | None = None
) -> Iterator[RowBlock]:
  """Reads a CSV (also gzip) or Parquet file.

  Args:
    path: a file on a disk or in a bucket.
    dataset: the format and the columns that have to be there.
    label_required: false if the label's column may be absent.
    stretch: what to read, one of `stretches`; everything where it is left out.
  Yields: Blocks in the file's order, each column that the dataset names under its primary name; none for a file that
    has a header only.
  Raises: IngestionError: the file can't be read or lacks a column.
  """
  kind, container = files.format_of(path, dataset)
  if kind is FileFormat.PARQUET:
    columns, blocks = open_parquet(path, stretch)
  else:
    table = CsvTable(path, container, dataset.delimiter)
    columns, blocks = table.columns, table.blocks()
  renamed = check_columns(f"'{path}'", columns, dataset, label_required=label_required)
  for block in blocks:
    yield block._replace(rows=with_primary_names(block.rows, renamed))


def stretches(path: str, dataset: Dataset) -> list[Stretch]:
  """What a file can be divided into, for workers of their own; together its rows, in their order.

  A CSV file stays whole, and is read to its end to count its rows. A Parquet file is divided where a row group begins
  where a block does and `_STRETCH_ROWS` are behind; so are files of pyarrow's, whose groups have 2^20 rows.

  Raises: IngestionError: as `read_blocks`, for a fare that may be absent.
  """
  kind, _ = files.format_of(path, dataset)
  if kind is FileFormat.CSV:
    return [Stretch(sum(block.read for block in read_blocks(path, dataset, label_required=False)))]
  columns, _ = open_parquet(path)
  check_columns(f"'{path}'", columns, dataset, label_required=False)
  try:
    with open_arrow_source(path) as source:
      block_rows, footer = _block_rows(path, source), pq.ParquetFile(source).metadata
  except (pa.ArrowException, OSError) as error:
    raise _broken(path, error) from error
  found = [Stretch(0, groups=(0, 0))]
  for number in range(footer.num_row_groups):
    last, rows = found[-1], footer.row_group(number).num_rows
    if last.rows >= _STRETCH_ROWS and not (last.before + last.rows) % block_rows:
      found.append(Stretch(rows, last.before + last.rows, (number, number + 1)))
    else:
      found[-1] = last._replace(rows=last.rows + rows, groups=((last.groups or (0, 0))[0], number + 1))
  return found
