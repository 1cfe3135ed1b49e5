"""Writes predictions as CSV or Parquet: a file appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from components.prediction.errors import PredictionError

Write = Callable[[pa.RecordBatch], None]
"""Takes the next predictions."""

SUFFIXES = ('.csv', '.parquet')


@contextlib.contextmanager
def predictions_file(path: str, schema: pa.Schema) -> Iterator[Write]:
  """A file of predictions, which takes its name when the block ends well.

  Args:
    path: `*.csv` or `*.parquet`; what is there is replaced.
    schema: of the predictions.

  Raises:
    PredictionError: it can't be written.
  """
  target = pathlib.Path(path)
  check_output(path)
  partial = target.with_name(f'.{target.name}.{os.getpid()}')
  try:
    with _opened(partial, schema, target.suffix.lower()) as write:
      yield write
    partial.replace(target)
  except OSError as error:
    raise PredictionError(f"'{path}' can't be written ({error.strerror or error}).") from error
  finally:
    partial.unlink(missing_ok=True)


def check_output(path: str) -> None:
  """Checks the name of an output before anything is read.

  Raises:
    PredictionError: no format goes with it, or its folder is not there.
  """
  target = pathlib.Path(path)
  if '://' in path or target.suffix.lower() not in SUFFIXES:
    raise PredictionError(f"The output '{path}' must be a local file that ends in {' or '.join(SUFFIXES)}.")
  if target.is_dir() or not target.absolute().parent.is_dir():
    what = 'is a directory' if target.is_dir() else 'lies in a directory that is not there'
    raise PredictionError(f"The output '{path}' {what}; name a file.")


@contextlib.contextmanager
def predictions_stream(stream: BinaryIO, schema: pa.Schema) -> Iterator[Write]:
  """Predictions as CSV on an open stream, which stays open."""
  stream.write((','.join(schema.names) + '\n').encode())

  def write(scored: pa.RecordBatch) -> None:
    buffer = pa.BufferOutputStream()
    pa_csv.write_csv(scored, buffer, _csv_options(scored))
    stream.write(buffer.getvalue())

  yield write
  stream.flush()


@contextlib.contextmanager
def _opened(path: pathlib.Path, schema: pa.Schema, suffix: str) -> Iterator[Write]:
  if suffix == '.csv':
    with path.open('wb') as stream, predictions_stream(stream, schema) as write:
      yield write
  else:
    with path.open('wb') as stream, pq.ParquetWriter(stream, schema) as writer:
      yield writer.write_batch


def _csv_options(scored: pa.RecordBatch) -> pa_csv.WriteOptions:
  """Quotes text only where a cell needs it; Arrow would quote every text."""
  texts = [column for column in scored.columns if pa.types.is_string(column.type)]
  special = any(pc.any(pc.match_substring_regex(text, '[",\r\n]')).as_py() for text in texts)
  return pa_csv.WriteOptions(include_header=False, quoting_style='needed' if special else 'none')
