"""Trains models of one structure again and again with a loop that is compiled once.

Compiling takes as long as a short training. A cross-validation trains one structure on many folds and seeds: here only
the rides, the initial weights and the optimizer's state are exchanged.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from configs.model import Training
from models.adamw import AdamW
from models.compiled_steps import RideTensors, compiled_steps
from models.keras_compat import keras
from models.rides import Rides
from models.training import DivergedError, Length, segments


class RepeatedTraining:
  """Trains fresh models, each as `models.training.train` would, bit by bit; without early stopping.

  Args:
    build: gives an untrained model from a typical fare and a seed; all of its
      models have one structure.
  """

  def __init__(self, build: Callable[[float, int], keras.Model]) -> None:
    self._build = build
    self._loops: dict[tuple[object, ...], _Loop] = {}

  def train(self, rides: Rides, config: Training) -> tuple[keras.Model, float]:
    """Trains a model on `rides`.

    Args:
      rides: the training split.
      config: as of `train`; its seed is that of the initial weights, too.

    Returns:
      The model, which holds its weights until the next call, and the CPU
      seconds that its steps took, compilation left out.

    Raises:
      DivergedError: the loss is not finite.
    """
    fresh = self._build(float(np.median(rides.fares)), config.seed)
    length = Length.of(len(rides), config)
    # Everything that a trace has in it as a constant; the seed is one where there is dropout.
    dropout = any(isinstance(module, keras.layers.Dropout) for module in fresh.submodules)
    key = (
      length.batch,
      length.steps,
      config.model_copy(update={'seed': config.seed if dropout else 0}).model_dump_json(),
    )
    if key not in self._loops:
      self._loops[key] = _Loop(fresh, rides, length, config)
    return self._loops[key].run(fresh.get_weights(), rides, length, config)


class _Loop:
  """A model, its optimizer, and the steps compiled for both, over rides in variables."""

  def __init__(self, model: keras.Model, rides: Rides, length: Length, config: Training) -> None:
    self._model = model
    self._optimizer = AdamW(config, length.steps, model.trainable_variables)
    columns = {name: _exchangeable(rides.inputs[name]) for name in model.input_names}
    self._rides = RideTensors(columns, _exchangeable(rides.fares.reshape(-1, 1)))
    self._steps = compiled_steps(model, self._optimizer, self._rides, length.batch, config)

  def run(self, weights: list[np.ndarray], rides: Rides, length: Length, config: Training) -> tuple[keras.Model, float]:
    for name, column in self._rides.columns.items():
      column.assign(rides.inputs[name])
    self._rides.fares.assign(rides.fares.reshape(-1, 1))
    self._model.set_weights(weights)
    self._optimizer.reset()
    rows = np.concatenate([rows for _, rows in segments(length, len(rides), config.seed, 0)])
    start = time.process_time()
    loss = float(self._steps(tf.constant(rows))[0])
    if not math.isfinite(loss):
      raise DivergedError(
        f'The training loss became {loss} within {length.steps} steps: lower training.learning_rate '
        f'(now {config.learning_rate:g}) or look for extreme fares.'
      )
    return self._model, time.process_time() - start


def _exchangeable(column: np.ndarray) -> tf.Variable:
  """A variable that takes any number of rides."""
  return tf.Variable(column, trainable=False, shape=tf.TensorShape([None, *column.shape[1:]]))
