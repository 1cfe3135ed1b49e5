"""From the dense base to what a training recipe makes of it."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np

from configs.model import Training
from configs.recipe import Recipe
from models.background import Start, at_once
from models.checkpoints import Checkpoint
from models.compression import stages
from models.compression.preparations import Preparations, Prepared
from models.compression.ranges import Range
from models.compression.stages import Finished
from models.keras_compat import keras
from models.rides import Rides
from models.training import Course, DivergedError


@dataclasses.dataclass(frozen=True)
class Stage:
  """One technique's training.

  Attributes:
    technique: `pruning`, `clustering` or `quantization`; `training` for the base.
    course: of its fine-tuning.
  """

  technique: str
  course: Course


@dataclasses.dataclass(frozen=True)
class Compressed:
  """What a recipe made of the base; `models.compression.final_models` makes models of it.

  Attributes:
    recipe: that made it.
    weights: of the plain fare model, in the order of its `get_weights()`;
      kernels that are quantized are on their 8-bit grid.
    ranges: activation ranges of a quantized model by layer name, in the unit of
      the activation (for `fare` the city's currency, for tanh what goes into
      it); `input` is that of the dense core's inputs.
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
  course: Future[Course]


class Compressor:
  """Applies recipes to one trained base.

  What several recipes have in common at their beginning is trained once.
  """

  def __init__(
    self,
    build: Callable[[], keras.Model],
    base_weights: list[np.ndarray],
    rides: Rides,
    training: Training,
    checkpoints: str | None = None,
    start: Start = at_once,
    preparations: Preparations | None = None,
  ) -> None:
    """Takes the base.

    Args:
      build: gives a fresh untrained fare model at each call.
      base_weights: of the trained base, in the order of its `get_weights()`.
      rides: the training split.
      training: of the base; a recipe's fine-tunings change its length and rate.
      checkpoints: folder in which a killed run finds what it had; None keeps
        nothing.
      start: runs a training, here and now or in another thread.
      preparations: what was made ahead, for the same model, rides and training.
    """
    self._base_weights = [array.copy() for array in base_weights]
    self._rides = rides
    self._training = training
    self._checkpoints = checkpoints
    self._start = start
    self._finished: dict[str, Finished] = {}
    self._running: dict[str, _Running] = {}
    self._preparations = preparations or Preparations(build, rides, training)

  def begin(self, recipes: Sequence[Recipe]) -> None:
    """Starts one technique of each recipe that has one left, as soon as those before it are finished.

    Graphs are built here, in the order of the recipes, whatever the pace of the trainings: names and seeds repeat.
    """
    begun: set[str] = set()
    for recipe in recipes:
      stages_left = [stage for stage in _stages(recipe) if stage.description not in self._finished]
      for stage, is_last in zip(stages_left, [*[False] * (len(stages_left) - 1), True], strict=False):
        if stage.description not in self._running:
          self._begin(recipe, stage)
          begun.add(stage.description)
        if is_last or stage.description in begun:
          break
        self._finish(stage.description)

  def apply(self, recipe: Recipe) -> Compressed:
    """Trains what the recipe asks for, from a fresh copy of the base, as far as it has not been begun.

    Raises:
      ValueError: the recipe does not fit the model, or can't have an effect in
        so few steps.
      DivergedError: a loss is not finite.
    """
    last, trained = Finished(self._base_weights, Course({}, 0.0)), []
    for stage in _stages(recipe):
      if stage.description not in self._finished | self._running:
        self._begin(recipe, stage)
      last = self._finish(stage.description)
      trained.append(Stage(stage.technique, last.course))
    return Compressed(recipe, [array.copy() for array in last.weights], dict(last.ranges), tuple(trained))

  def _begin(self, recipe: Recipe, stage: _StageOf) -> None:
    """Builds what the stage trains, and starts it; what an earlier run has finished is read."""
    weights = self._finished[stage.before].weights if stage.before else self._base_weights
    directory = self._directory(stage.description)
    found = stages.load(directory) if directory else None
    if found is not None:
      self._finished[stage.description] = found
      return
    if structure := self._preparations.structure(recipe, stage.technique):
      # Only one training at a time in one model.
      for description in [one for one, running in self._running.items() if running.structure == structure]:
        self._finish(description)
    prepared = self._preparations.prepare(recipe, stage.technique, weights)
    checkpoint = Checkpoint(os.path.join(directory, 'training')) if directory else None
    course = self._start(functools.partial(prepared.training.run, checkpoint))
    self._running[stage.description] = _Running(recipe.name, stage.technique, structure, directory, prepared, course)

  def _finish(self, description: str) -> Finished:
    """Waits for the training of a stage, and reads its result."""
    running = self._running.pop(description, None)
    if running is not None:
      try:
        course = running.course.result()
      except DivergedError as error:
        # The trainer only knows the key of the base's rate.
        told = str(error).replace('training.learning_rate', f'{running.technique}.fine_tuning.learning_rate')
        raise DivergedError(f"Recipe '{running.recipe}', {running.technique}: {told}") from None
      weights, ranges = running.prepared.finish()
      self._finished[description] = Finished(weights, course, ranges)
      if running.directory:
        stages.save(self._finished[description], running.directory)
    return self._finished[description]

  def _directory(self, description: str) -> str | None:
    if not self._checkpoints:
      return None
    about = json.dumps([description, self._training.model_dump_json(exclude={'recipes', 'serve'})])
    return os.path.join(self._checkpoints, stages.digest(about, self._base_weights))


def _stages(recipe: Recipe) -> list[_StageOf]:
  """The recipe's techniques in order."""
  names = recipe.techniques
  descriptions = [recipe.model_dump_json(include=set(names[: count + 1])) for count in range(len(names))]
  return [_StageOf(*stage) for stage in zip(names, descriptions, ['', *descriptions], strict=False)]
