"""A figure with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Estimate(NamedTuple):
  """A value and its 95 % interval.

  Attributes:
    value: the point.
    low: lower bound; `None` where no interval is known.
    high: upper bound; `None` where no interval is known.
  """

  value: float
  low: float | None = None
  high: float | None = None

  @property
  def bottom(self) -> float:
    """The lower end of what is known."""
    return self.value if self.low is None else self.low

  @property
  def top(self) -> float:
    """The upper end of what is known."""
    return self.value if self.high is None else self.high

  def scaled(self, factor: float) -> Estimate:
    """The same in another unit; `factor` is positive."""
    return Estimate(*(None if bound is None else bound * factor for bound in self))  # type: ignore[arg-type]


def estimate(told: Any) -> Estimate | None:
  """Reads `{value, low, high}` or a bare number; `None` stays `None`."""
  if told is None:
    return None
  if isinstance(told, Mapping):
    return None if told.get('value') is None else Estimate(told['value'], told.get('low'), told.get('high'))
  return Estimate(float(told))
