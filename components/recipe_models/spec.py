"""Input, outputs and parameters of `RecipeModels`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tfx.types import component_spec, standard_artifacts

MODEL_RUN_KEY = 'model_run'
CODE_VERSION_KEY = 'code_version'

RECIPE_PREFIX = 'recipe_'
"""Of the inputs of later steps that take one recipe's model each."""


class RecipeModelsSpec(component_spec.ComponentSpec):
  """A Trainer's run to one Model per recipe; the outputs depend on the recipes, see `spec_class`."""

  PARAMETERS = {CODE_VERSION_KEY: component_spec.ExecutionParameter(type=str)}
  INPUTS = {MODEL_RUN_KEY: component_spec.ChannelParameter(type=standard_artifacts.ModelRun)}
  OUTPUTS: ClassVar[dict[str, component_spec.ChannelParameter]] = {}


def spec_class(recipes: Sequence[str]) -> type[RecipeModelsSpec]:
  """The spec with one Model output per recipe name."""
  outputs = {name: component_spec.ChannelParameter(type=standard_artifacts.Model) for name in recipes}
  return type('RecipeModelsSpec', (RecipeModelsSpec,), {'OUTPUTS': outputs, '__module__': __name__})
