"""Rides that lie exactly on an edge: of a band, a bucket, an hour, a year. Oracle: the docstrings, by hand."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from configs import loading
from configs.evaluation import Slices
from tests.transforms import oracle
from transforms import in_memory, names
from transforms.constants import Constants

CONFIG = loading.load('nyc')
CENTRE = (-73.98, 40.75)
AIRPORTS = [(mark.longitude, mark.latitude) for mark in CONFIG.dataset.city.landmarks if mark.airport]
_FIRST = datetime.datetime(2009, 1, 1)


def _rides(**columns) -> dict[str, np.ndarray]:
  """Rides from the centre to a place two kilometres north, at noon of a Thursday; changed columns besides."""
  count = max((len(column) for column in columns.values()), default=1)
  base = {
    'pickup_seconds': 12 * 3600,
    'pickup_longitude': CENTRE[0],
    'pickup_latitude': CENTRE[1],
    'dropoff_longitude': CENTRE[0],
    'dropoff_latitude': CENTRE[1] + 2 / 111.195,
    'passenger_count': 1.0,
  }
  made = {name: np.full(count, value) for name, value in base.items()} | {k: np.array(v) for k, v in columns.items()}
  return {name: column.astype(np.int32 if name == 'pickup_seconds' else np.float32) for name, column in made.items()}


def _made(rides, slices: Slices | None = None, *overrides: str):
  config = loading.load('nyc', list(overrides))
  constants = in_memory.fit_constants(rides, config.dataset, config.features)
  made = in_memory.transform(rides, config.dataset, config.features, slices or Slices(), constants)
  return {name: np.asarray(column) for name, column in made.items()}


def test_a_band_of_hours_begins_with_its_first_second():
  slices = Slices(hours=(0.0, 6.5, 20.0))
  hours = {
    0: 0,
    6.5 * 3600 - 1: 0,
    6.5 * 3600: 1,
    20 * 3600 - 1: 1,
    20 * 3600: 2,
    86_399: 2,
    86_400: 0,
    86_400 * 400 + 23_400: 1,
  }
  made = _made(_rides(pickup_seconds=list(hours)), slices)
  assert made[names.SLICE_TIME_BAND].tolist() == list(hours.values())


def test_a_ride_to_where_it_began_is_in_the_first_band_of_distances():
  made = _made(_rides(dropoff_latitude=[CENTRE[1]]))
  assert made[names.SLICE_DISTANCE_BAND].tolist() == [0]
  assert made[names.SLICE_MISSING_DROPOFF].tolist() == [0]


@pytest.mark.parametrize(
  ('kilometres', 'band'), [(0.99, 0), (1.01, 1), (2.99, 1), (3.01, 2), (7.99, 2), (8.01, 3), (60.0, 3)]
)
def test_bands_of_distances(kilometres, band):
  made = _made(_rides(dropoff_latitude=[CENTRE[1] + kilometres / 111.195]))
  assert made[names.SLICE_DISTANCE_BAND].tolist() == [band]


@pytest.mark.parametrize('lost', ['dropoff_longitude', 'dropoff_latitude', 'pickup_longitude', 'pickup_latitude'])
def test_half_a_place_is_no_place(lost):
  """Its distance is unknown, which is a band of its own behind the others."""
  made = _made(_rides(**{lost: [np.nan]}))
  assert made[names.SLICE_DISTANCE_BAND].tolist() == [4]
  assert made[names.SLICE_MISSING_DROPOFF].tolist() == [int(lost.startswith('dropoff'))]


@pytest.mark.parametrize('end', ['pickup', 'dropoff'])
@pytest.mark.parametrize('airport', range(len(AIRPORTS)))
def test_either_end_at_any_airport_makes_an_airport_ride(end, airport):
  longitude, latitude = AIRPORTS[airport]
  place = {f'{end}_longitude': [longitude] * 3, f'{end}_latitude': [latitude + km / 111.195 for km in (0, 1.98, 2.02)]}
  assert _made(_rides(**place))[names.SLICE_AIRPORT].tolist() == [1, 1, 0]
  # What is missing is replaced by the city's centre inside, and that is no airport; half a place is none.
  half = place | {f'{end}_longitude': [np.nan] * 3}
  assert _made(_rides(**half))[names.SLICE_AIRPORT].tolist() == [0, 0, 0]


def test_neither_end_at_an_airport():
  assert len(AIRPORTS) >= 2
  assert _made(_rides())[names.SLICE_AIRPORT].tolist() == [0]
  near = Slices(airport_km=100.0)
  assert _made(_rides(), near)[names.SLICE_AIRPORT].tolist() == [1]


BUCKETS = ['features.buckets.enabled=true', 'features.buckets.fit=equal_width', 'features.buckets.count=4']


def test_a_bucket_includes_its_lower_end():
  """Four buckets of equal width have three edges; the largest index is for what is missing."""
  axis = CONFIG.dataset.rules.bounds.longitude
  edges = np.linspace(axis.min, axis.max, 5)[1:-1].astype(np.float32)
  below = np.nextafter(edges, np.float32(-200))
  made = _made(_rides(pickup_longitude=[*edges, *below, axis.min - 1, axis.max + 1, np.nan]), None, *BUCKETS)
  assert made['pickup_longitude_bucket'].tolist() == [1, 2, 3, 0, 1, 2, 0, 3, 4]


def test_hours_of_the_week_begin_on_monday():
  """Oracle: the calendar of `datetime`, at the first and the last second of hours."""
  moments = [
    datetime.datetime(2009, 1, 4, 23, 59, 59),
    datetime.datetime(2009, 1, 5),
    datetime.datetime(2009, 1, 5, 0, 59, 59),
    datetime.datetime(2009, 1, 5, 1),
    datetime.datetime(2012, 2, 29, 12),
    datetime.datetime(2016, 12, 31, 23, 59, 59),
  ]
  seconds = [int((moment - _FIRST).total_seconds()) for moment in moments]
  crosses = ['features.crosses.enabled=true', 'features.crosses.crosses=[hour_of_week]']
  made = _made(_rides(pickup_seconds=seconds), None, *crosses)
  assert made['hour_of_week'].tolist() == [moment.weekday() * 24 + moment.hour for moment in moments]
  assert made['hour_of_week'].tolist()[:2] == [167, 0]


def test_a_hashed_pair_of_cells_keeps_its_index():
  """An embedding is trained by these indices, so the formula is part of every model. Oracle: Python's integers."""
  count, bins = 40, 1000
  crosses = [
    'features.buckets.enabled=true',
    'features.buckets.fit=equal_width',
    f'features.buckets.count={count}',
    'features.crosses.enabled=true',
    'features.crosses.crosses=[pickup_cell, cell_pair]',
    f'features.crosses.max_exact={bins}',
  ]
  random = np.random.default_rng(0)
  bounds = CONFIG.dataset.rules.bounds
  places = {
    f'{end}_{axis}': random.uniform(getattr(bounds, axis).min, getattr(bounds, axis).max, 300)
    for end in ('pickup', 'dropoff')
    for axis in ('longitude', 'latitude')
  }
  made = _made(_rides(**places), None, *crosses)
  buckets = [made[f'{name}_bucket'].tolist() for name in oracle.COORDINATES]
  axis = count + 1
  for west, south, east, north, cell, pair in zip(
    *buckets, made['pickup_cell'].tolist(), made['cell_pair'].tolist(), strict=True
  ):
    assert cell == (west * 1543 + south * 1777) % 999_983 % bins
    assert pair == ((west * axis + south) * 1543 + (east * axis + north) * 1777) % 999_983 % bins


@pytest.mark.parametrize(
  ('mean', 'variance', 'expected'),
  [
    pytest.param(3.0, 4.0, (3.0, 0.5), id='plain'),
    pytest.param(np.nan, np.nan, (0.0, 0.0), id='never_observed'),
    pytest.param(5.0, 0.0, (5.0, 0.0), id='constant'),
    # A spread of a millionth of the mean is rounding.
    pytest.param(1000.0, (0.9e-3) ** 2, (1000.0, 0.0), id='rounding'),
    pytest.param(1000.0, (1.1e-3) ** 2, (1000.0, 1 / 1.1e-3), id='a_little_more'),
    pytest.param(-1000.0, (0.9e-3) ** 2, (-1000.0, 0.0), id='negative_mean'),
    pytest.param(0.0, (0.9e-7) ** 2, (0.0, 0.0), id='rounding_at_zero'),
    pytest.param(0.0, (1.1e-7) ** 2, (0.0, 1 / 1.1e-7), id='a_little_more_at_zero'),
  ],
)  # fmt: skip
def test_moments_become_constants(mean, variance, expected):
  found = Constants.from_moments(np.array([mean]), np.array([variance]), None)
  assert (float(found.mean[0]), float(found.scale[0])) == pytest.approx(expected, rel=1e-5)
