"""The temporal block: hour, weekday, month, time line and tariff. Mappers: no full pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from configs.dataset import EPOCH, City
from configs.features import TemporalBlock
from transforms import civil

SECONDS_PER_YEAR = 365.25 * civil.SECONDS_PER_DAY
_SATURDAY = 5
# Columns of the table that `temporal` builds.
_DAYS, _SECOND_OF_DAY, _WEEKDAY = 0, 2, 3


def temporal(seconds: tf.Tensor, block: TemporalBlock, city: City) -> list[tf.Tensor]:
  """The temporal features.

  Args:
    seconds: int32 [batch], seconds since 2009-01-01 00:00:00 on the wall clock.
    block: rush hours, and whether cyclic encodings are wanted.
    city: names the days on which the tariff changed.

  Returns:
    Float32 tensors [batch, ...], side by side in the catalogue's order: linear
    time in years since 2009, hour with its fraction, day of week (Monday 0),
    month (January 1); weekend and one flag per tariff change; rush hour, if
    there is one; the sines of the three cycles, then their cosines.
  """
  days, second_of_day = civil.days_and_seconds(seconds)
  times = tf.cast(tf.stack([days, seconds, second_of_day], axis=1), tf.float32)
  base = tf.concat([times, civil.weekday_and_month(times[:, :1])], axis=1)
  clock = base[:, 1:]
  scale = np.array([1 / SECONDS_PER_YEAR, 1 / 3600, 1, 1], np.float32)
  pieces = [clock * scale + np.array([0, 0, 0, 1], np.float32), *_flags(base, block, city)]
  if block.cyclic:
    angle = clock[:, 1:] * np.array([2 * math.pi / 86400, 2 * math.pi / 7, 2 * math.pi / 12], np.float32)
    pieces += [tf.sin(angle), tf.cos(angle)]
  return pieces


def _flags(base: tf.Tensor, block: TemporalBlock, city: City) -> list[tf.Tensor]:
  """Weekend and tariff flags, then the rush hour: all thresholds compared at once.

  Days and seconds of the day are whole numbers that float32 holds exactly.
  Hours would not do: 25200 / 3600 need not be 7 once a compiler has turned the
  division into a multiplication.
  """
  steps = [(_WEEKDAY, _SATURDAY), *((_DAYS, (day - EPOCH.date()).days) for day in city.tariff_changes)]
  edges = [(edge, sign) for span in merged(block.rush_hours) for edge, sign in zip(span, (1, -1), strict=True)]
  columns = [column for column, _ in steps] + [_SECOND_OF_DAY] * len(edges)
  thresholds = [threshold for _, threshold in steps] + [round(edge * 3600) for edge, _ in edges]
  reached = tf.cast(tf.gather(base, columns, axis=1) >= np.array(thresholds, np.float32), tf.float32)
  if not edges:
    return [reached]
  flags, passed = tf.split(reached, [len(steps), len(edges)], axis=1)
  inside = passed * np.array([sign for _, sign in edges], np.float32)
  return [flags, tf.reduce_sum(inside, axis=1, keepdims=True)]


def merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
  """Half-open intervals as a sorted list in which none touches another."""
  result: list[tuple[float, float]] = []
  for start, end in sorted(spans):
    if result and start <= result[-1][1]:
      result[-1] = (result[-1][0], max(end, result[-1][1]))
    else:
      result.append((start, end))
  return result
