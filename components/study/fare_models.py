"""Fare models of one structure, trained on fold after fold by a loop that is compiled once."""

from __future__ import annotations

import functools

from components.study.study_fold import StudyFold
from components.study.task import Outcome
from configs.model import Training
from configs.run import RunConfig
from models.fare_model import build_fare_model
from models.keras_compat import keras
from models.repeated_training import RepeatedTraining
from models.rides import Rides
from models.training import predict, train
from transforms import names
from transforms.catalogue import Categorical, categoricals


class FareModels:
  """Trains the fare model of a config."""

  def __init__(self, config: RunConfig) -> None:
    """Trains nothing yet.

    Args:
      config: of the model and its training; its features are those of the
        rides, but for a numeric vector of any one width.
    """
    self._config = config
    self._loops: dict[int, RepeatedTraining] = {}

  def fit(self, rides: Rides, seed: int, training: Training | None = None) -> tuple[keras.Model, dict[str, float]]:
    """A model trained on `rides`, valid until the next call, and what is to be told of it.

    Args:
      rides: the training split.
      seed: of the initial weights and of the batches.
      training: another one than the config's.
    """
    width = rides.inputs[names.NUMERIC].shape[1] if names.NUMERIC in rides.inputs else 0
    config = (training or self._config.training).model_copy(update={'seed': seed})
    build = functools.partial(self._build, width)
    if config.early_stopping.enabled:
      model = build(float(sorted(rides.fares)[len(rides) // 2]), seed)
      seconds = train(model, rides, config).seconds
    else:
      model, seconds = self._loops.setdefault(width, RepeatedTraining(build)).train(rides, config)
    return model, {'parameters': model.count_params(), 'inputs': _core_inputs(model), 'train_seconds': seconds}

  def measure(self, fold: StudyFold, rides: Rides) -> Outcome:
    """Trains on the training rides of a fold and predicts the others.

    Args:
      fold: says which are which.
      rides: all of the fold's, with whatever features.
    """
    model, facts = self.fit(rides[~fold.test], fold.seed)
    return Outcome(predict(model, rides[fold.test]), facts)

  def _build(self, width: int, typical_fare: float, seed: int) -> keras.Model:
    return build_fare_model(self._config.model, width, self.categoricals, typical_fare, seed)

  @functools.cached_property
  def categoricals(self) -> tuple[Categorical, ...]:
    """The features that get an embedding each."""
    return categoricals(self._config.dataset, self._config.features)


def _core_inputs(model: keras.Model) -> int:
  """How many numbers the first dense layer takes, those of embeddings among them."""
  return int(model.layers[-1].input_shape[-1])
