"""Accuracy against cost: every variant as a point with room for its label, the frontier, the budget as its limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from configs.records import Estimate
from models.charts import (
  COLORS,
  WIDTH,
  Frame,
  element,
  horizontal,
  line,
  padded,
  picture,
  polyline,
  text,
  tip,
  vertical,
)

_CHARACTER, _LABEL_HEIGHT, _RADIUS = 6.7, 12.0, 5.0


class Box(NamedTuple):
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
    """Whether the other one is inside."""
    across = self.left <= other.left and other.right <= self.right
    return across and self.top <= other.top and other.bottom <= self.bottom


class Label(NamedTuple):
  """A text beside a point; `x` and `y` are the start of its baseline."""

  text: str
  x: float
  y: float


def place(wanted: Sequence[tuple[str, float, float]], points: Sequence[tuple[float, float]], area: Box) -> list[Label]:
  """Places labels one by one where they cover neither each other nor a point, and returns those that found room.

  Args:
    wanted: text and point of each, the most important one first.
    points: every point of the chart.
    area: that labels may cover.
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
  for gap in (7.0, 14.0, 24.0):
    middle, above, below = y - _LABEL_HEIGHT / 2, y - gap - _LABEL_HEIGHT, y + gap
    right, left, centred = x + gap, x - gap - width, x - width / 2
    places += [
      *((right, middle), (left, middle), (centred, above), (centred, below)),
      *((right, above), (left, above), (right, below), (left, below)),
    ]
  return [Box(left, top, left + width, top + _LABEL_HEIGHT) for left, top in places]


_HEIGHT = 300.0
_LOGARITHMIC_FROM = 6
"""A wider range of costs than this ratio gets a logarithmic axis."""

_NAME = 44
"""Room for the name of a limit."""

_NARROWEST = 1.3
"""The axis of costs spans at least this ratio."""


class Point(NamedTuple):
  """A variant on the chart.

  Attributes:
    color: index of its recipe's colour; from the ninth on colours come again, as squares.
    cost: bytes or microseconds, positive.
    ratio: of the RMSE to float32; or what is lost of another metric.
    on_frontier: no other variant is both more accurate and cheaper.
    within_budget: whether it keeps every limit.
    tooltip: what a pointer over it shows.
  """

  name: str
  color: int
  cost: float
  ratio: Estimate
  on_frontier: bool
  within_budget: bool
  chosen: bool
  tooltip: str


class Limits(NamedTuple):
  """What is allowed; `None` for no limit. `name` stands at the lines: whose limits they are."""

  cost: float | None
  ratio: float | None
  name: str = 'budget'


def draw_frontier(
  points: Sequence[Point],
  limits: Limits,
  cost_label: str,
  cost_format: Callable[[float], str],
  label: str,
  ratio_label: str = 'RMSE relative to float32',
  base: float = 1.0,
) -> tuple[Markup, list[str]]:
  """Draws the chart.

  Args:
    points: at least one.
    cost_label: the horizontal axis, with its unit.
    label: what the chart shows, for who can't see it.
    ratio_label: the vertical axis.
    base: where a variant is as accurate as what it is compared with.

  Returns:
    The picture, and the names of variants so inaccurate that they are above it.
  """
  frame = _frame(points, limits, cost_label, cost_format, ratio_label, base)
  outside = [point.name for point in points if point.ratio.value > frame.y.high]
  # The most important points come last, so that they are on top.
  ordered = sorted(points, key=lambda point: (point.chosen, point.on_frontier))
  parts = [frame.drawn(), *_limit_lines(frame, limits), _staircase(frame, points)]
  parts += [mark for point in ordered for mark in _marks(frame, point)]
  return picture(WIDTH, _HEIGHT, label, *parts, *_labels(frame, points)), outside


def _frame(
  points: Sequence[Point],
  limits: Limits,
  cost_label: str,
  cost_format: Callable[[float], str],
  ratio_label: str,
  base: float,
) -> Frame:
  costs = [point.cost for point in points] + ([limits.cost] if limits.cost else [])
  logarithmic = max(costs) > _LOGARITHMIC_FROM * min(costs)
  low, high = (min(costs) / 1.25, max(costs) * 1.25) if logarithmic else padded(costs, 0.1)
  if high < low * _NARROWEST:
    # Costs that are as good as equal must not look far apart.
    middle = (low + high) / 2
    low, high = middle * 2 / (1 + _NARROWEST), middle * 2 * _NARROWEST / (1 + _NARROWEST)
  return Frame(
    x=horizontal(low, high, logarithmic),
    y=vertical(*_ratios(points, limits, base), _HEIGHT),
    x_label=cost_label,
    y_label=ratio_label,
    x_format=lambda cost: cost_format(cost).replace('.0', ''),
  )


def _ratios(points: Sequence[Point], limits: Limits, base: float) -> tuple[float, float]:
  """Room for the budget, the frontier and its surroundings; a hopeless variant must not flatten them."""
  values = sorted(point.ratio.value for point in points)
  typical = [point.ratio.value for point in points if point.within_budget]
  typical += [base] + ([limits.ratio] if limits.ratio else []) + values[: max(1, len(values) // 2)]
  reach = max(typical) + 1.5 * (max(typical) - min(typical))
  shown = [value for value in values if value <= reach] + typical
  ends = [end for point in points if point.ratio.value <= reach for end in (point.ratio.bottom, point.ratio.top)]
  margin = 0.5 * (max(shown) - min(shown)) or 0.005
  return padded([min(shown), max(shown), *(end for end in ends if min(shown) - margin < end < max(shown) + margin)])


def _limit_lines(frame: Frame, limits: Limits) -> list[Markup]:
  lines, (left, right), (bottom, top) = [], (frame.x.start, frame.x.end), (frame.y.start, frame.y.end)
  if limits.ratio is not None:
    y = frame.y(limits.ratio)
    lines += [line(left, y, right, y, 'budget'), text(right, y - 4, limits.name, 'end', 'budget-name')]
  if limits.cost is not None:
    x = frame.x(limits.cost)
    anchor, gap = ('start', 4) if x < left + _NAME else ('end', -4)
    lines += [line(x, bottom, x, top, 'budget'), text(x + gap, top + 10, limits.name, anchor, 'budget-name')]
  return lines


def _staircase(frame: Frame, points: Sequence[Point]) -> Markup:
  """The frontier; a staircase, as there is no variant between two others."""
  corners: list[tuple[float, float]] = []
  above = False
  for point in sorted((point for point in points if point.on_frontier), key=lambda point: point.cost):
    x, y = frame.x(point.cost), frame.y(point.ratio.value)
    if point.ratio.value > frame.y.high:
      above = True
    elif corners or above:
      corners += [(x, corners[-1][1] if corners else frame.y.end), (x, y)]
    else:
      corners = [(x, y)]
  return polyline(corners, 'frontier')


def _marks(frame: Frame, point: Point) -> list[Markup]:
  x, y = frame.x(point.cost), frame.y(point.ratio.value)
  color = f's{point.color % COLORS}'
  title = element('title', point.tooltip)
  if point.ratio.value > frame.y.high:
    triangle = f'M{x - 5:.1f} {y + 9:.1f}L{x:.1f} {y:.1f}L{x + 5:.1f} {y + 9:.1f}Z'
    return [element('path', title, d=triangle, class_=f'fill {color}')]
  important = point.chosen or point.on_frontier
  whisker = f'whisker {color}' if important else f'whisker faint {color}'
  marks = [line(x, frame.y(point.ratio.bottom), x, frame.y(point.ratio.top), whisker)]
  faint = color if important else f'faint {color}'
  marks += [tip(x, frame.y.end, 0, -1, faint)] if point.ratio.top > frame.y.high else []
  marks += [tip(x, frame.y.start, 0, 1, faint)] if point.ratio.bottom < frame.y.low else []
  if point.chosen:
    marks.append(element('circle', cx=x, cy=y, r=9, class_='chosen'))
  kind = f'{"fill" if point.within_budget else "hollow"} {color}'
  return [*marks, _dot(x, y, 5.0 if point.on_frontier else 4.0, kind, point.color, title)]


def _dot(x: float, y: float, radius: float, class_: str, color: int, title: Markup) -> Markup:
  """A circle; a square where the colours are used up by the eight before."""
  if color < COLORS:
    return element('circle', title, cx=x, cy=y, r=f'{radius:g}', class_=class_)
  side = 2 * radius - 1
  return element('rect', title, x=x - side / 2, y=y - side / 2, width=side, height=side, class_=class_)


def _labels(frame: Frame, points: Sequence[Point]) -> list[Markup]:
  named = [point for point in points if (point.on_frontier or point.chosen) and point.ratio.value <= frame.y.high]
  named.sort(key=lambda point: (not point.chosen, point.cost))
  wanted = [(point.name, frame.x(point.cost), frame.y(point.ratio.value)) for point in named]
  places = [(frame.x(point.cost), frame.y(point.ratio.value)) for point in points]
  area = Box(frame.x.start, frame.y.end - 4, WIDTH, frame.y.start)
  chosen = {point.name for point in points if point.chosen}
  return [
    text(found.x, found.y, found.text, class_='name halo strong' if found.text in chosen else 'name halo')
    for found in place(wanted, places, area)
  ]
