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
