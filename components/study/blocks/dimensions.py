"""The curse of dimensionality on this task: the number of features against the RMSE, by the size of the training split.

Every model takes as many optimizer steps, whatever rides it has, so that no size is trained less.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.linear_model import lars_path

from components.study.fare_models import FareModels
from components.study.kept_rides import first_stamps
from components.study.study_fold import StudyFold, with_features
from components.study.task import Outcome, Task, Variant
from configs.features import Features
from configs.run import RunConfig
from configs.study import StudyBlock
from models.rides import Rides
from models.training import predict, total_steps
from transforms import names
from transforms.catalogue import catalogue


def tasks(config: RunConfig) -> Iterator[Task]:
  """One task per number of features and size of the training split; embeddings are left out."""
  config = with_features(config, _numeric(config.features))
  total = len(catalogue(config.dataset, config.features))
  dimensions = config.study.dimensions
  counts = [(count, 0) for count in sorted(dimensions.features) if count < total]
  counts += [(total, 0), *((total, noise) for noise in sorted(dimensions.noise))]
  for rides in (*sorted(dimensions.training_rides), None):
    for count, noise in counts:
      yield _task(config, rides, count, noise, total)


def variant_name(features: int, noise: int, rides: int | None) -> str:
  """Such as `48 features + 50 noise, 2,000 rides`."""
  noisy = f' + {noise} noise' if noise else ''
  return f'{features} features{noisy}, {f"{rides:,}" if rides else "all"} rides'


def _task(config: RunConfig, rides: int | None, count: int, noise: int, total: int) -> Task:
  name = variant_name(count, noise, rides)
  settings = {'training_rides': rides or 'all', 'kept_features': count, 'noise_features': noise}
  models = FareModels(config)

  def measure(fold: StudyFold) -> dict[str, Outcome]:
    made = fold.features_of(config)
    training = np.flatnonzero(~fold.test)
    steps = total_steps(len(training), config.training)
    if rides:
      training = training[first_stamps(made.seconds[training], rides, fold.seed)]
    columns = _columns(made.inputs[names.NUMERIC], made.fares, training, count)
    if noise:
      generator = np.random.default_rng([fold.seed, fold.number])
      columns = np.concatenate([columns, generator.normal(size=(len(columns), noise)).astype(np.float32)], axis=1)
    reduced = Rides({names.NUMERIC: columns}, made.fares, made.seconds)
    as_long = config.training.model_copy(update={'steps': steps, 'epochs': None})
    model, facts = models.fit(reduced[training], fold.seed, as_long)
    return {name: Outcome(predict(model, reduced[fold.test]), facts)}

  variant = Variant(name, variant_name(total, 0, rides), settings)
  return Task(StudyBlock.DIMENSIONS, name, (variant,), measure, about=name + config.features.model_dump_json())


def _columns(numeric: np.ndarray, fares: np.ndarray, training: np.ndarray, count: int) -> np.ndarray:
  """The first features, in the order in which least angle regression takes them on the training rides."""
  if count == numeric.shape[1]:
    return numeric
  known = numeric[training].astype(np.float64)
  target = fares[training].astype(np.float64)
  # Correlations of standardized columns; a subset of the rides has means of its own.
  _, order, _ = lars_path(known - known.mean(axis=0), target - target.mean(), method='lar')
  rest = [column for column in range(numeric.shape[1]) if column not in set(order)]
  return numeric[:, [*order, *rest][:count]]


def _numeric(features: Features) -> Features:
  off = {name: getattr(features, name).model_copy(update={'enabled': False}) for name in ('buckets', 'crosses')}
  return features.model_copy(update=off)
