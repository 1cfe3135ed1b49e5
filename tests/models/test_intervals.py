"""Errors and their intervals against NumPy and against normal theory."""

import numpy as np
import pytest

from models.intervals import error_intervals


def _case(rides, seed=0):
  generator = np.random.default_rng(seed)
  fares = generator.gamma(4, 3, rides)
  return fares, fares + generator.normal(0, 2, rides)


def test_values_are_those_of_all_rides():
  fares, predictions = _case(500)
  found = error_intervals(fares, predictions, np.arange(500))
  assert found['rmse']['value'] == pytest.approx(np.sqrt(np.mean((predictions - fares) ** 2)))
  assert found['mae']['value'] == pytest.approx(np.mean(np.abs(predictions - fares)))
  for estimate in found.values():
    assert estimate['low'] < estimate['value'] < estimate['high']


def test_interval_of_independent_rides_is_that_of_normal_theory():
  """Oracle: a sample standard deviation of n normal errors has standard error sigma / sqrt(2 n)."""
  fares, predictions = _case(4000)
  found = error_intervals(fares, predictions, np.arange(4000), resamples=2000)['rmse']
  assert found['high'] - found['low'] == pytest.approx(2 * 1.96 * 2 / np.sqrt(2 * 4000), rel=0.1)


def test_copies_of_a_ride_are_no_new_evidence():
  """Oracle: the interval of the rides without their copies, as each cluster is drawn as one."""
  fares, predictions = _case(800)
  once = error_intervals(fares, predictions, np.arange(800), seed=3)
  thrice = error_intervals(np.tile(fares, 3), np.tile(predictions, 3), np.tile(np.arange(800), 3), seed=3)
  for name in ('rmse', 'mae'):
    assert thrice[name] == pytest.approx(once[name])
  naive = error_intervals(np.tile(fares, 3), np.tile(predictions, 3), np.arange(2400), seed=3)
  assert naive['rmse']['high'] - naive['rmse']['low'] < 0.7 * (once['rmse']['high'] - once['rmse']['low'])


@pytest.mark.parametrize(
  ('fares', 'predictions', 'groups', 'expected'),
  [
    pytest.param([10.0], [12.0], [0], 2.0, id='single_ride'),
    pytest.param([10.0, 20.0], [13.0, 23.0], [5, 5], 3.0, id='one_time_stamp'),
    pytest.param([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0, 1, 2], 0.0, id='no_error'),
  ],
)
def test_small_cases_have_no_width(fares, predictions, groups, expected):
  found = error_intervals(np.array(fares), np.array(predictions), np.array(groups), resamples=100)
  for estimate in found.values():
    assert estimate == pytest.approx({'value': expected, 'low': expected, 'high': expected})


def test_repeats_by_its_seed():
  fares, predictions = _case(100)
  first, again, other = (error_intervals(fares, predictions, np.arange(100), 200, seed) for seed in (1, 1, 2))
  assert first == again
  assert first != other


def test_many_clusters_are_drawn_in_parts():
  """A part holds 2,000,000 weights; 300,000 clusters need several, and the interval must not notice."""
  fares, predictions = _case(300_000)
  found = error_intervals(fares, predictions, np.arange(300_000), resamples=100)['rmse']
  assert found['high'] - found['low'] == pytest.approx(2 * 1.96 * 2 / np.sqrt(2 * 300_000), rel=0.4)
