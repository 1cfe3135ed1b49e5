"""Writes a Transform graph whose features are reduced, where `TFTransformOutput` looks for its parts."""

from __future__ import annotations

import os

import tensorflow_transform as tft
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import schema_utils
from tfx.utils import io_utils

from models.reduction.preprocessing import ReducedFeatures


def write_reduced_graph(features: ReducedFeatures, transform_graph: str, directory: str) -> None:
  """Traces the features again, with constants in the place of analyzers; no ride is read.

  Args:
    features: the reduced features.
    transform_graph: the graph that they come from, for the schema of raw rides.
    directory: where the new one goes.
  """
  raw_folder = tft.TFTransformOutput.RAW_METADATA_DIR
  io_utils.copy_dir(os.path.join(transform_graph, raw_folder), os.path.join(directory, raw_folder))
  schema = tft.TFTransformOutput(transform_graph).raw_metadata.schema
  spec = schema_utils.schema_as_feature_spec(schema).feature_spec
  # What TFX's own Transform calls for a function without analyzers.
  impl_helper.analyze_in_place(
    preprocessing_fn=features,
    force_tf_compat_v1=False,
    feature_specs=spec,
    type_specs=impl_helper.get_type_specs_from_feature_specs(spec),
    transform_output_path=directory,
  )
