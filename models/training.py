"""Trains a fare model on rides in memory; seeded, so that a run can be repeated."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from configs.model import Loss, Training
from models.keras_compat import keras
from models.rides import Rides

_STEPS_PER_CALL = 32
"""Steps inside one call of the compiled train function; the Python loop around each costs more than a small step."""

_RIDES_AT_ONCE = 8192


class DivergedError(RuntimeError):
  """The loss became NaN or infinite."""


def train(
  model: keras.Model,
  rides: Rides,
  config: Training,
  validation: Rides | None = None,
  callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, list[float]]:
  """Trains `model` in place.

  Args:
    model: takes `rides.inputs`, gives fares of shape [batch, 1].
    rides: the training split.
    config: optimizer, length and seed.
    validation: rides whose loss is recorded after each epoch; early stopping
      holds out a part of `rides` instead and watches that one.
    callbacks: further Keras callbacks, such as TensorBoard's.

  Returns:
    One list per curve (`loss`, `rmse`, `val_loss`, `val_rmse`), one value per
    epoch; RMSE in the city's currency.

  Raises:
    DivergedError: the loss is not finite; the model is not worth keeping.
  """
  watched, callbacks = validation, list(callbacks)
  if config.early_stopping.enabled:
    rides, watched = _hold_out(rides, config)
    callbacks.append(
      keras.callbacks.EarlyStopping(
        monitor='val_loss', patience=config.early_stopping.patience, restore_best_weights=True
      )
    )
  batch = min(config.batch_size, len(rides))
  steps_per_epoch = max(1, len(rides) // batch)
  epoch_steps = min(steps_per_epoch, config.steps or steps_per_epoch)
  epochs = config.epochs or math.ceil((config.steps or 1) / epoch_steps)
  model.compile(
    optimizer=_optimizer(config, epochs * epoch_steps),
    loss=keras.losses.Huber(config.huber_delta) if config.loss is Loss.HUBER else keras.losses.MeanSquaredError(),
    metrics=[keras.metrics.RootMeanSquaredError(name='rmse')],
    steps_per_execution=min(epoch_steps, _STEPS_PER_CALL),
  )
  history = model.fit(
    _batches(rides, batch, config.seed),
    epochs=epochs,
    steps_per_epoch=epoch_steps,
    validation_data=None if watched is None else _whole(watched),
    callbacks=[keras.callbacks.TerminateOnNaN(), *callbacks],
    verbose=0,
  ).history
  if not all(np.isfinite(loss) for loss in history['loss']):
    raise DivergedError(
      f'The training loss became {history["loss"][-1]} after {len(history["loss"])} epochs: '
      f'lower training.learning_rate (now {config.learning_rate:g}) or look for extreme fares.'
    )
  return {name: [float(value) for value in values] for name, values in history.items()}


def predict(model: keras.Model, rides: Rides) -> np.ndarray:
  """Fares of `rides`, float32 [rides], in the city's currency."""
  # Called directly: `model.predict` traces a function anew for every model, which takes longer than the fares.
  parts = [np.zeros([0], np.float32)]
  for start in range(0, len(rides), _RIDES_AT_ONCE):
    rows = slice(start, start + _RIDES_AT_ONCE)
    inputs = {name: tf.constant(rides.inputs[name][rows]) for name in model.input_names}
    parts.append(model(inputs, training=False).numpy().reshape(-1))
  return np.concatenate(parts)


def _optimizer(config: Training, steps: int) -> keras.optimizers.Optimizer:
  warmup = int(config.warmup * steps)
  rate = keras.optimizers.schedules.CosineDecay(
    initial_learning_rate=0.0 if warmup else config.learning_rate,
    decay_steps=max(1, steps - warmup),
    warmup_target=config.learning_rate if warmup else None,
    warmup_steps=warmup,
  )
  optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
  # Decay pulls towards zero, and the output's bias belongs at the typical fare.
  optimizer.exclude_from_weight_decay(var_names=['bias'])
  return optimizer


def _batches(rides: Rides, batch: int, seed: int) -> tf.data.Dataset:
  """Endless shuffled batches, gathered by index: one small shuffle per epoch, no copy of the rides."""
  inputs = {name: tf.constant(values) for name, values in rides.inputs.items()}
  fares = tf.constant(rides.fares.reshape(-1, 1))
  order = tf.data.Dataset.range(len(rides)).shuffle(len(rides), seed=seed, reshuffle_each_iteration=True)
  return (
    order.batch(batch, drop_remainder=True)
    .repeat()
    .map(lambda rows: ({k: tf.gather(v, rows) for k, v in inputs.items()}, tf.gather(fares, rows)))
    .prefetch(2)
  )


def _whole(rides: Rides) -> tf.data.Dataset:
  return (
    tf.data.Dataset.from_tensor_slices((dict(rides.inputs), rides.fares.reshape(-1, 1))).batch(_RIDES_AT_ONCE).cache()
  )


def _hold_out(rides: Rides, config: Training) -> tuple[Rides, Rides]:
  """Splits off whole time stamps, so that the watched loss does not leak."""
  stamps = np.unique(rides.seconds)
  generator = np.random.default_rng(config.seed)
  held = generator.permutation(stamps)[: max(1, int(len(stamps) * config.early_stopping.holdout))]
  mask = np.isin(rides.seconds, held)
  if mask.all() or not mask.any():
    raise ValueError(f'Early stopping needs more than {len(stamps)} time stamps to hold a part of them out.')
  return rides[~mask], rides[mask]
