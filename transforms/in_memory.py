"""The same features for rides in memory, without Beam: for cross-validation and studies."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from configs.dataset import COORDINATES, LABEL, TIME, Dataset
from configs.evaluation import Slices
from configs.features import Features
from transforms import names
from transforms.constants import Constants
from transforms.crosses import fitted_boundaries
from transforms.engineering import catalogue, engineer, observed
from transforms.preprocessing import compose

_ROWS_AT_ONCE = 65536


@dataclasses.dataclass(frozen=True)
class FittedFeatures:
  """Features whose constants were fitted on some rides; they may be computed for any.

  Attributes: constants: see `fit_constants`.
  """

  dataset: Dataset
  features: Features
  constants: Constants

  @property
  def names(self) -> tuple[str, ...]:
    """Of the columns of `matrix`; `transforms.catalogue.catalogue` has their units and meanings."""
    return tuple(feature.name for feature in catalogue(self.dataset, self.features))

  def matrix(self, rides: Mapping[str, np.ndarray]) -> np.ndarray:
    """The standardized feature vector of each ride, as the model gets it: float32 [rides, features], finite.

    Args:
      rides: canonical columns [rides] by name; NaN where missing; the label may be absent.
    """
    made = transform(rides, self.dataset, self.features, Slices(), self.constants)
    return np.asarray(made[names.NUMERIC])


def fit_features(rides: Mapping[str, np.ndarray], dataset: Dataset, features: Features) -> FittedFeatures:
  """Fits the features on some rides; arguments as `fit_constants`."""
  return FittedFeatures(dataset, features, fit_constants(rides, dataset, features))


def fit_constants(rides: Mapping[str, np.ndarray], dataset: Dataset, features: Features) -> Constants:
  """Fits by NumPy what `transforms.preprocessing.fit` fits by tft.

  Mean and scale agree with tft within float32 rounding. Quantile boundaries are exact here, while tft's sketch errs by
  up to `QUANTILE_ERROR` of the rides, so a ride between the two boundaries may land in another bucket.

  Args: rides: canonical columns [rows] by name; NaN where missing.
  """
  values = _observed(rides, dataset, features).astype(np.float64)

  def quantiles(count: int) -> np.ndarray:
    coordinates = np.stack([np.asarray(rides[name], np.float32) for name in COORDINATES], axis=1)
    return np.nanquantile(coordinates, np.arange(1, count) / count, axis=0, method='inverted_cdf').T.astype(np.float32)

  with warnings.catch_warnings():
    # A feature that was never observed has NaN moments; `from_moments` knows.
    warnings.simplefilter('ignore', RuntimeWarning)
    boundaries = fitted_boundaries(dataset.rules.bounds, features, quantiles)
    constants = Constants.from_moments(np.nanmean(values, axis=0), np.nanvar(values, axis=0), boundaries)
  return Constants(np.asarray(constants.mean), np.asarray(constants.scale), constants.boundaries)


def transform(
  rides: Mapping[str, np.ndarray], dataset: Dataset, features: Features, slices: Slices, constants: Constants
) -> dict[str, tf.Tensor]:
  """What `preprocessing_fn` yields, for rides in memory and constants already fitted.

  Args:
    rides: canonical columns [rows] by name; NaN where missing; the label may be absent.
    constants: see `fit_constants`.
  Returns: Tensors by name, see `transforms.preprocessing.compose`.
  """

  @tf.function(autograph=False)
  def mapped(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    engineered = engineer(inputs, dataset, features)
    return compose(inputs, engineered, dataset, features, slices, constants)

  return mapped(_tensors(rides, dataset))


def _tensors(rides: Mapping[str, np.ndarray], dataset: Dataset) -> dict[str, tf.Tensor]:
  wanted = [name for name in (*dataset.raw_inputs(), LABEL) if name in rides]
  return {
    name: tf.constant(np.asarray(rides[name], np.int64 if name == TIME else np.float32), shape=[len(rides[name])])
    for name in wanted
  }


def _observed(rides: Mapping[str, np.ndarray], dataset: Dataset, features: Features) -> np.ndarray:
  """Every feature before standardization, float32 [rows, n], NaN where missing."""
  tensors = _tensors(rides, dataset)
  mapped = tf.function(
    lambda inputs: observed(engineer(inputs, dataset, features)), reduce_retracing=True, autograph=False
  )
  rows = len(rides[TIME])
  chunks = [
    mapped({name: column[start : start + _ROWS_AT_ONCE] for name, column in tensors.items()}).numpy()
    for start in range(0, rows, _ROWS_AT_ONCE)
  ]
  return np.concatenate(chunks)
