"""What is plausible. Oracles: NumPy's quantiles, and by hand."""

import datetime

import numpy as np
import pytest

from pipeline.starting import limits
from pipeline.starting.cities import nearest_city


def test_bounds_leave_out_zeros_and_strays_and_missing_ones():
  random = np.random.default_rng(0)
  inside = random.normal(-73.98, 0.03, 10_000)
  bounds = limits.bounds_of(np.concatenate([inside, [0] * 500, [np.nan] * 500, [-40.0] * 30, [73.98] * 30]), 180)
  assert bounds.min == pytest.approx(-73.98 - 0.08 - 0.2, abs=0.03)
  assert bounds.max == pytest.approx(-73.98 + 0.08 + 0.2, abs=0.03)


def test_bounds_end_with_the_world():
  assert limits.bounds_of(np.array([179.95, 179.99]), 180).max == 180


def test_a_city_on_both_sides_of_the_180th_degree_has_bounds_on_one():
  bounds = limits.bounds_of(np.array([-179.98, 179.98] * 50), 180)
  assert bounds.min == -180 and bounds.max == pytest.approx(-179.78)


def test_what_is_no_float32_is_no_number():
  fares = np.array([5.0, 12.0, 1e300, np.inf])
  assert limits.fares_of(fares) == (5, 24)
  assert limits.passengers_of(np.array([1, 1e300, np.inf])) == (0, 6)


def test_fares_reach_from_the_lowest_to_twice_the_highest():
  fares = np.concatenate([[2.5] * 100, np.linspace(3, 60, 10_000), [-5, 0, np.nan]])
  assert limits.fares_of(fares) == (2.5, 120)


def test_no_fare_of_a_few_is_left_out():
  low, high = limits.fares_of(np.array([4.99, 50.0, 52.0]))
  assert low <= 4.99 < 52.0 <= high


@pytest.mark.parametrize('fares', [[], [0.0], [np.nan, -3]], ids=['none', 'zero', 'negative'])
def test_without_a_fare_there_is_still_a_range(fares):
  low, high = limits.fares_of(np.array(fares))
  assert low < high


@pytest.mark.parametrize(
  ('values', 'expected'),
  [
    pytest.param([1.0, 1.5, np.nan], (0, 3), id='positive'),
    pytest.param([-7.5, 31.0], (-15, 62), id='both'),
    pytest.param([-3.5, -1.0], (-7, 0), id='negative'),
    pytest.param([0.0] * 5, (0, 0), id='zeros'),
    pytest.param([1.5] * 20_000 + [9e4], (0, 3), id='an_outlier'),
    pytest.param([2.5, 1e300, np.inf], (0, 5), id='no_float32'),
    pytest.param([np.nan], (0, 1), id='none'),
  ],
)
def test_numbers_reach_to_twice_what_was_seen(values, expected):
  assert limits.numbers_of(np.array(values)) == expected


@pytest.mark.parametrize(
  ('value', 'up', 'rounded'),
  [(2.5, False, 2.5), (2.59, False, 2.5), (2.51, True, 2.6), (1234, True, 1300), (0.1, True, 0.1), (99.5, True, 100)],
)
def test_two_digits(value, up, rounded):
  assert limits.two_digits(value, up=up) == rounded


@pytest.mark.parametrize(
  ('counts', 'most'), [([1, 2, 2], 6), ([1] * 99 + [8], 8), ([], 6), ([np.nan, -1], 6)],
  ids=['few', 'vans', 'none', 'bad'],
)  # fmt: skip
def test_passengers(counts, most):
  assert limits.passengers_of(np.array(counts, float)) == (0, most)


def test_the_first_day_is_a_new_year():
  readings = [datetime.datetime(year, 5, 4, tzinfo=datetime.timezone.utc).timestamp() for year in (2014, 2015)]
  assert limits.first_day(np.array([0] + readings * 1000, np.int64)) == datetime.date(2014, 1, 1)


@pytest.mark.parametrize(('share', 'limit'), [(0.0001, 0.03), (0.032, 0.07), (0.9, 1.0)])
def test_a_limit_of_missing_values_is_wider_than_what_was_seen(share, limit):
  assert limits.missing_limit(share) == limit


@pytest.mark.parametrize(
  ('place', 'zone', 'currency'),
  [
    pytest.param((40.75, -73.98), 'America/New_York', 'USD', id='new_york'),
    pytest.param((41.88, -87.65), 'America/Chicago', 'USD', id='chicago'),
    pytest.param((-23.56, -46.64), 'America/Sao_Paulo', 'BRL', id='sao_paulo'),
    pytest.param((52.52, 13.40), 'Europe/Berlin', 'EUR', id='berlin'),
    pytest.param((48.14, 11.58), 'Europe/Busingen', 'EUR', id='munich_has_the_clock_of_a_village'),
    pytest.param((35.68, 139.69), 'Asia/Tokyo', 'JPY', id='tokyo'),
  ],
)
def test_the_nearest_city(place, zone, currency):
  city = nearest_city(*place)
  assert (city.zone, city.currency) == (zone, currency)
