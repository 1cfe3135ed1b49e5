"""What the fare model is compared with: the mean, linear regression, the case study's nets, LightGBM.

The case study is Google Cloud's "Performing advanced feature engineering in Keras" on the taxi fare data. Its baseline
net takes five raw columns as they are. Its engineered net sees scaled coordinates, the passengers, the Euclidean
distance in degrees, hour and weekday one-hot, and a 100-wide embedding of pickup cell × dropoff cell. Remarks:

- Cells come from `linspace(0, 1, 10)` over 8 × 8 degrees, so one bucket is 0.89 degrees wide: nearly all New York lies
  in one cell. The second version here fits the boundaries as quantiles, and changes nothing else.
- Its weekday names start at Sunday where Python's numbers start at Monday, so every name is off by one. The names stay
  so here; a one-hot encoding does not care what a day is called, so no accuracy is lost by it.
- Crosses are indexed exactly here instead of hashed, which can only help it.
- Its 8 × 8 degrees are New York's: where they don't hold a dataset's bounds, its cells take those bounds instead.
- It knows no missing value: what is missing becomes the median of the training rides, and a column of which they hold
  none is left out.
- The preset `nyc-baseline` is the baseline net behind this project's standardization, which alone helps it a lot.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence

import numpy as np

from configs.base import Interval
from configs.dataset import COORDINATES, PASSENGERS, TIME, Bounds
from configs.loading import load
from configs.run import RunConfig
from models.fare_model import build_fare_model
from models.keras_compat import keras
from models.training import predict, train
from pipeline.study.folds import Fold, Method, Outcome
from pipeline.study.records import OccupiedCells
from transforms import names
from transforms.catalogue import categoricals

BUCKETS = 10
EPOCHS, BATCH, EMBEDDING = 10, 32, 100


def case_study_baseline(fold: Fold) -> Outcome:
  """The case study's baseline net: the raw columns as they come."""
  raw = raw_columns(fold).astype(np.float32)
  inputs = keras.Input([raw.shape[1]])
  return _trained(fold, [raw], [inputs], inputs)


def case_study_net(fold: Fold, fitted: bool) -> Outcome:
  """The case study's engineered net; `fitted` puts cell boundaries at quantiles of the training rides.

  Its parameters are those of cells without a ride, too.
  """
  dense, pair = _features(fold, fitted)
  # Only pairs that occur get a row: the others would never be read, and Adam would still update them.
  occurring, index = np.unique(pair, return_inverse=True)
  inputs = [keras.Input([dense.shape[1]]), keras.Input([], dtype='int64')]
  initial = keras.initializers.TruncatedNormal(stddev=EMBEDDING**-0.5, seed=fold.seed)
  embedded = keras.layers.Embedding(len(occurring), EMBEDDING, embeddings_initializer=initial)(inputs[1])
  unread = (BUCKETS**4 - len(occurring)) * EMBEDDING
  return _trained(fold, [dense, index], inputs, keras.layers.Concatenate()([inputs[0], embedded]), unread)


def occupied_cells(fold: Fold, fitted: bool) -> OccupiedCells:
  """Where the rides of both sides of a fold are; see `case_study_net`."""
  buckets, box = np.stack(_buckets(fold, fitted), axis=1), cell_box(fold.config.dataset.rules.bounds)
  pairs, counts = np.unique(buckets, axis=0, return_counts=True)
  pickups = np.unique(pairs[:, :2], axis=0)
  return OccupiedCells(
    pickup_cells=len(pickups),
    pairs=len(pairs),
    largest_share=float(counts.max() / len(buckets)),
    degrees=(box.longitude.max - box.longitude.min, box.latitude.max - box.latitude.min),
  )


def _trained(
  fold: Fold, columns: list[np.ndarray], inputs: list[keras.KerasTensor], layer: keras.KerasTensor, unread: int = 0
) -> Outcome:
  """Dense 32 and 8, MSE, Adam, 10 epochs of batches of 32, as published.

  Raises `ValueError` where the net gives one fare for all rides, as its activations died, or none, as it diverged.
  """
  keras.utils.set_random_seed(fold.seed)
  for width in (32, 8):
    layer = keras.layers.Dense(width, activation='relu')(layer)
  model = keras.Model(inputs, keras.layers.Dense(1)(layer))
  model.compile(optimizer='adam', loss='mse', steps_per_execution=32)
  training = [column[~fold.test] for column in columns]
  start = time.process_time()
  model.fit(training, fold.fares[~fold.test], batch_size=BATCH, epochs=EPOCHS, verbose=0)
  seconds = time.process_time() - start
  fares = model.predict([column[fold.test] for column in columns], batch_size=8192, verbose=0).reshape(-1)
  lost = int((~np.isfinite(fares)).sum())
  if lost:
    raise ValueError(
      f'it gives no number for {lost:,} of {len(fares):,} rides, so it could not be trained on these rides.'
    )
  if len(fares) > 1 and np.ptp(fares) == 0:
    raise ValueError(f'it gives {fares[0]:.2f} for every ride, so it could not be trained on these rides.')
  return Outcome(fares, {'parameters': model.count_params() + unread, 'train_seconds': seconds})


def _features(fold: Fold, fitted: bool) -> tuple[np.ndarray, np.ndarray]:
  """Dense columns float32 [rides, n] and the number of the pair of cells, int64 [rides]."""
  raw, others = _coordinates(fold), imputed(fold, [PASSENGERS])
  scaled = _scaled(fold, raw)
  euclidean = np.hypot(raw[:, 2] - raw[:, 0], raw[:, 3] - raw[:, 1])
  days, second = np.divmod(fold.rides[TIME], 86_400)
  # 2009-01-01, day 0, was a Thursday: 3 from Monday, which the published list calls 'Wed'.
  one_hot = [np.eye(24)[second // 3600], np.eye(7)[(days + 3) % 7]]
  dense = np.concatenate([scaled, others, euclidean[:, np.newaxis], *one_hot], axis=1).astype(np.float32)
  buckets = _buckets(fold, fitted)
  return dense, np.ravel_multi_index(buckets, [BUCKETS + 1] * 4)


def _buckets(fold: Fold, fitted: bool) -> list[np.ndarray]:
  """The bucket of each coordinate, int64 [rides] each, in the order of the columns."""
  scaled = _scaled(fold, _coordinates(fold))
  edges = np.broadcast_to(np.linspace(0, 1, BUCKETS), (4, BUCKETS))
  if fitted:
    edges = np.quantile(scaled[~fold.test], np.arange(1, BUCKETS) / BUCKETS, axis=0).T
  return [np.searchsorted(edge, column, side='right') for edge, column in zip(edges, scaled.T, strict=True)]


_PUBLISHED_BOX = Bounds(longitude=Interval(min=-78, max=-70), latitude=Interval(min=37, max=45))


def cell_box(bounds: Bounds) -> Bounds:
  """What the case study's coordinates are scaled by: the published degrees around New York where they hold the bounds
  of a dataset, else those bounds."""
  inside = all(
    published.min <= own.min and own.max <= published.max
    for published, own in ((_PUBLISHED_BOX.longitude, bounds.longitude), (_PUBLISHED_BOX.latitude, bounds.latitude))
  )
  return _PUBLISHED_BOX if inside else bounds


def _scaled(fold: Fold, coordinates: np.ndarray) -> np.ndarray:
  """The coordinates from 0 to 1 over the box of the cells: float64 [rides, 4]."""
  box = cell_box(fold.config.dataset.rules.bounds)
  axes = (box.longitude, box.latitude) * 2
  return (coordinates - [axis.min for axis in axes]) / [axis.max - axis.min for axis in axes]


def _coordinates(fold: Fold) -> np.ndarray:
  """float64 [rides, 4]. Raises `ValueError` where the training rides hold none of one."""
  found = imputed(fold, COORDINATES)
  if found.shape[1] < len(COORDINATES):
    raise ValueError('the training rides lack a coordinate altogether, which its cells are made of.')
  return found


def raw_columns(fold: Fold) -> np.ndarray:
  """The case study's raw columns, see `imputed`: five, or fewer where the rides lack some."""
  return imputed(fold, (*COORDINATES, PASSENGERS))


def imputed(fold: Fold, names: Sequence[str]) -> np.ndarray:
  """Columns without missing values, as a user would fill them in who has nothing else: float64 [rides, n].

  A missing value becomes the median of the training rides; a column of which they hold none is left out.
  """
  columns = [np.asarray(fold.rides[name], np.float64) for name in names]
  known = [column for column in columns if not np.isnan(column[~fold.test]).all()]
  filled = [np.where(np.isnan(column), np.nanmedian(column[~fold.test]), column) for column in known]
  return np.stack(filled, axis=1) if filled else np.zeros([len(fold.test), 0])


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


def plain_methods(lightgbm: bool) -> dict[str, Method]:
  """The methods that are no nets, by the names they are shown under; LightGBM among them or not."""
  found: dict[str, Method] = {
    'mean fare': lambda fold: np.full(fold.test.sum(), fold.fares[~fold.test].mean()),
    'linear, raw columns': lambda fold: linear_fares(fold, raw_columns(fold)),
    'linear, engineered features': lambda fold: linear_fares(fold, fold.engineered.inputs[names.NUMERIC]),
  }
  if lightgbm:
    found['LightGBM, defaults'] = lambda fold: lightgbm_fares(fold, {})
    found['LightGBM, lightly tuned'] = lambda fold: lightgbm_fares(fold, LIGHTLY_TUNED)
  return found


def methods(config: RunConfig) -> dict[str, Method]:
  """Every method of the comparison by the name it is shown under, `config`'s fare model included."""
  return {
    **plain_methods(lightgbm=False),
    'case study, baseline net as published': lambda fold: case_study_baseline(fold).fares,
    'case study, baseline net, standardized': functools.partial(fare_model, config=_baseline(config)),
    'case study, engineered net as published': lambda fold: case_study_net(fold, fitted=False).fares,
    'case study, engineered net, fitted cells': lambda fold: case_study_net(fold, fitted=True).fares,
    **plain_methods(lightgbm=True),
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
