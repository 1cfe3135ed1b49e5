"""Finds the served version, copies it, records which one it was."""

from __future__ import annotations

import os
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.served_model import spec
from models.versions import served_version

VERSION_PROPERTY = 'served_version'
"""Custom property of the model: the version's name; empty where nothing is served."""


class ServedModelExecutor(base_executor.BaseExecutor):
  """Executor of `ServedModel`."""

  def Do(  # noqa: N802, TFX's own name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Fills the model, or leaves it empty where nothing is served yet."""
    model = artifact_utils.get_single_instance(output_dict[spec.MODEL_KEY])
    destination = exec_properties[spec.PUSH_DESTINATION_KEY]
    served = served_version(destination)
    model.set_string_custom_property(VERSION_PROPERTY, '' if served is None else str(served))
    if served is not None:
      io_utils.copy_dir(os.path.join(destination, str(served)), path_utils.serving_model_dir(model.uri))
