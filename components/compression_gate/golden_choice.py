"""Which eval rides go along with a pushed version."""

from __future__ import annotations

import numpy as np

from components.compression_gate.eval_rides import EvalRides
from transforms import names

_BY_FARE = 6
"""Rides from the cheapest to the dearest."""

_SPECIAL = (names.SLICE_MISSING_DROPOFF, names.SLICE_AIRPORT)
"""One ride of each of these, if there is one."""


def golden_rows(rides: EvalRides, fares: np.ndarray) -> np.ndarray:
  """Picks a few rides that differ.

  Args:
    rides: the eval split, at least one ride.
    fares: predicted ones [rides].

  Returns:
    int64 [n], rising rows: at even steps through the predicted fares, one with
    a missing dropoff and one at an airport, if there are such.
  """
  ranked = np.argsort(fares, kind='stable')
  rows = [*ranked[np.linspace(0, len(ranked) - 1, _BY_FARE).astype(int)]]
  rows += [np.flatnonzero(rides.codes[name] == 1)[:1] for name in _SPECIAL]
  return np.unique(np.hstack(rows))
