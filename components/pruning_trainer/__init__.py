"""TFX's Trainer for the dense base and its training recipes, and where what it leaves is found."""

from models.compression.records import RECIPES_FOLDER, report_file

__all__ = ['RECIPES_FOLDER', 'RECIPE_PREFIX', 'recipe_key', 'report_file']

RECIPE_PREFIX = 'recipe_'
"""Of the trainer's outputs and of the inputs of later steps that hold one recipe's model each."""


def recipe_key(name: str) -> str:
  """The key of an output or an input that holds a recipe's model."""
  return RECIPE_PREFIX + name
