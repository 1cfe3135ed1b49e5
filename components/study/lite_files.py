"""Whole lite files of the study's models, and what they predict in a process of their own."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from components.study.cross_validation import Fold
from configs.compression import Scheme
from configs.dataset import TIME
from configs.run import RunConfig
from models.keras_compat import keras
from models.lite.conversion import assemble, convert_features, convert_model
from models.lite.process import LiteProcess
from models.reduction.fitted import Fitted
from models.reduction.preprocessing import ReducedFeatures
from transforms.engineering import engineer
from transforms.outputs import compose

Transform = Callable[[dict[str, tf.Tensor]], Mapping[str, tf.Tensor]]


def feature_transform(fold: Fold, config: RunConfig) -> Transform:
  """Raw rides to model inputs in graph, with what the training rides of a fold fit for `config`."""
  constants = fold.constants_of(config)
  dataset, features, slices = config.dataset, config.features, config.evaluation.slices

  def transform(rides: dict[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
    return compose(rides, engineer(rides, dataset, features), dataset, features, slices, constants)

  return transform


def reduced_transform(fold: Fold, config: RunConfig, fitted: Fitted) -> Transform:
  """The same with a reduction behind it; of a selection only the kept features are made."""
  constants = fold.constants_of(config)
  return ReducedFeatures(config.dataset, config.features, config.evaluation.slices, constants, fitted)


def feature_file(fold: Fold, config: RunConfig, plain: keras.Model) -> bytes:
  """The part that all files of one fold have in common; see `convert_features`."""
  return convert_features(feature_transform(fold, config), plain, config.dataset)


def whole_file(
  features: bytes, model: keras.Model, scheme: Scheme, calibration: Mapping[str, np.ndarray], quantization_aware: bool
) -> bytes:
  """Features and model in one file; raises `ConversionError` where TFLite can't."""
  return assemble(features, convert_model(model, scheme, calibration, quantization_aware))


def raw_inputs(fold: Fold, config: RunConfig) -> dict[str, np.ndarray]:
  """The test rides of a fold as a lite file takes them: int32 seconds, float32 the rest, each [rides]."""
  columns = {name: fold.rides[name][fold.test] for name in config.dataset.raw_inputs()}
  return {name: column.astype(np.int32 if name == TIME else np.float32) for name, column in columns.items()}


def predicted(content: bytes, rides: Mapping[str, np.ndarray]) -> np.ndarray:
  """What LiteRT makes of raw rides in a process of its own: float32 [rides].

  Raises:
    LiteFileError, LiteCrashError: the file can't be used, or its process crashed or hung.
  """
  with tempfile.TemporaryDirectory() as directory:
    path = pathlib.Path(directory, 'model.tflite')
    path.write_bytes(content)
    with LiteProcess(path) as process:
      return process.predict(rides)
