"""Errors of a model beside those of a baseline, over all rides and by slice, out of one set of bootstrap draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from configs.records import Estimate
from models.intervals import ResampledSums, root_mean_square


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
  resamples: int,
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
    resamples: number of draws.

  Raises:
    ValueError: the baseline makes no error at all, so that there is no ratio.
  """
  errors, base_errors = (np.asarray(values, np.float64) - fares for values in (predictions, base_predictions))
  # The first row is all rides; [1 + slices, rides].
  masks = np.stack([np.ones(len(fares), bool), *slices.values()])
  squared, base_squared = masks * errors**2, masks * base_errors**2
  sums = ResampledSums([masks[0], np.abs(errors), *squared, *base_squared], stamps, resamples)
  own = range(2, 2 + len(masks))
  rmse, mae = sums.root_ratio(own[0], 0), sums.ratio(1, 0)
  overall, *ratios = [sums.root_ratio(column, column + len(masks)) for column in own]
  if overall is None:
    raise ValueError('The base predicts every fare exactly; there is no ratio of errors to it.')
  assert rmse is not None
  assert mae is not None
  return Comparison(
    rmse=rmse,
    mae=mae,
    rmse_ratio=overall,
    slices={
      name: SliceErrors(int(mask.sum()), float(root_mean_square(errors[mask])), ratio)
      for (name, mask), ratio in zip(slices.items(), ratios, strict=True)
    },
  )
