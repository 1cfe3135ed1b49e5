"""Errors of fares with bootstrap intervals; rides of one time stamp are drawn together."""

from __future__ import annotations

import math
from typing import TypedDict

import numpy as np

_CHUNK = 2_000_000

_POINTS = 2**16
_POISSON = np.searchsorted(
  np.cumsum([math.exp(-1) / math.factorial(count) for count in range(9)]), (np.arange(_POINTS) + 0.5) / _POINTS
).astype(np.float64)
"""Poisson(1) at equally likely points, mean 1 and variance 0.99997: a tenth of the time of `Generator.poisson`."""


class Estimate(TypedDict):
  """A value and its 95 % interval."""

  value: float
  low: float
  high: float


def error_intervals(
  fares: np.ndarray, predictions: np.ndarray, groups: np.ndarray, resamples: int = 1000, seed: int = 0
) -> dict[str, Estimate]:
  """RMSE and MAE with 95 % percentile intervals of a cluster bootstrap.

  Args:
    fares: true fares, shape [rides], at least one.
    predictions: predicted fares, shape [rides].
    groups: the time stamp of each ride, shape [rides]; rides that share one
      are not independent and are resampled together.
    resamples: number of bootstrap resamples.
    seed: of the resampling.

  Returns:
    `rmse` and `mae`, in the unit of the fares.

  Source: the cluster bootstrap with Poisson(1) weights, an approximation of
    the multinomial one; Chamandy et al., "Estimating Uncertainty for Massive
    Data Streams", Google, 2012.
  """
  errors = np.asarray(predictions, np.float64) - np.asarray(fares, np.float64)
  _, cluster = np.unique(groups, return_inverse=True)
  count = np.bincount(cluster).astype(np.float64)
  squared = np.bincount(cluster, weights=errors**2)
  absolute = np.bincount(cluster, weights=np.abs(errors))
  drawn = resampled_sums(np.stack([count, squared, absolute], axis=1), resamples, seed)
  return {
    'rmse': estimate(float(np.sqrt(np.mean(errors**2))), np.sqrt(drawn[:, 1] / drawn[:, 0])),
    'mae': estimate(float(np.mean(np.abs(errors))), drawn[:, 2] / drawn[:, 0]),
  }


def ratio_interval(
  fares: np.ndarray,
  predictions: np.ndarray,
  base_predictions: np.ndarray,
  stamps: np.ndarray,
  resamples: int = 1000,
  seed: int = 0,
) -> Estimate:
  """RMSE relative to that of another model, with a paired 95 % interval.

  Each resample draws the same rides for both models, so what both find hard cancels: the interval is much narrower
  than those of the two errors.

  Args:
    fares: true fares, shape [rides], at least one.
    predictions: of the model, shape [rides].
    base_predictions: of the model that it is compared with, shape [rides].
    stamps: the time stamp of each ride, shape [rides]; see `error_intervals`.
    resamples: number of bootstrap resamples.
    seed: of the resampling.

  Returns:
    RMSE of the model over RMSE of the base; below 1 the model is better.

  Raises:
    ValueError: the base makes no error at all, so that there is no ratio.
  """
  fares = np.asarray(fares, np.float64)
  squared, base_squared = ((np.asarray(values, np.float64) - fares) ** 2 for values in (predictions, base_predictions))
  if not base_squared.any():
    raise ValueError('The base predicts every fare exactly; there is no ratio of errors to it.')
  _, cluster = np.unique(stamps, return_inverse=True)
  sums = np.stack([np.bincount(cluster, weights=values) for values in (base_squared, squared)], axis=1)
  drawn = resampled_sums(sums, resamples, seed)
  value = float(np.sqrt(np.sum(squared) / np.sum(base_squared)))
  return estimate(value, np.sqrt(drawn[:, 1] / drawn[:, 0]))


def resampled_sums(sums: np.ndarray, resamples: int, seed: int) -> np.ndarray:
  """Bootstrap sums over clusters, in bounded memory.

  Args:
    sums: float64 [clusters, columns], what each cluster adds.
    resamples: number of draws.
    seed: of the Poisson(1) weights.

  Returns:
    Float64 [draws, columns]; draws whose first column is zero are left out, so
    there may be fewer than `resamples`.
  """
  generator = np.random.default_rng(seed)
  step = max(1, _CHUNK // len(sums))
  parts = [
    _POISSON[generator.integers(0, _POINTS, size=(min(step, resamples - start), len(sums)), dtype=np.uint16)] @ sums
    for start in range(0, resamples, step)
  ]
  drawn = np.concatenate(parts)
  return drawn[drawn[:, 0] > 0]


def estimate(value: float, drawn: np.ndarray) -> Estimate:
  """A value with the 2.5 and 97.5 percentiles of its draws [n]; without any, both are the value."""
  if not len(drawn):
    return Estimate(value=value, low=value, high=value)
  low, high = np.percentile(drawn, [2.5, 97.5])
  return Estimate(value=value, low=float(low), high=float(high))
