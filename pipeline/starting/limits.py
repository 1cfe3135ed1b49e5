"""What is plausible in a city, from quantiles of its rides: bounds, fares, days; wide enough for the rides to come."""

from __future__ import annotations

import datetime
import math
from typing import NamedTuple

import numpy as np

_TAIL = 0.005
_AROUND = 3.0
"""Degrees from the middle of a city beyond which a coordinate is no place of it."""

_LARGEST = float(np.finfo(np.float32).max)
"""Larger numbers are set aside as not finite."""

_LEAST_MARGIN = 0.2
"""Degrees, about twenty kilometres."""


class Range(NamedTuple):
  """A closed range."""

  min: float
  max: float


def bounds_of(degrees: np.ndarray, limit: float) -> Range:
  """Where rides may begin and end along one axis.

  Args:
    degrees: of both ends, NaN where missing; zeros are taken for missing.
    limit: 90 or 180.
  Returns: The 0.5 and 99.5 % quantiles of what lies within three degrees of the median, wider by as much again on each
    side, in hundredths of a degree.
  """
  seen = degrees[np.isfinite(degrees) & (degrees != 0)]
  # The lower median is one of them: the mean of two would be no place where a city lies on both sides of 180 degrees.
  seen = seen[np.abs(seen - np.quantile(seen, 0.5, method='lower')) <= _AROUND]
  low, high = np.quantile(seen, [_TAIL, 1 - _TAIL])
  margin = max(_LEAST_MARGIN, high - low)
  lowest = max(-limit, math.floor((low - margin) * 100) / 100)
  return Range(lowest, min(limit, math.ceil((high + margin) * 100) / 100))


def fares_of(fares: np.ndarray) -> Range:
  """Plausible fares.

  Args: fares: NaN where missing.
  Returns: From the 0.1 % quantile of the positive ones, rounded down, to twice the 99.9 % one, rounded up, both to two
    digits.
  """
  seen = fares[(fares > 0) & (fares <= _LARGEST)]
  if not len(seen):
    return Range(0.0, 1.0)
  # Of fewer than a thousand fares, the lowest and the highest.
  low, high = np.quantile(seen, 0.001, method='lower'), np.quantile(seen, 0.999, method='higher')
  return Range(two_digits(float(low), up=False), two_digits(2 * float(high), up=True))


def numbers_of(values: np.ndarray) -> Range:
  """Plausible numbers of a further column, whose meaning nobody knows.

  Args: values: NaN where missing.
  Returns: Twice the 0.1 and 99.9 % quantiles, away from zero to two digits; from zero where none is negative, to zero
    where none is positive.
  """
  seen = values[np.isfinite(values) & (np.abs(values) <= _LARGEST)]
  if not len(seen):
    return Range(0.0, 1.0)
  low, high = np.quantile(seen, 0.001, method='lower'), np.quantile(seen, 0.999, method='higher')
  return Range(
    -two_digits(-2 * float(low), up=True) if low < 0 else 0.0, two_digits(2 * float(high), up=True) if high > 0 else 0.0
  )


def two_digits(value: float, *, up: bool) -> float:
  """A positive number rounded to two significant digits."""
  step = 10.0 ** (math.floor(math.log10(value)) - 1)
  # A tiny bit less, as 0.1 is not a tenth.
  whole = math.ceil(value / step - 1e-9) if up else math.floor(value / step + 1e-9)
  return float(f'{whole * step:.6g}')


def passengers_of(counts: np.ndarray) -> Range:
  """From nobody to the 99.9 % quantile, and at least six."""
  seen = counts[(counts >= 0) & (counts <= _LARGEST)]
  return Range(0, max(6, math.ceil(np.quantile(seen, 0.999, method='higher')) if len(seen) else 0))


def first_day(readings: np.ndarray) -> datetime.date:
  """The first of January of the year in which the rides begin, stragglers left out."""
  year = (
    np.datetime64(int(np.quantile(readings, 0.001, method='lower')), 's').astype('datetime64[Y]').astype(int) + 1970
  )
  return datetime.date(int(year), 1, 1)


def missing_limit(share: float) -> float:
  """A limit for a share of missing values: half as many again, and two hundredths."""
  return min(1.0, math.ceil((share * 1.5 + 0.02) * 100) / 100)
