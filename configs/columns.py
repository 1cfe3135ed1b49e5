"""The columns of a canonical ride. Imports nothing, so that a model server's client can know them too."""

from __future__ import annotations

COORDINATES = ('pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude')
"""Degrees, WGS84."""

LABEL = 'fare_amount'
"""The fare in the city's currency."""

TIME = 'pickup_seconds'
"""Integer seconds since 2009-01-01 00:00:00 on the city's wall clock."""

HOURS_PER_WEEK = 168
"""Which cut the pickup time, from Monday 0 h on."""

PASSENGERS = 'passenger_count'

RAW_INPUTS = (TIME, *COORDINATES, PASSENGERS)
"""The inputs that every dataset has, in order; one may add more."""

TERMS = ('ride', 'rides', 'fares', 'time stamps')
"""What sentences call one example, several of them, their labels, and the groups of those that belong together."""

KNOWN_AFTER_RIDE = (
  # What is paid.
  'fare', 'fare_amount', 'fare_amt', 'meter_fare', 'base_passenger_fare', 'total', 'total_amount', 'total_amt',
  'trip_total', 'total_fare', 'grand_total', 'tip', 'tips', 'tip_amount', 'tip_amt', 'gratuity', 'toll', 'tolls',
  'toll_amount', 'tolls_amount', 'tolls_amt', 'extras', 'driver_pay', 'payment', 'payment_type', 'payment_method',
  'payment_type_name',
  # How far and how long the ride was.
  'trip_distance', 'trip_miles', 'trip_mileage', 'trip_km', 'trip_kilometers', 'trip_length', 'distance_traveled',
  'distance_travelled', 'metered_distance', 'trip_seconds', 'trip_minutes', 'trip_duration', 'trip_time',
  'trip_time_in_secs', 'ride_duration', 'ride_distance', 'actual_duration', 'actual_distance', 'waiting_time',
  # When it ended.
  'dropoff_datetime', 'dropoff_date_time', 'tpep_dropoff_datetime', 'lpep_dropoff_datetime', 'trip_dropoff_datetime',
  'dropoff_time', 'dropoff_timestamp', 'dropoff_date', 'trip_end', 'trip_end_timestamp', 'trip_end_time',
  'trip_end_datetime', 'end_time', 'end_datetime', 'ended_at', 'end_timestamp',
  # What the meter noted when it ended.
  'store_and_fwd_flag', 'store_and_forward',
)  # fmt: skip
"""Names under which sources publish what only the finished ride knows, those of New York and Chicago among them.

`dataset.known_after_ride` adds to them. Compared as `plain_name` has them.
"""


def plain_name(column: str) -> str:
  """A column's name without case, blanks and punctuation: `tripdistance` of `Trip_Distance`."""
  return ''.join(character for character in column.casefold() if character.isalnum())
