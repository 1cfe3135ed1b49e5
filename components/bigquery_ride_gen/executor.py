"""Takes a snapshot of the rows, then ingests it as any files."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from components.bigquery_ride_gen import snapshot, spec
from components.bigquery_ride_gen.reader import ReadRows
from components.ride_example_gen import publishing
from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.executor import RideExampleGenExecutor
from configs.bigquery import BigQuery
from configs.dataset import Dataset, FileFormat


class BigQueryRideGenExecutor(RideExampleGenExecutor):
  """Writes train and eval Examples and the quarantine; fails where there is no row."""

  def _sources(self, exec_properties: dict[str, Any], staging: publishing.Staging) -> dict[str, tuple[str, ...]]:
    """The rows as files in the staging folder, which goes when the step is through.

    One reading for all that follows: a second one may see other rows.
    """
    source = BigQuery.model_validate_json(exec_properties[spec.BIGQUERY_KEY])
    with self._make_beam_pipeline() as pipeline:
      _ = pipeline | 'BigQuery' >> self._reader(source) | 'Stage' >> snapshot.StageRows(staging)
    files = snapshot.staged_files(staging)
    if not files:
      raise IngestionError(
        f'{self._called(exec_properties)} has no rows; check the table, or the conditions of the query.'
      )
    return {'rides': files}

  def _reader(self, source: BigQuery) -> beam.PTransform:
    return ReadRows(source)

  def _called(self, exec_properties: dict[str, Any]) -> str:
    source = BigQuery.model_validate_json(exec_properties[spec.BIGQUERY_KEY])
    return f'bigquery://{source.table}' if source.table else 'bigquery://query'

  def _dataset(self, exec_properties: dict[str, Any]) -> Dataset:
    return super()._dataset(exec_properties).model_copy(update={'format': FileFormat.PARQUET})
