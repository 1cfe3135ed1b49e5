"""Errors by hour of the day."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from markupsafe import Markup

from configs.records import Estimate
from pipeline.report.charts.frame import WIDTH, Frame, horizontal, vertical
from pipeline.report.charts.scale import padded
from pipeline.report.charts.svg import element, line, picture
from pipeline.report.wording import counted, interval, signed

_HEIGHT = 260.0


@dataclasses.dataclass(frozen=True)
class Hour:
  """The errors (prediction minus fare) of one hour.

  Attributes:
    hour: 0 to 23.
    rides: at least one.
    mean: with its interval.
    half: the quartiles, between which half of the rides lie.
  """

  hour: int
  rides: int
  mean: Estimate
  half: tuple[float, float]


def draw_hours(hours: Sequence[Hour], currency: str, label: str) -> Markup:
  """Draws a bar for the middle half of the rides and a dot with its interval for the mean.

  Args:
    hours: at least one.
    currency: of the errors.
    label: what the chart shows, for who can't see it.
  """
  ends = [end for hour in hours for end in (*hour.half, hour.mean.value)]
  # One ride can make an interval of hundreds, which would flatten all others.
  reach = 2 * max(map(abs, ends))
  ends += [min(max(end, -reach), reach) for hour in hours for end in (hour.mean.bottom, hour.mean.top)]
  frame = Frame(
    x=horizontal(-0.7, 23.7),
    y=vertical(*padded([*ends, 0.0]), _HEIGHT),
    x_label='hour of the pickup',
    y_label=f'prediction minus fare ({currency})',
    x_format=lambda hour: f'{hour:g}',
    y_format=lambda value: signed(value, 1),
  )
  zero = line(frame.x.start, frame.y(0), frame.x.end, frame.y(0), 'axis')
  return picture(WIDTH, _HEIGHT, label, frame.drawn(), zero, *(_drawn(frame, hour, currency) for hour in hours))


def _drawn(frame: Frame, hour: Hour, currency: str) -> Markup:
  x, (low, high) = frame.x(hour.hour), hour.half
  told = f'{hour.hour} h: {interval(hour.mean)} {currency}, {counted(hour.rides, "ride")}'
  bar = element(
    'rect', x=x - 5, y=frame.y(high), width=10, height=max(frame.y(low) - frame.y(high), 1.0), class_='half'
  )
  whisker = line(x, frame.y(hour.mean.bottom), x, frame.y(hour.mean.top), 'whisker s0')
  dot = element('circle', cx=x, cy=frame.y(hour.mean.value), r=3, class_='fill s0')
  return element('g', element('title', told), bar, whisker, dot)
