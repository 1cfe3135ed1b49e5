"""Magnitude pruning of a model, and masks of whole blocks where tfmot's own are not aligned."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow_model_optimization.python.core.sparsity.keras import pruning_impl, pruning_wrapper

from configs.pruning import PruningSteps
from configs.recipe import Pruning, SparsitySchedule
from models.compression import layers
from models.keras_compat import keras


class AlignedPruning(pruning_impl.Pruning):
  """tfmot's pruning with blocks that start at the upper left.

  tfmot takes the mean of each block by a pooling that pads on both sides, and lays the mask from the upper left: where
  a block's height or width does not divide the kernel's, it prunes other blocks than the smallest ones.
  """

  def _validate_block(self) -> None:
    """Kernels of any rank have blocks, see `layers.as_matrix`."""

  def _maybe_update_block_mask(self, weights: tf.Variable) -> tuple[tf.Tensor, tf.Tensor]:
    """The threshold and the mask, float32 of the kernel's shape; blocks are those of `layers.as_matrix`."""
    if self._sparsity_m_by_n or self._block_size == [1, 1]:
      return super()._maybe_update_block_mask(weights)
    matrix = tf.reshape(weights, [-1, weights.shape[-1]])
    (rows, columns), (height, width) = matrix.shape, self._block_size
    down, across = -(-rows // height), -(-columns // width)
    padding = [[0, down * height - rows], [0, across * width - columns]]
    sizes = _sums(np.pad(np.ones([rows, columns], np.float32), padding), down, height, across, width)
    means = _sums(tf.pad(tf.abs(matrix), padding), down, height, across, width) / sizes
    threshold, preserved = self._update_mask(means)
    mask = tf.repeat(tf.repeat(preserved, height, axis=0), width, axis=1)
    return threshold, tf.reshape(mask[:rows, :columns], weights.shape)


def align(wrapper: pruning_wrapper.PruneLowMagnitude, block: tuple[int, int]) -> None:
  """Gives a built wrapper aligned blocks of so many inputs and units."""
  wrapper.pruning_obj = AlignedPruning(
    training_step_fn=lambda: wrapper.pruning_step,
    pruning_vars=wrapper.pruning_vars,
    pruning_schedule=wrapper.pruning_schedule,
    block_size=block,
    block_pooling_type=wrapper.block_pooling_type,
    sparsity_m_by_n=wrapper.sparsity_m_by_n,
  )


def _sums(values: tf.Tensor, down: int, height: int, across: int, width: int) -> tf.Tensor:
  """The sum of each block, [down, across]."""
  return tf.reduce_sum(tf.reshape(values, [down, height, across, width]), axis=[1, 3])


SPARSITY = 'sparsity'
"""Curve of the share of zeros over all pruned layers; `sparsity/<layer>` is that of one layer."""


class Pruner:
  """A model whose smallest weights become zero while it is trained.

  Attributes: probes: curves of the sparsity, in total and per layer.
  """

  def __init__(self, plain: keras.Model, pruning: Pruning, steps: PruningSteps) -> None:
    """Wraps the layers.

    Args:
      plain: trained; its weights are changed by the training.
      pruning: which layers, how much, in which structure.
      steps: when the masks are updated.
    Raises: ValueError: an unknown layer, or one that is too narrow for the structure.
    """
    self._wrappers = {
      name: _wrapped(layer, pruning, steps)
      for name, layer in layers.named_layers(plain, pruning.layers, 'pruning.layers').items()
    }
    self.model = layers.recompose(plain, self._wrappers)
    self.probes = _probes(self._wrappers)
    for wrapper in self._wrappers.values():
      align(wrapper, pruning.block)
      # tfmot's callback would do it: the wrappers count from -1, and refuse to train before they have a step.
      wrapper.pruning_step.assign(0)

  def finish(self) -> None:
    """Masks the trained weights of the plain model once more."""
    for wrapper in self._wrappers.values():
      # The optimizer's last step moves masked weights too, by their momentum and decay.
      wrapper.pruning_obj.weight_mask_op()


def _wrapped(layer: keras.layers.Layer, pruning: Pruning, steps: PruningSteps) -> keras.layers.Wrapper:
  layers.refuse_depthwise(layer, 'pruning.layers')
  kernel = layers.kernel(layer)
  if pruning.two_of_four and isinstance(layer, keras.layers.Conv1D):
    raise ValueError(
      f"pruning.structure: '{layer.name}' is a one-dimensional convolution, which tfmot can't prune 2:4; leave it out "
      'of pruning.layers, or choose another structure.'
    )
  if pruning.block != (1, 1) and 1 in layers.as_matrix(kernel.numpy()).shape:
    shape = 'x'.join(str(size) for size in kernel.shape)
    raise ValueError(
      f"pruning.structure: '{layer.name}' of {shape} weights can't be pruned in blocks of {pruning.structure}; "
      'leave it out of pruning.layers.'
    )
  # Without blocks, which tfmot refuses for a convolution when the layer is built; `align` takes them.
  return tfmot.sparsity.keras.prune_low_magnitude(
    layer,
    pruning_schedule=_schedule(pruning, pruning.targets([layer.name])[layer.name], steps),
    sparsity_m_by_n=(2, 4) if pruning.two_of_four else None,
  )


def _schedule(pruning: Pruning, sparsity: float, steps: PruningSteps) -> tfmot.sparsity.keras.PruningSchedule:
  if pruning.schedule is SparsitySchedule.CONSTANT or pruning.two_of_four:
    return tfmot.sparsity.keras.ConstantSparsity(sparsity, steps.begin, steps.end, steps.frequency)
  return tfmot.sparsity.keras.PolynomialDecay(
    pruning.initial_sparsity, sparsity, steps.begin, steps.end, pruning.power, steps.frequency
  )


def _probes(wrappers: Mapping[str, keras.layers.Layer]) -> dict[str, Callable[[], float]]:
  masks = {name: [mask for _, mask, _ in wrapper.pruning_vars] for name, wrapper in wrappers.items()}

  def sparsity(*names: str) -> float:
    flat = np.concatenate([mask.numpy().ravel() for name in names for mask in masks[name]])
    return float(1 - flat.mean(dtype=np.float64))

  total = {SPARSITY: lambda: sparsity(*masks)}
  return total | {f'{SPARSITY}/{name}': lambda name=name: sparsity(name) for name in masks}
