"""Inputs, output and parameters of `AnomalyGate`."""

from tfx.types import component_spec, standard_artifacts

STATISTICS_KEY = 'statistics'
SCHEMA_KEY = 'schema'
ANOMALIES_KEY = 'anomalies'
BASELINE_KEY = 'baseline_statistics'
FINDINGS_KEY = 'findings'
VALIDATION_KEY = 'validation'
CODE_VERSION_KEY = 'code_version'


class AnomalyGateSpec(component_spec.ComponentSpec):
  """The findings travel as an ExampleAnomalies artifact with one JSON file."""

  PARAMETERS = {
    VALIDATION_KEY: component_spec.ExecutionParameter(type=str),
    CODE_VERSION_KEY: component_spec.ExecutionParameter(type=str),
  }
  INPUTS = {
    STATISTICS_KEY: component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
    SCHEMA_KEY: component_spec.ChannelParameter(type=standard_artifacts.Schema),
    ANOMALIES_KEY: component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
    BASELINE_KEY: component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics, optional=True),
  }
  OUTPUTS = {FINDINGS_KEY: component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies)}
