"""Copies each recipe's model into its artifact."""

from __future__ import annotations

import os
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.recipe_models.spec import MODEL_RUN_KEY
from models.compression.records import RECIPES_FOLDER


class RecipeModelsExecutor(base_executor.BaseExecutor):
  """Executor of `RecipeModels`."""

  def Do(  # noqa: N802, TFX's own name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Fills every output from the folder of its name."""
    run = artifact_utils.get_single_uri(input_dict[MODEL_RUN_KEY])
    for name, artifacts in output_dict.items():
      model = artifact_utils.get_single_instance(artifacts)
      io_utils.copy_dir(os.path.join(run, RECIPES_FOLDER, name), model.uri)
      model.set_string_custom_property('recipe', name)
