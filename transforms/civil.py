"""Calendar arithmetic in 32-bit integers. Mappers: no full pass.

Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013,
http://howardhinnant.github.io/date_algorithms.html (`days_from_civil`,
`civil_from_days`): a year that starts on 1 March has its leap day last.

Seconds that fit int32 reach from December 1940 to January 2077. Every fourth
year in there is a leap year (2000 is, as a multiple of 400; 1900 and 2100 lie
outside), so a year is 365.25 days on average, and the algorithm's eras of 400
years are not needed.
"""

from __future__ import annotations

import datetime

import numpy as np
import tensorflow as tf

from configs.dataset import EPOCH

SECONDS_PER_DAY = 86400
_MARCH_1940 = (datetime.datetime(1940, 3, 1) - EPOCH).days
_MONDAY_OFFSET = EPOCH.weekday()


def days_and_seconds(seconds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
  """Splits a time into its day and the seconds of that day.

  Args:
    seconds: int32, any shape, seconds since 2009-01-01 00:00:00; negative
      before.

  Returns:
    Two int32 tensors of the same shape: days since 2009-01-01, rounded towards
    the past, and seconds since midnight in [0, 86399].
  """
  return tf.math.floordiv(seconds, SECONDS_PER_DAY), tf.math.floormod(seconds, SECONDS_PER_DAY)


def day_of_week(days: tf.Tensor) -> tf.Tensor:
  """Weekday of a day: int32 in [0, 6], Monday 0, as in `datetime.weekday`.

  Args:
    days: int32, any shape, days since 2009-01-01, which was a Thursday.
  """
  return tf.math.floormod(days + _MONDAY_OFFSET, 7)


def weekday_and_month(days: tf.Tensor) -> tf.Tensor:
  """Weekday and month of a day, side by side in few operations for the lite file.

  In quarters of a day, which float32 holds exactly, the day of a year that
  starts on 1 March is `floor((days + 0.75) mod 365.25)`: the leap day comes
  last, so it never shifts a month. Its month is `(5 * day + 2) // 153`; half a
  step more keeps the float division off the integers.

  Args:
    days: float32 [batch, 1], whole days since 2009-01-01; right for every day
      that int32 seconds can reach.

  Returns:
    Float32 [batch, 2]: weekday in [0, 6], Monday 0, and month in [0, 11],
    January 0.
  """
  origin = np.array([_MONDAY_OFFSET, 0.75 - _MARCH_1940], np.float32)
  day_of_period = tf.floor(tf.math.floormod(days + origin, np.array([7, 365.25], np.float32)))
  # The first column passes through: floor((weekday + 0.5) / 1) mod 12 is the weekday.
  shift, length = np.array([0.5, 0.5 + 61.2], np.float32), np.array([1, 30.6], np.float32)
  return tf.math.floormod(tf.math.floordiv(day_of_period + shift, length), 12.0)


def days_from_civil(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
  """Days since 2009-01-01 of a date in the Gregorian calendar.

  Args:
    year: int32, any shape, in [1940, 2099].
    month: int32 of the same shape, in [1, 12].
    day: int32 of the same shape, day of the month; a day past the month's end
      counts on into the next month.

  Returns:
    Int32 of the same shape.
  """
  months_since_march = tf.math.floormod(month + 9, 12)
  # January and February belong to the year that started in the March before.
  years_since_1940 = year - 1940 - tf.cast(month <= 2, tf.int32)
  day_of_year = (153 * months_since_march + 2) // 5 + day - 1
  return _MARCH_1940 + 365 * years_since_1940 + years_since_1940 // 4 + day_of_year
