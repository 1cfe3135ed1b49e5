"""Finds room for the labels of points."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

_CHARACTER, _HEIGHT = 6.7, 12.0
_RADIUS = 5.0


@dataclasses.dataclass(frozen=True)
class Box:
  """A rectangle on a drawing, in its units."""

  left: float
  top: float
  right: float
  bottom: float

  def meets(self, other: Box) -> bool:
    """Whether the two overlap."""
    across = self.left < other.right and other.left < self.right
    return across and self.top < other.bottom and other.top < self.bottom

  def holds(self, other: Box) -> bool:
    """Whether the other one lies inside."""
    across = self.left <= other.left and other.right <= self.right
    return across and self.top <= other.top and other.bottom <= self.bottom


@dataclasses.dataclass(frozen=True)
class Label:
  """A text beside a point; `x` and `y` are the start of its baseline."""

  text: str
  x: float
  y: float


def place(wanted: Sequence[tuple[str, float, float]], points: Sequence[tuple[float, float]], area: Box) -> list[Label]:
  """Places labels one by one where they cover neither each other nor a point.

  Args:
    wanted: text and point of each, the most important one first.
    points: every point of the chart.
    area: where labels may lie.

  Returns:
    Those that found room.
  """
  taken = [Box(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for x, y in points]
  labels = []
  for content, x, y in wanted:
    for box in _candidates(len(content) * _CHARACTER, x, y):
      if area.holds(box) and not any(box.meets(other) for other in taken):
        taken.append(box)
        labels.append(Label(content, box.left, box.bottom - 3))
        break
  return labels


def _candidates(width: float, x: float, y: float) -> list[Box]:
  """Right, left, above, below, then the corners, near and a little farther."""
  places = []
  for gap in (7.0, 14.0):
    middle, above, below = y - _HEIGHT / 2, y - gap - _HEIGHT, y + gap
    right, left, centred = x + gap, x - gap - width, x - width / 2
    places += [
      *((right, middle), (left, middle), (centred, above), (centred, below)),
      *((right, above), (left, above), (right, below), (left, below)),
    ]
  return [Box(left, top, left + width, top + _HEIGHT) for left, top in places]
