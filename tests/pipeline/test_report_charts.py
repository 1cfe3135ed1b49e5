"""The pictures of the page: labels that don't collide, the graph's lanes, frontiers, maps; and the page's colours."""

from __future__ import annotations

import itertools
import pathlib
import re

import numpy as np
import pytest

from configs.records import Estimate
from models.charts import STYLE
from pipeline.report import page as page_module
from pipeline.report.charts import dot_bar, draw_lanes
from pipeline.report.frontier import Box, Limits, Point, draw_frontier, place
from pipeline.report.ride_map import draw_map, shades_for
from pipeline.report.tables import size


def test_labels_cover_neither_each_other_nor_points():
  random = np.random.default_rng(0)
  points = [(float(x), float(y)) for x, y in random.uniform(20, 380, (25, 2))]
  area = Box(0, 0, 420, 400)
  labels = place([(f'recipe_{i}.int8', x, y) for i, (x, y) in enumerate(points)], points, area)
  assert len(labels) > 15
  boxes = [Box(label.x, label.y - 9, label.x + 6.7 * len(label.text), label.y + 3) for label in labels]
  assert not any(a.meets(b) for i, a in enumerate(boxes) for b in boxes[:i])
  assert not any(box.left < x < box.right and box.top < y < box.bottom for box in boxes for x, y in points)
  assert all(area.holds(box) for box in boxes)


_DIAMOND = {'read': [], 'left': ['read'], 'right': ['read'], 'join': ['read', 'left', 'right']}


def test_graph_has_a_row_per_step_and_no_edge_that_another_way_says():
  rows = draw_lanes(_DIAMOND, dict.fromkeys(_DIAMOND, 'complete'))
  assert [row.count('<circle') for row in rows] == [1, 1, 1, 1]
  # Both branches lead into the last one, but no third line straight from the first.
  assert len(re.findall(r'M[\d.]+ 0C', rows[3])) == 2
  widths = {re.search(r'width="(\d+)"', row).group(1) for row in rows}  # type: ignore[union-attr]
  assert len(widths) == 1


def test_lines_of_the_graph_go_on_from_row_to_row():
  """What leaves a row at its bottom enters the next one at its top, in the same places."""
  after = {
    'a': [],
    'b': [],
    'c': ['a'],
    'd': ['a', 'b'],
    'e': ['c'],
    'f': ['c', 'd'],
    'g': ['e', 'f', 'a'],
    'h': [],
    'i': ['g', 'h'],
  }
  rows = draw_lanes(after, dict.fromkeys(after, 'complete'))
  for above, below in itertools.pairwise(rows):
    leaving = {end for _, end, bottom in _paths(above) if bottom == '34'}
    entering = {start for start, _, _ in _paths(below, top='0')}
    assert leaving == entering


def _paths(row: str, top: str | None = None) -> list[tuple[str, str, str]]:
  found = re.findall(r'M([\d.]+) ([\d.]+)C[\d. ]+? ([\d.]+) ([\d.]+)" class="lane"', row)
  return [(start, end, bottom) for start, begin, end, bottom in found if top in (None, begin)]


def _point(name: str, cost: float, ratio: float, frontier: bool = False, budget: bool = True) -> Point:
  return Point(name, 0, cost, Estimate(ratio, ratio - 0.01, ratio + 0.01), frontier, budget, name == 'b', name)


def test_frontier_leaves_hopeless_variants_above_the_picture():
  """One variant at twice the error must not flatten the others, which lie within 2 %."""
  points = [
    _point('a', 9e3, 2.0, frontier=True, budget=False),
    _point('b', 14e3, 1.004, frontier=True),
    _point('c', 28e3, 1.0, frontier=True),
  ]
  picture, outside = draw_frontier(points, Limits(None, 1.01), 'size', size, 'label')
  assert outside == ['a']
  heights = {
    name: float(re.search(rf'cy="([\d.]+)" r="[\d.]+" class="\w+ s0"><title>{name}<', picture).group(1))  # type: ignore[union-attr]
    for name in ('b', 'c')
  }
  assert heights['c'] - heights['b'] > 20
  assert picture.count('class="chosen"') == 1
  assert '>b</text>' in picture
  assert '>a</text>' not in picture


def test_the_frontier_goes_from_the_cheapest_variant_to_the_dearest():
  """Whatever the order in which they are given, no corner of the staircase lies left of the one before it."""
  points = [
    _point('b', 14e3, 1.004, frontier=True),
    _point('c', 28e3, 1.0, frontier=True),
    _point('d', 9e3, 1.008, True),
  ]
  for given in itertools.permutations(points):
    picture, _ = draw_frontier(given, Limits(None, 1.01), 'size', size, 'label')
    [drawn] = [found for found in re.findall(r'<[^>]+>', picture) if 'class="frontier"' in found]
    corners = [(float(x), float(y)) for x, y in re.findall(r'([\d.]+)[ ,]([\d.]+)', drawn)]
    assert len(corners) == 5
    assert corners == sorted(corners)


def test_costs_as_good_as_equal_do_not_look_far_apart():
  points = [_point('b', 8.30, 1.0), _point('c', 8.31, 1.0)]
  picture, _ = draw_frontier(points, Limits(None, None), 'time', str, 'label')
  x, other = (float(found) for found in re.findall(r'<circle cx="([\d.]+)" cy="[\d.]+" r="4"', picture))
  assert abs(x - other) < 5


def test_one_variant_alone_makes_a_picture():
  picture, outside = draw_frontier([_point('b', 8.3, 1.0, frontier=True)], Limits(8.0, 1.01), 'time', str, 'label')
  assert outside == []
  assert 'nan' not in picture


def test_map_counts_what_lies_outside_and_names_what_lies_inside():
  random = np.random.default_rng(1)
  longitude, latitude = random.normal(-87.65, 0.03, 500), random.normal(41.9, 0.03, 500)
  longitude[:2] = 0.0
  places = {'centre': (-87.65, 41.9), 'far': (10.0, 50.0)}
  marks = [{'name': name, 'longitude': x, 'latitude': y} for name, (x, y) in places.items()]
  picture, outside = draw_map(longitude, latitude, random.normal(0, 1, 500), shades_for(1.0), marks, 'USD', 'label')
  assert 2 <= outside <= 12
  assert 'centre' in picture
  assert 'far' not in picture
  # The ground comes first, so that nothing of it hides a ride.
  shapes = re.findall(r'<(rect|circle)[^>]*class="([^" ]+)', picture)
  assert shapes[0] == ('rect', 'sea')
  assert ('rect', 'sea') not in shapes[1:]
  drawn = sum(int(rides) for rides in re.findall(r'<title>(\d+)\N{NO-BREAK SPACE}rides?,', picture))
  assert drawn + outside == 500


@pytest.mark.parametrize(
  ('beyond', 'expected'), [pytest.param(0.0, 0, id='on_it'), pytest.param(1e-9, 4, id='outside')]
)
def test_a_ride_on_the_edge_of_the_map_is_on_the_map(beyond, expected):
  """All but four rides are at one place of the equator, around which the map shows 0.005 degrees at least."""
  end = 0.005 + beyond
  longitude, latitude = np.zeros((2, 1000))
  longitude[:2], latitude[2:4] = (-end, end), (-end, end)
  _, outside = draw_map(longitude, latitude, np.zeros(1000), shades_for(1.0), [], 'USD', 'label')
  assert outside == expected


def test_map_of_very_many_rides_stays_small():
  random = np.random.default_rng(1)
  longitude, latitude = random.uniform(-87.7, -87.6, (2, 60_000))
  picture, _ = draw_map(longitude, latitude, random.normal(0, 1, 60_000), shades_for(1.0), [], 'USD', 'label')
  assert len(picture) < 80_000


def test_colours_of_the_map_are_symmetric_and_named():
  shades = shades_for(2.0)
  assert [shades.index(error) for error in (-99, -1.2, -0.4, 0.0, 0.4, 1.2, 99)] == [-3, -1, 0, 0, 0, 1, 3]
  assert [meaning for _, meaning in shades.legend()][::3] == ['below −2.5', '−0.5 to +0.5', 'above +2.5']


def test_a_bar_shows_the_interval_and_stays_on_its_track():
  bar = dot_bar(Estimate(5.0, 2.0, 30.0), top=10.0, reference=4.0)
  assert 'class="interval" style="left:20.00%;width:80.00%"' in bar
  assert 'class="dot" style="left:50.00%"' in bar
  assert 'class="reference" style="left:40.00%"' in bar


def _luminance(color: str) -> float:
  """WCAG 2.2, relative luminance."""
  parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
  red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
  light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
  return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize('scheme', [pytest.param(0, id='light'), pytest.param(1, id='dark')])
def test_contrast(scheme: int):
  """WCAG 2.2 AA: 4.5 for text, 3 for lines and dots; both colour schemes."""
  style = (pathlib.Path(page_module.__file__).parent / 'templates' / 'style.css').read_text(encoding='utf-8')
  blocks = [re.findall(r':root \{(.*?)\}', part, flags=re.DOTALL)[scheme] for part in (STYLE, style)]
  colors = dict(re.findall(r'--([\w-]+): (#[0-9a-f]{6});', ''.join(blocks)))
  for ground in ('ground', 'panel', 'chosen'):
    for ink in ('ink', 'soft', 'good', 'bad', 'warn', 'link'):
      assert _contrast(colors[ink], colors[ground]) >= 4.5, (ink, ground)
  for index in range(8):
    assert _contrast(colors[f's{index}'], colors['ground']) >= 3, index
  for index in (0, 1, 5, 6):
    assert _contrast(colors[f'e{index}'], colors['ground']) >= 2.5, index


_TO_OKLAB = (
  np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005]]),
  np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660]]),
)  # fmt: skip
"""B. Ottosson, "A perceptual color space for image processing", 2020; from linear sRGB."""

_EYES = {
  'trichromat': np.eye(3),
  'protanope': np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                         [-0.003882, -0.048116, 1.051998]]),
  'deuteranope': np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                           [-0.011820, 0.042940, 0.968881]]),
}  # fmt: skip
"""G. Machado et al., "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, severity 1."""


@pytest.mark.parametrize('eyes', [*_EYES])
@pytest.mark.parametrize('scheme', [pytest.param(0, id='light'), pytest.param(1, id='dark')])
def test_colours_can_be_told_apart(scheme: int, eyes: str):
  """No two of the eight are closer than 0.085 in OKLab, four times what is just seen; also to the colour-blind."""
  block = re.findall(r':root \{(.*?)\}', STYLE, flags=re.DOTALL)[scheme]
  codes = [re.search(f'--s{index}: #([0-9a-f]{{6}});', block)[1] for index in range(8)]
  seen = np.array([[int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)] for code in codes])
  linear = np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4) @ _EYES[eyes].T
  lab = np.cbrt(np.clip(linear @ _TO_OKLAB[0].T, 0, None)) @ _TO_OKLAB[1].T
  apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)[np.triu_indices(8, 1)]
  assert apart.min() > 0.085
