"""The course of a training: figures against epochs or steps."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from pipeline.report.charts.frame import WIDTH, Frame, horizontal, vertical
from pipeline.report.charts.scale import padded
from pipeline.report.charts.svg import clipped, line, picture, polyline, text

HEIGHT = 220.0

_POINTS = 160
"""More of them on one line can't be told apart."""

_UNSETTLED = 20
"""One in so many points, the first ones, may lie outside the picture: their errors would flatten the rest."""


@dataclasses.dataclass(frozen=True)
class Series:
  """A line of the chart.

  Attributes:
    name: for the legend.
    style: class of its stroke.
    x: rising figures.
    y: one for each `x`; not finite where nothing is known.
  """

  name: str
  style: str
  x: Sequence[float]
  y: Sequence[float]


def draw_curves(
  series: Sequence[Series],
  x_label: str,
  y_label: str,
  label: str,
  y_range: tuple[float, float] | None = None,
  y_format: Callable[[float], str] | None = None,
  marks: Sequence[tuple[float, str]] = (),
  height: float = HEIGHT,
  logarithmic: bool = False,
) -> Markup:
  """Draws lines.

  Args:
    series: at least one, with at least one point.
    x_label: the horizontal axis, with its unit.
    y_label: the vertical axis, with its unit.
    label: what the chart shows, for who can't see it.
    y_range: of the vertical axis; fits the settled part of the lines when
      `None`.
    y_format: writes a figure of the vertical axis; see `Frame`.
    marks: where something begins on the horizontal axis, and what.
    height: of the drawing.
    logarithmic: whether equal ratios of `x`, all positive, take equal room.
  """
  first, last = min(min(one.x) for one in series), max(max(one.x) for one in series)
  frame = Frame(
    x=horizontal(first if logarithmic else min(0.0, first), last or 1.0, logarithmic),
    y=vertical(*(y_range or settled(series)), height),
    x_label=x_label,
    y_label=y_label,
    x_format=lambda value: f'{value:,g}',
    y_format=y_format,
  )
  parts = [frame.drawn(), *_legend(series)]
  for start, name in marks:
    parts += [
      line(frame.x(start), frame.y.start, frame.x(start), frame.y.end, 'mark'),
      text(frame.x(start) + 4, frame.y.start - 5, name, class_='tick halo'),
    ]
  lines = [_drawn(frame, one) for one in series]
  # A line that leaves the picture at its top has an edge there, not a plateau.
  area = clipped(frame.x.start, frame.y.end - 1, WIDTH, frame.y.start + 1, *lines)
  return picture(WIDTH, height, label, *parts, area)


def settled(series: Sequence[Series]) -> tuple[float, float]:
  """Room for all points but the first few of each line."""
  values = [value for one in series for value in one.y[-(-len(one.y) // _UNSETTLED) :] or one.y]
  return padded([value for value in values if math.isfinite(value)] or [0.0])


def _drawn(frame: Frame, series: Series) -> Markup:
  points = [(x, y) for x, y in zip(series.x, series.y, strict=False) if math.isfinite(y)]
  stride = -(-len(points) // _POINTS) or 1
  kept = points[::stride] + (points[-1:] if (len(points) - 1) % stride else [])
  return polyline([(frame.x(x), frame.y.beyond(y)) for x, y in kept], f'curve {series.style}')


def _legend(series: Sequence[Series]) -> list[Markup]:
  """Names at the top right, each behind a piece of its line."""
  if len(series) < 2:
    return []
  parts, right = [], WIDTH - 10
  for one in reversed(series):
    start = right - 6.2 * len(one.name)
    parts += [text(start, 13, one.name, class_='tick'), line(start - 22, 9, start - 6, 9, f'curve {one.style}')]
    right = start - 34
  return parts
