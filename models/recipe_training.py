"""From transformed examples to one exported, proven and reported model per training recipe."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import tempfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import yaml

from configs.base import raise_any
from configs.errors import FailedError
from configs.model import Training
from configs.pruning import kernel_problems, pruning_steps
from configs.recipe import DENSE, Recipe, in_training_order
from configs.records import RESAMPLES
from models import serving
from models.background import Background
from models.checkpoints import Checkpoint
from models.compiled_steps import CrossEntropy, MakeObjective, TrainingLoss
from models.compression import layers
from models.compression.compressor import Compressed, Compressor, Preparations, Stage, fine_tuned
from models.compression.proof import base_digest, prove, sparsity_targets
from models.compression.records import REPORT_FOLDER, ReportedLabels, lost_file
from models.compression.report import (
  training_report,
  write_curves,
  write_report,
  write_tensorboard,
  write_weight_histograms,
)
from models.compression.whole_model import fill_final, final_model
from models.error_intervals import RMSE
from models.keras_compat import keras
from models.labels import label_spread
from models.protocols import Build, Examples, Metric, ModelExporter
from models.serving import EXTRA
from models.streaming import Stream, pieces
from models.training import DivergedError, TrainingHistory, TrainingRun, predict, total_steps
from models.whole_files import write_whole


class FinalModel(NamedTuple):
  """What a recipe made of the base, as models.

  Attributes:
    plain: the plain model; kernels that are quantized are on their 8-bit grid.
    model: to export: the plain model, or one with 8-bit rounding in its dense core; no wrapper of pruning or clustering
      is left in it.
  """

  plain: keras.Model
  model: keras.Model


_PLAIN = 'plain'


class FinalModels:
  """Puts weights into models.

  Building a model takes longer than training a small one for an epoch, so recipes of one structure share it, and all of
  them the plain one: what was given before holds the weights of the last recipe.
  """

  def __init__(self, build: Build) -> None:
    """Takes what gives a fresh untrained model at each call."""
    self._build = build
    self._plain: dict[str, keras.Model] = {}
    self._made: dict[str, FinalModel] = {}

  def of(self, compressed: Compressed) -> FinalModel:
    """The models with the weights and ranges of a recipe."""
    key, quantization = structure(compressed.recipe), compressed.recipe.quantization
    # A layer that a custom config quantizes is spent.
    shared = key if quantization and quantization.quantize_configs else _PLAIN
    if shared not in self._plain:
      self._plain[shared] = self._build()
    plain = self._plain[shared]
    plain.set_weights(compressed.weights)
    if key not in self._made:
      model = final_model(plain, quantization, compressed.ranges) if quantization else plain
      self._made[key] = FinalModel(plain, model)
    elif quantization:
      fill_final(self._made[key].model, plain, quantization, compressed.ranges)
    return self._made[key]


def structure(recipe: Recipe) -> str:
  """Equal for recipes whose final models differ in the values of their variables alone."""
  return recipe.quantization.model_dump_json(exclude={'fine_tuning'}) if recipe.quantization else _PLAIN


WEIGHTS = 'fare_model.weights.h5'
CONFIG = 'config.yaml'
RECIPE = 'recipe.yaml'


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecipeTraining:
  """Trains the dense base once and each recipe from a copy of it.

  Attributes:
    described: all that the models depend on, as it is kept beside them.
    unit: of the labels.
    build: gives a fresh untrained model at each call.
    examples: the training split, in memory or on disk.
    held_out: the eval split, or a sample; it is measured, never trained on.
    examples_of: examples of the training split; unset where `examples` are all.
    held_out_of: examples of the eval split; unset where `held_out` are all.
    objective: makes what is minimized, a loss of labels that are numbers unless it is set.
    metric: of the reports, the RMSE unless it is set.
    logs: folder for curves and TensorBoard logs.
    checkpoints: folder of an unfinished training of exactly all this.
  """

  training: Training
  described: str
  unit: str
  build: Build
  examples: Examples | Stream[Any]
  held_out: Examples
  exporter: ModelExporter
  logs: str
  checkpoints: str
  examples_of: int | None = None
  held_out_of: int | None = None
  objective: MakeObjective = TrainingLoss
  metric: Metric = RMSE

  def run(self, directory: str, model_folder: str, warm_start: str | None = None) -> None:
    """Trains, exports, proves and reports.

    Args:
      directory: gets a folder per recipe, by its name.
      model_folder: name of the SavedModel's folder inside of it.
      warm_start: SavedModel whose weights the base starts from.
    Raises:
      ValueError: a recipe can't have an effect in so few steps; raised before anything is trained.
      DivergedError: the dense base diverged. Another recipe that does is lost: its folder holds the reason alone.
      NoEffectError, FailedError: nothing may be served.
    """
    model = self.build()
    self._check_recipes(model)
    home = {recipe.name: os.path.join(directory, recipe.name, model_folder) for recipe in self.training.recipes}
    with Background() as background:
      preparations = Preparations(self.build, self.examples, self.training, self.objective)
      base, history = self._train_base(model, warm_start, background, preparations)
      weights = base.get_weights()
      compressor = Compressor(
        self.build, weights, self.examples, self.training, self.checkpoints, background.start, preparations
      )
      digest = self._apply(compressor, base, history, home)
    unchanged = all(map(np.array_equal, base.get_weights(), weights))
    if base_digest(home[DENSE]) != digest or not unchanged:
      raise FailedError('The dense base changed while its recipes were trained; none of them can be compared.')

  def forget_checkpoints(self) -> None:
    """Removes what an unfinished training would have gone on from."""
    if tf.io.gfile.exists(self.checkpoints):
      tf.io.gfile.rmtree(self.checkpoints)

  def _apply(self, compressor: Compressor, base: keras.Model, history: TrainingHistory, home: Mapping[str, str]) -> str:
    """Trains, exports, proves and reports all recipes; the digest of the dense base as it was exported."""
    recipes, final_models = self.training.recipes, FinalModels(self.build)
    compressor.begin(recipes)
    base_predictions = predict(base, self.held_out)
    # A prediction beyond every label is a fault of the base; the quantized output need not reach it.
    highest = min(
      max(float(predict(base, piece).max()) for piece in pieces(self.examples)),
      max(float(piece.labels.max()) for piece in pieces(self.examples)),
    )
    if self.objective is CrossEntropy:
      highest = -math.inf  # What is quantized is ahead of the probabilities, whose range is known.
    digest = ''
    for recipe in in_training_order(recipes):
      try:
        compressed = compressor.apply(recipe)
      except DivergedError as error:
        folder = os.path.split(home[recipe.name])[0]
        tf.io.gfile.makedirs(folder)
        write_whole(lost_file(folder), str(error))
        continue
      if recipe.is_dense:
        compressed = dataclasses.replace(compressed, stages=(Stage('training', history),))
      final = final_models.of(compressed)
      self._export(recipe, final, home[recipe.name])
      digest = digest or base_digest(home[DENSE])
      order = layers.LayerOrder.of(base)
      prove(recipe, home[recipe.name], home[DENSE], order, highest, self.examples.terms)
      self._report(compressed, order, predict(final.model, self.held_out), base_predictions, home)
      compressor.begin(recipes)
    return digest

  @functools.cached_property
  def _labels(self) -> ReportedLabels:
    median, deviation = label_spread(self.examples)
    return ReportedLabels(median=median, deviation=deviation)

  def _check_recipes(self, model: keras.Model) -> None:
    """What only the examples show: how many steps there are, and how many inputs the first layer has."""
    for recipe in self.training.recipes:
      if recipe.pruning:
        tuning = fine_tuned(self.training, recipe.pruning.fine_tuning)
        try:
          pruning_steps(recipe.pruning, total_steps(len(self.examples), tuning))
          targets = sparsity_targets(recipe.pruning, layers.LayerOrder.of(model))
          for name, layer in layers.named_layers(model, targets, 'pruning.layers').items():
            shape = layers.as_matrix(layers.kernel(layer).numpy()).shape
            raise_any(kernel_problems(recipe.pruning, name, targets[name], *shape))
        except ValueError as error:
          count = f'{len(self.examples):,} {self.examples.terms.examples}'
          raise ValueError(f"Recipe '{recipe.name}', with {count} to train on: {error}") from None

  def _train_base(
    self, model: keras.Model, warm_start: str | None, background: Background, preparations: Preparations
  ) -> tuple[keras.Model, TrainingHistory]:
    if warm_start:
      start_from(model, warm_start)
    checkpoint = Checkpoint(os.path.join(self.checkpoints, 'base'))
    training = TrainingRun(model, self.examples, self.training, self.held_out, measured=True, objective=self.objective)
    running = background.start(functools.partial(training.run, checkpoint))
    preparations.make_ahead(self.training.recipes)
    history = running.result()
    write_curves(history, self.logs, self.unit)
    return model, history

  def _export(self, recipe: Recipe, final: FinalModel, directory: str) -> None:
    self.exporter.export(final.model, directory, structure(recipe))
    extra = os.path.join(directory, EXTRA)
    tf.io.gfile.makedirs(extra)
    settings = recipe.model_dump(mode='json', exclude_none=True)
    write_whole(os.path.join(extra, CONFIG), self.described)
    write_whole(os.path.join(extra, RECIPE), yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    with tempfile.TemporaryDirectory() as local:
      final.plain.save_weights(os.path.join(local, WEIGHTS))
      tf.io.gfile.copy(os.path.join(local, WEIGHTS), os.path.join(extra, WEIGHTS))

  def _report(
    self,
    compressed: Compressed,
    order: layers.LayerOrder,
    predictions: np.ndarray,
    base_predictions: np.ndarray,
    home: Mapping[str, str],
  ) -> None:
    """Writes the report beside the model, and TensorBoard's view of it to the logs, by the eval split's predictions."""
    name = compressed.recipe.name
    fills = len(self.held_out) == self.training.most_measured
    measured_by = f'training.{"sample_rides" if fills else "memory_mb"}'
    report = training_report(
      compressed.recipe,
      compressed.stages,
      saved_model_dir=home[name],
      base_dir=home[DENSE],
      order=order,
      held_out=self.held_out,
      predictions=predictions,
      base_predictions=base_predictions,
      # The run's own number would train all recipes again where it changes.
      resamples=RESAMPLES,
      metric=self.metric,
      trained_on=_sample_note('trained on', self.examples, self.examples_of, 'training split', 'training.sample_rides'),
      labels=self._labels,
      measured_on=_sample_note('measured', self.held_out, self.held_out_of, 'eval split', measured_by),
    )
    write_report(report, os.path.join(os.path.split(home[name])[0], REPORT_FOLDER))
    logs = os.path.join(self.logs, 'tensorboard', name)
    for stage in compressed.stages:
      write_tensorboard(stage.history, os.path.join(logs, stage.technique))
    if not compressed.recipe.is_dense:
      before, after = (serving.kernels(serving.read_weights(home[one])) for one in (DENSE, name))
      write_weight_histograms(before, after, logs)


def _sample_note(done: str, sample: Examples | Stream[Any], of: int | None, split: str, setting: str) -> str:
  """What a report says of a split of so many examples, of which a sample was taken; nothing where it was not."""
  if of in (None, len(sample)):
    return ''
  split = f'{of:,} {sample.terms.examples} of the {split}'
  return f'A seeded sample of {len(sample):,} of the {split} was {done} ({setting}).'


def start_from(model: keras.Model, saved_model: str) -> None:
  """Loads the weights that an exported model carries.

  Raises: ValueError: it carries none, or those of other features or layers.
  """
  path = os.path.join(saved_model, EXTRA, WEIGHTS)
  if not tf.io.gfile.exists(path):
    raise ValueError(f'training.warm_start: the served model has no {EXTRA}/{WEIGHTS} at {saved_model}.')
  with tempfile.TemporaryDirectory() as directory:
    local = os.path.join(directory, WEIGHTS)
    tf.io.gfile.copy(path, local)
    try:
      model.load_weights(local)
    except ValueError as error:
      raise ValueError(
        f'training.warm_start: the served model at {saved_model} has other features or layers than this config; '
        f'set training.warm_start to false for this run. ({error})'
      ) from None
