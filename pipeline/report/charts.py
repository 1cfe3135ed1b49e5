"""Charts as inline SVG on one frame and scale: curves, hours, forest plots, bars, lanes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from markupsafe import Markup, escape

from configs.records import Estimate
from pipeline.report.tables import counted, interval, number, signed

_BAR = Markup('<span class="track" aria-hidden="true">{}</span>')
_PIECE = Markup('<span class="{}" style="left:{:.2f}%;width:{:.2f}%"></span>')
_TICK = Markup('<span class="{}" style="left:{:.2f}%"></span>')


def dot_bar(estimate: Estimate, top: float, reference: float | None = None) -> Markup:
  """A dot on a track from zero, with its interval.

  Args:
    estimate: not negative.
    top: the right end of the track.
    reference: drawn as a line across, such as the value of all rides.
  """
  parts = []
  if reference is not None:
    parts.append(_TICK.format('reference', _place(reference, top)))
  if estimate.low is not None and estimate.high is not None:
    low = _place(estimate.low, top)
    parts.append(_PIECE.format('interval', low, _place(estimate.high, top) - low))
  parts.append(_TICK.format('dot', _place(estimate.value, top)))
  return _BAR.format(Markup('').join(parts))


def length_bar(value: float, top: float, style: str = 'length', limit: float | None = None) -> Markup:
  """A bar from zero; `limit` is drawn as a line across."""
  parts = [_PIECE.format(style, 0.0, _place(value, top))]
  if limit is not None:
    parts.append(_TICK.format('limit', _place(limit, top)))
  return _BAR.format(Markup('').join(parts))


def _place(value: float, top: float) -> float:
  return 100 * min(max(value / top, 0.0), 1.0) if top > 0 else 0.0


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


def element(tag: str, *children: Markup | str, **attributes: object) -> Markup:
  """One element.

  Args:
    tag: its name.
    *children: elements, or text to escape.
    **attributes: `class_` is `class`, other underscores are hyphens; numbers
      are rounded to a tenth, `None` leaves the attribute out.
  """
  told = Markup('').join(
    Markup(' {}="{}"').format(_attribute(name), _value(value))
    for name, value in attributes.items()
    if value is not None
  )
  content = Markup('').join(escape(child) for child in children)
  return Markup('<{}{}>{}</{}>').format(tag, told, content, tag) if content else Markup('<{}{}/>').format(tag, told)


def picture(width: float, height: float, label: str, *children: Markup) -> Markup:
  """A whole picture that scales with its column.

  Args:
    width: of the drawing, in its own units.
    height: of the drawing.
    label: what it shows, for who can't see it.
    *children: what is drawn.
  """
  return element('svg', *children, viewBox=f'0 0 {width:g} {height:g}', role='img', aria_label=label)


def text(x: float, y: float, content: str, anchor: str = 'start', class_: str | None = None) -> Markup:
  """Text on its baseline; `anchor` is start, middle or end."""
  return element('text', content, x=x, y=y, text_anchor=None if anchor == 'start' else anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
  """A straight line."""
  return element('path', d=f'M{_short(x1)} {_short(y1)}L{_short(x2)} {_short(y2)}', class_=class_)


def polyline(points: list[tuple[float, float]], class_: str) -> Markup:
  """A line through points; nothing for fewer than two."""
  if len(points) < 2:
    return Markup('')
  steps = 'L'.join(f'{_short(x)} {_short(y)}' for x, y in points)
  return element('path', d=f'M{steps}', class_=class_)


def clipped(left: float, top: float, right: float, bottom: float, *children: Markup) -> Markup:
  """What is drawn within a rectangle; the rest of it is cut off."""
  width, height = right - left, bottom - top
  box = f'{_short(left)} {_short(top)} {_short(width)} {_short(height)}'
  return element('svg', *children, x=left, y=top, width=width, height=height, viewBox=box)


def _attribute(name: str) -> str:
  return name.rstrip('_').replace('_', '-')


def _value(value: object) -> str:
  return _short(value) if isinstance(value, float) else str(value)


def _short(value: float) -> str:
  return f'{value:.1f}'.removesuffix('.0')


WIDTH = 420.0
"""Of every chart: it fills a phone, or half of a page, at about its own size."""

_LEFT, _FRAME_RIGHT, _FRAME_TOP, _FRAME_BOTTOM = 46.0, 10.0, 22.0, 36.0


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
  return Scale(low, high, _LEFT, WIDTH - _FRAME_RIGHT, logarithmic)


def vertical(low: float, high: float, height: float, top: float = _FRAME_TOP) -> Scale:
  """A scale over the height of a chart, larger figures higher.

  Args:
    low: the lowest figure.
    high: the highest figure.
    height: of the drawing, the names of the axes included.
    top: where the plot area begins.
  """
  return Scale(low, high, height - _FRAME_BOTTOM, top)


def _spread(scale: Scale) -> list[float]:
  """Ticks that are far enough from each other for their labels."""
  kept: list[float] = []
  for tick in scale.ticks():
    if not kept or scale(tick) - scale(kept[-1]) >= 36:
      kept.append(tick)
  return kept


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
  lines = [_drawn_series(frame, one) for one in series]
  # A line that leaves the picture at its top has an edge there, not a plateau.
  area = clipped(frame.x.start, frame.y.end - 1, WIDTH, frame.y.start + 1, *lines)
  return picture(WIDTH, height, label, *parts, area)


def settled(series: Sequence[Series]) -> tuple[float, float]:
  """Room for all points but the first few of each line."""
  values = [value for one in series for value in one.y[-(-len(one.y) // _UNSETTLED) :] or one.y]
  return padded([value for value in values if math.isfinite(value)] or [0.0])


def _drawn_series(frame: Frame, series: Series) -> Markup:
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


_ROW, _FOREST_TOP, _FOREST_BOTTOM, _FOREST_RIGHT = 19.0, 8.0, 38.0, 12.0
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
  end = _FOREST_TOP + _ROW * len(entries)
  scale = Scale(*_range(entries, reference), left, WIDTH - _FOREST_RIGHT)
  ticks = scale.ticks(4)
  parts = [line(scale(tick), _FOREST_TOP, scale(tick), end, 'grid') for tick in ticks]
  parts += [text(scale(tick), end + 15, number(tick, decimals(ticks)), 'middle', 'tick') for tick in ticks]
  parts += [
    line(left, end, WIDTH - _FOREST_RIGHT, end, 'axis'),
    line(scale(reference), _FOREST_TOP, scale(reference), end, 'mark'),
    text((left + WIDTH - _FOREST_RIGHT) / 2, end + 31, x_label, 'middle', 'label'),
  ]
  for position, entry in enumerate(entries):
    parts += _drawn_entry(entry, scale, left, _FOREST_TOP + _ROW * (position + 0.5))
  return picture(WIDTH, end + _FOREST_BOTTOM, label, *parts)


def _range(entries: Sequence[Entry], reference: float) -> tuple[float, float]:
  distances = sorted(abs(entry.estimate.value - reference) for entry in entries)
  reach = max(_REACH * distances[len(distances) // 2], 0.005)
  near = [entry.estimate for entry in entries if abs(entry.estimate.value - reference) <= reach]
  ends = [end for estimate in near for end in (estimate.bottom, estimate.top)]
  return padded([reference, *(min(max(end, reference - 2 * reach), reference + 2 * reach) for end in ends)])


def _drawn_entry(entry: Entry, scale: Scale, left: float, y: float) -> list[Markup]:
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
  return picture(WIDTH, _HEIGHT, label, frame.drawn(), zero, *(_drawn_hour(frame, hour, currency) for hour in hours))


def _drawn_hour(frame: Frame, hour: Hour, currency: str) -> Markup:
  x, (low, high) = frame.x(hour.hour), hour.half
  told = f'{hour.hour} h: {interval(hour.mean)} {currency}, {counted(hour.rides, "ride")}'
  bar = element(
    'rect', x=x - 5, y=frame.y(high), width=10, height=max(frame.y(low) - frame.y(high), 1.0), class_='half'
  )
  whisker = line(x, frame.y(hour.mean.bottom), x, frame.y(hour.mean.top), 'whisker s0')
  dot = element('circle', cx=x, cy=frame.y(hour.mean.value), r=3, class_='fill s0')
  return element('g', element('title', told), bar, whisker, dot)


ROW = 34.0
"""Height of a row, in CSS pixels; the style sheet has the same."""

_LANE, _EDGE = 16.0, 9.0


@dataclasses.dataclass(frozen=True)
class _Lane:
  """A step whose edges are not all drawn yet."""

  source: str
  targets: frozenset[str]


def draw_lanes(after: Mapping[str, Sequence[str]], styles: Mapping[str, str]) -> list[Markup]:
  """Draws the graph.

  Args:
    after: for each step, in topological order, the steps that it waits for.
    styles: class of each step's dot.

  Returns:
    A picture for each row, all equally wide.
  """
  edges = _reduced(after)
  lanes: list[_Lane | None] = []
  rows: list[tuple[int, list[Markup]]] = []
  for name in after:
    own = _own_lane(lanes, name)
    parts = _through(lanes, name, own)
    targets = frozenset(step for step, before in edges.items() if name in before)
    lanes[:] = [_left(lane, name) for lane in lanes]
    lanes += [None] * (own + 1 - len(lanes))
    if targets:
      lanes[own] = _Lane(name, targets)
      parts.append(_path(own, ROW / 2, own, ROW))
    parts.append(element('circle', cx=_x(own), cy=ROW / 2, r=5, class_=f'step {styles[name]}'))
    rows.append((len(lanes), parts))
  width = _x(max(count for count, _ in rows) - 1) + _EDGE
  return [_row(width, parts) for _, parts in rows]


def _reduced(after: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
  """The graph without edges that a longer way says already; steps that are not in it are left out."""
  above: dict[str, set[str]] = {}
  edges: dict[str, set[str]] = {}
  for name, told in after.items():
    direct = {step for step in told if step in above}
    above[name] = direct.union(*(above[step] for step in direct))
    edges[name] = {step for step in direct if not any(step in above[other] for other in direct)}
  return edges


def _own_lane(lanes: Sequence[_Lane | None], name: str) -> int:
  """The leftmost lane that ends here, else a free one."""
  ending = [index for index, lane in enumerate(lanes) if lane and lane.targets == {name}]
  free = [index for index, lane in enumerate(lanes) if lane is None]
  return min(ending or free or [len(lanes)])


def _through(lanes: Sequence[_Lane | None], name: str, own: int) -> list[Markup]:
  """What comes from above: lines into this step, and lines that pass it."""
  parts = []
  for index, lane in enumerate(lanes):
    if lane is None:
      continue
    if name in lane.targets:
      parts.append(_path(index, 0, own, ROW / 2))
    if lane.targets != {name}:
      parts.append(_path(index, 0, index, ROW))
  return parts


def _left(lane: _Lane | None, name: str) -> _Lane | None:
  """The lane below a step that it may have led to."""
  targets = lane.targets - {name} if lane else frozenset()
  return _Lane(lane.source, targets) if lane and targets else None


def _path(lane: int, top: float, target: int, bottom: float) -> Markup:
  x, end, middle = _x(lane), _x(target), (top + bottom) / 2
  return element('path', d=f'M{x:g} {top:g}C{x:g} {middle:g} {end:g} {middle:g} {end:g} {bottom:g}', class_='lane')


def _x(lane: int) -> float:
  return _EDGE + _LANE * lane


def _row(width: float, parts: Sequence[Markup]) -> Markup:
  return element(
    'svg', *parts, viewBox=f'0 0 {width:g} {ROW:g}', width=f'{width:g}', height=f'{ROW:g}', aria_hidden='true'
  )
