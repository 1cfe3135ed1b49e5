"""Reads a query or a table by Beam's reader, as Arrow columns, and keeps them as Parquet files."""

from __future__ import annotations

import decimal
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.gcp import bigquery as beam_bigquery
from apache_beam.io.gcp.internal.clients import bigquery as messages
from apache_beam.options.pipeline_options import GoogleCloudOptions
from apache_beam.utils.windowed_value import WindowedValue
from tfx.dsl.io import fileio

from components.parquet import pq
from components.ride_example_gen.executor import Attempt, Staging
from components.ride_example_gen.files import IngestionError
from configs.platform import BigQuery
from models.whole_files import write_whole


class ReadRows(beam.PTransform):
  """The rows as Python mappings, column by name.

  By the Storage Read API in Arrow's format, so a value has the type that its column has: TIMESTAMP an aware `datetime`,
  DATETIME a naive one, NUMERIC a `Decimal`. The other ways of Beam's reader need a bucket and write times as text.
  """

  def __init__(self, source: BigQuery):
    super().__init__()
    self._source = source

  def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
    project = begin.pipeline.options.view_as(GoogleCloudOptions).project
    if not project:
      raise IngestionError(
        'BigQuery needs a Google Cloud project that pays for reading: set platform.vertex.project, or export '
        'FARELITE_PROJECT.'
      )
    return begin | 'Read' >> beam_bigquery.ReadFromBigQuery(
      method=beam_bigquery.ReadFromBigQuery.Method.DIRECT_READ, use_native_datetime=True, **_what(self._source, project)
    )


def _what(source: BigQuery, project: str) -> dict[str, Any]:
  """The table, or the query; Beam would read a table in the table's own project, which has to be ours for that."""
  if source.table is not None:
    owner, dataset, table = source.table.rsplit('.', 2)  # The project may hold a domain with dots.
    if owner == project:
      return {'table': table, 'dataset': dataset, 'project': owner}
  query: dict[str, Any] = {'query': query_of(source), 'use_standard_sql': True, 'flatten_results': False}
  if source.temp_dataset:
    query['temp_dataset'] = messages.DatasetReference(projectId=project, datasetId=source.temp_dataset)
  return query


def query_of(source: BigQuery) -> str:
  """The query, or the one that gives a whole table."""
  return source.query if source.query is not None else f'SELECT * FROM `{source.table}`'


def to_record_batch(rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
  """Rows as Arrow columns that the canonical mapping takes.

  Args:
    rows: at least one; every row has the same columns. Values are what Beam's reader gives: bool, int, float, `Decimal`
      (NUMERIC, BIGNUMERIC), str, bytes, `date`, `time`, `datetime` (naive for DATETIME, aware for TIMESTAMP), lists and
      mappings (ARRAY, STRUCT), and None.
  Returns: Columns in the first row's order. Whole numbers stay whole; a TIMESTAMP keeps its zone, UTC; ARRAY and STRUCT
    are JSON text; a column of nothing but None has Arrow's null type.
  """
  names = list(rows[0])
  return pa.RecordBatch.from_arrays([_column([row[name] for row in rows]) for name in names], names)


def _column(values: list[Any]) -> pa.Array:
  present = [value for value in values if value is not None]
  if any(isinstance(value, (list, dict)) for value in present):
    texts = (None if value is None else json.dumps(value, default=str, ensure_ascii=False) for value in values)
    return pa.array(texts, pa.string())
  if present and all(isinstance(value, decimal.Decimal) and _is_whole(value) for value in present):
    # NUMERIC comes with nine decimal places, whatever it holds; whole numbers are whole again.
    return pa.array([None if value is None else int(value) for value in values])
  return pa.array(values)


def _is_whole(value: decimal.Decimal) -> bool:
  return value == value.to_integral_value() and abs(value) < 2**63


_BATCH_ROWS = 1 << 14
_PART_ROWS = 1_000_000
_NOTE = 'rows.json'


class StageRows(beam.PTransform):
  """Writes rows as Parquet files; `staged_files` names them once the pipeline is through.

  Each bundle writes files of its own; only what the finished bundles name counts, so a bundle that Beam runs twice
  counts once.
  """

  def __init__(self, staging: Staging):
    super().__init__()
    self._staging = staging

  def expand(self, rows: beam.PCollection) -> beam.PCollection:
    files = rows | 'Write' >> beam.ParDo(_WriteRowParts(self._staging))
    return files | 'Files' >> beam.combiners.ToList() | 'Note' >> beam.Map(_note, self._staging)


def staged_files(staging: Staging) -> tuple[str, ...]:
  """The files that `StageRows` wrote, sorted."""
  with fileio.open(staging.path(_NOTE)) as file:
    return tuple(json.loads(file.read()))


def _note(files: list[str], staging: Staging) -> None:
  fileio.makedirs(staging.uri)
  write_whole(staging.path(_NOTE), json.dumps(sorted(files)))


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
      yield beam.window.GlobalWindows.windowed_value(path)

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
      self.close()
      name = f'rows-{len(self._paths)}.parquet'
      self._paths.append(self._attempt.staging.path(self._attempt.name, name))
      self._file = self._attempt.open(name)
      self._writer = pq.ParquetWriter(pa.PythonFile(self._file, mode='w'), batch.schema)
      self._written = 0
    self._writer.write_table(pa.Table.from_batches([batch]))
    self._written += batch.num_rows

  def close(self) -> list[str]:
    if self._writer is not None:
      self._writer.close()
      self._file.close()
      self._writer = None
    return self._paths
