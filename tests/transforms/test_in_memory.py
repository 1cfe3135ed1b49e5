"""Fitting in memory, standardization and imputation, slices: against the NumPy oracle."""

import numpy as np
import pytest

from configs import loading
from tests.transforms import oracle
from transforms import in_memory, names
from transforms.engineering import catalogue

CONFIG = loading.load('nyc')
RIDES = oracle.named_rides()


def _transform(columns, constants=None):
  dataset, features = CONFIG.dataset, CONFIG.features
  constants = constants or in_memory.fit_constants(columns, dataset, features)
  return in_memory.transform(columns, dataset, features, CONFIG.evaluation.slices, constants)


def test_standardized_vector():
  columns = oracle.as_columns(RIDES)
  numeric = _transform(columns)[names.NUMERIC].numpy()
  expected = oracle.expected_features(columns, CONFIG.dataset, CONFIG.features)
  for feature, column in zip(catalogue(CONFIG.dataset, CONFIG.features), numeric.T, strict=True):
    raw = expected[feature.name]
    np.testing.assert_allclose(column, oracle.standardized(raw, raw), rtol=1e-4, atol=1e-4, err_msg=feature.name)


def test_all_missing():
  rides = [ride | dict.fromkeys((*oracle.COORDINATES, 'passenger_count'), np.nan) for ride in RIDES.values()]
  numeric = _transform(oracle.as_columns(rides))[names.NUMERIC].numpy()
  for feature, column in zip(catalogue(CONFIG.dataset, CONFIG.features), numeric.T, strict=True):
    assert np.isfinite(column).all()
    if feature.inputs or feature.block == 'missing':
      assert (column == 0).all(), feature.name


@pytest.mark.parametrize('rows', [pytest.param(1, id='single_row'), pytest.param(37, id='zero_variance')])
def test_constant_rides_yield_exact_zeros(rows):
  numeric = _transform(oracle.as_columns([RIDES['plain']] * rows))[names.NUMERIC].numpy()
  assert (numeric == 0).all()


def test_a_constant_of_training_stays_zero_for_other_rides():
  columns = oracle.as_columns([RIDES['plain']] * 3)
  constants = in_memory.fit_constants(columns, CONFIG.dataset, CONFIG.features)
  assert (_transform(oracle.as_columns(RIDES), constants)[names.NUMERIC].numpy() == 0).all()


def test_slices():
  columns = oracle.as_columns(RIDES)
  got = {name: column.numpy() for name, column in _transform(columns).items()}
  slices = CONFIG.evaluation.slices
  for row, (name, ride) in enumerate(RIDES.items()):
    coordinates = [float(columns[key][row]) for key in oracle.COORDINATES]
    known = [np.isfinite(value) and abs(value) < 180 for value in coordinates]
    hour = ride['pickup_seconds'] % 86400 / 3600
    assert got[names.SLICE_TIME_BAND][row] == sum(hour >= start for start in slices.hours) - 1, name
    distance = oracle.haversine_km(*coordinates) if all(known) else None
    band = 4 if distance is None else sum(distance >= start for start in slices.distance_km) - 1
    assert got[names.SLICE_DISTANCE_BAND][row] == band, name
    ends = [coordinates[:2] if all(known[:2]) else None, coordinates[2:] if all(known[2:]) else None]
    marks = [(mark.longitude, mark.latitude) for mark in CONFIG.dataset.city.landmarks]
    near = any(end and oracle.haversine_km(*end, *mark) <= slices.airport_km for end in ends for mark in marks)
    assert got[names.SLICE_AIRPORT][row] == near, name
    assert got[names.SLICE_MISSING_DROPOFF][row] == (ends[1] is None), name
  assert {0, 1} == set(got[names.SLICE_AIRPORT]) and {0, 1} == set(got[names.SLICE_MISSING_DROPOFF])
  assert all(got[name].dtype == np.int64 for name in names.SLICES)


def test_label_and_group_pass_through():
  columns = oracle.as_columns(RIDES) | {names.LABEL: np.arange(len(RIDES), dtype=np.float32)}
  got = _transform(columns)
  np.testing.assert_array_equal(got[names.LABEL], columns[names.LABEL])
  np.testing.assert_array_equal(got['pickup_seconds'], columns['pickup_seconds'])
  assert names.LABEL not in _transform(oracle.as_columns(RIDES))
