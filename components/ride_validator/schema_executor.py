"""Writes the schema. Apart from the other nodes, as features are made of it: only a change here makes it anew.

The schema's making is in `components.ride_validator.schema`, and its text is the step's parameter.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.utils import io_utils

SCHEMA_FILE = 'schema.pbtxt'

_PARAMETER = component_spec.ExecutionParameter


class RideSchemaSpec(component_spec.ComponentSpec):
  """The schema's own text is the parameter, so the cache key is exactly what matters."""

  PARAMETERS = {'schema_text': _PARAMETER(type=str), 'code_version': _PARAMETER(type=str)}
  INPUTS: ClassVar[dict[str, component_spec.ChannelParameter]] = {}
  OUTPUTS = {'schema': component_spec.ChannelParameter(type=standard_artifacts.Schema)}


class RideSchemaExecutor(base_executor.BaseExecutor):
  """Executor of `RideSchema`."""

  def Do(  # noqa: N802, TFX's own name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Checks that the text is a schema and writes it."""
    uri = artifact_utils.get_single_uri(output_dict['schema'])
    schema = text_format.Parse(exec_properties['schema_text'], schema_pb2.Schema())
    io_utils.write_pbtxt_file(os.path.join(uri, SCHEMA_FILE), schema)
