"""What the fare model is compared with: the mean, linear regression, the case study's nets, LightGBM."""

from __future__ import annotations

import functools

import numpy as np

from components.study.case_study import case_study_baseline, case_study_net, raw_columns
from components.study.cross_validation import Fold, Method
from configs.loading import load
from configs.run import RunConfig
from models.fare_model import build_fare_model
from models.keras_compat import keras
from models.training import predict, train
from transforms import names
from transforms.catalogue import categoricals

LIGHTLY_TUNED = {
  'n_estimators': 600,
  'learning_rate': 0.02,
  'num_leaves': 15,
  'subsample': 0.8,
  'subsample_freq': 1,
  'colsample_bytree': 0.6,
  'reg_lambda': 5.0,
}
"""Slower, shallower and regularised, chosen by hand on other divisions than the reported ones."""


def methods(config: RunConfig) -> dict[str, Method]:
  """Every method of the comparison by the name it is shown under, `config`'s fare model included."""
  return {
    'mean fare': mean_fares,
    'linear, five raw columns': lambda fold: linear_fares(fold, raw_columns(fold)),
    'linear, engineered features': lambda fold: linear_fares(fold, fold.engineered.inputs[names.NUMERIC]),
    'case study, baseline net as published': lambda fold: case_study_baseline(fold).fares,
    'case study, baseline net, standardized': functools.partial(fare_model, config=_baseline(config)),
    'case study, engineered net as published': lambda fold: case_study_net(fold, fitted=False).fares,
    'case study, engineered net, fitted cells': lambda fold: case_study_net(fold, fitted=True).fares,
    'LightGBM, defaults': lambda fold: lightgbm_fares(fold, {}),
    'LightGBM, lightly tuned': lambda fold: lightgbm_fares(fold, LIGHTLY_TUNED),
    'this model': functools.partial(fare_model, config=config),
  }


def fare_model(fold: Fold, config: RunConfig) -> np.ndarray:
  """The project's own model with the features, layers and training of `config`."""
  rides = fold.engineered if config.features == fold.config.features else fold.features_of(config)
  keras.utils.set_random_seed(fold.seed)
  keras.backend.clear_session()
  width = rides.inputs[names.NUMERIC].shape[1]
  typical = float(np.median(fold.fares[~fold.test]))
  model = build_fare_model(config.model, width, categoricals(config.dataset, config.features), typical, fold.seed)
  train(model, rides[~fold.test], config.training.model_copy(update={'seed': fold.seed}))
  return predict(model, rides[fold.test])


def _baseline(config: RunConfig) -> RunConfig:
  preset = load('nyc-baseline')
  return config.model_copy(update={'features': preset.features, 'model': preset.model, 'training': preset.training})


def mean_fares(fold: Fold) -> np.ndarray:
  """The mean of the training fares for every ride."""
  return np.full(fold.test.sum(), fold.fares[~fold.test].mean())


def linear_fares(fold: Fold, columns: np.ndarray) -> np.ndarray:
  """Ordinary least squares; of all best solutions the smallest, as some features sum to others."""
  columns = columns.astype(np.float64)
  training = columns[~fold.test]
  spread = training.std(axis=0)
  scaled = (columns - training.mean(axis=0)) / np.where(spread > 0, spread, 1)
  design = np.concatenate([scaled, np.ones([len(columns), 1])], axis=1)
  # Directions below the precision of the float32 features are noise.
  weights, *_ = np.linalg.lstsq(design[~fold.test], fold.fares[~fold.test].astype(np.float64), rcond=1e-5)
  return design[fold.test] @ weights


def lightgbm_fares(fold: Fold, parameters: dict[str, float]) -> np.ndarray:
  """LightGBM on the fold's engineered features; `ImportError` where it is not installed."""
  import lightgbm

  columns = fold.engineered.inputs[names.NUMERIC]
  # One thread: so few rows are faster without a second, and the result repeats.
  model = lightgbm.LGBMRegressor(random_state=fold.seed, n_jobs=1, verbose=-1, deterministic=True, force_row_wise=True)
  model.set_params(**parameters).fit(columns[~fold.test], fold.fares[~fold.test])
  return np.asarray(model.booster_.predict(columns[fold.test]))
