"""Inputs, outputs and parameters of `QuantizationRewriter`."""

from __future__ import annotations

from collections.abc import Sequence

from tfx.types import component_spec, standard_artifacts

from components.artifacts import LiteVariants
from components.pruning_trainer import RECIPE_PREFIX

EXAMPLES_KEY = 'examples'
TRANSFORMED_EXAMPLES_KEY = 'transformed_examples'
TRANSFORM_GRAPH_KEY = 'transform_graph'
VARIANTS_KEY = 'variants'
DATASET_KEY = 'dataset'
FEATURES_KEY = 'features'
MODEL_KEY = 'fare_model'
TRAINING_KEY = 'training'
SCHEMES_KEY = 'schemes'
CACHE_KEY = 'cache'
CODE_VERSION_KEY = 'code_version'


class QuantizationRewriterSpec(component_spec.ComponentSpec):
  """Trained models to lite files; there is one more input per recipe, see `spec_class`."""

  PARAMETERS = {
    name: component_spec.ExecutionParameter(type=str)
    for name in (DATASET_KEY, FEATURES_KEY, MODEL_KEY, TRAINING_KEY, SCHEMES_KEY, CACHE_KEY, CODE_VERSION_KEY)
  }
  INPUTS = {
    EXAMPLES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
    TRANSFORMED_EXAMPLES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
    TRANSFORM_GRAPH_KEY: component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
  }
  OUTPUTS = {VARIANTS_KEY: component_spec.ChannelParameter(type=LiteVariants)}


def spec_class(recipes: Sequence[str]) -> type[QuantizationRewriterSpec]:
  """The spec with one Model input per recipe name."""
  models = {RECIPE_PREFIX + name: component_spec.ChannelParameter(type=standard_artifacts.Model) for name in recipes}
  inputs = {**QuantizationRewriterSpec.INPUTS, **models}
  return type('QuantizationRewriterSpec', (QuantizationRewriterSpec,), {'INPUTS': inputs, '__module__': __name__})
