"""Why a row is set aside."""

from __future__ import annotations

import enum


class Reason(str, enum.Enum):
  """Stable identifiers; of several reasons the first in this order is given."""

  WRONG_NUMBER_OF_FIELDS = 'wrong_number_of_fields'
  MISSING_TIME = 'missing_time'
  UNPARSABLE_TIME = 'unparsable_time'
  TIME_OUT_OF_RANGE = 'time_out_of_range'
  UNPARSABLE_NUMBER = 'unparsable_number'
  NOT_FINITE = 'not_finite'
  MISSING_FARE = 'missing_fare'
  FARE_OUT_OF_RANGE = 'fare_out_of_range'
  PICKUP_OUTSIDE_BOUNDS = 'pickup_outside_bounds'
  DROPOFF_OUTSIDE_BOUNDS = 'dropoff_outside_bounds'
  PASSENGERS_OUT_OF_RANGE = 'passengers_out_of_range'
