"""Streams files of rides, block by block, in bounded memory."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from components.ride_example_gen import csv_reading, files, parquet_reading
from components.ride_example_gen.errors import IngestionError
from configs.dataset import LABEL, Dataset, FileFormat
from configs.problems import shortened


class MalformedLine(NamedTuple):
  """A CSV record with the wrong number of fields.

  Attributes:
    number: 1 for the first record after the header; blank lines don't count.
    text: the whole record.
  """

  number: int
  text: str


class Block(NamedTuple):
  """Some consecutive rows of a file.

  Attributes:
    rows: the source's columns; CSV cells as bytes, missing ones empty.
    numbers: int64 [rows], 1 for the first row after the header; the numbers of
      malformed lines are left out.
    malformed: lines between (or after) these rows that are no rows.
  """

  rows: pa.RecordBatch
  numbers: np.ndarray
  malformed: tuple[MalformedLine, ...]


def read_blocks(path: str, dataset: Dataset, *, label_required: bool = True) -> Iterator[Block]:
  """Reads a CSV (also gzip) or Parquet file.

  Args:
    path: a file on a disk or in a bucket.
    dataset: the format and the columns that have to be there.
    label_required: false if the label's column may be absent.

  Yields:
    Blocks in the file's order; none for a file that has a header only.

  Raises:
    IngestionError: the file can't be read or lacks a column.
  """
  kind, container = files.format_of(path, dataset)
  if kind is FileFormat.PARQUET:
    columns, batches = parquet_reading.open_parquet(path)
    check_columns(path, columns, dataset, label_required=label_required)
    first = 1
    for rows in batches:
      yield Block(rows, np.arange(first, first + rows.num_rows), ())
      first += rows.num_rows
    return
  table = csv_reading.CsvTable(path, container, dataset.delimiter)
  check_columns(path, table.columns, dataset, label_required=label_required)
  for rows, numbers, malformed in table.batches():
    yield Block(rows, numbers, tuple(MalformedLine(*line) for line in malformed))


def check_columns(path: str, columns: Sequence[str], dataset: Dataset, *, label_required: bool = True) -> None:
  """Checks that the columns that the dataset names are in a file, each once.

  Raises:
    IngestionError: one is not; the message has the file, the column, the
      columns that are there and the nearest of them.
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
