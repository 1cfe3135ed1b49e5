"""Charts of the page alone: bars in tables, forest plots, hours, lanes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from configs.records import Estimate
from models.charts import (
  COLORS,
  WIDTH,
  Frame,
  Scale,
  cut,
  decimals,
  element,
  horizontal,
  line,
  padded,
  picture,
  room,
  round_step,
  text,
  tip,
  vertical,
)
from pipeline.report.tables import counted, interval, number, signed

_PIECE = Markup('<span class="{}" style="left:{:.2f}%;width:{:.2f}%"></span>')
_TICK = Markup('<span class="{}" style="left:{:.2f}%"></span>')


def dot_bar(estimate: Estimate, top: float, reference: float | None = None) -> Markup:
  """A dot on a track from zero to `top`, with its interval, not negative; `reference` is drawn as a line across."""
  parts = []
  if reference is not None:
    parts.append(_TICK.format('reference', _place(reference, top)))
  if estimate.low is not None and estimate.high is not None:
    low = _place(estimate.low, top)
    parts.append(_PIECE.format('interval', low, _place(estimate.high, top) - low))
  parts.append(_TICK.format('dot', _place(estimate.value, top)))
  return _track(parts)


def length_bar(
  value: float, top: float, style: str = 'length', limit: float | None = None, start: float = 0.0, ahead: float = 0.0
) -> Markup:
  """A bar from zero or from `start`, on a track to `top`; `limit` is a line across, `ahead` a thin line up to it."""
  parts = [_PIECE.format('interval', _place(start - ahead, top), _place(ahead, top))] if ahead else []
  parts += [_PIECE.format(style, _place(start, top), _place(value, top))]
  if limit is not None:
    parts.append(_TICK.format('limit', _place(limit, top)))
  return _track(parts)


def reach(top: float) -> float:
  """The round end of a track, at or above the largest figure on it; 1 where there is none."""
  if top <= 0:
    return 1.0
  step = round_step(top / 4)
  return step * math.ceil(top / step - 1e-9)


_TRACK, _BETWEEN = 120.0, 6.0
"""Width of a track on a phone, and about that on paper; and between two figures above it."""


def ruler(top: float) -> Markup:
  """The scale of tracks from zero to `top`, as it stands above them."""
  step = round_step(top / 4)
  ticks = [step * index for index in range(int(top / step + 1e-9) + 1)]
  digits, steps = decimals(ticks), len(ticks) - 1
  said = {tick: number(tick, digits) for tick in ticks}
  # The end of the track has a figure, whatever is left out.
  strides = (ticks[::stride] for stride in range(1, steps + 1) if steps % stride == 0)
  shown = next((kept for kept in strides if _have_room([said[tick] for tick in kept])), [0.0, ticks[-1]])
  parts = (Markup('<span style="left:{:.2f}%">{}</span>').format(_place(tick, top), said[tick]) for tick in shown)
  return Markup('<span class="ruled" aria-hidden="true">{}</span>').format(Markup('').join(parts))


def _have_room(said: Sequence[str]) -> bool:
  """Whether figures, evenly spread above a track, do not meet; the first begins with it, the last one ends with it."""
  widths, last = [*map(room, said)], len(said) - 1
  starts = [_TRACK * place / last - width / 2 for place, width in enumerate(widths)]
  starts[0], starts[-1] = 0.0, _TRACK - widths[-1]
  return all(start + width + _BETWEEN <= after for start, width, after in zip(starts, widths, starts[1:], strict=False))


def _track(parts: Sequence[Markup]) -> Markup:
  return Markup('<span class="track" aria-hidden="true">{}</span>').format(Markup('').join(parts))


def _place(value: float, top: float) -> float:
  return 100 * min(max(value / top, 0.0), 1.0) if top > 0 else 0.0


def swatch(index: int) -> str:
  """The classes of a colour in a legend; from the ninth on colours come again, as squares."""
  return f's{index % COLORS}{" square" if index >= COLORS else ""}'


_ROWS_TOP, _ROWS_BOTTOM, _ROWS_RIGHT, _MOST_NAME = 8.0, 38.0, 12.0, 230.0


def draw_rows(
  names: Sequence[str],
  height: float,
  values: tuple[float, float],
  x_label: str,
  label: str,
  drawn: Callable[[int, Scale, float], Sequence[Markup]],
  reference: float | None = None,
) -> Markup:
  """Draws rows of figures, at least one, top to bottom over one horizontal axis.

  Args:
    names: at the left of each.
    height: of a row.
    values: the ends of the axis.
    label: what the chart shows, for who can't see it.
    drawn: what is in a row, by its index, the scale and the height of its middle.
    reference: a figure that is drawn as a line across.
  """
  left, right = min(_MOST_NAME, max(map(room, names))) + 10, WIDTH - _ROWS_RIGHT
  end = _ROWS_TOP + height * len(names)
  scale = Scale(*values, left, right)
  ticks = scale.ticks(4)
  parts = [line(scale(tick), _ROWS_TOP, scale(tick), end, 'grid') for tick in ticks]
  parts += [text(scale(tick), end + 15, number(tick, decimals(ticks)), 'middle', 'tick') for tick in ticks]
  parts += [line(left, end, right, end, 'axis'), *cut(scale, left, end)]
  if reference is not None:
    parts.append(line(scale(reference), _ROWS_TOP, scale(reference), end, 'mark'))
  parts.append(text((left + right) / 2, end + 31, x_label, 'middle', 'label'))
  for position, name in enumerate(names):
    y = _ROWS_TOP + height * (position + 0.5)
    parts += [text(left - 8, y + 4, name, 'end', 'label'), *drawn(position, scale, y)]
  return picture(WIDTH, end + _ROWS_BOTTOM, label, *parts)


def dot_with_interval(figure: Estimate, scale: Scale, y: float, color: str, title: str) -> list[Markup]:
  """A dot in a row, on the line of its interval."""
  return [
    line(scale(figure.bottom), y, scale(figure.top), y, f'whisker {color}'),
    element('circle', element('title', title), cx=scale(figure.value), cy=y, r=4.0, class_=f'fill {color}'),
  ]


_ROW = 19.0
_REACH = 3.0
"""A figure further from the reference than so many times the median distance is outside the picture."""


class Entry(NamedTuple):
  """A line of the plot: a variant, its figure, and the index of a colour."""

  name: str
  estimate: Estimate
  color: int


def draw_forest(entries: Sequence[Entry], reference: float, x_label: str, label: str) -> Markup:
  """Draws at least one entry, top to bottom; what is far off is an arrow at the edge, with its figure.

  Args:
    reference: a figure that is drawn as a line across.
    label: what the chart shows, for who can't see it.
  """
  return draw_rows(
    [entry.name for entry in entries],
    _ROW,
    _range(entries, reference),
    x_label,
    label,
    lambda position, scale, y: _drawn_entry(entries[position], scale, y),
    reference,
  )


def _range(entries: Sequence[Entry], reference: float) -> tuple[float, float]:
  distances = sorted(abs(entry.estimate.value - reference) for entry in entries)
  reach = max(_REACH * distances[len(distances) // 2], 0.005)
  near = [entry.estimate for entry in entries if abs(entry.estimate.value - reference) <= reach]
  ends = [end for estimate in near for end in (estimate.bottom, estimate.top)]
  return padded([reference, *(min(max(end, reference - 2 * reach), reference + 2 * reach) for end in ends)])


def _drawn_entry(entry: Entry, scale: Scale, y: float) -> list[Markup]:
  color, figure = f's{entry.color}', entry.estimate
  title = f'{entry.name}: {number(figure.value, 3)}'
  if not scale.low <= figure.value <= scale.high:
    beyond = figure.value > scale.high
    x, back, anchor = (scale.end, -8, 'end') if beyond else (scale.start, 8, 'start')
    arrow = f'M{x + back:.1f} {y - 5:.1f}L{x:.1f} {y:.1f}L{x + back:.1f} {y + 5:.1f}Z'
    written = text(x + 1.6 * back, y + 4, number(figure.value, 2), anchor, 'tick')
    return [element('path', element('title', title), d=arrow, class_=f'fill {color}'), written]
  return [
    *dot_with_interval(figure, scale, y, color, title),
    *([tip(scale.start, y, -1, 0, color)] if figure.bottom < scale.low else []),
    *([tip(scale.end, y, 1, 0, color)] if figure.top > scale.high else []),
  ]


_HEIGHT = 260.0


class Hour(NamedTuple):
  """The errors (prediction minus fare) of one hour, 0 to 23: their mean with its interval, and their quartiles."""

  hour: int
  rides: int
  mean: Estimate
  half: tuple[float, float]


def draw_hours(hours: Sequence[Hour], currency: str, label: str) -> Markup:
  """Draws a bar for the middle half of the rides of at least one hour, and a dot with its interval for the mean.

  Args: label: what the chart shows, for who can't see it.
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
    y_format=lambda value: signed(value, 1 if reach < 100 else 0),
  )
  zero = line(frame.x.start, frame.y(0), frame.x.end, frame.y(0), 'axis')
  return picture(WIDTH, _HEIGHT, label, frame.drawn(), zero, *(_drawn_hour(frame, hour, currency) for hour in hours))


def _drawn_hour(frame: Frame, hour: Hour, currency: str) -> Markup:
  x, (low, high) = frame.x(hour.hour), hour.half
  tooltip = f'{hour.hour} h: {interval(hour.mean)} {currency}, {counted(hour.rides, "ride")}'
  bar = element(
    'rect', x=x - 5, y=frame.y(high), width=10, height=max(frame.y(low) - frame.y(high), 1.0), class_='half'
  )
  whisker = line(x, frame.y(hour.mean.bottom), x, frame.y(hour.mean.top), 'whisker s0')
  tips = [tip(x, frame.y.end, 0, -1, 's0')] if hour.mean.top > frame.y.high else []
  tips += [tip(x, frame.y.start, 0, 1, 's0')] if hour.mean.bottom < frame.y.low else []
  dot = element('circle', cx=x, cy=frame.y(hour.mean.value), r=3, class_='fill s0')
  return element('g', element('title', tooltip), bar, whisker, *tips, dot)


ROW = 34.0
"""Height of a row, in CSS pixels; the style sheet has the same."""

_LANE, _EDGE = 16.0, 9.0


def draw_lanes(after: Mapping[str, Sequence[str]], styles: Mapping[str, str]) -> list[Markup]:
  """Draws the graph: a picture for each row, all equally wide.

  Args:
    after: for each step, in topological order, the steps that it waits for.
    styles: class of each step's dot.
  """
  edges = _reduced(after)
  # The steps that each lane still leads to; none where the lane is free.
  lanes: list[frozenset[str]] = []
  rows: list[list[Markup]] = []
  width = 0.0
  for name in after:
    ending = [lane for lane, targets in enumerate(lanes) if targets == {name}]
    free = [lane for lane, targets in enumerate(lanes) if not targets]
    own, parts = min(ending or free or [len(lanes)]), []
    for lane, targets in enumerate(lanes):
      if name in targets:
        parts.append(_path(lane, 0, own, ROW / 2))
      if targets - {name}:
        parts.append(_path(lane, 0, lane, ROW))
    lanes = [targets - {name} for targets in lanes] + [frozenset()] * (own + 1 - len(lanes))
    if targets := frozenset(step for step, before in edges.items() if name in before):
      lanes[own] = targets
      parts.append(_path(own, ROW / 2, own, ROW))
    rows.append([*parts, element('circle', cx=_x(own), cy=ROW / 2, r=5, class_=f'step {styles[name]}')])
    width = _x(len(lanes) - 1) + _EDGE
  box = {'viewBox': f'0 0 {width:g} {ROW:g}', 'width': f'{width:g}', 'height': f'{ROW:g}'}
  return [element('svg', *parts, **box, aria_hidden='true') for parts in rows]


def _reduced(after: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
  """The graph without edges that a longer way implies; steps that are not in it are left out."""
  above: dict[str, set[str]] = {}
  edges: dict[str, set[str]] = {}
  for name, before in after.items():
    direct = {step for step in before if step in above}
    above[name] = direct.union(*(above[step] for step in direct))
    edges[name] = {step for step in direct if not any(step in above[other] for other in direct)}
  return edges


def _path(lane: int, top: float, target: int, bottom: float) -> Markup:
  x, end, middle = _x(lane), _x(target), (top + bottom) / 2
  return element('path', d=f'M{x:g} {top:g}C{x:g} {middle:g} {end:g} {middle:g} {end:g} {bottom:g}', class_='lane')


def _x(lane: int) -> float:
  return _EDGE + _LANE * lane
