"""Errors of a model beside those of a baseline, over all rides and by slice, out of one set of bootstrap draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.intervals import Estimate, estimate, resampled_sums


class SliceErrors(NamedTuple):
  """One slice of the rides.

  Attributes:
    rides: how many.
    rmse: in the unit of the fares.
    rmse_ratio: to the baseline's; `None` where the baseline makes no error, so
      that there is no ratio.
  """

  rides: int
  rmse: float
  rmse_ratio: Estimate | None


class Comparison(NamedTuple):
  """All rides.

  Attributes:
    rmse: in the unit of the fares.
    mae: the same.
    rmse_ratio: to the baseline's; paired.
    slices: by name.
  """

  rmse: Estimate
  mae: Estimate
  rmse_ratio: Estimate
  slices: dict[str, SliceErrors]


def compare(
  fares: np.ndarray,
  predictions: np.ndarray,
  base_predictions: np.ndarray,
  stamps: np.ndarray,
  slices: Mapping[str, np.ndarray],
  resamples: int = 1000,
  seed: int = 0,
) -> Comparison:
  """What `error_intervals` and `ratio_interval` give, for all rides and every slice at once.

  Drawing takes most of the time of a bootstrap, so the slices share the draws of all rides: Poisson weights of
  different time stamps are independent, hence those of a slice are as if it had been drawn by itself.

  Args:
    fares: true fares, shape [rides], at least one.
    predictions: of the model, shape [rides].
    base_predictions: of the baseline, shape [rides].
    stamps: the time stamp of each ride, shape [rides].
    slices: by name, which rides belong to it: bool [rides], at least one true.
    resamples: number of bootstrap resamples.
    seed: of the resampling; models compared with the same one are drawn alike.

  Raises:
    ValueError: the baseline makes no error at all, so that there is no ratio.
  """
  errors, base_errors = (np.asarray(values, np.float64) - fares for values in (predictions, base_predictions))
  if not base_errors.any():
    raise ValueError('The base predicts every fare exactly; there is no ratio of errors to it.')
  # The first row is all rides; [1 + slices, rides].
  masks = np.stack([np.ones(len(fares), bool), *slices.values()])
  squared, base_squared = masks * errors**2, masks * base_errors**2
  drawn = _drawn([masks[0], np.abs(errors), *squared, *base_squared], stamps, resamples, seed)
  count, absolute = drawn[:, 0], drawn[:, 1]
  own, base = np.split(drawn[:, 2:], 2, axis=1)
  totals = zip(squared.sum(axis=1), base_squared.sum(axis=1), own.T, base.T, strict=True)
  overall, *ratios = [_ratio(*total) for total in totals]
  rmse = np.sqrt(squared.sum(axis=1) / masks.sum(axis=1))
  assert overall is not None
  return Comparison(
    rmse=estimate(float(rmse[0]), np.sqrt(own[:, 0] / count)),
    mae=estimate(float(np.mean(np.abs(errors))), absolute / count),
    rmse_ratio=overall,
    slices={
      name: SliceErrors(int(mask.sum()), float(error), ratio)
      for (name, mask), error, ratio in zip(slices.items(), rmse[1:], ratios, strict=True)
    },
  )


def _drawn(columns: Sequence[np.ndarray], stamps: np.ndarray, resamples: int, seed: int) -> np.ndarray:
  """Sums of each column over the rides of each resample: float64 [resamples, columns]."""
  _, cluster = np.unique(stamps, return_inverse=True)
  sums = np.stack([np.bincount(cluster, weights=column) for column in columns], axis=1)
  return resampled_sums(sums, resamples, seed)


def _ratio(squared: float, base_squared: float, drawn: np.ndarray, base_drawn: np.ndarray) -> Estimate | None:
  if not base_squared:
    return None
  # Where none of a small slice's rides was drawn, there is no ratio.
  has_error = base_drawn > 0
  return estimate(math.sqrt(squared / base_squared), np.sqrt(drawn[has_error] / base_drawn[has_error]))
