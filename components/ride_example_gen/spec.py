"""Parameters and outputs of RideExampleGen."""

from __future__ import annotations

from tfx.types import component_spec, standard_component_specs

from components.artifacts import Quarantine

QUARANTINE_KEY = 'quarantine'
DATASET_KEY = 'dataset'
SPLIT_KEY = 'split'
CODE_VERSION_KEY = 'code_version'
WINDOW_KEY = 'window'


class RideExampleGenSpec(standard_component_specs.FileBasedExampleGenSpec):
  """The spec of TFX's file-based ExampleGen with the mapping and the quarantine."""

  PARAMETERS = {
    **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
    DATASET_KEY: component_spec.ExecutionParameter(type=str),
    SPLIT_KEY: component_spec.ExecutionParameter(type=str),
    CODE_VERSION_KEY: component_spec.ExecutionParameter(type=str),
    WINDOW_KEY: component_spec.ExecutionParameter(type=int, optional=True),
  }
  OUTPUTS = {
    **standard_component_specs.FileBasedExampleGenSpec.OUTPUTS,
    QUARANTINE_KEY: component_spec.ChannelParameter(type=Quarantine),
  }
