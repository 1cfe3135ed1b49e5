"""How large the labels of a training are: what a loss, a rate and a limit are set by, whatever the currency."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from models.protocols import Examples
from models.streaming import Stream, median_label, pieces

_TYPICAL = 8.0
"""What the training's other settings were chosen for: the median of New York's and Chicago's fares, in dollars."""


def label_unit(typical: float) -> float:
  """The unit in which a training computes: a power of four, so that a typical label is 4 to 16 of them.

  An optimizer's step is as long as the learning rate, whatever the gradient: an output of thousands would take as many
  times more steps to learn. Powers of two round nothing, so labels in another unit give the same weights, bit by bit.

  Args: typical: the median of the labels.
  Returns: 1 for a median from 4 to 16, and for one that is not positive.
  """
  return 4.0 ** round(math.log(typical / _TYPICAL, 4)) if typical > 0 and math.isfinite(typical) else 1.0


def label_spread(examples: Examples | Stream[Any]) -> tuple[float, float]:
  """The median and the standard deviation of all labels, in their unit; the deviation is the RMSE of their mean."""
  middle = median_label(examples)
  count, total, squares = 0, 0.0, 0.0
  for piece in pieces(examples):
    off = np.asarray(piece.labels, np.float64) - middle
    count, total, squares = count + len(off), total + float(off.sum()), squares + float(np.square(off).sum())
  return middle, math.sqrt(max(0.0, squares / count - (total / count) ** 2))
