"""Inputs, outputs and parameters of `FareEvaluator`."""

from tfx.types import standard_component_specs
from tfx.types.component_spec import ExecutionParameter

BOOTSTRAP_KEY = 'bootstrap'
CURRENCY_KEY = 'currency'
SLICES_KEY = 'slices'
CODE_VERSION_KEY = 'code_version'


class FareEvaluatorSpec(standard_component_specs.EvaluatorSpec):
  """TFX's Evaluator with the settings of the intervals."""

  PARAMETERS = {
    **standard_component_specs.EvaluatorSpec.PARAMETERS,
    BOOTSTRAP_KEY: ExecutionParameter(type=int),
    CURRENCY_KEY: ExecutionParameter(type=str),
    SLICES_KEY: ExecutionParameter(type=str),
    CODE_VERSION_KEY: ExecutionParameter(type=str),
  }
