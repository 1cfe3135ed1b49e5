"""From the dense base to what a training recipe makes of it."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Callable, Mapping

import numpy as np

from configs.model import Training
from configs.pruning_steps import pruning_steps
from configs.recipe import Clustering, FineTuning, Pruning, Quantization, Recipe
from models.checkpoints import Checkpoint
from models.compression import layers, stages
from models.compression.calibration import calibration_rides
from models.compression.clustering import cluster
from models.compression.fine_tuning import FineTune, fine_tuned
from models.compression.keeping import Kept
from models.compression.pruning import prune
from models.compression.quantization_aware import QuantizationAware
from models.compression.quantized_model import quantized_model
from models.compression.ranges import Range
from models.compression.stages import Finished
from models.keras_compat import keras
from models.rides import Rides
from models.training import Course, DivergedError, total_steps, train

_TECHNIQUES = ('pruning', 'clustering', 'quantization')
"""In the order in which they are applied, by the names of a recipe's fields."""


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
  """What a recipe made of the base.

  Attributes:
    recipe: that made it.
    weights: of the plain fare model, in the order of its `get_weights()`;
      kernels that are quantized are on their 8-bit grid.
    model: to export: the plain fare model, or one with 8-bit rounding in its
      dense core; no wrapper of pruning or clustering is left in it.
    ranges: activation ranges of a quantized model by layer name, in the unit of
      the activation (for `fare` the city's currency, for tanh what goes into
      it); `input` is that of the dense core's inputs.
    stages: one per technique, in order.
  """

  recipe: Recipe
  weights: list[np.ndarray]
  model: keras.Model
  ranges: dict[str, Range]
  stages: tuple[Stage, ...]


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
  ) -> None:
    """Takes the base.

    Args:
      build: gives a fresh untrained fare model at each call.
      base_weights: of the trained base, in the order of its `get_weights()`.
      rides: the training split.
      training: of the base; a recipe's fine-tunings change its length and rate.
      checkpoints: folder in which a killed run finds what it had; None keeps
        nothing.
    """
    self._build = build
    self._base_weights = [array.copy() for array in base_weights]
    self._rides = rides
    self._training = training
    self._checkpoints = checkpoints
    self._finished: dict[str, Finished] = {}

  def apply(self, recipe: Recipe) -> Compressed:
    """Trains what the recipe asks for, from a fresh copy of the base.

    Raises:
      ValueError: the recipe does not fit the model, or can't have an effect in
        so few steps.
      DivergedError: a loss is not finite.
    """
    last, trained = Finished(self._base_weights, Course({}, 0.0)), []
    for technique in _TECHNIQUES:
      if getattr(recipe, technique) is not None:
        last = self._stage(recipe, technique, last.weights)
        trained.append(Stage(technique, last.course))
    weights = [array.copy() for array in last.weights]
    model = self._fresh(weights)
    if recipe.quantization:
      model = quantized_model(model, recipe.quantization, last.ranges)
    return Compressed(recipe, weights, model, dict(last.ranges), tuple(trained))

  def _stage(self, recipe: Recipe, technique: str, weights: list[np.ndarray]) -> Finished:
    until = _TECHNIQUES[: _TECHNIQUES.index(technique) + 1]
    description = recipe.model_dump_json(include=set(until))
    if description not in self._finished:
      directory = self._directory(description)
      finished = stages.load(directory) if directory else None
      if finished is None:
        try:
          finished = self._train(recipe, technique, weights, directory)
        except DivergedError as error:
          # The trainer only knows the key of the base's rate.
          told = str(error).replace('training.learning_rate', f'{technique}.fine_tuning.learning_rate')
          raise DivergedError(f"Recipe '{recipe.name}', {technique}: {told}") from None
        if directory:
          stages.save(finished, directory)
      self._finished[description] = finished
    return self._finished[description]

  def _directory(self, description: str) -> str | None:
    if not self._checkpoints:
      return None
    about = json.dumps([description, self._training.model_dump_json(exclude={'recipes', 'serve'})])
    return os.path.join(self._checkpoints, stages.digest(about, self._base_weights))

  def _train(self, recipe: Recipe, technique: str, weights: list[np.ndarray], directory: str | None) -> Finished:
    config = getattr(recipe, technique)
    model = self._fresh(weights)
    fine_tune = functools.partial(self._fine_tune, config.fine_tuning, directory)
    if isinstance(config, Quantization):
      return self._quantize(model, config, _kept(model, recipe.pruning, recipe.clustering), fine_tune)
    # Read before the layers are wrapped: clustering leaves tensors in the place of variables.
    variables = model.weights
    if isinstance(config, Pruning):
      course = self._prune(model, config, fine_tune)
    else:
      course = cluster(model, config, _kept(model, recipe.pruning, None), self._training.seed, fine_tune)
    # Adding zero turns -0, a pruned negative weight, into 0.
    return Finished([variable.numpy() + np.float32(0) for variable in variables], course)

  def _prune(self, model: keras.Model, pruning: Pruning, fine_tune: FineTune) -> Course:
    steps = total_steps(len(self._rides), fine_tuned(self._training, pruning.fine_tuning))
    return prune(model, pruning, pruning_steps(pruning, steps), fine_tune)

  def _quantize(
    self, model: keras.Model, quantization: Quantization, kept: Mapping[str, Kept], fine_tune: FineTune
  ) -> Finished:
    rides = calibration_rides(self._rides, self._training.seed)
    aware = QuantizationAware(model, quantization, kept)
    aware.settle()
    aware.calibrate(rides)
    course = fine_tune(aware.model, {})
    aware.settle()
    aware.calibrate(rides)
    return Finished(model.get_weights(), course, aware.ranges)

  def _fine_tune(
    self,
    tuning: FineTuning,
    directory: str | None,
    model: keras.Model,
    probes: Mapping[str, Callable[[], float]],
  ) -> Course:
    checkpoint = Checkpoint(os.path.join(directory, 'training')) if directory else None
    config = fine_tuned(self._training, tuning)
    return train(model, self._rides, config, checkpoint=checkpoint, probes=probes)

  def _fresh(self, weights: list[np.ndarray]) -> keras.Model:
    model = self._build()
    model.set_weights(weights)
    return model


def _kept(model: keras.Model, pruning: Pruning | None, clustering: Clustering | None) -> dict[str, Kept]:
  """What a technique has to keep of each layer: what earlier ones were asked for, and is there."""
  pruned, clustered = _named(model, pruning), _named(model, clustering)
  kept = {}
  for name, layer in (pruned | clustered).items():
    values = layers.kernel(layer).numpy()
    # tfmot leaves a kernel of one value alone, and warns.
    kept[name] = Kept(
      zeros=name in pruned and not values.all(), clusters=name in clustered and len(np.unique(values)) > 1
    )
  return kept


def _named(model: keras.Model, config: Pruning | Clustering | None) -> dict[str, keras.layers.Layer]:
  return {} if config is None else layers.named_layers(model, config.layers, 'layers')
