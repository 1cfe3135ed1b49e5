"""Whether a study's recipes and schemes fit the model; a run that does not make the study is not refused for it."""

from __future__ import annotations

from configs.layers import model_layers
from configs.problems import Problem
from configs.recipe_checks import recipe_problems
from configs.run import RunConfig
from configs.scheme_checks import scheme_problems
from configs.study import StudyBlock


def study_problems(config: RunConfig) -> list[Problem]:
  """Everything that is wrong with `config.study` for the dataset and the model, located from the top."""
  study, found = config.study, []
  if StudyBlock.COMPRESSION in study.blocks:
    sweep, layers = study.compression, model_layers(config.dataset, config.features, config.model)
    recipes = [problem for recipe in sweep.recipes for problem in recipe_problems(recipe, config.model, layers)]
    schemes = [problem for scheme in sweep.schemes for problem in scheme_problems(scheme, sweep.recipes, layers)]
    found += [problem.under('recipes') for problem in recipes]
    found += [problem.under('schemes') for problem in schemes]
  return [problem.under('study', 'compression') for problem in found]
