"""Output and parameters of `RideSchema`."""

from typing import ClassVar

from tfx.types import component_spec, standard_artifacts

SCHEMA_KEY = 'schema'
SCHEMA_TEXT_KEY = 'schema_text'
CODE_VERSION_KEY = 'code_version'


class RideSchemaSpec(component_spec.ComponentSpec):
  """The schema's own text is the parameter, so the cache key is exactly what matters."""

  PARAMETERS = {
    SCHEMA_TEXT_KEY: component_spec.ExecutionParameter(type=str),
    CODE_VERSION_KEY: component_spec.ExecutionParameter(type=str),
  }
  INPUTS: ClassVar[dict[str, component_spec.ChannelParameter]] = {}
  OUTPUTS = {SCHEMA_KEY: component_spec.ChannelParameter(type=standard_artifacts.Schema)}
