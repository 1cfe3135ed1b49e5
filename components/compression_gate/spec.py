"""Inputs, outputs and parameters of `CompressionGate`."""

from __future__ import annotations

from collections.abc import Iterable

from tfx.types import component_spec, standard_artifacts

from components.artifacts import CompressionReport, LiteVariants
from components.pruning_trainer import RECIPE_PREFIX

VARIANTS_KEY, EXAMPLES_KEY = 'variants', 'examples'
BLESSING_KEY, MODEL_KEY, REPORT_KEY = 'blessing', 'model', 'report'
COMPRESSION_KEY, EVALUATION_KEY, DATASET_KEY = 'compression', 'evaluation', 'dataset'
CODE_VERSION_KEY = 'code_version'


class CompressionGateSpec(component_spec.ComponentSpec):
  """Variants and rides to a verdict; further inputs depend on the recipes, see `spec_class`."""

  PARAMETERS = {
    COMPRESSION_KEY: component_spec.ExecutionParameter(type=str),
    EVALUATION_KEY: component_spec.ExecutionParameter(type=str),
    DATASET_KEY: component_spec.ExecutionParameter(type=str),
    CODE_VERSION_KEY: component_spec.ExecutionParameter(type=str),
  }
  INPUTS = {
    VARIANTS_KEY: component_spec.ChannelParameter(type=LiteVariants),
    EXAMPLES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
  }
  OUTPUTS = {
    BLESSING_KEY: component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing),
    MODEL_KEY: component_spec.ChannelParameter(type=standard_artifacts.Model),
    REPORT_KEY: component_spec.ChannelParameter(type=CompressionReport),
  }


def spec_class(recipes: Iterable[str]) -> type[CompressionGateSpec]:
  """The spec with one Model input per recipe name."""
  models = {RECIPE_PREFIX + name: component_spec.ChannelParameter(type=standard_artifacts.Model) for name in recipes}
  inputs = CompressionGateSpec.INPUTS | models
  return type('CompressionGateSpec', (CompressionGateSpec,), {'INPUTS': inputs, '__module__': __name__})
