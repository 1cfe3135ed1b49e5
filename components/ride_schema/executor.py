"""Writes the schema artifact."""

from __future__ import annotations

import os
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.ride_schema.spec import SCHEMA_KEY, SCHEMA_TEXT_KEY

FILE_NAME = 'schema.pbtxt'


class RideSchemaExecutor(base_executor.BaseExecutor):
  """Executor of `RideSchema`."""

  def Do(  # noqa: N802, TFX's own name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Checks that the text is a schema and writes it."""
    uri = artifact_utils.get_single_uri(output_dict[SCHEMA_KEY])
    schema = text_format.Parse(exec_properties[SCHEMA_TEXT_KEY], schema_pb2.Schema())
    io_utils.write_pbtxt_file(os.path.join(uri, FILE_NAME), schema)
