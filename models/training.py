"""Trains a model on examples in memory: one compiled loop, seeded, that goes on where it was interrupted.

Not `keras.Model.fit`, which compiles for more than a second before the first step of each model and runs Python code
between the later ones: most of a short fine-tuning. CPU seconds on two cores for 11,917 examples of 44 features in
batches of 256, `fit` and this loop: one epoch 1.2 and 0.5, 40 epochs 2.9 and 1.3, 40 epochs quantization-aware with
validation 4.2 and 1.8.

Compiling takes as long as a short training. A cross-validation trains one structure on many folds and seeds: here only
the examples, the initial weights and the optimizer's state are exchanged.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import time
import types
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from configs.errors import FailedError
from configs.model import Training
from models.checkpoints import Checkpoint, TrainingState, describe
from models.compiled_steps import (
  AdamW,
  MakeObjective,
  Tensors,
  TrainingLoss,
  TrainingObjective,
  compiled_errors,
  compiled_steps,
  compiled_values,
)
from models.compression.layers import output_name
from models.keras_compat import keras
from models.labels import label_unit
from models.protocols import Examples
from models.streaming import Stream, Windows, median_label

_POINTS = 40
"""Least number of record points, where there are as many steps: enough for a curve."""

_CURVES = ('step', 'epoch', 'loss', 'learning_rate', 'train_loss', 'val_loss')

_MEASURED = 20_000
"""Examples of the training split, at most, that are measured at a record point."""

_EXAMPLES_AT_ONCE = 8192


class DivergedError(FailedError):
  """The loss became NaN or infinite; the model holds its last good weights."""


@dataclasses.dataclass(frozen=True)
class TrainingHistory:
  """What a training went through.

  Attributes:
    curves: one value per record point: `step` (taken so far), `epoch` (a fraction where there are several points per
      epoch), `loss` (penalties included) and the objective's figure, such as `rmse`, over the training batches since
      the last point, which leave out the last, partial batch of an epoch, `learning_rate` (of the last step),
      `train_loss` and `train_rmse` where the training split was measured, `val_loss` and `val_rmse` where there was
      validation, and one curve per probe.
    seconds: wall time of this process, compilation included.
    resumed_from: the step of the checkpoint that it went on from; 0 for a fresh start.
  """

  curves: Mapping[str, Sequence[float]]
  seconds: float
  resumed_from: int = 0


def train(
  model: keras.Model,
  examples: Examples | Stream[Any],
  config: Training,
  validation: Examples | None = None,
  *,
  checkpoint: Checkpoint | None = None,
  probes: Mapping[str, Callable[[], float]] = types.MappingProxyType({}),
) -> TrainingHistory:
  """Trains `model` in place; arguments and errors are those of `TrainingRun` and its `run`."""
  return TrainingRun(model, examples, config, validation, probes=probes).run(checkpoint)


def total_steps(count: int, config: Training) -> int:
  """Optimizer steps that `train` takes, unless it stops early; see `Training` of `configs.model`.

  Args: count: examples that are trained on, those held out for early stopping not among them.
  """
  return Length.of(count, config).steps


def predict(model: keras.Model, examples: Examples) -> np.ndarray:
  """Predictions for `examples`; see `predict_inputs`."""
  return predict_inputs(model, examples.inputs)


def predict_inputs(model: keras.Model, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
  """Predictions for inputs [examples, ...] by name: float32 [examples], or [examples, classes] of several classes."""
  # Called directly: `model.predict` traces a function anew for every model, which takes longer than the predictions.
  width = int(model.output_shape[-1])
  parts = [np.zeros([0, width], np.float32)]
  for start in range(0, len(inputs[model.input_names[0]]), _EXAMPLES_AT_ONCE):
    rows = slice(start, start + _EXAMPLES_AT_ONCE)
    batch = {name: tf.constant(inputs[name][rows]) for name in model.input_names}
    parts.append(model(batch, training=False).numpy())
  found = np.concatenate(parts)
  return found.reshape(-1) if width == 1 else found


@dataclasses.dataclass(frozen=True)
class Length:
  """How long a training is; the steps of an epoch are those of full batches alone, or fewer where there is a limit."""

  batch: int
  epoch_steps: int
  epochs: int

  @classmethod
  def of(cls, count: int, config: Training) -> Length:
    """That of a training on so many examples; see `total_steps`."""
    batch = min(config.batch_size, count)
    pass_steps = max(1, count // batch)
    if config.epochs is None:
      epoch_steps = min(pass_steps, config.steps or 1)
      return cls(batch, epoch_steps, math.ceil((config.steps or 1) / epoch_steps))
    most = config.max_steps or math.inf
    if config.epochs * pass_steps <= most:
      return cls(batch, pass_steps, config.epochs)
    epochs = math.ceil(most / pass_steps)
    return cls(batch, int(most // epochs), epochs)

  @property
  def steps(self) -> int:
    """All of them."""
    return self.epochs * self.epoch_steps

  def points(self) -> list[int]:
    """Steps into an epoch where it begins and where something is recorded, ascending."""
    count = min(self.epoch_steps, math.ceil(_POINTS / self.epochs))
    return [self.epoch_steps * point // count for point in range(count + 1)]


class _Shuffled:
  """The batches of examples in memory."""

  def __init__(self, length: Length, count: int, seed: int) -> None:
    """Takes how many examples there are, and the seed of their order, which depends on nothing else but the epoch."""
    self._length, self._count, self._seed = length, count, seed
    self._epoch, self._rows = -1, np.zeros([0, 0], np.int32)

  def rows(self, epoch: int, first: int, last: int) -> Iterator[np.ndarray]:
    """Rows int32 [steps, batch] from one step of an epoch to another."""
    if epoch != self._epoch:
      count = self._length.epoch_steps * self._length.batch
      order = np.random.default_rng([self._seed, epoch]).permutation(self._count)[:count]
      self._rows = order.astype(np.int32).reshape(self._length.epoch_steps, self._length.batch)
      self._epoch = epoch
    yield self._rows[first:last]

  def release(self) -> None:
    """Frees the memory of the rows."""
    self._epoch, self._rows = -1, np.zeros([0, 0], np.int32)


def segments(
  length: Length, batches: _Shuffled | Windows[Any], done: int
) -> Iterator[tuple[int, Iterator[np.ndarray]]]:
  """From each record point to the next: the step at its end, and its rows int32 [steps, batch] in one or more parts.

  Args: done: step to begin after; a record point, or 0.
  """
  for epoch in range(done // length.epoch_steps, length.epochs):
    for first, last in itertools.pairwise(length.points()):
      if epoch * length.epoch_steps + last > done:
        yield epoch * length.epoch_steps + last, batches.rows(epoch, first, last)


class TrainingRun:
  """A training, compiled and ready to run in place.

  The same examples, config and initial weights give the same weights bit by bit on the same machine, interrupted or
  not: batches and dropout depend on the seed and the step alone. Record points are the ends of epochs, and points
  within them where epochs are few.

  Everything that builds a graph is done by the constructor: `run` may be called in another thread, and again once the
  model has other weights.
  """

  def __init__(
    self,
    model: keras.Model,
    examples: Examples | Stream[Any],
    config: Training,
    validation: Examples | None = None,
    *,
    probes: Mapping[str, Callable[[], float]] = types.MappingProxyType({}),
    measured: bool = False,
    objective: MakeObjective = TrainingLoss,
  ) -> None:
    """Compiles.

    Args:
      model: takes `examples.inputs`, gives predictions of shape [batch, 1]. Wrappers of tfmot are fine; set the pruning
        step of theirs to zero before `run`.
      examples: in memory or on disk.
      validation: examples whose loss is recorded at each record point; early stopping holds out a part of `examples`
        instead and watches that one.
      probes: further curves; each is called at each record point.
      measured: whether the training split, too, is measured as it stands at each record point: all of it, or an even
        sample that is the same at each; not one on disk. Only for a model that does not change when it is called, as
        wrappers of tfmot do.
      objective: makes what is minimized.
    Raises: ValueError: there are too few groups to hold some out, or the examples are on disk, of which early stopping
      holds none out; or a probe has the name of another curve.
    """
    started = time.perf_counter()
    self._watched, self._config, self._probes = validation, config, probes
    self._objective = objective(config, median_label(examples))
    figure = self._objective.figure
    if taken := sorted({*_CURVES, figure, f'train_{figure}', f'val_{figure}'} & {*probes}):
      raise ValueError(f"A probe can't be named '{taken[0]}': there is a curve of that name.")
    if config.early_stopping.enabled:
      examples, self._watched = _hold_out(examples, config)
    self._examples = examples
    self._length = Length.of(len(examples), config)
    self._optimizer = AdamW(
      config, self._length.steps, model.trainable_variables, self._objective.unit, output_name(model)
    )
    self._batches: _Shuffled | Windows[Any]
    if isinstance(examples, Stream):
      self._batches = examples.windows(self._length.batch, self._length.epoch_steps, config.seed)
      tensors: Tensors = self._batches.tensors
    else:
      self._batches, tensors = _Shuffled(self._length, len(examples), config.seed), examples.tensors
    self._run = compiled_steps(model, self._optimizer, tensors, self._length.batch, config, self._objective)
    self._measures = {
      split: compiled_errors(model, found, self._objective)
      for split, found in (('train', _even_sample(examples) if measured else None), ('val', self._watched))
      if found is not None
    }
    # Not `get_weights`, which tfmot's wrappers override so that it leaves their own variables out.
    self._model_variables = list(model.variables)
    self._variables = [*self._model_variables, *self._optimizer.variables]
    self._values = compiled_values(self._variables)
    self._compiling_seconds = time.perf_counter() - started

  def run(self, checkpoint: Checkpoint | None = None, stopping: Callable[[], bool] = lambda: False) -> TrainingHistory:
    """Trains the model from the weights that it has.

    Args:
      checkpoint: where the state is saved at record points, and restored from.
      stopping: called at each record point; true ends the training.
    Returns: The course, that of the interrupted part included.
    Raises:
      DivergedError: the loss is not finite. The model gets the weights of the last record point with a finite loss
        back, or its initial ones.
      FailedError: `stopping` was true.
    """
    started = time.perf_counter()
    self._optimizer.reset()
    identity = self._identity() if checkpoint else []
    restored = checkpoint.restore(identity) if checkpoint else None
    if restored:
      _assign(self._variables, restored.values)
    state = restored or TrainingState(0, {}, self._values())
    resumed_from = state.step
    try:
      for step, rows in segments(self._length, self._batches, resumed_from):
        if state.stalled >= self._config.early_stopping.patience:
          break
        loss, figure, rate = self._take_steps(rows)
        if not math.isfinite(loss):
          raise self._diverged(state, step, loss, rate, checkpoint, identity)
        state = self._record(state, step, loss, figure, rate)
        if checkpoint and (checkpoint.due or stopping()):
          checkpoint.save(state, identity)
        if stopping():
          raise FailedError(f'The training was stopped at step {step}.')
    finally:
      self._batches.release()
    if state.best is not None:
      _assign(self._model_variables, state.best)
    return TrainingHistory(state.curves, self._compiling_seconds + time.perf_counter() - started, resumed_from)

  def _identity(self) -> list[str]:
    """What has to be equal for a saved state to fit: variables, their initial values, config, examples, probes."""
    columns = [
      [*split.inputs.values(), split.labels]
      for split in (self._examples, self._watched)
      if split is not None and not isinstance(split, Stream)
    ]
    initial = [variable.numpy() for variable in self._model_variables]
    arrays = itertools.chain(initial, *columns)
    digest = functools.reduce(lambda digest, array: zlib.crc32(np.ascontiguousarray(array).data, digest), arrays, 0)
    return [
      *describe(self._variables),
      self._config.model_dump_json(exclude={'recipes', 'serve'}),
      f'crc32 {digest}',
      *([f'streamed crc32 {self._examples.crc}'] if isinstance(self._examples, Stream) else []),
      *self._measures,
      *self._probes,
    ]

  def _take_steps(self, parts: Iterable[np.ndarray]) -> tuple[float, float, float]:
    """Takes a step per row of each int32 [steps, batch]; loss and figure over them, and the last learning rate."""
    loss, tally, rate, steps = 0.0, 0.0, 0.0, 0
    for rows in parts:
      part_loss, part_tally, rate = (float(figure) for figure in self._run(tf.constant(rows)).numpy())
      loss, tally, steps = loss + part_loss, tally + part_tally, steps + len(rows)
    return self._loss(loss / steps), self._objective.figure_of(tally / (steps * self._length.batch)), rate

  def _loss(self, computed: float) -> float:
    """A loss in the labels' unit, squared."""
    return self._objective.unit**2 * computed

  def _record(self, state: TrainingState, step: int, loss: float, figure: float, rate: float) -> TrainingState:
    """The state after `step`, with a point more on each curve."""
    name = self._objective.figure
    point = {'step': step, 'epoch': step / self._length.epoch_steps, 'loss': loss, name: figure, 'learning_rate': rate}
    for split, measure in self._measures.items():
      measured, tally = (float(value) for value in measure().numpy())
      point[f'{split}_loss'], point[f'{split}_{name}'] = self._loss(measured), self._objective.figure_of(tally)
    point |= {name: float(probe()) for name, probe in self._probes.items()}
    curves = {name: [*state.curves.get(name, ()), value] for name, value in point.items()}
    # Only now: tfmot's pruning wrappers mask their weights whenever they are called, so validation may change some.
    state = dataclasses.replace(state, step=step, curves=curves, values=self._values())
    at_epoch_end = step % self._length.epoch_steps == 0
    return self._watch(state) if self._config.early_stopping.enabled and at_epoch_end else state

  def _diverged(
    self,
    good: TrainingState,
    step: int,
    loss: float,
    rate: float,
    checkpoint: Checkpoint | None,
    identity: Sequence[str],
  ) -> DivergedError:
    """What to raise when the loss at `step` is not finite; puts the last good state back and keeps it."""
    _assign(self._variables, good.values)
    kept = f'The model holds its weights of step {good.step} again.'
    if checkpoint and good.step:
      checkpoint.save(good, identity)
      kept = f'The last good state, of step {good.step}, is kept in {checkpoint.directory}.'
    return DivergedError(
      f'The training loss became {loss} by step {step}, at a learning rate of {rate:.3g}: '
      f'lower training.learning_rate (now {self._config.learning_rate:g}) or look for extreme '
      f'{self._examples.terms.predictions}. {kept}'
    )

  def _watch(self, state: TrainingState) -> TrainingState:
    """Early stopping at the end of an epoch: is it the best one so far?"""
    loss = state.curves['val_loss'][-1]
    if state.best is not None and not loss < state.best_loss:
      return dataclasses.replace(state, stalled=state.stalled + 1)
    best = state.values[: len(self._model_variables)]
    return dataclasses.replace(state, best=best, best_loss=loss, stalled=0)


def _even_sample(examples: Examples | Stream[Any]) -> Examples | None:
  """Examples in memory, or as many of them as are measured at most; `None` of those on disk."""
  if isinstance(examples, Stream):
    return None
  count = len(examples)
  return examples if count <= _MEASURED else examples[np.linspace(0, count - 1, _MEASURED).astype(np.int64)]


def _assign(variables: Sequence[tf.Variable], values: Sequence[np.ndarray | tf.Tensor]) -> None:
  for variable, value in zip(variables, values, strict=True):
    variable.assign(value)


def _hold_out(examples: Examples | Stream[Any], config: Training) -> tuple[Examples, Examples]:
  """Splits off whole groups, so that the watched loss does not leak."""
  if isinstance(examples, Stream):
    raise ValueError(
      f'training.early_stopping holds {examples.terms.examples} out in memory, but the {len(examples):,} to train on '
      f'take more than training.memory_mb ({config.memory_mb:,}): raise that, or set training.early_stopping.enabled '
      'to false.'
    )
  groups = np.unique(examples.groups)
  generator = np.random.default_rng(config.seed)
  held = generator.permutation(groups)[: max(1, int(len(groups) * config.early_stopping.holdout))]
  mask = np.isin(examples.groups, held)
  if mask.all() or not mask.any():
    raise ValueError(
      f'Early stopping needs more than {len(groups)} {examples.terms.groups} to hold a part of them out.'
    )
  return examples[~mask], examples[mask]


class RepeatedTraining:
  """Trains fresh models, each as `models.training.train` would, bit by bit; without early stopping.

  Args: build: gives an untrained model from a typical label and a seed; all of its models have one structure.
  """

  def __init__(self, build: Callable[[float, int], keras.Model]) -> None:
    self._build = build
    self._loops: dict[tuple[object, ...], _Loop] = {}

  def train(self, examples: Examples, config: Training) -> tuple[keras.Model, float]:
    """Trains a model on `examples`.

    Args: config: as of `train`; its seed is that of the initial weights, too.
    Returns: The model, which holds its weights until the next call, and the CPU seconds that its steps took,
      compilation left out.
    Raises: DivergedError: the loss is not finite.
    """
    typical = median_label(examples)
    fresh = self._build(typical, config.seed)
    length = Length.of(len(examples), config)
    # Everything that a trace has in it as a constant; the seed is one where there is dropout.
    dropout = any(isinstance(module, keras.layers.Dropout) for module in fresh.submodules)
    seeded = config.model_copy(update={'seed': config.seed if dropout else 0})
    key = length.batch, length.steps, label_unit(typical), seeded.model_dump_json()
    if key not in self._loops:
      self._loops[key] = _Loop(fresh, examples, length, config, TrainingLoss(config, typical))
    return self._loops[key].run(fresh.get_weights(), examples, length, config)


class _Loop:
  """A model, its optimizer, and the steps compiled for both, over examples in variables."""

  def __init__(
    self, model: keras.Model, examples: Examples, length: Length, config: Training, objective: TrainingObjective
  ) -> None:
    self._model, self._objective = model, objective
    self._optimizer = AdamW(config, length.steps, model.trainable_variables, objective.unit, output_name(model))
    self._columns = {name: _exchangeable(examples.inputs[name]) for name in model.input_names}
    self._labels = _exchangeable(examples.labels.reshape(-1, 1))
    tensors = self._columns, self._labels
    self._steps = compiled_steps(model, self._optimizer, tensors, length.batch, config, objective)

  def run(
    self, weights: list[np.ndarray], examples: Examples, length: Length, config: Training
  ) -> tuple[keras.Model, float]:
    for name, column in self._columns.items():
      column.assign(examples.inputs[name])
    self._labels.assign(examples.labels.reshape(-1, 1))
    self._model.set_weights(weights)
    self._objective.fit(median_label(examples))
    self._optimizer.reset()
    shuffled = _Shuffled(length, len(examples), config.seed)
    rows = np.concatenate([rows for _, parts in segments(length, shuffled, 0) for rows in parts])
    start = time.process_time()
    loss = float(self._steps(tf.constant(rows))[0])
    if not math.isfinite(loss):
      raise DivergedError(
        f'The training loss became {loss} within {length.steps} steps: lower training.learning_rate '
        f'(now {config.learning_rate:g}) or look for extreme {examples.terms.predictions}.'
      )
    return self._model, time.process_time() - start


def _exchangeable(column: np.ndarray) -> tf.Variable:
  """A variable that takes any number of examples."""
  return tf.Variable(column, trainable=False, shape=tf.TensorShape([None, *column.shape[1:]]))
