"""Writes predictions as CSV or Parquet: a file appears whole or not at all."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.parquet import pq
from components.prediction.scoring import FILE, REASON
from configs.errors import UserError
from models.whole_files import is_bucket, replacing

Write = Callable[[pa.RecordBatch], None]
"""Takes the next predictions."""

SUFFIXES = ('.csv', '.parquet')

_REPEATED = [FILE, REASON]
"""Columns with few values; a dictionary of the others would only cost time."""


@contextlib.contextmanager
def predictions_file(path: str, schema: pa.Schema) -> Iterator[Write]:
  """A file of predictions, which takes its name when the block ends well.

  Args:
    path: `*.csv` or `*.parquet`; what is there is replaced.
    schema: of the predictions.

  Raises:
    UserError: it can't be written.
  """
  target = pathlib.Path(path)
  check_output(path)
  try:
    with replacing(target) as stream, _opened(stream, schema, target.suffix.lower()) as write:
      yield write
  except OSError as error:
    raise UserError(f"'{path}' can't be written ({error.strerror or error}).") from error


def check_output(path: str) -> None:
  """Checks the name of an output before anything is read.

  Raises:
    UserError: no format goes with it, or its folder is not there.
  """
  target = pathlib.Path(path)
  if is_bucket(path) or target.suffix.lower() not in SUFFIXES:
    raise UserError(f"The output '{path}' must be a local file that ends in {' or '.join(SUFFIXES)}.")
  if target.is_dir() or not target.absolute().parent.is_dir():
    what = 'is a directory' if target.is_dir() else 'lies in a directory that is not there'
    raise UserError(f"The output '{path}' {what}; name a file.")


@contextlib.contextmanager
def predictions_stream(stream: IO[bytes], schema: pa.Schema) -> Iterator[Write]:
  """Predictions as CSV on an open stream, which stays open."""
  stream.write((','.join(schema.names) + '\n').encode())

  def write(scored: pa.RecordBatch) -> None:
    stream.write(_csv_lines(scored))

  yield write
  stream.flush()


@contextlib.contextmanager
def _opened(stream: IO[bytes], schema: pa.Schema, suffix: str) -> Iterator[Write]:
  if suffix == '.csv':
    with predictions_stream(stream, schema) as write:
      yield write
  else:
    with pq.ParquetWriter(stream, schema, use_dictionary=_REPEATED) as writer:
      yield writer.write_batch


def _csv_lines(scored: pa.RecordBatch) -> memoryview:
  """The rows as lines of CSV, nulls as empty cells; built in whole columns, text quoted only where it has to be."""
  cells = [_quoted(column) if pa.types.is_string(column.type) else column for column in scored.columns]
  *texts, last = (cell.cast(pa.large_string()) for cell in cells)
  lines = _joined(*texts, _joined(last, '', separator='\n'), separator=',')
  _, offsets, content = lines.buffers()
  # The strings of an array lie one behind the other.
  start, end = np.frombuffer(offsets, np.int64)[[lines.offset, lines.offset + len(lines)]]
  return memoryview(content)[start:end]


def _joined(*texts: pa.Array | str, separator: str) -> pa.Array:
  """Texts of each row behind one another, nulls as empty ones."""
  scalars = [pa.scalar(text, pa.large_string()) if isinstance(text, str) else text for text in (*texts, separator)]
  return pc.binary_join_element_wise(*scalars, null_handling='replace', null_replacement='')


def _quoted(text: pa.Array) -> pa.Array:
  special = pc.match_substring_regex(text, '[",\r\n]')
  if not pc.any(special).as_py():
    return text
  doubled = pc.replace_substring(text, '"', '""')
  return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ''), text)
