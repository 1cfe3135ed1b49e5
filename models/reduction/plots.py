"""A reduction as charts, out of what its report holds; needs no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from models.charts import (
  WIDTH,
  Frame,
  Scale,
  decimals,
  element,
  horizontal,
  line,
  number,
  padded,
  percent,
  picture,
  polyline,
  text,
  vertical,
)
from models.reduction.records import LOADINGS, PATTERNS, POINTS, RECONSTRUCTION, SCORES, SCREE, ReductionDetails

_KEPT, _DROPPED = 's0', 's7'
_HEIGHT, _POINTS_HEIGHT = 240.0, 320.0
_MOST_BARS = 60
_ROW, _TOP, _BOTTOM = 13.0, 22.0, 38.0
_CHARACTER, _MOST_NAME = 6.1, 200.0
_SHADES = 7
"""Colours of correlations, from -1 to 1; the last four also from cheap to expensive."""

FARE = 'fare'
"""The label of rides, in words."""


def titles(label: str = FARE) -> dict[str, str]:
  """Of the pictures there may be, in their order."""
  return {
    SCREE: 'Variance by component, and the cut',
    LOADINGS: 'Correlation of each feature with each component',
    PATTERNS: 'The first components, pixel by pixel',
    SCORES: 'What the selection thinks of each feature',
    POINTS: f'The first two components, coloured by {label}',
    RECONSTRUCTION: 'What the inputs that are left miss of each feature',
  }


def draw(
  details: ReductionDetails,
  arrays: Mapping[str, np.ndarray],
  currency: str,
  label: str = FARE,
  shape: tuple[int, ...] = (),
) -> dict[str, Markup]:
  """The charts of a reduction by the names of their files, out of `reduction.json` and `reduction.npz`.

  Args:
    currency: of fares; '' where the label has no unit.
    label: what points are coloured by.
    shape: of the full vector; where it is a picture, [height, width] or [height, width, 1], its loadings are pictures,
      too.
  """
  missed = {RECONSTRUCTION: _reconstruction(details, arrays['unexplained'])}
  if details.decisions:
    return {SCORES: _scores(details)} | missed
  return {
    SCREE: _explained(details, arrays['explained'][:_MOST_BARS]),
    LOADINGS: _loadings(details, arrays['loadings']),
    **({PATTERNS: _patterns(details, arrays['loadings'], shape[:2])} if shape[2:] in ((), (1,)) and shape[1:] else {}),
    POINTS: _points(details, arrays['points'], arrays['fares'], f'{label} ({currency})' if currency else label),
  } | missed


def _explained(details: ReductionDetails, shares: np.ndarray) -> Markup:
  """Share of the variance by component, its cumulative curve, and the cut."""
  count, kept = details.inputs, float(np.sum(shares[: details.inputs]))
  frame = Frame(
    x=horizontal(0.5, max(len(shares), count) + 0.7),
    y=vertical(0, 1.05, _HEIGHT),
    x_label='component',
    y_label='share of the variance; line: cumulative',
    x_format='{:g}'.format,
    y_format=lambda value: percent(value, 0),
    is_row=True,
  )
  bars = [
    _box(frame.x(place - 0.4), frame.y(share), frame.x(place + 0.4), frame.y(0), _KEPT if place <= count else _DROPPED)
    for place, share in enumerate(map(float, shares), 1)
  ]
  cumulative = polyline([(frame.x(i), frame.y(y)) for i, y in enumerate(map(float, np.cumsum(shares)), 1)], 'curve s1')
  cut, caption = frame.x(count + 0.5), f'{count} components, {percent(kept)}'
  anchor, gap = ('start', 6.0) if cut < 0.6 * WIDTH else ('end', -6.0)
  name = text(cut + gap, frame.y(0.5), caption, anchor, 'name halo')
  marks = [line(cut, frame.y(0), cut, frame.y(1.05), 'mark'), name]
  label = f'{details.method}: variance by component; {caption}.'
  return picture(WIDTH, _HEIGHT, label, frame.drawn(), *bars, cumulative, *marks)


def _loadings(details: ReductionDetails, loadings: np.ndarray) -> Markup:
  """Correlation of every feature with every component, a cell each."""
  rows, columns = loadings.shape
  left, end = _left(details.names), _TOP + _ROW * rows
  x = Scale(-0.5, columns - 0.5, left, WIDTH - 10)
  shades = np.clip(np.floor((loadings + 1) / 2 * _SHADES), 0, _SHADES - 1)
  half = (WIDTH - 10 - left) / columns / 2
  # One shape for each colour, or thousands of cells would weigh a lot.
  cells = [
    ''.join(f'M{x(column) - half:.1f} {_TOP + _ROW * row:.1f}h{2 * half:.2f}v{_ROW:g}h{-2 * half:.2f}z'
            for row, column in np.argwhere(shades == shade).tolist())
    for shade in range(_SHADES)
  ]  # fmt: skip
  parts = [element('path', d=path, class_=f'e{shade}') for shade, path in enumerate(cells) if path]
  every = -(-columns // 20)
  numbers = [text(x(place), end + 14, str(place), 'middle', 'tick') for place in range(0, columns, every)]
  parts += [*_names(details.names, left), *numbers, text((left + WIDTH) / 2, end + 31, 'component', 'middle', 'label')]
  legend = [
    mark
    for place, shade in enumerate((0, 3, 6))
    for mark in (
      _box(left + 60.0 * place, 6, left + 60.0 * place + 10, 16, f'e{shade}'),
      text(left + 60.0 * place + 14, 14, ('−1', '0', '+1')[place], class_='tick'),
    )
  ]
  label = f'{details.method}: correlation of each feature with each component.'
  return picture(WIDTH, end + _BOTTOM, label, *legend, *parts)


_PATTERNS, _PATTERN_COLUMNS, _GAP = 20, 10, 8.0


def _patterns(details: ReductionDetails, loadings: np.ndarray, shape: tuple[int, ...]) -> Markup:
  """The loadings of the first components, each as a picture of the vector's own shape, the largest in full colour."""
  height, width = shape
  largest = np.abs(loadings).max(axis=0)
  scaled = loadings / np.where(largest > 0, largest, 1)
  shades = np.clip(np.floor((scaled + 1) / 2 * _SHADES), 0, _SHADES - 1).astype(int)
  count = min(loadings.shape[1], _PATTERNS)
  side = ((WIDTH - 20) / _PATTERN_COLUMNS - _GAP) / width
  parts, bottom = [], 0.0
  for place in range(count):
    row, column = divmod(place, _PATTERN_COLUMNS)
    left, top = 10 + column * (side * width + _GAP), 6 + row * (side * height + 22)
    bottom = top + side * height + 16
    pixels = shades[:, place].reshape(height, width)
    for shade in range(_SHADES):
      path = ''.join(
        f'M{left + side * x:.1f} {top + side * y:.1f}h{side:.2f}v{side:.2f}h{-side:.2f}z'
        for y, x in np.argwhere(pixels == shade).tolist()
      )
      parts += [element('path', d=path, class_=f'e{shade}')] if path else []
    parts.append(text(left + side * width / 2, bottom - 4, str(place), 'middle', 'tick'))
  return picture(WIDTH, bottom, f'{details.method}: loadings of the first {count} components as pictures.', *parts)


def _reconstruction(details: ReductionDetails, missed: np.ndarray) -> Markup:
  """By feature, what a linear reconstruction from the model's inputs misses."""
  order = np.argsort(-missed, kind='stable')
  rows = [(details.names[index], float(missed[index]), _KEPT) for index in order]
  label = f'Missed of each feature; {percent(details.findings.lost, 2)} of all.'
  return _bars(rows, 'share of its variance that a linear reconstruction misses', label, percentages=True)


def _scores(details: ReductionDetails) -> Markup:
  """What a selection thinks of each feature, the best one first."""
  decisions = sorted(details.decisions, key=lambda found: -math.inf if found.score is None else found.score)
  rows = [(found.name, found.score, _KEPT if found.kept else _DROPPED) for found in reversed(decisions)]
  kept = sum(found.kept for found in decisions)
  return _bars(rows, 'score; grey: dropped', f'{details.method}: {kept} of {len(decisions)} features kept.')


def _points(details: ReductionDetails, points: np.ndarray, fares: np.ndarray, fare: str) -> Markup:
  """The first two components of a sample, coloured by the label, `fare` in words."""
  first, second = points[:, 0], points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
  frame = Frame(
    x=horizontal(*padded(first.tolist())),
    y=vertical(*padded(second.tolist()), _POINTS_HEIGHT),
    x_label=f'{details.method}_0; coloured by {fare}',
    y_label=f'{details.method}_1' if points.shape[1] > 1 else '',
    x_format=lambda value: number(value, 0 if abs(value) >= 10 or value == round(value) else 1),
  )
  # A quarter of the rides in each colour; the expensive ones last, so that they are seen.
  bounds = np.quantile(fares, (0.25, 0.5, 0.75))
  quarter = np.searchsorted(bounds, fares, side='right')
  dots, legend = [], []
  for index in range(4):
    shade = f'e{_SHADES - 4 + index}'
    own = np.flatnonzero(quarter == index).tolist()
    path = ''.join(f'M{frame.x(float(first[i])):.1f} {frame.y(float(second[i])):.1f}h0' for i in own)
    dots += [element('path', d=path, class_=f'points {shade}')] if path else []
    caption = f'from {number(bounds[index - 1])}' if index else f'below {number(bounds[0])}'
    legend += [
      _box(100.0 + 80 * index, 5, 110.0 + 80 * index, 15, shade),
      text(114.0 + 80 * index, 14, caption, class_='tick'),
    ]
  label = f'{details.method}: first components of {len(fares):,} rides, coloured by {fare}.'
  return picture(WIDTH, _POINTS_HEIGHT, label, frame.drawn(), *dots, *legend)


def _bars(rows: Sequence[tuple[str, float | None, str]], axis: str, label: str, percentages: bool = False) -> Markup:
  """Bars from zero, top to bottom: name, value if there is one, and class."""
  left, end = _left([name for name, _, _ in rows]), _TOP + _ROW * len(rows)
  values = [0.0, *(value for _, value, _ in rows if value is not None and math.isfinite(value))]
  low, high = min(values), max(values)
  scale = Scale(low, high if high > low else low + 1.0, left, WIDTH - 20)
  ticks = scale.ticks(4)
  parts = []
  for tick in ticks:
    written = percent(tick, 0 if high > 0.03 else 1) if percentages else number(tick, decimals(ticks))
    parts += [line(scale(tick), _TOP, scale(tick), end, 'grid'), text(scale(tick), end + 14, written, 'middle', 'tick')]
  parts += [*_names([name for name, _, _ in rows], left), text((left + WIDTH) / 2, end + 31, axis, 'middle', 'label')]
  for place, (_, value, style) in enumerate(rows):
    if value is not None and math.isfinite(value):
      start, stop = sorted((scale(0.0), scale(value)))
      parts.append(_box(start, _TOP + _ROW * place + 2, stop, _TOP + _ROW * (place + 1) - 2, style))
  return picture(WIDTH, end + _BOTTOM, label, text(10, 14, label, class_='label'), *parts)


def _left(names: Sequence[str]) -> float:
  return min(_MOST_NAME, _CHARACTER * max(map(len, names))) + 10


def _names(names: Sequence[str], left: float) -> list[Markup]:
  return [text(left - 6, _TOP + _ROW * (row + 0.75), name, 'end', 'tick') for row, name in enumerate(names)]


def _box(left: float, top: float, right: float, bottom: float, style: str) -> Markup:
  return element('rect', x=left, y=top, width=right - left, height=bottom - top, class_=f'fill {style}')
