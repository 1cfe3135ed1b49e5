"""The rides that activation ranges are taken from."""

from __future__ import annotations

import numpy as np

from configs.compression import Calibration
from models.rides import Rides


def calibration_rides(rides: Rides, calibration: Calibration) -> Rides:
  """A stated sample, stratified by fare, that holds the dearest rides.

  Args:
    rides: the training split.
    calibration: how many; all of them where it does not say.

  Returns:
    The rides in their order. One of each stratum of equally many rides of
    similar fares, chosen by the seed, and `longest` of the highest fares.
  """
  wanted = calibration.rides
  if wanted is None or wanted >= len(rides):
    return rides
  order = np.argsort(rides.fares, kind='stable')
  dearest = min(calibration.longest, wanted)
  cheaper, kept = order[: len(order) - dearest], [order[len(order) - dearest :]]
  generator = np.random.default_rng(calibration.seed)
  if wanted > dearest:
    kept.append(np.array([generator.choice(stratum) for stratum in np.array_split(cheaper, wanted - dearest)]))
  return rides[np.sort(np.concatenate(kept))]
