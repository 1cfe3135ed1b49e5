"""Pruned weights: as many zeros as asked for, in the blocks asked for, and nowhere else. Counted with NumPy."""

import numpy as np
import pytest

from configs.recipe import Pruning, Recipe
from models.recipe_training import FinalModels
from tests.models.compression.simulated import TUNING, build, kernels

HIDDEN = ('dense_0', 'dense_1', 'dense_2')


def _recipe(name='pruned', **pruning):
  return Recipe(name=name, pruning=Pruning(**{'final_sparsity': 0.75, 'fine_tuning': TUNING, **pruning}))


def _zeros(kernel):
  return int((kernel == 0).sum())


@pytest.mark.parametrize(
  ('pruning', 'sparsities'),
  [
    pytest.param({}, dict.fromkeys(HIDDEN, 0.75), id='hidden'),
    pytest.param(
      {'schedule': 'constant', 'layers': {'dense_0': 0.5, 'cell_pair_embedding': 0.4, 'fare': 0.25}},
      {'dense_0': 0.5, 'cell_pair_embedding': 0.4, 'fare': 0.25},
      id='constant_for_each_its_own',
    ),
  ],
)
def test_number_of_zeros(compressor, pruning, sparsities):
  """Oracle: the share of the layer's size, rounded; layers that are not named keep all their weights."""
  for layer, kernel in kernels(compressor.apply(_recipe(**pruning)).weights).items():
    assert abs(_zeros(kernel) - sparsities.get(layer, 0) * kernel.size) <= 0.5, layer


def test_zeros_come_in_blocks(compressor):
  """Oracle: the kernel cut into blocks by a reshape; each block is all zero or has no zero."""
  block, recipe = (4, 2), _recipe(structure='4x2', layers=('dense_1', 'dense_2'), final_sparsity=0.5)
  found = kernels(compressor.apply(recipe).weights)
  for layer in ('dense_1', 'dense_2'):
    rows, columns = (size // step for size, step in zip(found[layer].shape, block, strict=True))
    zeros = (found[layer] == 0).reshape(rows, block[0], columns, block[1]).sum(axis=(1, 3))
    assert set(np.unique(zeros)) == {0, block[0] * block[1]}
    assert abs((zeros > 0).sum() - 0.5 * zeros.size) <= 0.5


def test_two_of_four(compressor):
  """Oracle: any four consecutive inputs of a unit, by a reshape."""
  recipe = _recipe(structure='2:4', layers=('dense_1', 'dense_2'), final_sparsity=0.5)
  found = kernels(compressor.apply(recipe).weights)
  for layer in ('dense_1', 'dense_2'):
    groups = (found[layer] == 0).reshape(-1, 4, found[layer].shape[1]).sum(axis=1)
    assert set(np.unique(groups)) == {2}


def test_sparsity_follows_the_schedule(compressor):
  """Oracle: M. Zhu and S. Gupta's polynomial at the step of the last update, to one weight of the smallest layer."""
  recipe = _recipe(initial_sparsity=0.2, begin=4, end=20, frequency=4, fine_tuning={'epochs': 3})
  (stage,) = compressor.apply(recipe).stages
  assert stage.technique == 'pruning'
  curves = stage.history.curves
  for step, total, smallest in zip(curves['step'], curves['sparsity'], curves['sparsity/dense_2'], strict=True):
    update = min(20, step // 4 * 4)
    expected = 0.75 + (0.2 - 0.75) * (1 - (update - 4) / 16) ** 3 if step >= 4 else 0
    assert total == pytest.approx(expected, abs=0.01)
    assert smallest == pytest.approx(expected, abs=1 / 96)
  assert curves['sparsity'][-1] == pytest.approx(0.75)


def test_small_weights_go_and_the_error_stays_low(compressor, base_weights):
  """Oracle: the base's own magnitudes; what is pruned was smaller there on average."""
  pruned = kernels(compressor.apply(_recipe()).weights)
  for layer in HIDDEN:
    before = np.abs(kernels(base_weights)[layer])
    assert before[pruned[layer] == 0].mean() < 0.6 * before[pruned[layer] != 0].mean()


def test_exports_the_plain_model(compressor):
  compressed = compressor.apply(_recipe())
  model = FinalModels(build).of(compressed).model
  assert [variable.name for variable in model.weights] == [variable.name for variable in build().weights]
  for exported, stated in zip(model.get_weights(), compressed.weights, strict=True):
    np.testing.assert_array_equal(exported, stated)
    assert not (np.signbit(stated) & (stated == 0)).any(), 'one bit pattern for all zeros'
  assert compressed.ranges == {}


@pytest.mark.parametrize(
  ('pruning', 'message'),
  [
    pytest.param(
      {'layers': ('dense_4',)}, r"pruning.layers: the model has no .* 'dense_4'. It has: .* Did you mean", id='unknown'
    ),
    pytest.param(
      {'layers': ('clip',)}, 'pruning.layers: the model has no dense layer, convolution or embedding', id='no_kernel'
    ),
    pytest.param(
      {'layers': ('fare',), 'structure': '4x1'},
      "'fare' of 8x1 weights can't be pruned in blocks of 4x1; leave it out",
      id='block_on_one_unit',
    ),
    pytest.param({'frequency': 1000}, 'updates the masks only once', id='no_effect'),
  ],
)
def test_refuses(compressor, pruning, message):
  with pytest.raises(ValueError, match=message):
    compressor.apply(_recipe(**pruning))
