"""Magnitude pruning of a fare model in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow_model_optimization as tfmot

from configs.pruning_steps import PruningSteps
from configs.recipe import Pruning, Schedule
from models.compression import layers
from models.compression.blocks import align
from models.compression.fine_tuning import FineTune
from models.keras_compat import keras
from models.training import Course

SPARSITY = 'sparsity'
"""Curve of the share of zeros over all pruned layers; `sparsity/<layer>` is that of one layer."""

_TWO_OF_FOUR = 0.5


def prune(model: keras.Model, pruning: Pruning, steps: PruningSteps, fine_tune: FineTune) -> Course:
  """Fine-tunes a model while its smallest weights become zero.

  Args:
    model: plain and trained; its weights are changed in place.
    pruning: which layers, how much, in which structure.
    steps: when the masks are updated.
    fine_tune: trains.

  Returns:
    The course, with a curve of the sparsity in total and per layer.

  Raises:
    ValueError: an unknown layer, or one that is too narrow for the structure.
  """
  wrappers = {
    name: _wrapped(layer, pruning, _sparsity(pruning, name), steps)
    for name, layer in layers.named_layers(model, pruning.layers, 'pruning.layers').items()
  }
  pruned = layers.recompose(model, wrappers)
  for wrapper in wrappers.values():
    align(wrapper)
    # tfmot's callback would do it: the wrappers count from -1, and refuse to train before they are told a step.
    wrapper.pruning_step.assign(0)
  course = fine_tune(pruned, _probes(wrappers))
  for wrapper in wrappers.values():
    # The optimizer's last step moves masked weights too, by their momentum and decay.
    wrapper.pruning_obj.weight_mask_op()
  return course


def _sparsity(pruning: Pruning, layer: str) -> float:
  if pruning.two_of_four:
    return _TWO_OF_FOUR
  return pruning.layers[layer] if isinstance(pruning.layers, dict) else pruning.final_sparsity


def _wrapped(layer: keras.layers.Layer, pruning: Pruning, sparsity: float, steps: PruningSteps) -> keras.layers.Wrapper:
  if pruning.block != (1, 1) and 1 in layers.kernel(layer).shape:
    shape = 'x'.join(str(size) for size in layers.kernel(layer).shape)
    raise ValueError(
      f"pruning.structure: '{layer.name}' of {shape} weights can't be pruned in blocks of {pruning.structure}; "
      'leave it out of pruning.layers.'
    )
  return tfmot.sparsity.keras.prune_low_magnitude(
    layer,
    pruning_schedule=_schedule(pruning, sparsity, steps),
    block_size=pruning.block,
    sparsity_m_by_n=(2, 4) if pruning.two_of_four else None,
  )


def _schedule(pruning: Pruning, sparsity: float, steps: PruningSteps) -> tfmot.sparsity.keras.PruningSchedule:
  if pruning.schedule is Schedule.CONSTANT or pruning.two_of_four:
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
