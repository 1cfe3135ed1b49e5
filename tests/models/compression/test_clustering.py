"""Clustered weights: few distinct values, and zeros exactly where pruning left them. Counted with NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from configs.recipe import Clustering, Initialization, Pruning, Recipe
from models.compression.clustering import Clusterer
from models.compression.quantization import SparsityPreservingClustering, one_per_side
from models.recipe_training import FinalModels
from tests.models.compression.simulated import TUNING, build, kernels

HIDDEN = ('dense_0', 'dense_1', 'dense_2')
PRUNING = Pruning(final_sparsity=0.75, fine_tuning=TUNING)


def _clustering(**changes):
  return Clustering(**{'clusters': 6, 'fine_tuning': TUNING, **changes})


PLAIN = Recipe(name='clustered', clustering=_clustering(layers=('dense_0', 'dense_2')))


def test_few_distinct_values(compressor, base_weights):
  compressed = compressor.apply(PLAIN)
  found, before = kernels(compressed.weights), kernels(base_weights)
  for layer in ('dense_0', 'dense_2'):
    assert len(np.unique(found[layer])) == 6
  for layer in ('dense_1', 'cell_pair_embedding'):
    assert len(np.unique(found[layer])) == before[layer].size
    assert not np.array_equal(found[layer], before[layer]), 'all layers are fine-tuned'


@pytest.mark.parametrize('initialization', [pytest.param(kind, id=kind.value) for kind in Initialization])
def test_initial_centroids_of_every_kind(base_weights, initialization):
  """Without a step of training, so that nothing else is at work; twice, as random ones have to repeat too."""
  found = []
  for _ in range(2):
    model = build()
    model.set_weights(base_weights)
    variables = model.weights
    config = _clustering(initialization=initialization, layers=('dense_1',))
    Clusterer(model, config, {}, seed=4).finish()
    found.append(kernels([variable.numpy() for variable in variables])['dense_1'])
  assert 1 < len(np.unique(found[0])) <= 6
  np.testing.assert_array_equal(*found)
  # Linear centroids span the kernel's range; all others stay within it.
  before = kernels(base_weights)['dense_1']
  assert before.min() - 0.02 <= found[0].min() < found[0].max() <= before.max() + 0.02


def test_zeros_stay_exactly_where_pruning_left_them(compressor):
  """Oracle: the same pruning without clustering; its stage is trained once for both."""
  pruned = compressor.apply(Recipe(name='pruned', pruning=PRUNING))
  both = compressor.apply(Recipe(name='sparse_clustered', pruning=PRUNING, clustering=_clustering()))
  assert both.stages[0].history is pruned.stages[0].history
  before, after = kernels(pruned.weights), kernels(both.weights)
  for layer in HIDDEN:
    np.testing.assert_array_equal(after[layer] == 0, before[layer] == 0)
    assert len(np.unique(after[layer])) <= 6
  assert not np.array_equal(after['dense_1'], before['dense_1'])


def test_tables_and_more_clusters_than_weights(compressor):
  layers = ('dense_2', 'fare', 'cell_pair_embedding')
  recipe = Recipe(name='many', pruning=PRUNING, clustering=_clustering(clusters=40, layers=layers))
  before = kernels(compressor.apply(Recipe(name='pruned', pruning=PRUNING)).weights)
  after = kernels(compressor.apply(recipe).weights)
  assert len(np.unique(before['dense_2'])) < 40
  assert len(np.unique(after['dense_2'])) <= len(np.unique(before['dense_2']))
  assert len(np.unique(after['fare'])) <= 8
  # K-means++ starts with 40; some may find no weight in the end.
  assert 30 < len(np.unique(after['cell_pair_embedding'])) <= 40


def test_exports_the_plain_model(compressor):
  compressed = compressor.apply(PLAIN)
  model = FinalModels(build).of(compressed).model
  assert [variable.name for variable in model.weights] == [variable.name for variable in build().weights]
  assert [stage.technique for stage in compressed.stages] == ['clustering']


def test_two_clusters_are_too_few_for_zeros(compressor):
  recipe = Recipe(name='two', pruning=PRUNING, clustering=_clustering(clusters=2))
  with pytest.raises(ValueError, match=r"clustering\.clusters must be at least 3 for 'dense_0', which is pruned"):
    compressor.apply(recipe)


def test_no_weight_falls_to_the_zero_centroid():
  """Oracle: by hand; 0.1 and -0.2 are nearer to zero than to any other centroid, and the drifted zero is not."""
  kernel = np.array([[0.1, 0.0], [-0.2, 1.1]], np.float32)
  drifted = tf.constant([[0.1, 0.9], [-0.2, 1.1]])
  look_up = SparsityPreservingClustering(
    tf.Variable([-0.9, 0.0, 0.8, 1.2]), tf.constant(kernel != 0, tf.float32), zero=1
  )
  np.testing.assert_array_equal(look_up.get_pulling_indices(drifted), [[2, 1], [0, 3]])


@pytest.mark.parametrize(
  ('centroids', 'kernel', 'expected'),
  [
    pytest.param([-1, 0, 1], [-1, 0, 2], [-1, 0, 1], id='both_sides'),
    pytest.param([0, 1, 3], [-2, -4, 0, 1, 3], [0, -3, 3], id='no_negative'),
    pytest.param([-3, -1, 0], [-1, -3, 0, 5], [-3, 5, 0], id='no_positive'),
    pytest.param([0, 1, 3], [0, 1, 3], [0, 1, 3], id='no_negative_weights'),
    pytest.param([0, 1], [-1, 0, 1], [0, 1], id='only_one_to_give'),
  ],
)
def test_each_side_gets_a_centroid(centroids, kernel, expected):
  np.testing.assert_array_equal(one_per_side(np.array(centroids, float), np.array(kernel, float)), expected)
