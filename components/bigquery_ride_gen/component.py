"""The TFX component that takes rides in from BigQuery."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts

from components.artifacts import Quarantine
from components.bigquery_ride_gen.executor import BigQueryRideGenExecutor
from components.bigquery_ride_gen.spec import BigQueryRideGenSpec
from components.ride_example_gen import parameters
from configs.bigquery import BigQuery
from configs.dataset import Dataset
from configs.split import Split


class BigQueryRideGen(base_beam_component.BaseBeamComponent):
  """Takes the rows of a query or a table to canonical tf.Examples; the outputs are those of `RideExampleGen`.

  It is no file-based ExampleGen: there is no file to look at before it runs,
  on no target, so `version` alone tells the cache which data it was.
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
      dataset=parameters.DATASET.dump(dataset),
      split=parameters.dump_split(split),
      code_version=code_version,
      examples=types.Channel(type=standard_artifacts.Examples),
      quarantine=types.Channel(type=Quarantine),
    )
    super().__init__(spec=spec)
