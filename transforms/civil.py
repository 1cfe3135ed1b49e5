"""Calendar arithmetic in 32 bits, and time stamps parsed in graph. Mappers: no full pass.

Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013,
http://howardhinnant.github.io/date_algorithms.html (`days_from_civil`): a year that starts on 1 March has its leap day
last.

Seconds that fit int32 reach from December 1940 to January 2077. Every fourth year in there is a leap year (2000 is, as
a multiple of 400; 1900 and 2100 lie outside), so a year is 365.25 days on average, and the algorithm's eras of 400
years are not needed.

For sources that are read by TensorFlow itself; TFLite has no strings, so the lite model takes seconds.
"""

from __future__ import annotations

import datetime
from typing import NamedTuple

import numpy as np

from configs.dataset import EPOCH
from transforms.later import tf

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

  Args: seconds: int32, any shape, seconds since 2009-01-01 00:00:00; negative before.
  Returns: Two int32 tensors of the same shape: days since 2009-01-01, rounded towards the past, and seconds since
    midnight in [0, 86399].
  """
  return tf.math.floordiv(seconds, SECONDS_PER_DAY), tf.math.floormod(seconds, SECONDS_PER_DAY)


def day_of_week(days: tf.Tensor) -> tf.Tensor:
  """Weekday of a day: int32 in [0, 6], Monday 0, as in `datetime.weekday`.

  Args: days: int32, any shape, days since 2009-01-01, which was a Thursday.
  """
  return tf.math.floormod(days + _MONDAY_OFFSET, 7)


def clock(seconds: tf.Tensor) -> tf.Tensor:
  """Where a time stands in the calendar, side by side in few operations for the lite file.

  2009 starts a cycle of four years whose leap year comes last, so in quarters of a day, which float32 holds exactly,
  `(days + 0.75) mod 365.25` is the day of the year plus 0.75, 0.5, 0.25 and in the leap year 0. `MONTH_STARTS` are the
  months' first days on this scale: the quarters distinguish the 29th of February from the 1st of March.

  Args: seconds: int32 [batch], seconds since 2009-01-01 00:00:00.
  Returns: Float32 [batch, 4], exact: columns `DAY`, days since 2009-01-01 plus `FIRST_DAY`; `YEAR_DAY`, in [0, 365],
    see above; `SECOND`, since midnight, in [0, 86399]; `WEEKDAY`, in [0, 6], Monday 0.
  """
  days, second_of_day = days_and_seconds(seconds)
  counted = tf.cast(tf.stack([days, days, second_of_day, days], axis=1), tf.float32)
  # Days since 2009 are no cycle: this one is longer than all days that int32 seconds can reach.
  origin = np.array([FIRST_DAY, 0.75, 0, _MONDAY_OFFSET], np.float32)
  return tf.math.floormod(counted + origin, np.array([2 * FIRST_DAY, 365.25, SECONDS_PER_DAY, 7], np.float32))


class Edges(NamedTuple):
  """Seconds of the day, rising, and what a time that has reached one of them adds to a count."""

  seconds: tuple[int, ...]
  signs: tuple[int, ...]


def window_edges(start: float, end: float) -> Edges:
  """What makes a count that is 1 in a window of the day and 0 outside of it.

  Args: start, end: hours from 0 to 24, the start included, the end not; a window that ends before it starts goes over
    midnight.
  """
  first, last = round(start * 3600) % SECONDS_PER_DAY, round(end * 3600) % SECONDS_PER_DAY or SECONDS_PER_DAY
  return Edges((first, last), (1, -1)) if first < last else Edges((0, last, first), (1, -1, 1))


def days_from_civil(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
  """Days since 2009-01-01 of a date in the Gregorian calendar.

  Args:
    year: int32, any shape, in [1940, 2099].
    month: int32 of the same shape, in [1, 12].
    day: int32 of the same shape, day of the month; a day past the month's end counts on into the next month.
  Returns: Int32 of the same shape.
  """
  months_since_march = tf.math.floormod(month + 9, 12)
  # January and February belong to the year that started in the March before.
  years_since_1940 = year - 1940 - tf.cast(month <= 2, tf.int32)
  day_of_year = (153 * months_since_march + 2) // 5 + day - 1
  return _MARCH_1940 + 365 * years_since_1940 + years_since_1940 // 4 + day_of_year


INVALID_SECONDS = -(2**31)
"""What an unreadable time stamp becomes: the least int32, in 1940, before every valid year."""

FIRST_YEAR, LAST_YEAR = 1941, 2076
"""Whole years that int32 seconds since 2009 can hold."""

_PATTERN = 'YYYY-MM-DD hh:mm:ss'
_FIELDS = 'YMDhms'
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def parse_seconds(stamps: tf.Tensor) -> tf.Tensor:
  """Seconds since 2009-01-01 of texts such as `2014-07-23 18:05:09 UTC`.

  Args:
    stamps: string [batch]; `YYYY-MM-DD hh:mm:ss` with a blank or a `T` in the middle. What follows the seconds (a
      fraction, a zone) is ignored.
  Returns: Int32 [batch]. `INVALID_SECONDS` where the text is too short, holds other characters, names no real date or
    time of day, or lies outside the years `FIRST_YEAR` to `LAST_YEAR`; nothing raises.
  """
  # Bytes rather than `substr` and `to_number`, which raise for the whole batch on one bad row.
  codes = tf.io.decode_raw(stamps, tf.uint8, fixed_length=len(_PATTERN))
  year, month, day, hour, minute, second = tf.unstack(_numbers(codes), axis=1)
  valid = _well_formed(codes) & (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12)
  valid &= (day >= 1) & (hour <= 23) & (minute <= 59) & (second <= 59)
  days = days_from_civil(year, tf.clip_by_value(month, 1, 12), day)
  valid &= day <= _days_of_month(year, month)
  seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second
  return tf.where(valid, seconds, INVALID_SECONDS)


def _numbers(codes: tf.Tensor) -> tf.Tensor:
  """Year, month, day, hour, minute, second: int32 [batch, 6]; nonsense where a character is no digit."""
  weights = np.zeros((len(_PATTERN), 6), np.float32)
  for field, letter in enumerate(_FIELDS):
    places = [index for index, sign in enumerate(_PATTERN) if sign == letter]
    weights[places, field] = [10.0 ** (len(places) - 1 - index) for index in range(len(places))]
  zeros = (ord('0') * weights.sum(axis=0)).astype(np.int32)
  return tf.cast(tf.cast(codes, tf.float32) @ weights, tf.int32) - zeros


def _well_formed(codes: tf.Tensor) -> tf.Tensor:
  """Whether each text has digits and separators where they belong: bool [batch]."""
  bounds = [(ord('0'), ord('9')) if sign in _FIELDS else (ord(sign), ord(sign)) for sign in _PATTERN]
  low, high = np.array(bounds, np.uint8).T
  middle = _PATTERN.index(' ')
  is_t = (np.arange(len(_PATTERN)) == middle) & (codes == ord('T'))
  return tf.reduce_all(((codes >= low) & (codes <= high)) | is_t, axis=1)


def _days_of_month(year: tf.Tensor, month: tf.Tensor) -> tf.Tensor:
  """Length of a month in days; every fourth year of int32's range is a leap year."""
  leap_day = tf.cast((month == 2) & (tf.math.floormod(year, 4) == 0), tf.int32)
  return tf.gather(_MONTH_DAYS, tf.clip_by_value(month - 1, 0, 11)) + leap_day
