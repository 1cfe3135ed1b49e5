"""Charts as SVG on one frame and scale: curves, and what others are made of; for a page, or as files of their own."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from markupsafe import Markup, escape

from configs.amounts import amount_digits

SPACE = '\N{NO-BREAK SPACE}'
"""Between a number and its unit."""

MISSING = '–'
"""For what is not known."""


def number(value: float | None, digits: int | None = None) -> str:
  """A number with thousands separators and a true minus sign; `–` for none.

  Args: digits: decimals; as many as an amount has when `None`, see `configs.amounts.amount_digits`.
  """
  if value is None or not math.isfinite(value):
    return MISSING
  digits = amount_digits(value) if digits is None else digits
  text = f'{value:,.{digits}f}'
  return text.lstrip('-') if float(text.replace(',', '')) == 0 else text.replace('-', '−')


def percent(fraction: float | None, digits: int = 1) -> str:
  """A share: `78.6 %`."""
  return united(number(None if fraction is None else 100 * fraction, digits), '%')


def united(text: str, unit: str) -> str:
  """A figure with its unit, if it has one."""
  return text if text == MISSING or not unit else f'{text}{SPACE}{unit}'


_ROUND = (1, 2, 2.5, 5, 10)
_DECADES_ALONE = 1e4
"""A logarithmic range of this ratio has ticks at powers of ten alone."""


@dataclasses.dataclass(frozen=True)
class Scale:
  """Maps a range of figures onto a range of a picture.

  Attributes:
    low, high: the lowest figure, and the highest, above it.
    start, end: their places.
    logarithmic: whether equal ratios take equal room; `low` is positive then.
  """

  low: float
  high: float
  start: float
  end: float
  logarithmic: bool = False

  def __call__(self, value: float) -> float:
    """The place of a figure; at the edge for one outside the range."""
    return self.beyond(min(max(value, self.low), self.high))

  def beyond(self, value: float) -> float:
    """The place of a figure, wherever that is."""
    low, high, value = (math.log(v) if self.logarithmic else v for v in (self.low, self.high, value))
    return self.start + (value - low) / (high - low) * (self.end - self.start)

  def ticks(self, count: int = 5) -> list[float]:
    """About `count` round figures within the range."""
    if self.logarithmic:
      powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
      mantissas = (1,) if self.high > _DECADES_ALONE * self.low else (1, 2, 5)
      found = [mantissa * 10.0**power for power in powers for mantissa in mantissas]
      inside = [tick for tick in found if self.low <= tick <= self.high]
      if len(inside) >= 2:
        return inside
    step = round_step((self.high - self.low) / count)
    first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def round_step(rough: float) -> float:
  """The round figure (1, 2, 2.5 or 5 times a power of ten) at or above a positive one."""
  power = 10.0 ** math.floor(math.log10(rough))
  return next(factor * power for factor in _ROUND if factor * power >= rough * (1 - 1e-9))


def decimals(ticks: Sequence[float]) -> int:
  """As many decimals as distinguish neighbouring ticks, all alike; at most six."""
  return next((digits for digits in range(6) if all(abs(round(tick, digits) - tick) < 1e-9 for tick in ticks)), 6)


def padded(values: Iterable[float], share: float = 0.06) -> tuple[float, float]:
  """A range around values, at least one, with a share of it added at each end; never empty."""
  found = list(values)
  low, high = min(found), max(found)
  margin = (high - low) * share or abs(high) * share or 1.0
  return low - margin, high + margin


def element(tag: str, *children: Markup | str, **attributes: object) -> Markup:
  """One element.

  Args:
    tag: its name.
    *children: elements, or text to escape.
    **attributes: `class_` is `class`, other underscores are hyphens; numbers are rounded to a tenth, `None` leaves the
      attribute out.
  """
  # Plain text, marked up once at the end: a page has thousands of elements, and `Markup` escapes at every step.
  named = ''.join(
    f' {name.rstrip("_").replace("_", "-")}="{_short(value) if isinstance(value, float) else escape(str(value))}"'
    for name, value in attributes.items()
    if value is not None
  )
  content = ''.join(map(escape, children))
  return Markup(f'<{tag}{named}>{content}</{tag}>' if content else f'<{tag}{named}/>')


def picture(width: float, height: float, label: str, *children: Markup) -> Markup:
  """A whole picture that scales with its column; `label` describes it to readers who can't see it."""
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


def _short(value: float) -> str:
  return f'{value:.1f}'.removesuffix('.0')


WIDTH = 420.0
"""Of every chart: it fills a phone, or half of a page, at about its own size."""

_LEFT, _FRAME_RIGHT, _FRAME_TOP, _FRAME_BOTTOM = 46.0, 10.0, 22.0, 36.0
_WIDE, _NARROW = 7.2, 3.6


def room(said: str) -> float:
  """How wide the text of a tick is at most: in the letters of a phone, which are the largest."""
  return sum(_NARROW if mark in f',. {SPACE}' else _WIDE for mark in said)


@dataclasses.dataclass(frozen=True)
class Frame:
  """The plot area of a chart and the names of its axes.

  Attributes:
    x: the horizontal scale; it begins further right where the figures of the vertical axis need more room.
    y: the vertical scale; its start is below its end.
    x_label, y_label: what the axes show, with the units.
    is_row: whether the horizontal axis is a row of things, whose places mean nothing.
    x_format, y_format: write a figure of each axis; `y_format` has as many decimals as the ticks need when `None`.
  """

  x: Scale
  y: Scale
  x_label: str
  y_label: str
  x_format: Callable[[float], str]
  y_format: Callable[[float], str] | None = None
  is_row: bool = False

  def __post_init__(self) -> None:
    left = 8 + max(map(room, self._y_ticks().values()), default=0.0)
    object.__setattr__(self, 'x', dataclasses.replace(self.x, start=max(self.x.start, left)))

  def _y_ticks(self) -> dict[float, str]:
    ticks = _spread(self.y, 12)
    written = self.y_format or (lambda value: number(value, decimals(ticks)))
    return {tick: written(tick) for tick in ticks}

  def drawn(self) -> Markup:
    """Grid, tick labels and axis names."""
    left, right = self.x.start, self.x.end
    parts = []
    for tick, said in self._y_ticks().items():
      place = self.y(tick)
      parts += [line(left, place, right, place, 'grid'), text(left - 6, place + 4, said, 'end', 'tick')]
    for tick in _spread(self.x, 36):
      parts.append(text(self.x(tick), self.y.start + 15, self.x_format(tick), 'middle', 'tick'))
    parts += [
      line(left, self.y.start, right, self.y.start, 'axis'),
      # Each a little off the corner, where they would cross.
      *cut(self.y, left, self.y.start - 5, upright=True),
      *([] if self.is_row else cut(self.x, left + 5, self.y.start)),
      text((left + right) / 2, self.y.start + 31, self.x_label, 'middle', 'label'),
      text(2, self.y.end - 9, self.y_label, 'start', 'label'),
    ]
    return Markup('').join(parts)


def cut(scale: Scale, x: float, y: float, upright: bool = False) -> list[Markup]:
  """A zigzag at the beginning of an axis that does not begin at zero; nothing at that of another one."""
  if scale.logarithmic or scale.low <= 0 <= scale.high:
    return []
  steps = ((0, -3), (-4, -2), (8, -3), (-4, -2), (0, -4)) if upright else ((3, 0), (2, -4), (3, 8), (2, -4), (4, 0))
  way = ''.join(f'l{dx} {dy}' for dx, dy in steps)
  zigzag = f'M{_short(x)} {_short(y)}{way}'
  return [element('path', element('title', 'The axis does not begin at zero.'), d=zigzag, class_='cut')]


def tip(x: float, y: float, dx: int, dy: int, class_: str, title: str = '') -> Markup:
  """A small arrowhead at an edge beyond which something goes on; `dx` and `dy`, of which one is 0, tell where to."""
  way = f'M{_short(x)} {_short(y)}l{-5 * dx - 4 * dy} {-5 * dy - 4 * dx}l{8 * dy} {8 * dx}Z'
  return element('path', *([element('title', title)] if title else []), d=way, class_=f'tip {class_}')


def horizontal(low: float, high: float, logarithmic: bool = False) -> Scale:
  """A scale over the width of a chart."""
  return Scale(low, high, _LEFT, WIDTH - _FRAME_RIGHT, logarithmic)


def vertical(low: float, high: float, height: float, logarithmic: bool = False) -> Scale:
  """A scale over the height of a chart, larger figures higher; `height` includes the names of the axes."""
  return Scale(low, high, height - _FRAME_BOTTOM, _FRAME_TOP, logarithmic)


def _spread(scale: Scale, gap: float) -> list[float]:
  """Ticks that are far enough from each other for their labels."""
  kept: list[float] = []
  for tick in scale.ticks():
    if not kept or abs(scale(tick) - scale(kept[-1])) >= gap:
      kept.append(tick)
  return kept


COLORS = 8
"""Of lines and dots, the classes `s0` to `s7`."""

HEIGHT = 220.0

_POINTS = 160
"""More of them on one line can't be distinguished."""

_UNSETTLED = 20
"""One in so many points, the first ones, may be outside the picture: their errors would flatten the rest."""


@dataclasses.dataclass(frozen=True)
class Series:
  """A line of the chart.

  Attributes:
    name: for the legend; empty where it has no place there.
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
    x_label, y_label: what the axes show, with the units.
    label: what the chart shows, for readers who can't see it.
    y_range: of the vertical axis; fits the settled part of the lines when `None`.
    y_format: writes a figure of the vertical axis; see `Frame`.
    marks: where something begins on the horizontal axis, and what.
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
  parts = [frame.drawn(), *legend(series)]
  for start, name in marks:
    parts += [
      line(frame.x(start), frame.y.start, frame.x(start), frame.y.end, 'mark'),
      text(frame.x(start) + 4, frame.y.start - 5, name, class_='tick halo'),
    ]
  lines = [_drawn_series(frame, one) for one in series]
  # A line that leaves the picture at its top has an edge there, not a plateau.
  area = clipped(frame.x.start, frame.y.end - 1, WIDTH, frame.y.start + 1, *lines)
  return picture(WIDTH, height, label, *parts, area, *_tips(frame, series))


def _tips(frame: Frame, series: Sequence[Series]) -> Iterator[Markup]:
  """An arrowhead for each line that goes on above or below the picture, where it comes back."""
  edges = ((1, frame.y.high, frame.y.end - 1), (-1, frame.y.low, frame.y.start + 1))
  for one, (side, edge, place) in itertools.product(series, edges):
    known = ((x, y) for x, y in zip(one.x, one.y, strict=False) if math.isfinite(y))
    beyond = [(x, y) for x, y in known if side * y > side * edge]
    if beyond:
      farthest = number(side * max(side * y for _, y in beyond))
      yield tip(frame.x(beyond[-1][0]), place, 0, -side, one.style, f'{one.name or "It"} goes on to {farthest}.')


def settled(series: Sequence[Series]) -> tuple[float, float]:
  """Room for all points but the first few of each line."""
  values = [value for one in series for value in one.y[-(-len(one.y) // _UNSETTLED) :] or one.y]
  return padded([value for value in values if math.isfinite(value)] or [0.0])


def _drawn_series(frame: Frame, series: Series) -> Markup:
  points = [(x, y) for x, y in zip(series.x, series.y, strict=False) if math.isfinite(y)]
  stride = -(-len(points) // _POINTS) or 1
  kept = points[::stride] + (points[-1:] if (len(points) - 1) % stride else [])
  return polyline([(frame.x(x), frame.y.beyond(y)) for x, y in kept], f'curve {series.style}')


def legend(series: Sequence[Series]) -> list[Markup]:
  """Names at the top right, each behind a piece of its line."""
  named = [one for one in series if one.name]
  if len(named) < 2:
    return []
  parts, right = [], WIDTH - 10
  for one in reversed(named):
    start = right - 6.2 * len(one.name)
    parts += [text(start, 13, one.name, class_='tick'), line(start - 22, 9, start - 6, 9, f'curve {one.style}')]
    right = start - 34
  return parts


def grid(pictures: Sequence[Markup], columns: int, title: str) -> Markup:
  """Charts, at least one, in so many columns below a title, as one picture."""
  parts, y = [text(10, 18, title, class_='strong')], 30.0
  for start in range(0, len(pictures), columns):
    row = pictures[start : start + columns]
    heights = [float(str(one).partition('viewBox="')[2].split('"')[0].split()[3]) for one in row]
    for column, (one, height) in enumerate(zip(row, heights, strict=True)):
      placed = Markup('<svg x="{:g}" y="{:g}" width="{:g}" height="{:g}" ').format(column * WIDTH, y, WIDTH, height)
      parts.append(Markup(one.replace(Markup('<svg '), placed, 1)))
    y += max(heights)
  return picture(WIDTH * min(columns, len(pictures)), y, title, *parts)


def standalone(drawn: Markup) -> str:
  """A picture as a file of its own, with the style that it has in a page: it shows anywhere, light or dark."""
  own = f'<style>{STYLE} svg {{ background: var(--ground); font: 11px system-ui, sans-serif; }}</style>'
  return re.sub(r'^<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ', str(drawn), count=1).replace('>', f'>{own}', 1)


STYLE = """
:root {
  color-scheme: light dark;
  --ground: #fbfaf7; --ink: #1c2026; --soft: #5a616b; --line: #e3dfd6; --strong-line: #b9b4a8;
  --taxi: #f2b600; --length: #8fa9c9; --limit: #a8261d;
  --s0: #2f66ad; --s1: #c2540a; --s2: #09a478; --s3: #aa7cce;
  --s4: #3e4701; --s5: #0e287b; --s6: #5f0043; --s7: #666b73;
  --e0: #a83c05; --e1: #d97f42; --e2: #eebf9a; --e3: #c4c3bd; --e4: #aac7ea; --e5: #5f94d2; --e6: #1d569e;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ground: #14161a; --ink: #e9e7e2; --soft: #a9aeb7; --line: #30343b; --strong-line: #5b616b;
    --taxi: #f4c542; --length: #56759d; --limit: #ff9187;
    --s0: #7db0f2; --s1: #ff9f62; --s2: #ccf394; --s3: #82567c;
    --s4: #88750e; --s5: #27f3ff; --s6: #d1719f; --s7: #b3b8c0;
    --e0: #ffa268; --e1: #cb7238; --e2: #80502f; --e3: #53565c; --e4: #38557a; --e5: #4c86c8; --e6: #93c4ff;
  }
}
svg text { fill: var(--ink); } svg .tick, svg .label { fill: var(--soft); font-size: 10.5px; }
.grid { stroke: var(--line); } .axis, .mark { stroke: var(--strong-line); } svg path.mark { stroke-dasharray: 3 3; }
.budget { stroke: var(--limit); stroke-dasharray: 5 4; } svg .budget-name { fill: var(--limit); font-size: 10px; }
.cut { fill: none; stroke: var(--soft); } .tip { fill: var(--color); }
path.frontier { fill: none; stroke: var(--strong-line); stroke-width: 1.6; }
.whisker { stroke-width: 1.3; stroke: var(--color); } .whisker.faint { stroke-width: 1; opacity: .35; }
.fill { fill: var(--color); } .hollow { fill: var(--ground); stroke: var(--color); stroke-width: 1.5; }
circle.chosen { fill: none; stroke: var(--taxi); stroke-width: 3; }
svg .name { font-size: 10.5px; } svg .strong { font-weight: 700; }
svg .halo { paint-order: stroke; stroke: var(--ground); stroke-width: 3px; stroke-linejoin: round; }
.curve { fill: none; stroke: var(--color); stroke-width: 1.7; stroke-linejoin: round; }
.curve.faint { stroke-width: 1; opacity: .4; }
.half { fill: var(--length); opacity: .5; }
.share { fill: var(--s0); } .frame { fill: none; stroke: var(--line); }
svg .on { font-size: 10.5px; } svg .dark { fill: var(--ground); }
svg .size { fill: none; stroke: var(--soft); }
.sea { fill: var(--ground); stroke: var(--line); }
.ruler, .landmark { stroke: var(--ink); stroke-width: 1.4; fill: none; }
.s0 { --color: var(--s0); } .s1 { --color: var(--s1); } .s2 { --color: var(--s2); } .s3 { --color: var(--s3); }
.s4 { --color: var(--s4); } .s5 { --color: var(--s5); } .s6 { --color: var(--s6); } .s7 { --color: var(--s7); }
.e0 { --color: var(--e0); fill: var(--e0); }
.e1 { --color: var(--e1); fill: var(--e1); }
.e2 { --color: var(--e2); fill: var(--e2); }
.e3 { --color: var(--e3); fill: var(--e3); }
.e4 { --color: var(--e4); fill: var(--e4); }
.e5 { --color: var(--e5); fill: var(--e5); }
.e6 { --color: var(--e6); fill: var(--e6); }
path.points { fill: none; stroke: var(--color); stroke-width: 3.4; stroke-linecap: round; }
"""
"""The colours of charts, by WCAG's contrasts and apart from each other also to the colour-blind, and what their classes
look like; a page has it, too."""
