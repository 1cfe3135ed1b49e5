"""Time stamps as text, parsed in graph. Mappers: no full pass.

For sources that are read by TensorFlow itself; TFLite has no strings, so the
lite model takes seconds.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from transforms import civil

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
    stamps: string [batch]; `YYYY-MM-DD hh:mm:ss` with a blank or a `T` in the
      middle. What follows the seconds (a fraction, a zone) is ignored.

  Returns:
    Int32 [batch]. `INVALID_SECONDS` where the text is too short, holds other
    characters, names no real date or time of day, or lies outside the years
    `FIRST_YEAR` to `LAST_YEAR`; nothing raises.
  """
  # Bytes rather than `substr` and `to_number`, which raise for the whole batch on one bad row.
  codes = tf.io.decode_raw(stamps, tf.uint8, fixed_length=len(_PATTERN))
  year, month, day, hour, minute, second = tf.unstack(_numbers(codes), axis=1)
  valid = _well_formed(codes) & (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12)
  valid &= (day >= 1) & (hour <= 23) & (minute <= 59) & (second <= 59)
  days = civil.days_from_civil(year, tf.clip_by_value(month, 1, 12), day)
  valid &= day <= _days_of_month(year, month)
  seconds = days * civil.SECONDS_PER_DAY + hour * 3600 + minute * 60 + second
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
