"""Calendar arithmetic in 32 bits. Mappers: no full pass.

Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013,
http://howardhinnant.github.io/date_algorithms.html (`days_from_civil`): a year
that starts on 1 March has its leap day last.

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

DAY, YEAR_DAY, SECOND, WEEKDAY = range(4)
"""Columns of `clock`."""

FIRST_DAY = 32768
"""What `clock` adds to days since 2009-01-01, so that every day int32 seconds can reach is positive."""

MONTH_STARTS = (31, 59.25, 90.25, 120.25, 151.25, 181.25, 212.25, 243.25, 273.25, 304.25, 334.25)
"""First days of February to December on the scale of `YEAR_DAY`."""

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


def clock(seconds: tf.Tensor) -> tf.Tensor:
  """Where a time stands in the calendar, side by side in few operations for the lite file.

  2009 starts a cycle of four years whose leap year comes last, so in quarters of
  a day, which float32 holds exactly, `(days + 0.75) mod 365.25` is the day of
  the year plus 0.75, 0.5, 0.25 and in the leap year 0. `MONTH_STARTS` are the
  months' first days on this scale: the quarters tell the 29th of February from
  the 1st of March.

  Args:
    seconds: int32 [batch], seconds since 2009-01-01 00:00:00.

  Returns:
    Float32 [batch, 4], exact: columns `DAY`, days since 2009-01-01 plus
    `FIRST_DAY`; `YEAR_DAY`, in [0, 365], see above; `SECOND`, since midnight,
    in [0, 86399]; `WEEKDAY`, in [0, 6], Monday 0.
  """
  days, second_of_day = days_and_seconds(seconds)
  counted = tf.cast(tf.stack([days, days, second_of_day, days], axis=1), tf.float32)
  # Days since 2009 are no cycle: this one is longer than all days that int32 seconds can reach.
  origin = np.array([FIRST_DAY, 0.75, 0, _MONDAY_OFFSET], np.float32)
  return tf.math.floormod(counted + origin, np.array([2 * FIRST_DAY, 365.25, SECONDS_PER_DAY, 7], np.float32))


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
