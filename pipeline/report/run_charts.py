"""Charts of several runs: two of them slice by slice, and figures of all of them one after the other."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from configs.records import Estimate
from models.charts import (
  WIDTH,
  Frame,
  Scale,
  element,
  horizontal,
  line,
  padded,
  picture,
  polyline,
  tip,
  vertical,
)
from pipeline.report.charts import dot_with_interval, draw_rows
from pipeline.report.tables import interval

SIDES = ('s0', 's1')
"""Colours of the first and of the second run."""

_ROW, _APART = 26.0, 5.0


class Pair(NamedTuple):
  """The figures of two runs on the same thing, such as a slice; `None` where a run has none."""

  name: str
  first: Estimate | None
  second: Estimate | None


def draw_pairs(pairs: Sequence[Pair], x_label: str, label: str) -> Markup:
  """Draws at least one pair, top to bottom, each figure as a dot with its interval; one of them at least is known.

  Args: label: what the chart shows, for who can't see it.
  """
  known = [found for pair in pairs for found in (pair.first, pair.second) if found]
  return draw_rows(
    [pair.name for pair in pairs],
    _ROW,
    padded(edge for found in known for edge in (found.bottom, found.top)),
    x_label,
    label,
    lambda position, scale, y: _drawn_pair(pairs[position], scale, y),
  )


def _drawn_pair(pair: Pair, scale: Scale, y: float) -> list[Markup]:
  sides = zip((pair.first, pair.second), SIDES, (-_APART, _APART), strict=True)
  return [
    part
    for found, style, shift in sides
    if found
    for part in dot_with_interval(found, scale, y + shift, style, f'{pair.name}: {interval(found)}')
  ]


class Mark(NamedTuple):
  """A figure of one run.

  Attributes:
    place: which run it is, from 0.
    figure: `None` for a run that has none, which is a cross on the axis.
    title: what a pointer over it shows.
    style: classes of the dot: `fill` or `hollow`, and a colour.
  """

  place: int
  figure: Estimate | None
  title: str
  style: str


_HEIGHT, _CROSS = 220.0, 4.0
_REACH = 3.0
"""A figure above so many times the median is far above the others."""

_NO_SHARE = 0.01
"""Where the axis of shares ends that are all zero."""

_LARGE, _SMALL, _MANY = 3.6, 2.2, 60
"""Radius of a dot; the smaller one where there are many."""


def draw_runs(
  marks: Sequence[Mark],
  days: Sequence[str],
  y_label: str,
  label: str,
  y_format: Callable[[float], str] | None = None,
  level: Sequence[float | None] = (),
  limit: float | None = None,
  is_share: bool = False,
) -> Markup:
  """Draws figures of runs, the oldest at the left, all equally far apart: nights may lack, and a back-fill has many.

  Args:
    marks: at least one with a figure.
    days: what each run is called below the axis; at least one.
    y_label: what the vertical axis shows, with the unit.
    label: what the chart shows, for who can't see it.
    y_format: writes a figure of the vertical axis.
    level: by run, a figure that holds until the next one, drawn as a line in steps; `None` where there is none.
    limit: a figure that is drawn as a line across.
    is_share: whether the axis begins at zero and has room for all; else what is far above the others is an arrow at the
      edge, which must not flatten them.
  """
  frame = Frame(
    x=horizontal(-0.6, len(days) - 0.4),
    y=vertical(*_range(marks, level, limit, is_share), _HEIGHT),
    x_label='runs, oldest first',
    y_label=y_label,
    x_format=lambda place: days[round(place)] if place == round(place) and 0 <= place < len(days) else '',
    y_format=y_format,
  )
  parts = [frame.drawn(), *_steps(frame, level)]
  if limit is not None:
    parts.append(line(frame.x.start, frame.y(limit), frame.x.end, frame.y(limit), 'budget'))
  radius = _LARGE if len(days) <= _MANY else _SMALL
  return picture(WIDTH, _HEIGHT, label, *parts, *(_drawn_mark(frame, mark, radius) for mark in marks))


def _range(
  marks: Sequence[Mark], level: Sequence[float | None], limit: float | None, is_share: bool
) -> tuple[float, float]:
  found = [mark.figure for mark in marks if mark.figure]
  held = [figure for figure in (*level, limit) if figure is not None]
  if is_share:
    highest = max([0.0, *held, *(figure.value for figure in found)])
    return 0.0, padded([0.0, highest])[1] if highest else _NO_SHARE
  edge = _REACH * statistics.median(figure.value for figure in found)
  near = [figure for figure in found if figure.value <= edge] or found
  low, high = padded([*held, *(min(end, edge) for figure in near for end in (figure.bottom, figure.top))])
  return max(low, 0.0), high


def _steps(frame: Frame, level: Sequence[float | None]) -> Iterator[Markup]:
  """The level of each run from its place to the next one's; broken where there is none."""
  points: list[tuple[float, float]] = []
  for place, figure in enumerate([*level, None]):
    if figure is None:
      yield polyline(points, 'curve s7')
      points = []
    else:
      y = frame.y(figure)
      points += [(frame.x(place), y), (frame.x(min(place + 1, len(level) - 0.6)), y)]


def _drawn_mark(frame: Frame, mark: Mark, radius: float) -> Markup:
  x, title, color = frame.x(mark.place), element('title', mark.title), mark.style.split()[-1]
  if mark.figure is None:
    y, c = frame.y.start, _CROSS
    path = f'M{x - c:.1f} {y - c:.1f}L{x + c:.1f} {y + c:.1f}M{x - c:.1f} {y + c:.1f}L{x + c:.1f} {y - c:.1f}'
    return element('path', title, d=path, class_='failed')
  if mark.figure.value > frame.y.high:
    return tip(x, frame.y.end, 0, -1, color, mark.title)
  whisker = line(x, frame.y(mark.figure.bottom), x, frame.y(mark.figure.top), f'whisker {color}')
  dot = element('circle', title, cx=x, cy=frame.y(mark.figure.value), r=radius, class_=mark.style)
  return element('g', whisker, dot)
