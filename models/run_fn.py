"""TFX's Trainer calls `run_fn`: the one place in `models` that knows TFX."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer import fn_args_utils
from tfx.utils import io_utils

from configs.model import Training
from configs.recipe import DENSE
from models.compression.records import RECIPES_FOLDER, lost_file
from models.example_files import count_examples
from models.fare_model import builder
from models.keras_compat import keras
from models.recipe_training import RecipeTraining
from models.rides import Rides, stream_rides
from models.served_versions import is_saved_model
from models.serving import Exporter
from models.settings import Settings
from models.streaming import Stream, median_label, pieces

EVAL_SHARE = 0.25
"""The share of the memory for examples that the eval split may take: it is smaller as a rule."""


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
  """Trains the dense base on transformed rides, and every training recipe from a copy of it.

  Args:
    fn_args: TFX's arguments. `custom_config` holds the JSON of `dataset`, `features`, `model` and `training`, and
      `checkpoints`, a URI. Each recipe's SavedModel, weights, configs and report go to `model_run_dir/recipes/<name>`,
      the served one's also to `serving_model_dir`; curves and TensorBoard logs to `model_run_dir`.
  Raises:
    ValueError: a split is empty, a warm start does not fit, or a recipe can't have an effect in so few steps.
    DivergedError: the loss of the dense base became NaN; nothing is exported.
    NoEffectError: an exported model is not what its recipe promised.
  """
  settings = Settings.from_json(fn_args.custom_config)
  keras.utils.set_random_seed(settings.training.seed)
  graph = tft.TFTransformOutput(fn_args.transform_output)
  spec, embedded = graph.transformed_feature_spec(), [feature.name for feature in settings.categoricals]
  memory = settings.training.memory_mb * 10**6
  files, eval_files = (
    [file for pattern in patterns for file in tf.io.gfile.glob(pattern)]
    for patterns in (fn_args.train_files, fn_args.eval_files)
  )
  count = count_examples(files)
  rides = stream_rides(files, spec, embedded, memory, sampled_rows(count, settings.training))
  held_out = stream_rides(eval_files, spec, embedded, int(memory * EVAL_SHARE))
  eval_rides = len(held_out)
  if isinstance(held_out, Stream):
    with held_out:
      held_out = held_out.sample(held_out.most, settings.training.seed)
  with rides if isinstance(rides, Stream) else contextlib.nullcontext():
    _train(fn_args, settings, graph, rides, held_out, count, eval_rides)


def sampled_rows(count: int, config: Training) -> np.ndarray | None:
  """Positions of the examples to train on, rising; `None` for all of so many."""
  if config.sample_rides is None or count <= config.sample_rides:
    return None
  return np.sort(np.random.default_rng(config.seed).choice(count, config.sample_rides, replace=False))


def _train(
  fn_args: fn_args_utils.FnArgs,
  settings: Settings,
  graph: tft.TFTransformOutput,
  rides: Rides | Stream[Rides],
  held_out: Rides,
  train_rides: int,
  eval_rides: int,
) -> None:
  """Trains, exports and publishes; `rides` are all of so many `train_rides`, or a sample, and so are `held_out`."""
  training = RecipeTraining(
    training=settings.training,
    described=settings.to_yaml(),
    unit=settings.dataset.currency,
    build=builder(settings, next(pieces(rides)), median_label(rides)),
    examples=rides,
    held_out=held_out,
    examples_of=train_rides,
    held_out_of=eval_rides,
    exporter=Exporter(graph, settings.dataset),
    logs=fn_args.model_run_dir,
    checkpoints=checkpoints_of(fn_args),
  )
  train_all(fn_args, training)


def train_all(fn_args: fn_args_utils.FnArgs, training: RecipeTraining) -> None:
  """Trains the dense base and all recipes, and puts them where TFX's Trainer wants them; see `run_fn`."""
  recipes = os.path.join(fn_args.model_run_dir, RECIPES_FOLDER)
  artifact, model_folder = os.path.split(fn_args.serving_model_dir)
  # A look-up that found nothing may leave an empty folder behind.
  base = fn_args.base_model if fn_args.base_model and is_saved_model(fn_args.base_model) else None
  training.run(recipes, model_folder, warm_start=base)
  served = os.path.join(recipes, training.training.served_recipe.name)
  # The recipe to serve may be lost; what is pushed is a file of one that is not.
  lost = tf.io.gfile.exists(lost_file(served))
  io_utils.copy_dir(os.path.join(recipes, DENSE) if lost else served, artifact)
  training.forget_checkpoints()


def checkpoints_of(fn_args: fn_args_utils.FnArgs) -> str:
  """The folder of an unfinished training of exactly this."""
  return os.path.join(fn_args.custom_config['checkpoints'], _digest(fn_args))


def _digest(fn_args: fn_args_utils.FnArgs) -> str:
  """What a checkpoint depends on: rides, features, configs, code, and the model that the base starts from."""
  inputs = [fn_args.train_files, fn_args.transform_output, fn_args.base_model, fn_args.custom_config]
  return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
