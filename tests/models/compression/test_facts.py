"""Counts on kernels, against loops, against tfmot's own masks and against kernels whose counts are plain to see."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_model_optimization.python.core.sparsity.keras import pruning_utils

from models.compression.proof import (
  block_sparsity,
  grid_distance,
  histogram,
  layer_facts,
  rounded_to_zero,
  totals,
  two_of_four,
  zeros,
)
from tests.models.compression.made_kernels import tfmot_mask


def _kernel(rows, columns, seed=0):
  return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def test_facts_of_layers_and_their_totals():
  kernels = {'dense_0': np.array([[0, 1.5], [-0.0, 1.5], [2, -1.5]]), 'fare': np.array([[4.0], [5.0]])}
  hidden, output = layer_facts(kernels)
  assert (hidden.name, hidden.shape, hidden.parameters, hidden.nonzero, hidden.distinct) == ('dense_0', (3, 2), 6, 4, 4)
  assert hidden.sparsity == pytest.approx(2 / 6)
  assert output.sparsity == 0
  both = totals([hidden, output])
  assert (both.parameters, both.nonzero, both.distinct) == (8, 6, 4)
  assert both.sparsity == pytest.approx(2 / 8)


def test_totals_of_nothing():
  assert totals([])._asdict() == {'parameters': 0, 'nonzero': 0, 'sparsity': 0.0, 'distinct': 0}


@pytest.mark.parametrize(
  ('kernel', 'block', 'expected'),
  [
    pytest.param([[0, 0], [0, 0]], (1, 2), (2, 2, 0), id='all_zero'),
    pytest.param([[0, 0], [0, 3]], (1, 2), (1, 2, 1), id='broken_block_leaves_a_stray'),
    pytest.param([[0, 1], [0, 1], [0, 1], [0, 1]], (4, 1), (1, 2, 0), id='a_column'),
    pytest.param([[1, 0], [0, 0], [0, 0], [0, 0], [0, 1]], (4, 1), (2, 4, 3), id='cut_off_at_the_lower_edge'),
    pytest.param([[1, 1, 0], [1, 1, 0]], (2, 2), (1, 2, 0), id='cut_off_at_the_right_edge'),
    pytest.param([[0, 1]], (1, 1), (1, 2, 0), id='single_weights'),
    pytest.param([[0, 0, 0]], (16, 16), (1, 1, 0), id='block_larger_than_the_kernel'),
  ],
)
def test_blocks_are_counted(kernel, block, expected):
  assert block_sparsity(np.array(kernel), block) == expected


@pytest.mark.parametrize('block', [(1, 2), (4, 1), (16, 1), (3, 5)])
@pytest.mark.parametrize('shape', [(32, 10), (19, 7), (50, 6)])
def test_blocks_of_tfmot_are_found_whole(block, shape):
  """Oracle: tfmot's own block masks, edges and all; counted block by block in a loop.

  No shape is a single row or column of blocks: there tfmot squeezes an axis away and fails.
  """
  kernel = _kernel(*shape)
  pruned = kernel * tfmot_mask(kernel, 0.6, block)
  tiles = [
    pruned[row : row + block[0], column : column + block[1]]
    for row in range(0, shape[0], block[0])
    for column in range(0, shape[1], block[1])
  ]
  assert block_sparsity(pruned, block) == (sum(not tile.any() for tile in tiles), len(tiles), 0)


@pytest.mark.parametrize('shape', [(8, 3), (12, 5), (10, 2), (11, 2), (3, 4)])
def test_two_of_four_holds_for_masks_of_tfmot_and_for_no_other(shape):
  """Oracle: tfmot's 2:4 mask, and its own check `is_pruned_m_by_n`."""
  kernel = _kernel(*shape)
  pruned = kernel * tfmot_mask(kernel, m_by_n=(2, 4))
  for case in (pruned, kernel, np.roll(pruned, 1, axis=0), kernel * (np.abs(kernel) > 0.6)):
    assert two_of_four(case) is pruning_utils.is_pruned_m_by_n(tf.constant(case))
  assert two_of_four(pruned)


def test_two_of_four_runs_along_the_inputs():
  along = np.array([[1.0], [0.0], [0.0], [1.0]])
  assert two_of_four(np.tile(along, (1, 4)))
  assert not two_of_four(np.tile(along, (1, 4)).T)


def test_distance_from_the_grid():
  on_it = np.array([[-127, 3], [50, 0]]) * np.float32(0.0123)
  assert grid_distance(on_it) < 1e-4
  assert grid_distance(np.array([127.0, 3.25])) == pytest.approx(0.25)
  assert grid_distance(np.array([127.0, -0.5])) == pytest.approx(0.5)


def test_weights_that_round_to_zero_are_counted():
  """Oracle: rounding itself."""
  kernel = _kernel(50, 50)
  assert rounded_to_zero(kernel) == zeros(np.rint(kernel / (np.abs(kernel).max() / 127)))


def test_histograms_share_their_bins_and_lose_no_weight():
  before, after = _kernel(30, 20), 2 * _kernel(30, 20, seed=1)
  bins = histogram(before, after)
  assert len(bins.edges) == 65
  assert bins.edges[0] == min(before.min(), after.min())
  assert bins.edges[-1] == max(before.max(), after.max())
  assert sum(bins.before) == sum(bins.after) == 600
  np.testing.assert_array_equal(bins.after, np.histogram(after, bins.edges)[0])


def test_histogram_of_a_single_value():
  bins = histogram(np.zeros((2, 2)), np.zeros((2, 2)))
  assert sum(bins.before) == sum(bins.after) == 4
  assert np.all(np.diff(bins.edges) > 0)
