"""Reads a query or a table by Beam's reader; the only part that needs the service."""

from __future__ import annotations

from typing import Any

import apache_beam as beam
from apache_beam.io.gcp import bigquery as beam_bigquery
from apache_beam.io.gcp.internal.clients import bigquery as messages
from apache_beam.options.pipeline_options import GoogleCloudOptions

from components.ride_example_gen.errors import IngestionError
from configs.bigquery import BigQuery


class ReadRows(beam.PTransform):
  """The rows as Python mappings, column by name.

  By the Storage Read API in Arrow's format, so a value has the type that its
  column has: TIMESTAMP an aware `datetime`, DATETIME a naive one, NUMERIC a
  `Decimal`. The other ways of Beam's reader need a bucket and write times as text.
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
      method=beam_bigquery.ReadFromBigQuery.Method.DIRECT_READ,
      use_native_datetime=True,
      **_what(self._source, project),
    )


def _what(source: BigQuery, project: str) -> dict[str, Any]:
  """The table, or the query; Beam opens its read session in the table's own project, which only the own one allows."""
  if source.table is not None:
    owner, dataset, table = _parts(source.table)
    if owner == project:
      return {'table': table, 'dataset': dataset, 'project': owner}
  query: dict[str, Any] = {'query': query_of(source), 'use_standard_sql': True, 'flatten_results': False}
  if source.temp_dataset:
    query['temp_dataset'] = messages.DatasetReference(projectId=project, datasetId=source.temp_dataset)
  return query


def query_of(source: BigQuery) -> str:
  """The query, or the one that gives a whole table."""
  return source.query if source.query is not None else f'SELECT * FROM `{source.table}`'


def _parts(table: str) -> tuple[str, str, str]:
  """Project, dataset and table; the project may hold a domain with dots."""
  project, dataset, name = table.rsplit('.', 2)
  return project, dataset, name
