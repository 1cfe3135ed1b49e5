"""Errors of fares with bootstrap intervals; rides of one time stamp are drawn together."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

_CHUNK = 2_000_000


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
  drawn = _resampled_sums(np.stack([count, squared, absolute], axis=1), resamples, seed)
  return {
    'rmse': _estimate(float(np.sqrt(np.mean(errors**2))), np.sqrt(drawn[:, 1] / drawn[:, 0])),
    'mae': _estimate(float(np.mean(np.abs(errors))), drawn[:, 2] / drawn[:, 0]),
  }


def _resampled_sums(sums: np.ndarray, resamples: int, seed: int) -> np.ndarray:
  """Weighted sums of the clusters' rows, shape [resamples, columns], in bounded memory."""
  generator = np.random.default_rng(seed)
  step = max(1, _CHUNK // len(sums))
  parts = [
    generator.poisson(1.0, size=(min(step, resamples - start), len(sums))).astype(np.float64) @ sums
    for start in range(0, resamples, step)
  ]
  drawn = np.concatenate(parts)
  return drawn[drawn[:, 0] > 0]


def _estimate(value: float, drawn: np.ndarray) -> Estimate:
  if not len(drawn):
    return Estimate(value=value, low=value, high=value)
  low, high = np.percentile(drawn, [2.5, 97.5])
  return Estimate(value=value, low=float(low), high=float(high))
