"""TFX's Trainer calls `run_fn`: the one place in `models` that knows TFX."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import yaml
from tfx.components.trainer import fn_args_utils

from configs.dataset import Dataset
from configs.features import Features
from configs.model import Model, Training
from models.curves import write_curves
from models.fare_model import build_fare_model
from models.keras_compat import keras
from models.rides import Rides, read_rides
from models.signatures import export_saved_model
from models.training import train
from transforms import names
from transforms.catalogue import Categorical, categoricals

EXTRA = 'assets.extra'
"""Folder inside a SavedModel for what is not part of the graph; TensorFlow Serving ignores it."""

WEIGHTS = 'fare_model.weights.h5'
CONFIG = 'config.yaml'


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
  """Trains the fare model on transformed rides and exports it.

  Args:
    fn_args: TFX's arguments. `custom_config` holds the JSON of `dataset`,
      `features`, `model` and `training`. Writes the SavedModel, with the
      config that made it and its weights under `assets.extra`, to
      `serving_model_dir`; curves and TensorBoard logs to `model_run_dir`.

  Raises:
    ValueError: a split is empty, or a warm start does not fit.
    DivergedError: the loss became NaN; nothing is exported.
  """
  settings = _Settings(fn_args.custom_config)
  keras.utils.set_random_seed(settings.training.seed)
  graph = tft.TFTransformOutput(fn_args.transform_output)
  embedded = categoricals(settings.dataset, settings.features)
  rides, held_out = (_read(files, graph, embedded) for files in (fn_args.train_files, fn_args.eval_files))
  model = _build(settings, rides, embedded)
  if fn_args.base_model:
    _warm_start(model, fn_args.base_model)
  logs = keras.callbacks.TensorBoard(os.path.join(fn_args.model_run_dir, 'tensorboard'), write_graph=False)
  history = train(model, rides, settings.training, validation=held_out, callbacks=[logs])
  write_curves(history, fn_args.model_run_dir, settings.dataset.currency)
  export_saved_model(model, graph, settings.dataset, fn_args.serving_model_dir)
  _write_extras(model, fn_args.serving_model_dir, settings)


class _Settings:
  """The configs inside `custom_config`."""

  def __init__(self, custom_config: Mapping[str, Any]) -> None:
    self.dataset = Dataset.model_validate_json(custom_config['dataset'])
    self.features = Features.model_validate_json(custom_config['features'])
    self.model = Model.model_validate_json(custom_config['model'])
    self.training = Training.model_validate_json(custom_config['training'])

  def to_yaml(self) -> str:
    parts = {name: config.model_dump(mode='json') for name, config in vars(self).items()}
    return yaml.safe_dump(parts, sort_keys=False, allow_unicode=True)


def _read(patterns: Sequence[str], graph: tft.TFTransformOutput, embedded: Sequence[Categorical]) -> Rides:
  files = [file for pattern in patterns for file in tf.io.gfile.glob(pattern)]
  return read_rides(files, graph.transformed_feature_spec(), [feature.name for feature in embedded])


def _build(settings: _Settings, rides: Rides, embedded: Sequence[Categorical]) -> keras.Model:
  numeric = rides.inputs.get(names.NUMERIC)
  width = 0 if numeric is None else numeric.shape[1]
  return build_fare_model(settings.model, width, embedded, float(np.median(rides.fares)), settings.training.seed)


def _warm_start(model: keras.Model, base_model: str) -> None:
  path = os.path.join(base_model, EXTRA, WEIGHTS)
  if not tf.io.gfile.exists(path):
    raise ValueError(f'training.warm_start: the served model has no {EXTRA}/{WEIGHTS} at {base_model}.')
  with tempfile.TemporaryDirectory() as directory:
    local = os.path.join(directory, WEIGHTS)
    tf.io.gfile.copy(path, local)
    try:
      model.load_weights(local)
    except ValueError as error:
      raise ValueError(
        f'training.warm_start: the served model at {base_model} has other features or layers than this config; '
        f'set training.warm_start to false for this run. ({error})'
      ) from None


def _write_extras(model: keras.Model, serving_dir: str, settings: _Settings) -> None:
  extra = os.path.join(serving_dir, EXTRA)
  tf.io.gfile.makedirs(extra)
  with tf.io.gfile.GFile(os.path.join(extra, CONFIG), 'w') as file:
    file.write(settings.to_yaml())
  with tempfile.TemporaryDirectory() as directory:
    local = os.path.join(directory, WEIGHTS)
    model.save_weights(local)
    tf.io.gfile.copy(local, os.path.join(extra, WEIGHTS))
