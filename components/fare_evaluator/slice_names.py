"""Names of slices for people: `10–16 h` instead of `slice_time_band = 2`."""

from __future__ import annotations

from collections.abc import Sequence

from configs.evaluation import Slices
from transforms import names


def slice_name(feature: str, value: int, slices: Slices) -> str:
  """The name of one slice.

  Args:
    feature: one of `transforms.names.SLICES`.
    value: its code, as the Transform step makes it.
    slices: the bands that the codes index.
  """
  if feature == names.SLICE_TIME_BAND:
    return f'{_band(slices.hours, value, "24")} h'
  if feature == names.SLICE_DISTANCE_BAND:
    return f'{_band(slices.distance_km, value)} km' if value < len(slices.distance_km) else 'distance unknown'
  if feature == names.SLICE_AIRPORT:
    return 'airport ride' if value else 'no airport'
  return 'dropoff missing' if value else 'dropoff known'


def _band(lower_ends: Sequence[float], index: int, last: str = '') -> str:
  upper = f'{lower_ends[index + 1]:g}' if index + 1 < len(lower_ends) else last
  return f'{lower_ends[index]:g}–{upper}' if upper else f'over {lower_ends[index]:g}'
