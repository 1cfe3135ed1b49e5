"""A forest plot: one line per variant, its figure as a dot with its interval, all on one axis."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from markupsafe import Markup

from configs.records import Estimate
from pipeline.report.charts.frame import WIDTH
from pipeline.report.charts.scale import Scale, decimals, padded
from pipeline.report.charts.svg import element, line, picture, text
from pipeline.report.wording import number

_ROW, _TOP, _BOTTOM, _RIGHT = 19.0, 8.0, 38.0, 12.0
_CHARACTER, _MOST_NAME = 6.1, 200.0
_REACH = 3.0
"""A figure further from the reference than so many times the median distance lies outside the picture."""


@dataclasses.dataclass(frozen=True)
class Entry:
  """A line of the plot.

  Attributes:
    name: of the variant.
    estimate: its figure.
    color: index of a colour.
  """

  name: str
  estimate: Estimate
  color: int = 0


def draw_forest(entries: Sequence[Entry], reference: float, x_label: str, label: str) -> Markup:
  """Draws the plot; what lies far off is an arrow at the edge, with its figure.

  Args:
    entries: at least one, top to bottom.
    reference: a figure that is drawn as a line across.
    x_label: the axis, with its unit.
    label: what the chart shows, for who can't see it.
  """
  left = min(_MOST_NAME, _CHARACTER * max(len(entry.name) for entry in entries)) + 10
  end = _TOP + _ROW * len(entries)
  scale = Scale(*_range(entries, reference), left, WIDTH - _RIGHT)
  ticks = scale.ticks(4)
  parts = [line(scale(tick), _TOP, scale(tick), end, 'grid') for tick in ticks]
  parts += [text(scale(tick), end + 15, number(tick, decimals(ticks)), 'middle', 'tick') for tick in ticks]
  parts += [
    line(left, end, WIDTH - _RIGHT, end, 'axis'),
    line(scale(reference), _TOP, scale(reference), end, 'mark'),
    text((left + WIDTH - _RIGHT) / 2, end + 31, x_label, 'middle', 'label'),
  ]
  for position, entry in enumerate(entries):
    parts += _drawn(entry, scale, left, _TOP + _ROW * (position + 0.5))
  return picture(WIDTH, end + _BOTTOM, label, *parts)


def _range(entries: Sequence[Entry], reference: float) -> tuple[float, float]:
  distances = sorted(abs(entry.estimate.value - reference) for entry in entries)
  reach = max(_REACH * distances[len(distances) // 2], 0.005)
  near = [entry.estimate for entry in entries if abs(entry.estimate.value - reference) <= reach]
  ends = [end for estimate in near for end in (estimate.bottom, estimate.top)]
  return padded([reference, *(min(max(end, reference - 2 * reach), reference + 2 * reach) for end in ends)])


def _drawn(entry: Entry, scale: Scale, left: float, y: float) -> list[Markup]:
  color = f's{entry.color}'
  name = text(left - 8, y + 4, entry.name, 'end', 'tick')
  figure = entry.estimate
  title = element('title', f'{entry.name}: {number(figure.value, 3)}')
  if not scale.low <= figure.value <= scale.high:
    beyond = figure.value > scale.high
    x, back, anchor = (scale.end, -8, 'end') if beyond else (scale.start, 8, 'start')
    tip = f'M{x + back:.1f} {y - 5:.1f}L{x:.1f} {y:.1f}L{x + back:.1f} {y + 5:.1f}Z'
    written = text(x + 1.6 * back, y + 4, number(figure.value, 2), anchor, 'tick')
    return [name, element('path', title, d=tip, class_=f'fill {color}'), written]
  return [
    name,
    line(scale(figure.bottom), y, scale(figure.top), y, f'whisker {color}'),
    element('circle', title, cx=scale(figure.value), cy=y, r=4.0, class_=f'fill {color}'),
  ]
