"""The frame of a chart: grid lines, axes and what they are called."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from markupsafe import Markup

from pipeline.report.charts.scale import Scale, decimals
from pipeline.report.charts.svg import line, text
from pipeline.report.wording import number

WIDTH = 420.0
"""Of every chart: it fills a phone, or half of a page, at about its own size."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 10.0, 22.0, 36.0


@dataclasses.dataclass(frozen=True)
class Frame:
  """The plot area of a chart and the names of its axes.

  Attributes:
    x: the horizontal scale.
    y: the vertical scale; its start lies below its end.
    x_label: what the horizontal axis shows, with its unit.
    y_label: what the vertical axis shows, with its unit.
    x_format: writes a figure of the horizontal axis.
    y_format: writes a figure of the vertical axis; as many decimals as the
      ticks need when `None`.
  """

  x: Scale
  y: Scale
  x_label: str
  y_label: str
  x_format: Callable[[float], str]
  y_format: Callable[[float], str] | None = None

  def drawn(self) -> Markup:
    """Grid, tick labels and axis names."""
    left, right = self.x.start, self.x.end
    parts = []
    ticks = self.y.ticks()
    written = self.y_format or (lambda value: number(value, decimals(ticks)))
    for tick in ticks:
      place = self.y(tick)
      parts += [
        line(left, place, right, place, 'grid'),
        text(left - 6, place + 4, written(tick), 'end', 'tick'),
      ]
    parts += [text(self.x(tick), self.y.start + 15, self.x_format(tick), 'middle', 'tick') for tick in _spread(self.x)]
    parts += [
      line(left, self.y.start, right, self.y.start, 'axis'),
      text((left + right) / 2, self.y.start + 31, self.x_label, 'middle', 'label'),
      text(2, self.y.end - 9, self.y_label, 'start', 'label'),
    ]
    return Markup('').join(parts)


def horizontal(low: float, high: float, logarithmic: bool = False) -> Scale:
  """A scale over the width of a chart."""
  return Scale(low, high, _LEFT, WIDTH - _RIGHT, logarithmic)


def vertical(low: float, high: float, height: float, top: float = _TOP) -> Scale:
  """A scale over the height of a chart, larger figures higher.

  Args:
    low: the lowest figure.
    high: the highest figure.
    height: of the drawing, the names of the axes included.
    top: where the plot area begins.
  """
  return Scale(low, high, height - _BOTTOM, top)


def _spread(scale: Scale) -> list[float]:
  """Ticks that are far enough from each other for their labels."""
  kept: list[float] = []
  for tick in scale.ticks():
    if not kept or scale(tick) - scale(kept[-1]) >= 36:
      kept.append(tick)
  return kept
