"""Parameters and output of `ServedModel`."""

from typing import ClassVar

from tfx.types import component_spec, standard_artifacts

MODEL_KEY = 'model'
PUSH_DESTINATION_KEY = 'push_destination'
CODE_VERSION_KEY = 'code_version'


class ServedModelSpec(component_spec.ComponentSpec):
  """A folder of versions to the model of the one that serves."""

  PARAMETERS = {
    PUSH_DESTINATION_KEY: component_spec.ExecutionParameter(type=str),
    CODE_VERSION_KEY: component_spec.ExecutionParameter(type=str),
  }
  INPUTS: ClassVar[dict[str, component_spec.ChannelParameter]] = {}
  OUTPUTS = {MODEL_KEY: component_spec.ChannelParameter(type=standard_artifacts.Model)}
