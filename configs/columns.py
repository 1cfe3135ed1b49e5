"""The columns of a canonical ride. Imports nothing, so that a model server's client can know them too."""

from __future__ import annotations

COORDINATES = ('pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude')
"""Degrees, WGS84."""

LABEL = 'fare_amount'
"""The fare in the city's currency."""

TIME = 'pickup_seconds'
"""Integer seconds since 2009-01-01 00:00:00 on the city's wall clock."""

PASSENGERS = 'passenger_count'

RAW_INPUTS = (TIME, *COORDINATES, PASSENGERS)
"""The inputs that every dataset has, in order; one may add more."""

TERMS = ('ride', 'rides', 'fares', 'time stamps')
"""What sentences call one example, several of them, their labels, and the groups of those that belong together."""

KNOWN_AFTER_RIDE = (
  'total_amount', 'total_amt', 'trip_total', 'total', 'tip_amount', 'tip_amt', 'tip', 'tips', 'tolls_amount',
  'tolls_amt', 'tolls', 'trip_distance', 'distance', 'trip_miles', 'trip_kilometers', 'trip_seconds', 'trip_time',
  'trip_duration', 'duration', 'payment_type', 'payment_method', 'dropoff_datetime', 'tpep_dropoff_datetime',
  'lpep_dropoff_datetime', 'trip_dropoff_datetime', 'dropoff_time', 'dropoff_timestamp', 'trip_end_timestamp',
  'end_time', 'extras', 'extra', 'surcharge', 'mta_tax', 'improvement_surcharge', 'congestion_surcharge',
)  # fmt: skip
"""Names of columns that only the finished ride knows, as published rides call them."""
