"""Hours and days as they are compared. Oracles: SciPy's divergence, and random parts of the same rides."""

import numpy as np
import pytest
from scipy.spatial import distance

from components.ride_example_gen.profile import TimeProfile, profile_times
from components.ride_validator.findings import Kind, Level
from components.ride_validator.hours import (
  DAY_OF_WEEK,
  HOUR_OF_DAY,
  empty_days,
  empty_hours,
  jensen_shannon,
  time_divergences,
  time_findings,
)
from configs.validation import Validation

DAY, WEEK = 86_400, 7 * 86_400
MONDAY = 4 * DAY
"""2009-01-05."""

BUSY = np.array([39, 29, 22, 16, 12, 10, 21, 36, 45, 47, 45, 46, 49, 49, 51, 49, 42, 50, 60, 63, 59, 58, 56, 48], float)


def _times(random, rides, days=28, shift=0, stamps=None):
  """Rides of a made-up hourly profile; of so many distinct time stamps if told."""
  hours = random.choice(24, stamps or rides, p=BUSY / BUSY.sum()) + shift
  seconds = MONDAY + random.integers(0, days, stamps or rides) * DAY + hours % 24 * 3600
  seconds = seconds + random.integers(0, 3600, len(seconds))
  return profile_times(random.choice(seconds, rides) if stamps else seconds)


@pytest.mark.parametrize(
  ('counts', 'others'),
  [
    pytest.param([1, 2, 3], [10, 20, 30], id='equal_shares'),
    pytest.param([5, 0], [0, 7], id='nothing_in_common'),
    pytest.param([5, 1, 0, 4], [1, 1, 1, 0], id='some_empty'),
  ],
)
def test_divergence(counts, others):
  """Oracle: SciPy's Jensen-Shannon distance, squared."""
  expected = distance.jensenshannon(counts, others, base=2) ** 2
  assert jensen_shannon(counts, others) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize('rides', [30, 300, 3_000])
@pytest.mark.parametrize('stamps', [None, 25], ids=['stamps_of_their_own', 'few_stamps'])
def test_random_parts_of_the_same_rides_stay_within_their_limit(rides, stamps):
  """200 pairs; one in a hundred may pass."""
  random, beyond = np.random.default_rng(rides), 0
  for _ in range(200):
    one, other = (_times(random, count, stamps=stamps) for count in (rides, rides // 3))
    beyond += any(found.value > found.limit for found in time_divergences(one, other, 0.001))
  assert beyond <= (2 if stamps is None else 8)


@pytest.mark.parametrize('shift', [4, 5, 8, 12])
def test_a_wrong_clock_is_beyond_the_limit_of_whole_weeks(shift):
  random = np.random.default_rng(shift)
  now, other = _times(random, 5_000, shift=shift), _times(random, 5_000)
  hours, days = time_divergences(now, other, 0.2)
  assert (hours.part, hours.limit, days.part) == (HOUR_OF_DAY, 0.05, DAY_OF_WEEK)
  assert (hours.value > hours.limit) == (shift != 4) or hours.value > 0.04
  assert days.value < days.limit


def test_days_of_the_week_are_compared_where_both_sides_cover_one():
  random = np.random.default_rng(0)
  week, day = _times(random, 5_000, days=7), _times(random, 5_000, days=1)
  assert [found.part for found in time_divergences(week, day, 0.2)] == [HOUR_OF_DAY]
  assert [found.part for found in time_divergences(week, week, 0.2)] == [HOUR_OF_DAY, DAY_OF_WEEK]
  assert list(time_divergences(week, TimeProfile(), 0.2)) == []


def _day(day, shift=0, step=1, rides=3_000):
  """Rides of a day of the week, of which Monday is 0; those of Sunday begin four hours later than on other days."""
  hours = np.random.default_rng(day).choice(24, rides, p=BUSY / BUSY.sum()) + shift + (4 if day == 6 else 0)
  seconds = hours % 24 * 3600 + np.random.default_rng(day).integers(0, 3600, rides) // step * step
  return profile_times(MONDAY + day * DAY + seconds)


@pytest.mark.parametrize(
  ('now', 'other', 'limit', 'beyond'),
  [
    pytest.param([_day(1)], [_day(0)], 0.05, False, id='working_days'),
    pytest.param([_day(1, shift=6)], [_day(0)], 0.05, True, id='clock_six_hours_wrong'),
    pytest.param([_day(6)], [_day(0)], 0.2, False, id='sunday_beside_monday'),
    pytest.param([_day(0)], [_day(4), _day(5), _day(6)], 0.05, False, id='monday_beside_the_friday_of_a_weekend'),
    pytest.param([_day(6)], [_day(1), _day(2), _day(6)], 0.05, False, id='sunday_beside_its_like'),
    pytest.param([_day(6), _day(0, rides=9)], [_day(0)], 0.2, False, id='a_few_rides_after_midnight'),
    pytest.param([_day(1, shift=6, step=900)], [_day(0, step=900)], 0.05, True, id='quarters_of_an_hour'),
    pytest.param([_day(1, step=900)], [_day(0, step=900)], 0.05, False, id='same_quarters_of_an_hour'),
  ],
)
def test_single_days_are_held_against_days_of_their_kind(now, other, limit, beyond):
  """A stamp that many rides have only because it is rounded makes them no less independent."""
  [hours] = time_divergences(sum(now, TimeProfile()), sum(other, TimeProfile()), 0.2)
  assert (hours.limit, hours.value > hours.limit) == (limit, beyond)


def test_a_finding_names_what_differs_most():
  now = profile_times(MONDAY + np.repeat(np.arange(28) * DAY, 20) + np.tile(np.arange(20) * 180, 28) + 3 * 3600)
  other = _times(np.random.default_rng(0), 5_000)
  hours, days = time_findings(Kind.DRIFT, now, other, Validation(drift_stops=True))
  assert (hours.severity, hours.stops, days.severity, days.stops) == (Level.ERROR, True, Level.INFO, False)
  share = 100 * other.by_hour[3] / other.rides
  assert hours.sentence() == (
    'hour_of_day in the train split: expected rides within a divergence of 0.05 from the previous span, '
    f'came {hours.divergence:.3g} (100 % of the rides at 3 h, there {share:.3g} %).'
  )


def test_bands_of_empty_hours_go_over_midnight():
  hours = np.arange(6, 22)
  seconds = np.concatenate([MONDAY + day * DAY + hours * 3600 + 61 * day for day in range(40)])
  time = profile_times(seconds)
  assert list(empty_hours(time)) == [(22, 5)]
  assert list(empty_hours(TimeProfile())) == []
  assert empty_days(time) == ()


def test_days_without_a_ride_want_two_weeks():
  weekdays = np.concatenate([MONDAY + day * DAY + np.arange(0, DAY, 1_801) for day in range(19) if day % 7 < 5])
  assert empty_days(profile_times(weekdays)) == ('Saturday', 'Sunday')
  assert empty_days(profile_times(weekdays[weekdays < MONDAY + WEEK])) == ()
