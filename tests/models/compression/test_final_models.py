"""The models that recipes end with: one for recipes of a structure, each time with the weights of one of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from configs.recipe import Pruning, Quantization, Recipe
from models.compression.quantized_model import quantized_model
from models.recipe_training import FinalModels, structure
from models.training import predict
from tests.models.compression.simulated import CLIP, TUNING, build

DENSE = Recipe(name='dense')
PRUNED = Recipe(name='pruned', pruning=Pruning(final_sparsity=0.5, fine_tuning=TUNING))


def _quantized(**settings) -> Recipe:
  return Recipe(name='qat', quantization=Quantization(fine_tuning=TUNING, **settings))


def _values(model) -> dict[str, bytes]:
  return {variable.name: variable.numpy().tobytes() for variable in model.variables}


@pytest.mark.parametrize(
  'recipe',
  [
    pytest.param(_quantized(), id='whole_core'),
    pytest.param(_quantized(layers=('dense_1',)), id='one_layer'),
    pytest.param(_quantized(quantize_configs=CLIP), id='custom_layer'),
  ],
)
def test_a_model_used_again_is_as_one_of_its_own(compressor, rides, recipe):
  """Oracle: a model that is built for these weights alone; all variables and all fares by their bits."""
  found = compressor.apply(recipe)
  other = dataclasses.replace(
    found,
    weights=[array / 2 for array in found.weights],
    ranges={name: (2 * low, 3 * high) for name, (low, high) in found.ranges.items()},
  )
  models = FinalModels(build)
  predict(models.of(other).model, rides)
  final = models.of(found)
  plain = build()
  plain.set_weights(found.weights)
  alone = quantized_model(plain, recipe.quantization, found.ranges)
  assert sorted(_values(final.model).values()) == sorted(_values(alone).values())
  assert predict(final.model, rides).tobytes() == predict(alone, rides).tobytes()
  assert predict(final.plain, rides).tobytes() == predict(plain, rides).tobytes()
  assert predict(final.model, rides).tobytes() != predict(models.of(other).model, rides).tobytes()


def test_plain_models_are_one(compressor, base_weights):
  models = FinalModels(build)
  pruned = models.of(compressor.apply(PRUNED))
  dense = models.of(compressor.apply(DENSE))
  assert dense.model is dense.plain is pruned.model
  for found, stated in zip(dense.model.get_weights(), base_weights, strict=True):
    np.testing.assert_array_equal(found, stated)


def test_structures():
  """The length of a fine-tuning makes no other model; the layers do."""
  longer = Recipe(name='longer', quantization=Quantization(fine_tuning={'steps': 7}))
  assert structure(longer) == structure(_quantized()) != structure(_quantized(layers=('dense_1',)))
  assert structure(PRUNED) == structure(DENSE)
