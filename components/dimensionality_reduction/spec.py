"""Inputs, outputs and parameters of `DimensionalityReduction`."""

from __future__ import annotations

from tfx.types import component_spec, standard_artifacts

from components.artifacts import ReductionReport

TRANSFORM_GRAPH_KEY = 'transform_graph'
TRANSFORMED_EXAMPLES_KEY = 'transformed_examples'
REDUCED_GRAPH_KEY = 'reduced_graph'
REDUCED_EXAMPLES_KEY = 'reduced_examples'
REPORT_KEY = 'report'
REDUCTION_KEY = 'reduction'
DATASET_KEY = 'dataset'
FEATURES_KEY = 'features'
SLICES_KEY = 'slices'
CLIP_KEY = 'clip'
CURRENCY_KEY = 'currency'
CODE_VERSION_KEY = 'code_version'


class DimensionalityReductionSpec(component_spec.ComponentSpec):
  """A Transform graph and its Examples to others with fewer model inputs."""

  PARAMETERS = {
    name: component_spec.ExecutionParameter(type=str)
    for name in (REDUCTION_KEY, DATASET_KEY, FEATURES_KEY, SLICES_KEY, CLIP_KEY, CURRENCY_KEY, CODE_VERSION_KEY)
  }
  INPUTS = {
    TRANSFORM_GRAPH_KEY: component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
    TRANSFORMED_EXAMPLES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
  }
  OUTPUTS = {
    REDUCED_GRAPH_KEY: component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
    REDUCED_EXAMPLES_KEY: component_spec.ChannelParameter(type=standard_artifacts.Examples),
    REPORT_KEY: component_spec.ChannelParameter(type=ReductionReport),
  }
