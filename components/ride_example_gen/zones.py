"""Zone ids in place of coordinates: where the rides that have them begin and end."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from components.ride_example_gen import parsing
from configs.source import ZonePlaces


class ZoneCoordinates(NamedTuple):
  """The places of a column of zone ids.

  Attributes:
    longitude, latitude: float64 [rows], degrees; NaN where the id is missing, stands for no known place, or is unknown.
    unknown: bool [rows]; ids that the dataset's table does not have.
  """

  longitude: np.ndarray
  latitude: np.ndarray
  unknown: np.ndarray


def look_up(column: pa.Array, places: ZonePlaces, missing: tuple[str, ...], name: str) -> ZoneCoordinates:
  """Where the zones of a column lie.

  Args:
    column: zone ids [rows]: whole numbers of any type, or text; `132.0` and `132` are one zone.
    missing: texts that mean a missing value, besides the empty one.
    name: the source column's name, for the error message.
  Raises: IngestionError: the column's type has no text form.
  """
  codes = parsing.as_codes(column, tuple(places.zones), missing, name)
  nowhere = (np.nan, np.nan)
  table = np.array([*(place or nowhere for place in places.zones.values()), nowhere])
  unknown = codes == len(places.zones)
  found = table[np.where(np.isnan(codes), len(places.zones), codes).astype(np.int64)]
  return ZoneCoordinates(found[:, 0], found[:, 1], unknown)
