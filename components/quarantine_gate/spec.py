"""Input and parameters of `QuarantineGate`."""

from typing import ClassVar

from tfx.types import component_spec

from components.artifacts import Quarantine

QUARANTINE_KEY = 'quarantine'
MAX_SHARE_KEY = 'max_quarantined_share'
CODE_VERSION_KEY = 'code_version'


class QuarantineGateSpec(component_spec.ComponentSpec):
  """A gate has no output: it lets the run pass or fails it."""

  PARAMETERS = {
    MAX_SHARE_KEY: component_spec.ExecutionParameter(type=float),
    CODE_VERSION_KEY: component_spec.ExecutionParameter(type=str),
  }
  INPUTS = {QUARANTINE_KEY: component_spec.ChannelParameter(type=Quarantine)}
  OUTPUTS: ClassVar[dict[str, component_spec.ChannelParameter]] = {}
