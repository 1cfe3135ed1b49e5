"""The TFX component that takes rides in from BigQuery: a snapshot of the rows, then ingested as any files."""

from __future__ import annotations

import apache_beam as beam
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Quarantine
from components.bigquery_ride_gen import reader
from components.bigquery_ride_gen.reader import ReadRows
from components.ride_example_gen import executor
from components.ride_example_gen.executor import RideExampleGenExecutor
from components.ride_example_gen.files import IngestionError
from components.specs import Properties, channels, new_outputs, parameters
from configs.dataset import Dataset, FileFormat
from configs.platform import BigQuery
from configs.split import Split


class BigQueryRideGenSpec(component_spec.ComponentSpec):
  """What decides the rides: the query or table, the state of its data, the mapping and the split."""

  INPUTS = channels()
  PARAMETERS = parameters('bigquery', 'version', 'dataset', 'split', 'code_version')
  OUTPUTS = channels(examples=standard_artifacts.Examples, quarantine=Quarantine)


class BigQueryRideGenExecutor(RideExampleGenExecutor):
  """Writes train and eval Examples and the quarantine; fails where there is no row."""

  def _sources(self, exec_properties: Properties, staging: executor.Staging) -> executor.Sources:
    """The rows as files in the staging folder, which goes when the step is through.

    One reading for all that follows: a second one may see other rows.
    """
    source = BigQuery.model_validate_json(exec_properties['bigquery'])
    with self._make_beam_pipeline() as pipeline:
      _ = pipeline | 'BigQuery' >> self._reader(source) | 'Stage' >> reader.StageRows(staging)
    files = reader.staged_files(staging)
    if not files:
      raise IngestionError(
        f'{self._called(exec_properties)} has no rows; check the table, or the conditions of the query.'
      )
    return executor.Sources({'rides': files})

  def _reader(self, source: BigQuery) -> beam.PTransform:
    return ReadRows(source)

  def _called(self, exec_properties: Properties) -> str:
    source = BigQuery.model_validate_json(exec_properties['bigquery'])
    return f'bigquery://{source.table}' if source.table else 'bigquery://query'

  def _dataset(self, exec_properties: Properties) -> Dataset:
    return super()._dataset(exec_properties).model_copy(update={'format': FileFormat.PARQUET})


class BigQueryRideGen(base_beam_component.BaseBeamComponent):
  """Takes the rows of a query or a table to canonical tf.Examples; the outputs are those of `RideExampleGen`.

  It is no file-based ExampleGen: there is no file to look at before it runs, on no target, so for the cache `version`
  alone identifies the data.

  ```
  ingest = BigQueryRideGen(
      bigquery=BigQuery(table='project.taxi.trips'),
      version='2026-11-01',
      dataset=config.dataset,
      split=config.split,
      code_version=step_version(BigQueryRideGen))
  ```
  """

  SPEC_CLASS = BigQueryRideGenSpec
  EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(BigQueryRideGenExecutor)

  def __init__(self, *, bigquery: BigQuery, version: str, dataset: Dataset, split: Split, code_version: str):
    """Constructs the component.

    Args:
      bigquery: the query or the table.
      version: of the data; the same one may be served from the cache.
      dataset: the mapping to the canonical ride and the rules.
      split: how kept rides are divided into train and eval.
      code_version: of the ingestion's code, as TFX's cache does not see code.
    """
    spec = BigQueryRideGenSpec(
      bigquery=bigquery.model_dump_json(exclude={'version'}),
      version=version,
      dataset=executor.DATASET.dump(dataset),
      split=executor.dump_split(split),
      code_version=code_version,
      **new_outputs(BigQueryRideGenSpec),
    )
    super().__init__(spec=spec)
