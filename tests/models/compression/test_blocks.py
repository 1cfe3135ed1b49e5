"""Which blocks are pruned, where blocks don't divide the kernel; oracle: means of NumPy slices."""

import numpy as np
import pytest
import tensorflow_model_optimization as tfmot

from models.compression.pruning import align
from models.keras_compat import keras


@pytest.mark.parametrize(
  ('shape', 'block'),
  [
    pytest.param((42, 8), (16, 1), id='height_does_not_divide'),
    pytest.param((10, 7), (4, 3), id='neither_divides'),
    pytest.param((16, 6), (16, 1), id='a_single_row_of_blocks'),
    pytest.param((16, 8), (4, 2), id='both_divide'),
  ],
)
def test_the_smallest_blocks_go(shape, block):
  wrapper = tfmot.sparsity.keras.prune_low_magnitude(
    keras.layers.Dense(shape[1]), tfmot.sparsity.keras.ConstantSparsity(0.5, 0, frequency=1), block_size=block
  )
  wrapper.build([None, shape[0]])
  kernel = np.random.default_rng(1).normal(size=shape).astype(np.float32)
  wrapper.layer.kernel.assign(kernel)
  align(wrapper, tuple(wrapper.block_size))
  wrapper.pruning_step.assign(1)
  wrapper.pruning_obj.conditional_mask_update()
  [(_, mask, _)] = wrapper.pruning_vars
  cuts = [
    (slice(row, row + block[0]), slice(column, column + block[1]))
    for row in range(0, shape[0], block[0])
    for column in range(0, shape[1], block[1])
  ]
  means = np.array([np.abs(kernel[cut]).mean() for cut in cuts])
  kept = set(np.argsort(-means)[: round(0.5 * len(cuts))].tolist())
  for number, cut in enumerate(cuts):
    assert (mask.numpy()[cut] == (number in kept)).all(), cut
