"""Intervals of the page. Oracles: the textbook's standard error, and the project's own bootstrap in `models`."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest

from components.fare_evaluator.records import SliceCode
from models.intervals import error_intervals, ratio_interval
from pipeline.report.record import read_record
from pipeline.report.rides import PredictedRides, mean_error, paired_ratio, read_rides, slice_rmse
from pipeline.report.variants import read_variants
from tests.pipeline.made_run import RIDES, made_run


def _rides(count: int = 900, seed: int = 0) -> PredictedRides:
  """Rides of which every third shares its time stamp with its neighbours."""
  random = np.random.default_rng(seed)
  fares = random.gamma(2, 6, count) + 3
  places = {
    name: random.normal(0, 1, count)
    for name in ('pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude')
  }
  codes = {'slice_airport': (random.random(count) < 0.3).astype(np.int8)}
  predictions = fares + random.standard_t(4, count)
  return PredictedRides('a.int8', np.arange(count) // 3 * 3600, places, fares, predictions, codes)


def test_mean_error_of_independent_rides_is_the_textbooks():
  errors = np.random.default_rng(0).normal(1, 2, 400)
  found = mean_error(errors, np.arange(400))
  reach = 1.96 * errors.std(ddof=1) / 20
  assert found == pytest.approx((errors.mean(), errors.mean() - reach, errors.mean() + reach))


def test_mean_error_counts_rides_of_one_moment_once():
  """Each error three times at one time stamp: no more is known than from the errors once."""
  errors = np.random.default_rng(0).normal(1, 2, 100)
  once, thrice = mean_error(errors, np.arange(100)), mean_error(np.repeat(errors, 3), np.repeat(np.arange(100), 3))
  assert thrice == pytest.approx(once)


def test_mean_error_of_one_moment_has_no_interval():
  assert mean_error(np.array([1.0, 3.0]), np.array([7, 7])) == (2.0, None, None)


def test_slices_have_the_intervals_of_the_projects_bootstrap():
  rides = _rides()
  chosen = rides.codes['slice_airport'] == 1
  found = slice_rmse(
    rides, {'airport ride': [SliceCode(feature='slice_airport', value=1)], 'all': [], 'unknown': _UNKNOWN}
  )
  assert set(found) == {'airport ride', 'all'}
  for name, mask in (('airport ride', chosen), ('all', np.ones(len(chosen), bool))):
    expected = error_intervals(rides.fares[mask], rides.predictions[mask], rides.seconds[mask])['rmse']
    assert found[name].value == pytest.approx(expected['value'])
    assert found[name][1:] == pytest.approx((expected['low'], expected['high']), rel=0.03)


def test_very_many_moments_are_drawn_in_groups():
  """As wide an interval as the project's bootstrap of single moments has."""
  rides = _rides(count=30_000)
  expected = error_intervals(rides.fares, rides.predictions, rides.seconds)['rmse']
  [found] = slice_rmse(rides, {'all': []}).values()
  assert found.value == pytest.approx(expected['value'])
  assert found.top - found.bottom == pytest.approx(expected['high'] - expected['low'], rel=0.15)


_UNKNOWN = [SliceCode(feature='slice_weather', value=1)]


def test_a_slice_of_one_ride():
  rides = _rides()
  rides.codes['slice_airport'][:] = 0
  rides.codes['slice_airport'][5] = 1
  [found] = slice_rmse(rides, {'airport ride': [SliceCode(feature='slice_airport', value=1)]}).values()
  assert found == pytest.approx([abs(rides.errors[5])] * 3)


def test_paired_ratio_is_the_projects():
  rides = _rides()
  others = dataclasses.replace(rides, predictions=rides.predictions + np.random.default_rng(1).normal(0, 0.3, 900))
  expected = ratio_interval(rides.fares, rides.predictions, others.predictions, rides.seconds)
  found = paired_ratio(rides, others)
  assert found is not None
  assert found.value == pytest.approx(expected['value'])
  assert found[1:] == pytest.approx((expected['low'], expected['high']), abs=0.004)


def test_other_rides_are_not_paired():
  assert paired_ratio(_rides(), _rides(seed=1)) is None
  assert paired_ratio(_rides(), _rides(count=903)) is None


def test_rides_of_the_gate_are_read(tmp_path: pathlib.Path):
  record = read_record(made_run(tmp_path / 'out'))
  rides = read_rides(record, read_variants(record))
  assert rides is not None
  assert (rides.variant, len(rides.fares)) == ('pqat_80.int8', RIDES)
  assert set(rides.codes) == {'slice_airport', 'slice_time_band'}
  assert np.isnan(rides.coordinates['dropoff_longitude']).any()
  assert 0 <= rides.hours.min() <= rides.hours.max() <= 23
