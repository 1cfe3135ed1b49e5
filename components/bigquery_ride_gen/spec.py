"""Parameters and outputs of BigQueryRideGen."""

from __future__ import annotations

from tfx.types import component_spec, standard_artifacts, standard_component_specs

from components.artifacts import Quarantine
from components.ride_example_gen.spec import CODE_VERSION_KEY, DATASET_KEY, QUARANTINE_KEY, SPLIT_KEY

BIGQUERY_KEY = 'bigquery'
VERSION_KEY = 'version'


class BigQueryRideGenSpec(component_spec.ComponentSpec):
  """What decides the rides: the query or table, the state of its data, the mapping and the split."""

  INPUTS: dict[str, component_spec.ChannelParameter] = {}
  PARAMETERS = {
    BIGQUERY_KEY: component_spec.ExecutionParameter(type=str),
    VERSION_KEY: component_spec.ExecutionParameter(type=str),
    DATASET_KEY: component_spec.ExecutionParameter(type=str),
    SPLIT_KEY: component_spec.ExecutionParameter(type=str),
    CODE_VERSION_KEY: component_spec.ExecutionParameter(type=str),
  }
  OUTPUTS = {
    standard_component_specs.EXAMPLES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
    QUARANTINE_KEY: component_spec.ChannelParameter(type=Quarantine),
  }
