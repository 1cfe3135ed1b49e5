"""Techniques made ready to train: layers wrapped, training steps compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from configs.model import Training
from configs.pruning_steps import pruning_steps
from configs.recipe import Clustering, Pruning, Recipe
from models.compression import layers
from models.compression.calibration import calibration_rides
from models.compression.clustering import Clusterer
from models.compression.fine_tuning import fine_tuned
from models.compression.keeping import Kept
from models.compression.pruning import Pruner
from models.compression.quantization_aware import QuantizationAware
from models.compression.ranges import Range
from models.keras_compat import keras
from models.rides import Rides
from models.training import TrainingRun, total_steps


class Prepared(NamedTuple):
  """A technique, ready to train.

  Attributes:
    training: to run.
    finish: gives, once it has run, the weights of the plain fare model in the
      order of its `get_weights()`, and the ranges of the activations, if the
      technique is quantization.
  """

  training: TrainingRun
  finish: Callable[[], tuple[list[np.ndarray], dict[str, Range]]]


class Preparations:
  """Makes techniques ready.

  Quantization-aware models that differ in their weights and zeros alone are wrapped and compiled once, and get the
  weights of one after the other. What does not depend on the weights can be made ahead, while these are still trained.
  """

  def __init__(self, build: Callable[[], keras.Model], rides: Rides, training: Training) -> None:
    """Takes what all techniques have in common; see `Compressor`."""
    self._build, self._rides, self._training = build, rides, training
    self._shared: dict[str, tuple[QuantizationAware, TrainingRun]] = {}
    self._ahead: dict[str, tuple[Prepared, list[tf.Variable]]] = {}

  def make_ahead(self, recipes: Sequence[Recipe]) -> None:
    """Builds what the first technique needs besides the weights, of the first recipe that begins with them alone.

    Of one recipe only: the next graph is better built while this one trains.

    Raises:
      ValueError: as `prepare`.
    """
    for recipe in recipes:
      if recipe.pruning:
        model = self._build()
        variables = model.weights
        self._ahead[recipe.pruning.model_dump_json()] = self._pruning(model, variables, recipe.pruning), variables
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
      recipe: which has it.
      technique: one of its `techniques`.
      weights: to start from, in the order of the plain model's `get_weights()`.

    Raises:
      ValueError: the recipe does not fit the model, or can't have an effect in
        so few steps.
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
    # Read before the layers are wrapped: clustering leaves tensors in the place of variables.
    variables = model.weights
    if technique == 'pruning':
      assert recipe.pruning is not None
      return self._pruning(model, variables, recipe.pruning)
    assert recipe.clustering is not None
    clusterer = Clusterer(model, recipe.clustering, _kept(model, recipe.pruning, None), self._training.seed)
    return self._in_place(clusterer, {}, recipe.clustering, variables)

  def _pruning(self, model: keras.Model, variables: list[tf.Variable], pruning: Pruning) -> Prepared:
    steps = total_steps(len(self._rides), fine_tuned(self._training, pruning.fine_tuning))
    pruner = Pruner(model, pruning, pruning_steps(pruning, steps))
    return self._in_place(pruner, pruner.probes, pruning, variables)

  def _in_place(
    self,
    technique: Pruner | Clusterer,
    probes: Mapping[str, Callable[[], float]],
    config: Pruning | Clustering,
    variables: list[tf.Variable],
  ) -> Prepared:
    """Of a technique that trains the variables of the plain model itself."""

    def finish() -> tuple[list[np.ndarray], dict[str, Range]]:
      technique.finish()
      # Adding zero turns -0, a pruned negative weight, into 0.
      return [variable.numpy() + np.float32(0) for variable in variables], {}

    tuned = fine_tuned(self._training, config.fine_tuning)
    return Prepared(TrainingRun(technique.model, self._rides, tuned, probes=probes), finish)

  def _quantization(self, recipe: Recipe, weights: list[np.ndarray]) -> Prepared:
    aware, training = self._aware(recipe, weights)
    rides = calibration_rides(self._rides, self._training.seed)
    aware.settle()
    aware.calibrate(rides)

    def finish() -> tuple[list[np.ndarray], dict[str, Range]]:
      aware.settle()
      aware.calibrate(rides)
      return aware.plain.get_weights(), aware.ranges

    return Prepared(training, finish)

  def _aware(self, recipe: Recipe, weights: list[np.ndarray]) -> tuple[QuantizationAware, TrainingRun]:
    """A quantization-aware model with these weights, a shared one if there is any."""
    assert recipe.quantization is not None
    structure = self.structure(recipe, 'quantization')
    if structure in self._shared:
      aware, training = self._shared[structure]
      aware.plain.set_weights(weights)
      kept = _kept(aware.plain, recipe.pruning, recipe.clustering)
      if aware.fits(kept):
        aware.restart(kept)
        return aware, training
    plain = self._build()
    plain.set_weights(weights)
    kept = _kept(plain, recipe.pruning, recipe.clustering)
    aware = QuantizationAware(plain, recipe.quantization, kept)
    tuned = fine_tuned(self._training, recipe.quantization.fine_tuning)
    made = aware, TrainingRun(aware.model, self._rides, tuned)
    if structure and aware.fits(kept):
      self._shared[structure] = made
    return made


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
