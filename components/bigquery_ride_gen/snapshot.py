"""Keeps rows as Parquet files in the staging folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue
from tfx.dsl.io import fileio

from components.bigquery_ride_gen.rows import to_record_batch
from components.parquet import pq
from components.ride_example_gen.publishing import Attempt, Staging
from models.whole_files import write_whole

_BATCH_ROWS = 1 << 14
_PART_ROWS = 1_000_000


class StageRows(beam.PTransform):
  """Writes rows as Parquet files; `staged_files` names them once the pipeline is through.

  Each bundle writes files of its own; only what the finished bundles name
  counts, so a bundle that Beam runs twice counts once.
  """

  def __init__(self, staging: Staging):
    super().__init__()
    self._staging = staging

  def expand(self, rows: beam.PCollection) -> beam.PCollection:
    files = rows | 'Write' >> beam.ParDo(_WriteRowParts(self._staging))
    return files | 'Files' >> beam.combiners.ToList() | 'Note' >> beam.Map(_note, self._staging)


def staged_files(staging: Staging) -> tuple[str, ...]:
  """The files that `StageRows` wrote, sorted."""
  with fileio.open(_note_path(staging)) as file:
    return tuple(json.loads(file.read()))


def _note(files: list[str], staging: Staging) -> None:
  fileio.makedirs(staging.uri)
  write_whole(_note_path(staging), json.dumps(sorted(files)))


def _note_path(staging: Staging) -> str:
  return staging.path('rows.json')


class _WriteRowParts(beam.DoFn):
  """Yields the paths of the files that a bundle's rows are in."""

  def __init__(self, staging: Staging):
    super().__init__()
    self._staging = staging

  def start_bundle(self) -> None:
    self._rows: list[Mapping[str, Any]] = []
    self._parts: _Parts | None = None

  def process(self, row: Mapping[str, Any]) -> Iterable[str]:
    self._rows.append(row)
    if len(self._rows) >= _BATCH_ROWS:
      self._flush()
    return ()

  def finish_bundle(self) -> Iterator[WindowedValue]:
    self._flush()
    for path in self._parts.close() if self._parts else ():
      yield WindowedValue(path, GlobalWindow().max_timestamp(), [GlobalWindow()])

  def _flush(self) -> None:
    if self._rows:
      self._parts = self._parts or _Parts(self._staging.attempt())
      self._parts.write(to_record_batch(self._rows))
      self._rows = []


class _Parts:
  """The files of a bundle: a new one where the columns' types change, as for a column that had only None before."""

  def __init__(self, attempt: Attempt):
    self._attempt = attempt
    self._paths: list[str] = []
    self._file: Any = None
    self._writer: pq.ParquetWriter | None = None
    self._written = 0

  def write(self, batch: pa.RecordBatch) -> None:
    if self._writer is None or self._writer.schema != batch.schema or self._written >= _PART_ROWS:
      self._begin(batch.schema)
    assert self._writer is not None
    self._writer.write_table(pa.Table.from_batches([batch]))
    self._written += batch.num_rows

  def _begin(self, schema: pa.Schema) -> None:
    self.close()
    name = f'rows-{len(self._paths)}.parquet'
    self._paths.append(self._attempt.staging.path(self._attempt.name, name))
    self._file = self._attempt.open(name)
    self._writer = pq.ParquetWriter(pa.PythonFile(self._file, mode='w'), schema)
    self._written = 0

  def close(self) -> list[str]:
    if self._writer is not None:
      self._writer.close()
      self._file.close()
      self._writer = None
    return self._paths
