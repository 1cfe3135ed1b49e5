"""Writes the schema. Apart from the other nodes, as features are made of it: only a change here makes it anew.

The schema's making is in `components.ride_validator.schema`, and its text is the step's parameter.
"""

from __future__ import annotations

import os

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.utils import io_utils

from components.specs import Artifacts, Properties, channels, parameters

SCHEMA_FILE = 'schema.pbtxt'


class RideSchemaSpec(component_spec.ComponentSpec):
  """The schema's own text is the parameter, so the cache key is exactly what matters."""

  PARAMETERS = parameters('schema_text', 'code_version')
  INPUTS = channels()
  OUTPUTS = channels(schema=standard_artifacts.Schema)


class RideSchemaExecutor(base_executor.BaseExecutor):
  """Executor of `RideSchema`."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Checks that the text is a schema and writes it."""
    uri = artifact_utils.get_single_uri(output_dict['schema'])
    schema = text_format.Parse(exec_properties['schema_text'], schema_pb2.Schema())
    io_utils.write_pbtxt_file(os.path.join(uri, SCHEMA_FILE), schema)
