"""The curated schema as a node of the pipeline."""

from __future__ import annotations

from google.protobuf import text_format
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel, standard_artifacts

from components.ride_schema.executor import RideSchemaExecutor
from components.ride_schema.schema import ride_schema
from components.ride_schema.spec import RideSchemaSpec
from configs.dataset import Dataset
from configs.validation import Validation


class RideSchema(base_component.BaseComponent):
  """Writes the schema of the canonical ride, made from the config alone.

  Outputs: `schema`, a standard Schema artifact that holds `schema.pbtxt`.

  Args:
    dataset: its rules and extras decide the domains.
    validation: drift and skew thresholds.
    code_version: part of the cache key.
  """

  SPEC_CLASS = RideSchemaSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(RideSchemaExecutor)

  def __init__(self, *, dataset: Dataset, validation: Validation, code_version: str) -> None:
    spec = RideSchemaSpec(
      schema=channel.Channel(type=standard_artifacts.Schema),
      schema_text=text_format.MessageToString(ride_schema(dataset, validation)),
      code_version=code_version,
    )
    super().__init__(spec=spec)
