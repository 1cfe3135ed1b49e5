"""Kernels as training recipes should leave them, with the masks of tfmot itself, and with too few or too many zeros."""

import numpy as np
import tensorflow as tf
from tensorflow_model_optimization.python.core.sparsity.keras import pruning_impl

from configs.recipe import Clustering, Pruning, Quantization, Recipe
from tests.models.small_exports import SHAPES, on_grid

PRUNED = Recipe(name='pruned', pruning=Pruning(final_sparsity=0.8))
BLOCKS = Recipe(name='blocks', pruning=Pruning(final_sparsity=0.75, structure='4x1'))
PAIRS = Recipe(name='pairs', pruning=Pruning(final_sparsity=0.5, structure='1x2'))
TWO_OF_FOUR = Recipe(name='two_of_four', pruning=Pruning(final_sparsity=0.5, structure='2:4'))
BY_NAME = Recipe(
  name='by_name', pruning=Pruning(final_sparsity=0.5, layers={'dense_0': 0.6, 'pickup_cell_embedding': 0.3})
)
CLUSTERED = Recipe(name='clustered', clustering=Clustering(clusters=16))
SPARSE_CLUSTERED = Recipe(name='both', pruning=Pruning(final_sparsity=0.5), clustering=Clustering(clusters=8))
QAT = Recipe(name='qat', quantization=Quantization())
ONE_LAYER = Recipe(name='one_layer', quantization=Quantization(layers=('dense_1',)))
PQAT = Recipe(name='pqat', pruning=Pruning(final_sparsity=0.8), quantization=Quantization())
PCQAT = Recipe(
  name='pcqat',
  pruning=Pruning(final_sparsity=0.5),
  clustering=Clustering(clusters=16),
  quantization=Quantization(),
)
DENSE = Recipe(name='dense')


def tfmot_mask(kernel, sparsity=0.5, block=(1, 1), m_by_n=None):
  """The mask that tfmot itself makes."""
  weight = tf.Variable(kernel)
  pruning = pruning_impl.Pruning(lambda: 0, [], lambda step: (True, tf.constant(sparsity)), block, 'AVG', m_by_n)
  return pruning._maybe_update_block_mask(weight)[1].numpy()


def random_kernel(layer, seed=5):
  return np.random.default_rng(seed).normal(size=SHAPES[layer]).astype(np.float32)


def made_by(recipe):
  """Kernels as the recipe should leave them; none where the dense base's own stay."""
  if recipe.is_dense:
    return {}
  hidden = ('dense_0', 'dense_1')
  made = {layer: random_kernel(layer) for layer in SHAPES}
  targets = recipe.pruning.targets(hidden) if recipe.pruning else {}
  for layer, sparsity in targets.items():
    pattern = (2, 4) if recipe.pruning.two_of_four else None
    made[layer] = made[layer] * tfmot_mask(made[layer], sparsity, recipe.pruning.block, pattern)
  for layer in recipe.clustering.names(hidden) if recipe.clustering else ():
    made[layer] = clustered(made[layer], recipe.clustering.clusters)
  for layer in recipe.quantization.names(hidden) if recipe.quantization else ():
    made[layer] = on_grid(made[layer])
  return made


def clustered(kernel, clusters):
  """At most so many distinct values, zero among them where it was."""
  centroids = np.linspace(kernel.min(), kernel.max(), clusters - 1)
  nearest = centroids[np.abs(kernel[..., None] - centroids).argmin(-1)].astype(np.float32)
  return np.where(kernel == 0, np.float32(0), nearest)


def with_weights(recipe, layer, positions, values):
  kernel = made_by(recipe)[layer].copy()
  kernel[positions] = values
  return {layer: kernel}


def fewer_zeros(recipe, layer, count):
  kernel = made_by(recipe)[layer].copy()
  positions = np.argwhere(kernel == 0)[:count]
  kernel[tuple(positions.T)] = 0.01
  return {layer: kernel}


def more_zeros(recipe, layer, count):
  kernel = made_by(recipe)[layer].copy()
  kernel[tuple(np.argwhere(kernel != 0)[:count].T)] = 0
  return {layer: kernel}
