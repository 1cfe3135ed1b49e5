"""What each `run_fn` does around its training: which examples, where it goes on, and where TFX wants the models."""

from __future__ import annotations

import hashlib
import json
import os

import numpy as np
import tensorflow as tf
from tfx.components.trainer import fn_args_utils
from tfx.utils import io_utils

from configs.model import Training
from configs.recipe import DENSE
from models.compression.records import RECIPES_FOLDER, lost_file
from models.recipe_training import RecipeTraining
from models.served_versions import is_saved_model


def sampled_rows(count: int, config: Training) -> np.ndarray | None:
  """Positions of the examples to train on, rising; `None` for all of so many."""
  return _sampled(count, config.sample_rides, config.seed)


def measured_rows(count: int, config: Training) -> np.ndarray | None:
  """The same of the eval split."""
  return _sampled(count, config.most_measured, config.seed)


def _sampled(count: int, most: int | None, seed: int) -> np.ndarray | None:
  if most is None or count <= most:
    return None
  return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def train_all(fn_args: fn_args_utils.FnArgs, training: RecipeTraining) -> None:
  """Trains the dense base and all recipes, and puts them where TFX's Trainer wants them."""
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
  """What a checkpoint depends on: examples, features, configs, code, and the model that the base starts from."""
  inputs = [fn_args.train_files, fn_args.transform_output, fn_args.base_model, fn_args.custom_config]
  return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
