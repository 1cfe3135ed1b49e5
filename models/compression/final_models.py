"""The models that recipes end with, to predict with and to export."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from configs.recipe import Recipe
from models.compression.compressor import Compressed
from models.compression.quantized_model import fill, quantized_model
from models.keras_compat import keras


class FinalModel(NamedTuple):
  """What a recipe made of the base, as models.

  Attributes:
    plain: the plain fare model; kernels that are quantized are on their 8-bit
      grid.
    model: to export: the plain fare model, or one with 8-bit rounding in its
      dense core; no wrapper of pruning or clustering is left in it.
  """

  plain: keras.Model
  model: keras.Model


class FinalModels:
  """Puts weights into models.

  Building a model takes longer than training a small one for an epoch, so recipes of one structure share it: what was
  given before holds the weights of the recipe that was asked for last.
  """

  def __init__(self, build: Callable[[], keras.Model]) -> None:
    """Takes what gives a fresh untrained fare model at each call."""
    self._build = build
    self._made: dict[str, FinalModel] = {}

  def of(self, compressed: Compressed) -> FinalModel:
    """The models with the weights and ranges of a recipe."""
    key, quantization = structure(compressed.recipe), compressed.recipe.quantization
    if key in self._made:
      plain, model = self._made[key]
      plain.set_weights(compressed.weights)
      if quantization:
        fill(model, plain, quantization, compressed.ranges)
    else:
      plain = self._build()
      plain.set_weights(compressed.weights)
      model = quantized_model(plain, quantization, compressed.ranges) if quantization else plain
      self._made[key] = FinalModel(plain, model)
    return self._made[key]


def structure(recipe: Recipe) -> str:
  """Equal for recipes whose final models differ in the values of their variables alone."""
  return recipe.quantization.model_dump_json(exclude={'fine_tuning'}) if recipe.quantization else 'plain'
