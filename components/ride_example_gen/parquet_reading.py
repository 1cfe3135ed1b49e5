"""Reads Parquet files in blocks of Arrow columns."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from components.parquet import pq
from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.opening import open_arrow_source

_BLOCK_ROWS = 1 << 17


def open_parquet(path: str) -> tuple[tuple[str, ...], Iterator[pa.RecordBatch]]:
  """Opens a Parquet file.

  Returns:
    The names of its columns, and its rows as a stream.

  Raises:
    IngestionError: the file breaks off or is damaged, also while streaming; it carries pickled Python.
  """
  try:
    table = pq.ParquetFile(open_arrow_source(path))
  except (pa.ArrowException, OSError) as error:
    raise _broken(path, error) from error
  except RuntimeError as error:  # pyarrow_hotfix
    raise IngestionError(
      f"'{path}' has a column of a Python class of its author's, pickled, which may run anything when it is read; "
      'write it with plain columns.'
    ) from error
  return tuple(table.schema_arrow.names), _batches(path, table)


def _batches(path: str, table: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
  try:
    yield from table.iter_batches(batch_size=_BLOCK_ROWS)
  except (pa.ArrowException, OSError) as error:
    raise _broken(path, error) from error


def _broken(path: str, error: Exception) -> IngestionError:
  reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
  return IngestionError(f"'{path}' is no whole Parquet file ({reason}); copy or write it again.")
