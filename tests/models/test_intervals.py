"""Errors and their intervals against NumPy and against normal theory."""

import math

import numpy as np
import pytest

from models.intervals import _POISSON, error_intervals, ratio_interval


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


def _paired(rides, seed=0):
  """Fares, and two models whose errors have most in common."""
  generator = np.random.default_rng(seed)
  fares = generator.gamma(4, 3, rides)
  base = fares + generator.normal(0, 2, rides)
  return fares, base + generator.normal(0, 0.3, rides), base


def _rmse(fares, predictions):
  return np.sqrt(np.mean((predictions - fares) ** 2))


def test_ratio_is_that_of_all_rides():
  fares, model, base = _paired(500)
  found = ratio_interval(fares, model, base, np.arange(500))
  assert found['value'] == pytest.approx(_rmse(fares, model) / _rmse(fares, base))
  assert found['low'] < found['value'] < found['high']


def test_interval_of_a_ratio_is_that_of_the_resampled_rides():
  """Oracle: the multinomial bootstrap, written out ride by ride, the same rides for both models."""
  fares, model, base = _paired(400)
  generator = np.random.default_rng(1)
  draws = [generator.integers(0, 400, 400) for _ in range(4000)]
  expected = np.percentile(
    [_rmse(fares[rows], model[rows]) / _rmse(fares[rows], base[rows]) for rows in draws], [2.5, 97.5]
  )
  found = ratio_interval(fares, model, base, np.arange(400), resamples=4000)
  width = expected[1] - expected[0]
  np.testing.assert_allclose([found['low'], found['high']], expected, atol=0.08 * width)


def test_pairing_cancels_what_both_models_find_hard():
  fares, model, base = _paired(2000)
  paired = ratio_interval(fares, model, base, np.arange(2000))
  errors = error_intervals(fares, model, np.arange(2000))['rmse']
  assert paired['high'] - paired['low'] < 0.3 * (errors['high'] - errors['low']) / errors['value']


def test_copies_of_a_ride_are_no_new_evidence_for_a_ratio():
  fares, model, base = _paired(300)
  once = ratio_interval(fares, model, base, np.arange(300), seed=3)
  thrice = ratio_interval(*(np.tile(values, 3) for values in (fares, model, base, np.arange(300))), seed=3)
  assert thrice == pytest.approx(once)


@pytest.mark.parametrize(
  ('predictions', 'stamps', 'expected'),
  [
    pytest.param([12.0, 21.0], [0, 1], 1.0, id='the_base_itself'),
    pytest.param([14.0, 22.0], [0, 1], 2.0, id='every_error_doubled'),
    pytest.param([10.0, 20.0], [0, 1], 0.0, id='no_error'),
    pytest.param([16.0, 23.0], [7, 7], 3.0, id='one_time_stamp'),
  ],
)
def test_ratios_without_doubt_have_no_width(predictions, stamps, expected):
  fares, base = np.array([10.0, 20.0]), np.array([12.0, 21.0])
  found = ratio_interval(fares, np.array(predictions), base, np.array(stamps), resamples=200)
  assert found == pytest.approx({'value': expected, 'low': expected, 'high': expected})


def test_a_base_without_error_has_no_ratio():
  fares = np.array([10.0, 20.0])
  with pytest.raises(ValueError, match='The base predicts every fare exactly; there is no ratio of errors to it'):
    ratio_interval(fares, fares + 1, fares, np.arange(2))


def test_weights_of_the_bootstrap_are_poisson():
  """Oracle: mean and variance of Poisson(1) are 1; its probabilities."""
  assert _POISSON.mean() == pytest.approx(1, abs=1e-4)
  assert _POISSON.var() == pytest.approx(1, abs=1e-4)
  shares = np.bincount(_POISSON.astype(int)) / len(_POISSON)
  np.testing.assert_allclose(
    shares, [np.exp(-1) / math.factorial(k) for k in range(len(shares))], atol=1 / len(_POISSON)
  )
