"""Under which keys the models of recipes leave the trainer and enter later steps; needs no TFX."""

from __future__ import annotations

RECIPE_PREFIX = 'recipe_'
"""Of the trainer's outputs and of the inputs of later steps that hold one recipe's model each."""


def recipe_key(name: str) -> str:
  """The key of an output or an input that holds a recipe's model."""
  return RECIPE_PREFIX + name
