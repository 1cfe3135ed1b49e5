"""The temporal block: hour, weekday, month and tariff. Mappers: no full pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from configs.dataset import EPOCH, City
from configs.features import TemporalBlock
from transforms import civil
from transforms.measured import Measured

SECONDS_PER_YEAR = 365.25 * civil.SECONDS_PER_DAY
_SATURDAY = 5


def temporal(seconds: tf.Tensor, block: TemporalBlock, city: City) -> list[Measured]:
  """The temporal features but for the linear time, which is a raw column in years.

  Args:
    seconds: int32 [batch], seconds since 2009-01-01 00:00:00 on the wall clock.
    block: rush hours, and whether cyclic encodings are wanted.
    city: names the days on which the tariff changed.

  Returns:
    In the catalogue's order: hour with its fraction (computed in seconds), day
    of week (Monday 0), month (computed as January 0); weekend and one flag per
    tariff change; rush hour, if there is one; the sines of the three cycles,
    then their cosines.
  """
  clock = civil.clock(seconds)
  counted = _counted(clock, block, city)
  # Second of the day, weekday and, counted first, the month stand side by side.
  sizes = [civil.SECOND, 3, counted.shape[1] - 1]
  _, phases, flags = tf.split(tf.concat([clock, counted], axis=1), sizes, axis=1)
  pieces = [Measured(phases, [1 / 3600, 1, 1], [0, 0, 1]), Measured(flags)]
  if block.cyclic:
    angles = phases * np.array([2 * math.pi / civil.SECONDS_PER_DAY, 2 * math.pi / 7, 2 * math.pi / 12], np.float32)
    pieces += [Measured(tf.sin(angles)), Measured(tf.cos(angles))]
  return pieces


def _counted(clock: tf.Tensor, block: TemporalBlock, city: City) -> tf.Tensor:
  """Month (January 0), weekend, tariff flags, then the rush hour: all thresholds compared at once, then counted.

  Whole days and seconds are exact in float32. Hours would not do: 25200 / 3600
  need not be 7 once a compiler has turned the division into a multiplication.
  """
  tariffs = [(day - EPOCH.date()).days + civil.FIRST_DAY for day in city.tariff_changes]
  rush = [round(edge * 3600) for span in merged(block.rush_hours) for edge in span]
  # By feature: the column of the clock and the thresholds on it.
  counted = [(civil.YEAR_DAY, civil.MONTH_STARTS), (civil.WEEKDAY, [_SATURDAY])]
  counted += [(civil.DAY, [day]) for day in tariffs] + ([(civil.SECOND, rush)] if rush else [])
  columns = [column for column, thresholds in counted for _ in thresholds]
  thresholds = np.concatenate([thresholds for _, thresholds in counted]).astype(np.float32)
  reached = tf.cast(tf.gather(clock, columns, axis=1) >= thresholds, tf.float32)
  # Each threshold counts for its own feature; the end of a rush hour takes its start back.
  counts = np.repeat(np.eye(len(counted), dtype=np.float32), [len(edges) for _, edges in counted], axis=0)
  counts[len(counts) - len(rush) + 1 :: 2, -1] *= -1
  return tf.matmul(reached, counts)


def merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
  """Half-open intervals as a sorted list in which none touches another."""
  result: list[tuple[float, float]] = []
  for start, end in sorted(spans):
    if result and start <= result[-1][1]:
      result[-1] = (result[-1][0], max(end, result[-1][1]))
    else:
      result.append((start, end))
  return result
