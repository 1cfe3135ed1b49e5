"""Masks of whole blocks, where tfmot's own are not aligned."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow_model_optimization.python.core.sparsity.keras import pruning_impl, pruning_wrapper


class AlignedPruning(pruning_impl.Pruning):
  """tfmot's pruning with blocks that start at the upper left.

  tfmot takes the mean of each block by a pooling that pads on both sides, and lays the mask from the upper left: where
  a block's height or width does not divide the kernel's, it prunes other blocks than the smallest ones.
  """

  def _maybe_update_block_mask(self, weights: tf.Variable) -> tuple[tf.Tensor, tf.Tensor]:
    """The threshold and the mask, float32 of the kernel's shape [inputs, units]."""
    if self._sparsity_m_by_n or self._block_size == [1, 1]:
      return super()._maybe_update_block_mask(weights)
    (rows, columns), (height, width) = weights.shape, self._block_size
    down, across = -(-rows // height), -(-columns // width)
    padding = [[0, down * height - rows], [0, across * width - columns]]
    sizes = _sums(np.pad(np.ones([rows, columns], np.float32), padding), down, height, across, width)
    means = _sums(tf.pad(tf.abs(weights), padding), down, height, across, width) / sizes
    threshold, kept = self._update_mask(means)
    mask = tf.repeat(tf.repeat(kept, height, axis=0), width, axis=1)
    return threshold, mask[:rows, :columns]


def align(wrapper: pruning_wrapper.PruneLowMagnitude) -> None:
  """Gives a built wrapper aligned blocks."""
  wrapper.pruning_obj = AlignedPruning(
    training_step_fn=lambda: wrapper.pruning_step,
    pruning_vars=wrapper.pruning_vars,
    pruning_schedule=wrapper.pruning_schedule,
    block_size=wrapper.block_size,
    block_pooling_type=wrapper.block_pooling_type,
    sparsity_m_by_n=wrapper.sparsity_m_by_n,
  )


def _sums(values: tf.Tensor, down: int, height: int, across: int, width: int) -> tf.Tensor:
  """The sum of each block, [down, across]."""
  return tf.reduce_sum(tf.reshape(values, [down, height, across, width]), axis=[1, 3])
