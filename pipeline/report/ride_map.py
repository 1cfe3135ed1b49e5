"""Errors on a map without a map: places of the city as dots, as large as their rides, coloured by their mean error."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from models.charts import WIDTH, Scale, element, line, picture, round_step, text
from pipeline.report.tables import counted, signed

_CELLS = (44, 36, 28, 22)
"""Across the map; nearer rides are one dot. The first of these that gives few enough dots."""

_MOST_DOTS = 500

_SHARE = 0.005
"""Of the rides, left outside at each edge; a mistyped coordinate must not shrink the city."""

_KM_PER_DEGREE = 111.195
"""Of latitude: a great circle of radius 6,371 km over 360."""

_SMALLEST, _LARGEST = 1.7, 9.0
"""Radius of a dot."""

_SHADES = 3
"""Colours on either side of the neutral one."""


@dataclasses.dataclass(frozen=True)
class Shades:
  """How mean errors become colours, each `step` wide in the city's currency, the neutral one around zero."""

  step: float

  def index(self, error: float) -> int:
    """From -3 (far too low) over 0 to 3 (far too high)."""
    return max(-_SHADES, min(_SHADES, math.floor(error / self.step + 0.5)))

  def legend(self) -> list[tuple[str, str]]:
    """Class and meaning of each colour, from too low to too high."""
    indices = range(-_SHADES, _SHADES + 1)
    digits = 0 if self.step >= 100 else 1
    ends = [signed((index - 0.5) * self.step, digits) for index in (*indices, _SHADES + 1)]
    ranges = [*itertools.pairwise(ends)]
    between = [f'{low} to {high}' for low, high in ranges[1:-1]]
    meanings = [f'below {ranges[0][1]}', *between, f'above {ranges[-1][0]}']
    return [(f'e{index + _SHADES}', meaning) for index, meaning in zip(indices, meanings, strict=True)]


def shades_for(mean_absolute_error: float) -> Shades:
  """Colours that tell apart errors about as large as a typical one."""
  return Shades(round_step(max(mean_absolute_error, 0.01) / 2))


@dataclasses.dataclass(frozen=True)
class Extent:
  """The part of the world that maps show, and what the size of their dots means: one for all maps of a page.

  Attributes:
    x, y: scales of longitude and latitude.
    height: of the map, as of a drawing of `WIDTH`.
    unit: of the drawing, per kilometre.
    across: cells of the grid; the rides of a cell are one dot.
    most: rides of the largest dot.
  """

  x: Scale
  y: Scale
  height: float
  unit: float
  across: int
  most: int

  @classmethod
  def of(cls, *ends: tuple[np.ndarray, np.ndarray]) -> Extent:
    """One that suits several maps. Args: ends: longitude and latitude of each, float64 degrees [rides], finite."""
    longitude, latitude = (np.concatenate(degrees) for degrees in zip(*ends, strict=True))
    x, y, height, unit = _projection(longitude, latitude)
    for across in _CELLS:
      dots = [_cells(*_inside(*end, x, y), x, y, across)[1] for end in ends]
      if max(map(len, dots)) <= _MOST_DOTS:
        break
    return cls(x, y, height, unit, across, max(int(rides.max(initial=1)) for rides in dots))

  def radius(self, rides: np.ndarray | float) -> np.ndarray:
    """Of a dot: its area goes with its rides, but for those too small to be seen."""
    return np.maximum(_SMALLEST, _LARGEST * np.sqrt(np.asarray(rides) / self.most))


def draw_map(
  longitude: np.ndarray,
  latitude: np.ndarray,
  errors: np.ndarray,
  shades: Shades,
  landmarks: Sequence[Mapping[str, Any]],
  currency: str,
  label: str,
  extent: Extent | None = None,
) -> tuple[Markup, int]:
  """Draws the map and, below it, how large dots are; counts the rides outside of it.

  Args:
    longitude, latitude: float64 degrees [rides], finite.
    errors: float64 [rides], prediction minus fare.
    landmarks: `name`, `longitude` and `latitude` of each, as the config has them; drawn where they are on the map.
    label: what the map shows, for who can't see it.
    extent: what it has in common with other maps; its own rides' where nothing is given.
  """
  extent = extent or Extent.of((longitude, latitude))
  x, y, height = extent.x, extent.y, extent.height
  inside = _is_inside(longitude, latitude, x, y)
  parts = [element('rect', x=0.5, y=0.5, width=WIDTH - 1, height=height - 1, rx=8, class_='sea')]
  parts += _dots(longitude[inside], latitude[inside], errors[inside], extent, shades, currency)
  parts += [mark for landmark in landmarks for mark in _landmark(landmark, x, y)]
  parts += _ruler(extent.unit, height)
  return picture(WIDTH, height + _SIZES_HEIGHT, label, *parts, *_sizes(extent)), int((~inside).sum())


def _projection(longitude: np.ndarray, latitude: np.ndarray) -> tuple[Scale, Scale, float, float]:
  """Scales of both axes, the height of the drawing, and its units per kilometre."""
  west, east = _range(longitude)
  south, north = _range(latitude)
  stretch = math.cos(math.radians((south + north) / 2))
  # Neither a strip nor a tower: at least half as high as wide, at most as high.
  tall = max((north - south), 0.5 * (east - west) * stretch)
  wide = max((east - west) * stretch, tall) / stretch
  middle, centre = (west + east) / 2, (south + north) / 2
  height = WIDTH * tall / (wide * stretch)
  x = Scale(middle - wide / 2, middle + wide / 2, 0.0, WIDTH)
  y = Scale(centre - tall / 2, centre + tall / 2, height, 0.0)
  return x, y, height, WIDTH / (wide * stretch * _KM_PER_DEGREE)


def _range(degrees: np.ndarray) -> tuple[float, float]:
  low, high = np.quantile(degrees, [_SHARE, 1 - _SHARE])
  margin = max(0.06 * (high - low), 0.005)
  return float(low - margin), float(high + margin)


def _places(degrees: np.ndarray, scale: Scale) -> np.ndarray:
  """What a linear scale does, for a whole column."""
  return scale.start + (degrees - scale.low) / (scale.high - scale.low) * (scale.end - scale.start)


def _is_inside(longitude: np.ndarray, latitude: np.ndarray, x: Scale, y: Scale) -> np.ndarray:
  return (longitude >= x.low) & (longitude <= x.high) & (latitude >= y.low) & (latitude <= y.high)


def _inside(longitude: np.ndarray, latitude: np.ndarray, x: Scale, y: Scale) -> tuple[np.ndarray, np.ndarray]:
  inside = _is_inside(longitude, latitude, x, y)
  return longitude[inside], latitude[inside]


def _cells(
  longitude: np.ndarray, latitude: np.ndarray, x: Scale, y: Scale, across: int
) -> tuple[np.ndarray, np.ndarray]:
  """The index of each ride's cell among those that have rides, and the rides of each."""
  places = _places(longitude, x), _places(latitude, y)
  column, row = (np.floor(place / (WIDTH / across)).astype(np.int64) for place in places)
  _, cell, rides = np.unique(column + (across + 1) * row, return_inverse=True, return_counts=True)
  return cell, rides


def _dots(
  longitude: np.ndarray, latitude: np.ndarray, errors: np.ndarray, extent: Extent, shades: Shades, currency: str
) -> Iterator[Markup]:
  """One dot for each cell of a grid that has rides, in their middle; the large ones first, under the small ones."""
  cell, rides = _cells(longitude, latitude, extent.x, extent.y, extent.across)
  places = _places(longitude, extent.x), _places(latitude, extent.y)
  x_mean, y_mean, error = (np.bincount(cell, weights=values) / rides for values in (*places, errors))
  radii = extent.radius(rides)
  for i in np.argsort(-rides):
    title = element('title', f'{counted(int(rides[i]), "ride")}, mean error {signed(error[i])} {currency}')
    yield element(
      'circle', title, cx=x_mean[i], cy=y_mean[i], r=radii[i], class_=f'e{shades.index(error[i]) + _SHADES}'
    )


_SIZES_HEIGHT = 26.0
"""Below a map, of the row that tells what the sizes of dots mean."""


def _sizes(extent: Extent) -> Iterator[Markup]:
  """Dots as large as those of the map, with their rides."""
  y, left = extent.height + 15, 12.0
  for rides in _told_sizes(extent.most):
    radius = float(extent.radius(rides))
    yield element('circle', cx=left + radius, cy=y, r=radius, class_='size')
    name = counted(rides, 'ride')
    yield text(left + 2 * radius + 5, y + 4, name, class_='tick')
    left += 2 * radius + 21 + 6.2 * len(name)


def _told_sizes(most: int) -> list[int]:
  """Round numbers of rides up to the most of a dot: 1, and two that can be told from it and from each other."""
  steps = [mantissa * 10**power for power in range(len(str(most))) for mantissa in (1, 2, 5)]
  largest = max(step for step in steps if step <= most)
  middle = max((step for step in steps if step <= largest / 4), default=1)
  return list(dict.fromkeys((1, middle, largest)))


def _landmark(landmark: Mapping[str, Any], x: Scale, y: Scale) -> list[Markup]:
  longitude, latitude = landmark['longitude'], landmark['latitude']
  if not (x.low < longitude < x.high and y.low < latitude < y.high):
    return []
  left, top = x(longitude), y(latitude)
  cross = element('path', d=f'M{left - 4:.1f} {top:.1f}h8M{left:.1f} {top - 4:.1f}v8', class_='landmark')
  anchor, gap = ('start', 8) if left < 0.75 * WIDTH else ('end', -8)
  return [cross, text(left + gap, top + 4, landmark['name'], anchor, 'name halo')]


def _ruler(unit: float, height: float) -> list[Markup]:
  """A round number of kilometres, about a fifth of the width."""
  kilometres = round_step(WIDTH / 8 / unit)
  end = 12 + kilometres * unit
  scale = line(12, height - 12, end, height - 12, 'ruler')
  return [scale, text(end + 6, height - 8, f'{kilometres:g} km', class_='tick')]
