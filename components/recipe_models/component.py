"""Makes artifacts of what one training wrote, so that later steps take, cache and trace each recipe by itself."""

from __future__ import annotations

from collections.abc import Sequence

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel, standard_artifacts

from components.recipe_models.executor import RecipeModelsExecutor
from components.recipe_models.spec import RecipeModelsSpec, spec_class


class RecipeModels(base_component.BaseComponent):
  """One Model artifact per training recipe, out of the run of a `PruningTrainer`.

  TFX's Trainer has one Model output and Vertex launches its fixed executor, so the training itself can't have more.
  Outputs: one Model per recipe, by its name, each with the SavedModel under `Format-Serving` and the training report
  under `training_report`.

  Args:
    model_run: of a `PruningTrainer`.
    recipes: names of the recipes.
    code_version: part of the cache key.
  """

  SPEC_CLASS = RecipeModelsSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(RecipeModelsExecutor)

  def __init__(self, *, model_run: channel.BaseChannel, recipes: Sequence[str], code_version: str) -> None:
    outputs = {name: channel.Channel(type=standard_artifacts.Model) for name in recipes}
    super().__init__(spec=spec_class(recipes)(model_run=model_run, code_version=code_version, **outputs))
