"""Fare models of one structure, trained on fold after fold, and their lite files, run and timed."""

from __future__ import annotations

import functools
import hashlib
import pathlib
import tempfile
from collections.abc import Callable, Mapping

import numpy as np
import pydantic
import tensorflow as tf

from components.compression_gate.measuring import measure
from configs.compression import Measurement
from configs.dataset import TIME
from configs.model import Training
from configs.run import RunConfig
from models.fare_model import build_fare_model
from models.keras_compat import keras
from models.lite.process import LiteProcess
from models.reduction.fitted import Fitted
from models.reduction.in_graph import ReducedFeatures
from models.rides import Rides
from models.training import RepeatedTraining, predict, train
from models.whole_files import read_checked, write_checked
from pipeline.study.folds import Fold, Outcome, StudyFold
from pipeline.study.records import RideLatency
from pipeline.study.results import digest_of
from transforms import names as transforms_names
from transforms.catalogue import Categorical, categoricals
from transforms.engineering import engineer
from transforms.preprocessing import compose


class FareModels:
  """Trains the fare model of a config, whose features are those of the rides but for a numeric vector of any width."""

  def __init__(self, config: RunConfig) -> None:
    self._config = config
    self._loops: dict[int, RepeatedTraining] = {}

  def fit(self, rides: Rides, seed: int, training: Training | None = None) -> tuple[keras.Model, dict[str, float]]:
    """A model trained on `rides`, valid until the next call, and facts about it.

    Args:
      rides: the training split.
      seed: of the initial weights and of the batches.
      training: another one than the config's.
    """
    width = numeric_width(rides)
    config = (training or self._config.training).model_copy(update={'seed': seed})
    build = functools.partial(self._build, width)
    if config.early_stopping.enabled:
      model = build(float(sorted(rides.fares)[len(rides) // 2]), seed)
      seconds = train(model, rides, config).seconds
    else:
      model, seconds = self._loops.setdefault(width, RepeatedTraining(build)).train(rides, config)
    # Of the first dense layer, numbers of embeddings among them.
    inputs = int(model.layers[-1].input_shape[-1])
    return model, {'parameters': model.count_params(), 'inputs': inputs, 'train_seconds': seconds}

  def measure(self, fold: StudyFold, rides: Rides) -> Outcome:
    """Trains on the training rides of a fold and predicts the others; `rides` are all, with whatever features."""
    model, facts = self.fit(rides[~fold.test], fold.seed)
    return Outcome(predict(model, rides[fold.test]), facts)

  def _build(self, width: int, typical_fare: float, seed: int) -> keras.Model:
    return build_fare_model(self._config.model, width, self.categoricals, typical_fare, seed)

  @functools.cached_property
  def categoricals(self) -> tuple[Categorical, ...]:
    """The features that get an embedding each."""
    return categoricals(self._config.dataset, self._config.features)


def numeric_width(rides: Rides) -> int:
  """How many numeric features there are."""
  return rides.inputs[transforms_names.NUMERIC].shape[1] if transforms_names.NUMERIC in rides.inputs else 0


Transform = Callable[[dict[str, tf.Tensor]], Mapping[str, tf.Tensor]]


def feature_transform(fold: Fold, config: RunConfig) -> Transform:
  """Raw rides to model inputs in graph, with what the training rides of a fold fit for `config`."""
  dataset, features, slices = config.dataset, config.features, config.evaluation.slices
  constants = fold.constants_of(config)

  def transform(rides: dict[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
    return compose(rides, engineer(rides, dataset, features), dataset, features, slices, constants)

  return transform


def reduced_transform(fold: Fold, config: RunConfig, fitted: Fitted) -> Transform:
  """The same with a reduction behind it; of a selection only the kept features are made."""
  constants = fold.constants_of(config)
  return ReducedFeatures(config.dataset, config.features, config.evaluation.slices, constants, fitted)


def raw_inputs(fold: Fold, config: RunConfig) -> dict[str, np.ndarray]:
  """The test rides of a fold as a lite file takes them: int32 seconds, float32 the rest, each [rides]."""
  columns = {name: fold.rides[name][fold.test] for name in config.dataset.raw_inputs()}
  return {name: column.astype(np.int32 if name == TIME else np.float32) for name, column in columns.items()}


def predicted(content: bytes, rides: Mapping[str, np.ndarray]) -> np.ndarray:
  """What LiteRT makes of raw rides in a process of its own: float32 [rides].

  Raises `LiteFileError` or `LiteCrashError` where the file can't be used, or its process crashed or hung.
  """
  with tempfile.TemporaryDirectory() as directory:
    path = pathlib.Path(directory, 'model.tflite')
    path.write_bytes(content)
    with LiteProcess(path) as process:
      return process.predict(rides)


_KEPT = pydantic.TypeAdapter(dict[str, RideLatency])
"""What a file holds: latencies by name, with no place for a version; the name of the file says what was measured."""

_AT_ONCE = 64
"""Files whose processes live at the same time."""


def latencies(
  files: Mapping[str, bytes], rides: Mapping[str, np.ndarray], measurement: Measurement, directory: pathlib.Path
) -> dict[str, RideLatency]:
  """Median and spread of the time for one ride by the name of the file, but for files that were lost.

  Args:
    rides: raw columns [rides] by name.
    directory: keeps what was measured, by the files' digest; what is known is not measured again.
  """
  digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
  kept = directory / f'call-latency-{digest_of([digests, measurement.model_dump()])}'
  known = read_checked(kept)
  if known is not None:
    return _KEPT.validate_json(known)
  names = list(files)
  found: dict[str, RideLatency] = {}
  for start in range(0, len(names), _AT_ONCE):
    found |= _measured({name: files[name] for name in names[start : start + _AT_ONCE]}, rides, measurement)
  directory.mkdir(parents=True, exist_ok=True)
  write_checked(kept, _KEPT.dump_json(found))
  return found


def _measured(
  files: Mapping[str, bytes], rides: Mapping[str, np.ndarray], measurement: Measurement
) -> dict[str, RideLatency]:
  with tempfile.TemporaryDirectory() as folder:
    paths = {name: pathlib.Path(folder, f'{position}.tflite') for position, name in enumerate(files)}
    for name, path in paths.items():
      path.write_bytes(files[name])
    some = {name: column[: measurement.batch] for name, column in rides.items()}
    measured, _ = measure(paths, some, measurement)
  latencies_us = {name: one.latency_us for name, one in measured.items()}
  return {
    name: RideLatency(latency_us=one.p50, latency_low_us=one.spread[0], latency_high_us=one.spread[1])
    for name, one in latencies_us.items()
  }
