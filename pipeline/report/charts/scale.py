"""From figures to places on a picture, and the round figures that an axis names."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

_ROUND = (1, 2, 2.5, 5, 10)


@dataclasses.dataclass(frozen=True)
class Scale:
  """Maps a range of figures onto a range of a picture.

  Attributes:
    low: the lowest figure.
    high: the highest figure, above `low`.
    start: where `low` lies.
    end: where `high` lies.
    logarithmic: whether equal ratios take equal room; `low` is positive then.
  """

  low: float
  high: float
  start: float
  end: float
  logarithmic: bool = False

  def __call__(self, value: float) -> float:
    """The place of a figure; one outside the range lies at its edge."""
    return self.beyond(min(max(value, self.low), self.high))

  def beyond(self, value: float) -> float:
    """The place of a figure, wherever that is."""
    low, high, value = (math.log(v) if self.logarithmic else v for v in (self.low, self.high, value))
    return self.start + (value - low) / (high - low) * (self.end - self.start)

  def ticks(self, count: int = 5) -> list[float]:
    """About `count` round figures within the range."""
    if self.logarithmic:
      powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
      found = [mantissa * 10.0**power for power in powers for mantissa in (1, 2, 5)]
      inside = [tick for tick in found if self.low <= tick <= self.high]
      return inside if len(inside) >= 2 else self.linear_ticks(count)
    return self.linear_ticks(count)

  def linear_ticks(self, count: int) -> list[float]:
    """Multiples of a round step within the range."""
    step = round_step((self.high - self.low) / count)
    first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def round_step(rough: float) -> float:
  """The round figure (1, 2, 2.5 or 5 times a power of ten) at or above a positive one."""
  power = 10.0 ** math.floor(math.log10(rough))
  return next(factor * power for factor in _ROUND if factor * power >= rough * (1 - 1e-9))


def decimals(ticks: Sequence[float]) -> int:
  """As many decimals as tell neighbouring ticks apart, all alike; at most six."""
  return next((digits for digits in range(6) if all(abs(round(tick, digits) - tick) < 1e-9 for tick in ticks)), 6)


def padded(values: Iterable[float], share: float = 0.06) -> tuple[float, float]:
  """A range around values with some room at both ends; never empty.

  Args:
    values: at least one.
    share: of the range, added at each end.
  """
  found = list(values)
  low, high = min(found), max(found)
  margin = (high - low) * share or abs(high) * share or 1.0
  return low - margin, high + margin
