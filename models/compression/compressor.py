"""From the dense base to what a training recipe makes of it, stage by stage; a killed run goes on from the last one."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.io import gfile

from configs.model import EarlyStopping, Training
from configs.recipe import FineTuning, Recipe, Technique
from models.background import Start, at_once
from models.checkpoints import Checkpoint, archived, unarchived
from models.compiled_steps import MakeObjective, TrainingLoss
from models.compression import layers
from models.compression.quantization import Preserved, QuantizationAware
from models.compression.quantized_model import Range, calibration_examples
from models.compression.techniques import IN_PLACE
from models.compression.whole_model import WholeModel, quantization_aware
from models.keras_compat import keras
from models.protocols import Examples
from models.streaming import Stream
from models.training import DivergedError, TrainingHistory, TrainingRun, total_steps
from models.whole_files import read_checked, write_checked

_FILE = 'finished.stage'


@dataclasses.dataclass(frozen=True)
class Finished:
  """A technique's result.

  Attributes:
    weights: of the plain model, in the order of its `get_weights()`.
    ranges: of the activations, where the technique is quantization.
  """

  weights: list[np.ndarray]
  history: TrainingHistory
  ranges: dict[str, Range] = dataclasses.field(default_factory=dict)


def digest(description: str, weights: Sequence[np.ndarray]) -> str:
  """Name of a stage's folder: SHA-256 over what it is and where it starts, in hexadecimal, shortened."""
  sha = hashlib.sha256(description.encode())
  for array in weights:
    sha.update(f'{array.dtype.str} {array.shape}'.encode())
    sha.update(np.ascontiguousarray(array).tobytes())
  return sha.hexdigest()[:24]


def save(finished: Finished, directory: str) -> None:
  """Writes a result into a folder, made if need be; the file appears whole or not at all. A bucket is fine."""
  details = {'history': dataclasses.asdict(finished.history), 'ranges': finished.ranges}
  gfile.makedirs(directory)
  write_checked(os.path.join(directory, _FILE), archived(details, {'weight': finished.weights}))


def load(directory: str) -> Finished | None:
  """Reads a result; None where there is none, or where the file is damaged: the technique trains again then."""
  content = read_checked(os.path.join(directory, _FILE))
  if content is None:
    return None
  details, arrays = unarchived(content)
  ranges = {name: (low, high) for name, (low, high) in details['ranges'].items()}
  return Finished(arrays['weight'], TrainingHistory(**details['history']), ranges)


def fine_tuned(training: Training, tuning: FineTuning) -> Training:
  """The base's training config with the length, rate and, if it is set, weight decay of a fine-tuning; nothing is held
  out for early stopping."""
  update = tuning.model_dump(include={'epochs', 'steps', 'learning_rate'})
  if tuning.weight_decay is not None:
    update['weight_decay'] = tuning.weight_decay
  return training.model_copy(update=update | {'early_stopping': EarlyStopping(), 'warm_start': False})


class Prepared(NamedTuple):
  """A technique, ready to train.

  Attributes:
    finish: gives, once it has run, the weights of the plain model in the order of its `get_weights()`, and the ranges
      of the activations, if the technique is quantization.
  """

  training: TrainingRun
  finish: Callable[[], tuple[list[np.ndarray], dict[str, Range]]]


class Preparations:
  """Makes techniques ready.

  Quantization-aware models that differ in their weights and zeros alone are wrapped and compiled once, and get the
  weights of one after the other. What does not depend on the weights can be made ahead, while these are still trained.
  """

  def __init__(
    self,
    build: Callable[[], keras.Model],
    examples: Examples | Stream[Any],
    training: Training,
    objective: MakeObjective = TrainingLoss,
  ) -> None:
    """Takes what all techniques have in common; see `Compressor` and, for the objective, `TrainingRun`."""
    self._build, self._examples, self._training, self._objective = build, examples, training, objective
    self._shared: dict[str, tuple[QuantizationAware | WholeModel, TrainingRun]] = {}
    self._ahead: dict[str, tuple[Prepared, list[tf.Variable]]] = {}

  def make_ahead(self, recipes: Sequence[Recipe]) -> None:
    """Builds what the first technique needs besides the weights, of the first recipe that begins with them alone.

    Of one recipe only: the next graph is better built while this one trains.

    Raises: ValueError: as `prepare`.
    """
    for recipe in recipes:
      if recipe.pruning:
        model = self._build()
        variables = model.weights
        self._ahead[recipe.pruning.model_dump_json()] = self._in_place(recipe, 'pruning', model), variables
        return
      if recipe.techniques == ('quantization',):
        self._aware(recipe, self._build().get_weights())
        return

  def structure(self, recipe: Recipe, technique: str) -> str | None:
    """Names what recipes may share for this technique; None if it is to be the recipe's own."""
    if technique != 'quantization' or recipe.clustering:
      # Which weights are clustered together stands in the graph.
      return None
    assert recipe.quantization is not None
    return recipe.quantization.model_dump_json()

  def prepare(self, recipe: Recipe, technique: str, weights: list[np.ndarray]) -> Prepared:
    """Makes a technique ready, from a fresh copy of the weights.

    Args:
      technique: one of its `techniques`.
      weights: to start from, in the order of the plain model's `get_weights()`.
    Raises: ValueError: the recipe does not fit the model, or can't have an effect in so few steps.
    """
    if technique == 'quantization':
      return self._quantization(recipe, weights)
    if technique == 'pruning' and recipe.pruning and recipe.pruning.model_dump_json() in self._ahead:
      prepared, variables = self._ahead.pop(recipe.pruning.model_dump_json())
      for variable, value in zip(variables, weights, strict=True):
        variable.assign(value)
      return prepared
    model = self._build()
    model.set_weights(weights)
    return self._in_place(recipe, technique, model)

  def _in_place(self, recipe: Recipe, technique: str, model: keras.Model) -> Prepared:
    """A technique that trains the variables of the plain model itself."""
    # Read before the layers are wrapped: clustering leaves tensors in the place of variables.
    variables = model.weights
    config = recipe.technique(technique)
    tuned = fine_tuned(self._training, config.fine_tuning)
    steps = total_steps(len(self._examples), tuned)
    preserved = _preserved(model, recipe.before(technique))
    wrapped = IN_PLACE[technique](model, config, preserved, steps, self._training.seed)

    def finish() -> tuple[list[np.ndarray], dict[str, Range]]:
      wrapped.finish()
      # Adding zero turns -0, a pruned negative weight, into 0.
      return [variable.numpy() + np.float32(0) for variable in variables], {}

    return Prepared(
      TrainingRun(wrapped.model, self._examples, tuned, probes=wrapped.probes, objective=self._objective), finish
    )

  def _quantization(self, recipe: Recipe, weights: list[np.ndarray]) -> Prepared:
    aware, training = self._aware(recipe, weights)
    examples = calibration_examples(self._examples, self._training.seed)
    aware.settle()
    aware.calibrate(examples)

    def finish() -> tuple[list[np.ndarray], dict[str, Range]]:
      aware.settle()
      aware.calibrate(examples, trained=True)
      return aware.plain.get_weights(), aware.ranges

    return Prepared(training, finish)

  def _aware(self, recipe: Recipe, weights: list[np.ndarray]) -> tuple[QuantizationAware | WholeModel, TrainingRun]:
    """A quantization-aware model with these weights, a shared one if there is any."""
    assert recipe.quantization is not None
    structure = self.structure(recipe, 'quantization')
    if structure in self._shared:
      aware, training = self._shared[structure]
      aware.plain.set_weights(weights)
      preserved = _preserved(aware.plain, recipe.before('quantization'))
      if aware.fits(preserved):
        aware.restart(preserved)
        return aware, training
    plain = self._build()
    plain.set_weights(weights)
    preserved = _preserved(plain, recipe.before('quantization'))
    aware = quantization_aware(plain, recipe.quantization, preserved)
    tuned = fine_tuned(self._training, recipe.quantization.fine_tuning)
    made = aware, TrainingRun(aware.model, self._examples, tuned, objective=self._objective)
    if structure and aware.fits(preserved):
      self._shared[structure] = made
    return made


def _preserved(model: keras.Model, earlier: Sequence[Technique]) -> dict[str, Preserved]:
  """What a technique has to keep of each layer: what earlier ones aim at, and is there."""
  preserved: dict[str, Preserved] = {}
  for technique in earlier:
    for name, layer in layers.named_layers(model, technique.layers, 'layers').items():
      values, known = layers.kernel(layer).numpy(), preserved.get(name, Preserved())
      # tfmot leaves a kernel of one value alone, and warns.
      preserved[name] = Preserved(
        zeros=known.zeros or (technique.leaves_zeros and not values.all()),
        clusters=known.clusters or (technique.leaves_clusters and len(np.unique(values)) > 1),
      )
  return preserved


@dataclasses.dataclass(frozen=True)
class Stage:
  """One technique's training.

  Attributes: technique: one of the recipe's `techniques`; `training` for the base.
  """

  technique: str
  history: TrainingHistory


@dataclasses.dataclass(frozen=True)
class Compressed:
  """What a recipe made of the base; `models.recipe_training` makes models of it.

  Attributes:
    weights: of the plain model, in the order of its `get_weights()`; kernels that are quantized are on their 8-bit
      grid.
    ranges: activation ranges of a quantized model by layer name, in the unit of the activation (of the output the
      labels', for tanh what goes into it); `input` is that of the dense core's inputs.
    stages: one per technique, in order.
  """

  recipe: Recipe
  weights: list[np.ndarray]
  ranges: dict[str, Range]
  stages: tuple[Stage, ...]


class _StageOf(NamedTuple):
  """A recipe's technique: with what identifies it and all before it, and what identifies the one before, or ''."""

  technique: str
  description: str
  before: str


class _Running(NamedTuple):
  """A technique in training, and the structure that it occupies."""

  recipe: str
  technique: str
  structure: str | None
  directory: str | None
  prepared: Prepared
  history: Future[TrainingHistory]


class Compressor:
  """Applies recipes to one trained base.

  What several recipes have in common at their beginning is trained once.
  """

  def __init__(
    self,
    build: Callable[[], keras.Model],
    base_weights: list[np.ndarray],
    examples: Examples | Stream[Any],
    training: Training,
    checkpoints: str | None = None,
    start: Start = at_once,
    preparations: Preparations | None = None,
  ) -> None:
    """Takes the base.

    Args:
      build: gives a fresh untrained model at each call.
      base_weights: of the trained base, in the order of its `get_weights()`.
      training: of the base; a recipe's fine-tunings change its length and rate.
      checkpoints: folder in which a killed run finds what it had; None keeps nothing.
      start: runs a training, here and now or in another thread.
      preparations: what was made ahead, for the same model, examples and training.
    """
    self._base_weights = [array.copy() for array in base_weights]
    self._examples = examples
    self._training = training
    self._checkpoints = checkpoints
    self._start = start
    self._finished: dict[str, Finished] = {}
    self._running: dict[str, _Running] = {}
    self._diverged: dict[str, DivergedError] = {}
    self._preparations = preparations or Preparations(build, examples, training)

  def begin(self, recipes: Sequence[Recipe]) -> None:
    """Starts one technique of each recipe that has one left, as soon as those before it are finished.

    Graphs are built here, in the order of the recipes, whatever the pace of the trainings: names and seeds repeat.
    """
    begun: set[str] = set()
    for recipe in recipes:
      stages_left = [stage for stage in _stages(recipe) if stage.description not in self._finished]
      for stage in stages_left:
        if stage.description in self._diverged:
          break
        if stage.description not in self._running:
          self._begin(recipe, stage)
          begun.add(stage.description)
        if stage is stages_left[-1] or stage.description in begun:
          break
        try:
          self._finish(stage.description)
        except DivergedError:  # `apply` raises it.
          break

  def apply(self, recipe: Recipe) -> Compressed:
    """Trains the recipe's techniques, from a fresh copy of the base, as far as they have not been begun.

    Raises:
      ValueError: the recipe does not fit the model, or can't have an effect in so few steps.
      DivergedError: a loss is not finite.
    """
    last, trained = Finished(self._base_weights, TrainingHistory({}, 0.0)), []
    for stage in _stages(recipe):
      if stage.description not in self._finished | self._running | self._diverged:
        self._begin(recipe, stage)
      last = self._finish(stage.description)
      trained.append(Stage(stage.technique, last.history))
    return Compressed(recipe, [array.copy() for array in last.weights], dict(last.ranges), tuple(trained))

  def _begin(self, recipe: Recipe, stage: _StageOf) -> None:
    """Builds what the stage trains, and starts it; what an earlier run has finished is read."""
    weights = self._finished[stage.before].weights if stage.before else self._base_weights
    directory = self._directory(stage.description)
    found = load(directory) if directory else None
    if found is not None:
      self._finished[stage.description] = found
      return
    if structure := self._preparations.structure(recipe, stage.technique):
      # Only one training at a time in one model.
      for description in [one for one, running in self._running.items() if running.structure == structure]:
        with contextlib.suppress(DivergedError):
          self._finish(description)
    prepared = self._preparations.prepare(recipe, stage.technique, weights)
    checkpoint = Checkpoint(os.path.join(directory, 'training')) if directory else None
    history = self._start(functools.partial(prepared.training.run, checkpoint))
    self._running[stage.description] = _Running(recipe.name, stage.technique, structure, directory, prepared, history)

  def _finish(self, description: str) -> Finished:
    """Waits for the training of a stage, and reads its result."""
    running = self._running.pop(description, None)
    if running is not None:
      try:
        history = running.history.result()
      except DivergedError as error:
        # The trainer only knows the key of the base's rate.
        message = str(error).replace('training.learning_rate', f'{running.technique}.fine_tuning.learning_rate')
        self._diverged[description] = DivergedError(f"Recipe '{running.recipe}', {running.technique}: {message}")
      else:
        weights, ranges = running.prepared.finish()
        self._finished[description] = Finished(weights, history, ranges)
        if running.directory:
          save(self._finished[description], running.directory)
    if description in self._diverged:
      raise self._diverged[description]
    return self._finished[description]

  def _directory(self, description: str) -> str | None:
    if not self._checkpoints:
      return None
    identity = json.dumps([description, self._training.model_dump_json(exclude={'recipes', 'serve'})])
    return os.path.join(self._checkpoints, digest(identity, self._base_weights))


def _stages(recipe: Recipe) -> list[_StageOf]:
  """The recipe's techniques in order."""
  names = recipe.techniques
  descriptions = [recipe.model_dump_json(include=set(names[: count + 1])) for count in range(len(names))]
  return [_StageOf(*stage) for stage in zip(names, descriptions, ['', *descriptions], strict=False)]
