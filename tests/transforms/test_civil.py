"""Calendar arithmetic against `datetime`, for every day that int32 seconds can reach."""

import datetime

import numpy as np
import pytest
import tensorflow as tf

from transforms import civil

EPOCH = datetime.date(2009, 1, 1)
DAYS = np.arange(-(2**31) // 86400, 2**31 // 86400 + 1)
DATES = [EPOCH + datetime.timedelta(days=int(day)) for day in DAYS]


@pytest.mark.parametrize('second', [0, 43200, 86399])
def test_clock_of_every_day(second):
  # The first and the last day are reached in part only.
  seconds = np.clip(DAYS * 86400 + second, -(2**31), 2**31 - 1)
  clock = civil.clock(tf.constant(seconds, tf.int32)).numpy()
  np.testing.assert_array_equal(clock[:, civil.DAY] - civil.FIRST_DAY, DAYS)
  np.testing.assert_array_equal(clock[:, civil.SECOND], seconds - DAYS * 86400)
  np.testing.assert_array_equal(clock[:, civil.WEEKDAY], [date.weekday() for date in DATES])
  months = (clock[:, civil.YEAR_DAY, None] >= np.float32(civil.MONTH_STARTS)).sum(axis=1)
  np.testing.assert_array_equal(months, [date.month - 1 for date in DATES])


def test_integer_weekday_of_every_day():
  np.testing.assert_array_equal(civil.day_of_week(tf.constant(DAYS, tf.int32)), [date.weekday() for date in DATES])


def test_days_from_civil_of_every_day():
  parts = np.array([(date.year, date.month, date.day) for date in DATES], np.int32)
  np.testing.assert_array_equal(civil.days_from_civil(*map(tf.constant, parts.T)), DAYS)


@pytest.mark.parametrize(
  ('seconds', 'days', 'second'),
  [
    pytest.param(0, 0, 0, id='epoch'),
    pytest.param(86399, 0, 86399, id='last_second_of_a_day'),
    pytest.param(-1, -1, 86399, id='before_2009'),
    pytest.param(-86400, -1, 0, id='midnight_before_2009'),
    pytest.param(2**31 - 1, 24855, 11647, id='largest_int32'),
    pytest.param(-(2**31), -24856, 74752, id='least_int32'),
  ],
)
def test_days_and_seconds_round_towards_the_past(seconds, days, second):
  assert divmod(seconds, 86400) == (days, second)
  got = civil.days_and_seconds(tf.constant([seconds], tf.int32))
  assert [int(part[0]) for part in got] == [days, second]
