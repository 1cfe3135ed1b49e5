"""Where labels, frontiers, bars and maps lie. Oracle: geometry by hand, and the pictures' own axes."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re

import numpy as np
import pytest

from configs.records import Estimate
from models.charts import Scale, Series, draw_curves, padded, percent, round_step
from pipeline.report.charts import (
  Entry,
  Hour,
  dot_bar,
  draw_forest,
  draw_hours,
  draw_lanes,
  length_bar,
  reach,
  ruler,
  swatch,
)
from pipeline.report.frontier import Box, Limits, Point, draw_frontier, place
from pipeline.report.ride_map import Extent, draw_map, shades_for
from pipeline.report.run_charts import Mark, draw_runs
from pipeline.report.tables import size
from tests.pipeline.page_reader import Axes

WIDE = Box(0, 0, 420, 400)
_TEXT = 6.7
"""Width of a label of one character; it is 12 high, its baseline 3 above its bottom."""


def _places(labels) -> list[tuple[float, float]]:
  return [(label.x, label.y) for label in labels]


def test_labels_try_the_sides_before_the_corners_and_near_before_far():
  """So many labels of one point that each goes where the next one prefers to be."""
  found = _places(place([('a', 200.0, 100.0)] * 40, [(200.0, 100.0)], WIDE))
  near, far, farthest, centred = 7.0, 14.0, 24.0, 200 - _TEXT / 2
  right, left = 200 + near, 200 - near - _TEXT
  away, off = 200 + far, 200 - far - _TEXT
  middle, above, below = 103.0, 100 - near - 3, 100 + near + 12 - 3
  higher, lower = 100 - far - 3, 100 + far + 12 - 3
  expected = [
    (right, middle),
    (left, middle),
    (centred, above),
    (centred, below),
    (right, above),
    (left, above),
    (right, below),
    (left, below),
    (away, middle),
    (off, middle),
    (away, higher),
    (off, higher),
    (away, lower),
    (off, lower),
    *((x, middle) for x in (200 + farthest, 200 - farthest - _TEXT)),
    *((centred, y) for y in (100 - farthest - 3, 100 + farthest + 9)),
    *((x, y) for y in (100 - farthest - 3, 100 + farthest + 9) for x in (200 + farthest, 200 - farthest - _TEXT)),
  ]
  assert found == [pytest.approx(where) for where in expected]


@pytest.mark.parametrize(
  ('area', 'expected'),
  [
    pytest.param(Box(207.0, 94.0, 213.7, 106.0), (207.0, 103.0), id='just_room_on_the_right'),
    pytest.param(Box(207.1, 94.0, 213.8, 106.0), None, id='too_far_left'),
    pytest.param(Box(206.9, 94.1, 213.8, 106.0), None, id='too_far_up'),
    pytest.param(Box(206.9, 94.0, 213.6, 106.0), None, id='too_far_right'),
    pytest.param(Box(206.9, 94.0, 213.8, 105.9), None, id='too_far_down'),
    pytest.param(Box(196.6, 60.0, 203.4, 95.0), (200 - _TEXT / 2, 90.0), id='only_above'),
  ],
)
def test_labels_stay_in_their_area(area, expected):
  found = _places(place([('a', 200.0, 100.0)], [(200.0, 100.0)], area))
  assert found == ([pytest.approx(expected)] if expected else [])


@pytest.mark.parametrize(
  ('obstacle', 'free'),
  [
    pytest.param((202.0, 100.0), True, id='its_edge_on_the_labels'),
    pytest.param((202.1, 100.0), False, id='on_the_right'),
    pytest.param((218.8, 100.0), True, id='right_of_it'),
    pytest.param((218.6, 100.0), False, id='into_its_end'),
    pytest.param((210.0, 111.0), True, id='below_it'),
    pytest.param((210.0, 110.9), False, id='into_its_foot'),
    pytest.param((210.0, 89.0), True, id='above_it'),
    pytest.param((210.0, 89.1), False, id='into_its_head'),
  ],
)
def test_a_label_touches_a_point_and_does_not_cover_it(obstacle, free):
  """A point takes five units to each side; the label would lie from 207 to 213.7 and from 94 to 106."""
  [found] = _places(place([('a', 200.0, 100.0)], [obstacle], WIDE))
  assert (found == pytest.approx((207.0, 103.0))) == free


def test_a_label_without_room_leaves_it_to_the_next():
  labels = place([('far too long a name', 200.0, 100.0), ('a', 200.0, 100.0)], [(200.0, 100.0)], Box(150, 60, 250, 140))
  assert [label.text for label in labels] == ['a']


def _point(name: str, cost: float, ratio: float, **changes) -> Point:
  told = {'on_frontier': False, 'within_budget': True, 'chosen': False} | changes
  return Point(name, 0, cost, Estimate(ratio, ratio - 0.01, ratio + 0.01), *told.values(), name)


def _dots(drawn: str) -> dict[str, tuple[float, float]]:
  found = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="[45]"[^>]*><title>([^<]+)', drawn)
  return {title: (float(x), float(y)) for x, y, title in found}


@pytest.mark.parametrize(
  ('costs', 'logarithmic'),
  [
    pytest.param((10.0, 60.0), False, id='six_times_is_linear'),
    pytest.param((10.0, 60.1), True, id='more_is_logarithmic'),
    pytest.param((1e3, 1e6), True, id='much_more'),
  ],
)
def test_a_wide_range_of_costs_has_a_logarithmic_axis(costs, logarithmic):
  """The middle by ratio lies in the middle of two dots of a logarithmic axis, the mean in that of a linear one."""
  low, high = costs
  middle = math.sqrt(low * high) if logarithmic else (low + high) / 2
  points = [_point('low', low, 1.0), _point('middle', middle, 1.0), _point('high', high, 1.0)]
  dots = _dots(draw_frontier(points, Limits(None, None), 'time', '{:g}'.format, 'told')[0])
  assert dots['middle'][0] == pytest.approx((dots['low'][0] + dots['high'][0]) / 2, abs=0.11)
  # Some room at both ends, and no more than a quarter of the picture.
  for x, end in ((dots['low'][0], 46.0), (dots['high'][0], 410.0)):
    assert 5 < abs(x - end) < 364 / 4


def test_the_limit_of_costs_belongs_to_their_range():
  """A budget far above all costs is on the picture; it alone can make the axis logarithmic."""
  points = [_point('a', 10.0, 1.0), _point('b', 20.0, 1.0)]
  drawn, _ = draw_frontier(points, Limits(40.0, None), 'time', '{:g}'.format, 'told')
  [(x, y, other, top)] = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" class="budget"/>', drawn)
  assert x == other
  assert Axes(drawn).x(float(x)) == pytest.approx(40, abs=0.2)
  assert (float(y), float(top)) == (264.0, 22.0)
  drawn, _ = draw_frontier(points, Limits(1000.0, None), 'time', '{:g}'.format, 'told')
  dots = _dots(drawn)
  assert dots['b'][0] - dots['a'][0] == pytest.approx(364 * math.log(2) / math.log(1000 * 1.25 / (10 / 1.25)), abs=0.2)


@pytest.mark.parametrize(('limit', 'anchor'), [(10.0, ''), (20.0, ' text-anchor="end"')])
def test_the_name_of_a_limit_stays_in_the_picture(limit, anchor):
  """On its right where there is no room on its left."""
  drawn, _ = draw_frontier(
    [_point('a', 10.0, 1.0), _point('b', 20.0, 1.0)], Limits(limit, None), 'time', '{:g}'.format, 'told'
  )
  [(_, found)] = re.findall(r'<text x="([\d.]+)" y="32"( text-anchor="end")? class="budget-name">budget</text>', drawn)
  assert found == anchor


def test_the_limit_of_errors_is_a_line_across():
  drawn, _ = draw_frontier(
    [_point('a', 10.0, 1.0), _point('b', 20.0, 1.0)], Limits(None, 1.03), 'time', '{:g}'.format, 'told'
  )
  [(x, y, end, other)] = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" class="budget"/>', drawn)
  assert (x, end, y) == ('46', '410', other)
  assert Axes(drawn).y(float(y)) == pytest.approx(1.03, abs=5e-4)


def test_costs_as_good_as_equal_span_a_ratio():
  """The axis spans 1.3 to 1 in both directions around the middle, so one per cent is a short way."""
  drawn, _ = draw_frontier(
    [_point('a', 99.5, 1.0), _point('b', 100.5, 1.0)], Limits(None, None), 'time', '{:g}'.format, 'told'
  )
  dots = _dots(drawn)
  assert (dots['a'][0] + dots['b'][0]) / 2 == pytest.approx((46 + 410) / 2, abs=0.2)
  low, high = 100 * 2 / 2.3, 100 * 2.6 / 2.3
  assert dots['b'][0] - dots['a'][0] == pytest.approx(364 / (high - low), abs=0.2)


def _names(drawn: str) -> list[tuple[str, str]]:
  return [(name, style) for style, name in re.findall(r'<text [^>]*class="(name[^"]*)">([^<]+)</text>', drawn)]


def test_only_what_matters_has_a_name():
  """The frontier and the chosen one, which is printed strong and comes first; nothing that lies above the picture."""
  points = [
    _point('cheap', 10.0, 1.03, on_frontier=True),
    _point('dear', 50.0, 1.0, on_frontier=True),
    _point('chosen', 30.0, 1.02, chosen=True),
    _point('other', 40.0, 1.025),
    _point('hopeless', 9.0, 9.0, on_frontier=True, within_budget=False),
  ]
  drawn, outside = draw_frontier(points, Limits(None, 1.03), 'time', '{:g}'.format, 'told')
  assert _names(drawn) == [('chosen', 'name halo strong'), ('cheap', 'name halo'), ('dear', 'name halo')]
  assert outside == ['hopeless']
  # It is an arrow at the top, with its title.
  [arrow] = re.findall(r'<path d="([^"]+)" class="fill s0"><title>hopeless</title>', drawn)
  (left, low), (tip, top), (right, same) = (
    [float(n) for n in re.findall(r'[\d.]+', part)] for part in re.split('[ML]', arrow)[1:]
  )
  assert (tip - left, right - tip, top, low, same) == pytest.approx((5, 5, 22, 31, 31), abs=0.11)
  assert Axes(drawn).x(tip) == pytest.approx(9, abs=0.3)


def _corners(drawn: str) -> list[tuple[float, float]]:
  found = re.findall(r'<path d="M([^"]+)" class="frontier"/>', drawn)
  return [tuple(map(float, corner.split())) for corner in found[0].split('L')] if found else []


def test_the_staircase_goes_along_and_then_down():
  """Between two variants there is none: up to the cost of the better one, its error is not to be had."""
  points = [
    _point('a', 10.0, 1.03, on_frontier=True),
    _point('b', 20.0, 1.01, on_frontier=True),
    _point('c', 15.0, 1.05),
  ]
  drawn, _ = draw_frontier(points, Limits(None, None), 'time', '{:g}'.format, 'told')
  dots = _dots(drawn)
  (ax, ay), (bx, by) = dots['a'], dots['b']
  assert _corners(drawn) == [(ax, ay), (bx, ay), (bx, by)]


def test_the_staircase_comes_from_above_where_its_first_variant_lies_there():
  points = [
    _point('hopeless', 9.0, 9.0, on_frontier=True, within_budget=False),
    _point('a', 10.0, 1.03, on_frontier=True),
    _point('b', 20.0, 1.01, on_frontier=True),
  ]
  drawn, _ = draw_frontier(points, Limits(None, 1.03), 'time', '{:g}'.format, 'told')
  dots = _dots(drawn)
  (ax, ay), (bx, by) = dots['a'], dots['b']
  assert _corners(drawn) == [(ax, 22.0), (ax, ay), (bx, ay), (bx, by)]


def test_one_variant_on_the_frontier_has_no_staircase():
  drawn, _ = draw_frontier(
    [_point('a', 10.0, 1.0, on_frontier=True), _point('b', 20.0, 1.01)],
    Limits(None, None),
    'time',
    '{:g}'.format,
    'told',
  )
  assert _corners(drawn) == []


def test_whiskers_of_what_matters_are_strong():
  points = [_point('a', 10.0, 1.0, on_frontier=True), _point('b', 20.0, 1.0, chosen=True), _point('c', 30.0, 1.0)]
  drawn, _ = draw_frontier(points, Limits(None, None), 'time', '{:g}'.format, 'told')
  assert sorted(re.findall(r'class="(whisker[^"]*)"', drawn)) == ['whisker faint s0', 'whisker s0', 'whisker s0']


@pytest.mark.parametrize(
  ('ratios', 'limit', 'outside'),
  [
    # Typical are 1, the limit and what keeps it: 0.01 apart, so that 1.01 + 1.5 * 0.01 is the highest that is shown.
    pytest.param((1.0, 1.01, 1.02), 1.01, [], id='near'),
    pytest.param((1.0, 1.01, 1.4), 1.01, ['2'], id='far'),
    # Of three, the better one is typical in any case.
    pytest.param((1.5, 1.51, 1.52), None, [], id='all_of_them_bad'),
    pytest.param((1.0, 1.01, 1.02, 3.0, 3.01, 3.02), None, ['3', '4', '5'], id='the_worse_half'),
  ],
)
def test_what_lies_above_the_picture(ratios, limit, outside):
  points = [
    _point(str(i), 10.0 + i, ratio, within_budget=bool(limit and ratio <= limit)) for i, ratio in enumerate(ratios)
  ]
  drawn, found = draw_frontier(points, Limits(None, limit), 'time', '{:g}'.format, 'told')
  assert found == outside
  axes = Axes(drawn)
  for name, (_, y) in _dots(drawn).items():
    assert axes.y(y) == pytest.approx(ratios[int(name)], rel=2e-3)
    # Figures keep some distance from the edges.
    assert 23 < y < 263
  assert len(_dots(drawn)) == len(ratios) - len(outside)


def test_costs_are_written_without_a_needless_zero():
  drawn, _ = draw_frontier([_point('a', 10e3, 1.0), _point('b', 40e3, 1.0)], Limits(None, None), 'size', size, 'told')
  ticks = re.findall(r'text-anchor="middle" class="tick">([^<]+)<', drawn)
  assert '20\N{NO-BREAK SPACE}KB' in ticks
  assert not any('.0' in tick for tick in ticks)


def _pieces(bar: str) -> list[tuple[str, float, float | None]]:
  found = re.findall(r'class="([\w ]+)" style="left:([\d.]+)%(?:;width:([\d.]+)%)?"', bar)
  return [(name, float(left), float(width) if width else None) for name, left, width in found]


@pytest.mark.parametrize(
  ('bar', 'expected'),
  [
    pytest.param(dot_bar(Estimate(5.0), 10.0), [('dot', 50, None)], id='value'),
    pytest.param(dot_bar(Estimate(5.0, 4.0, 7.0), 10.0), [('interval', 40, 30), ('dot', 50, None)], id='interval'),
    pytest.param(
      dot_bar(Estimate(5.0), 10.0, 0.0), [('reference', 0, None), ('dot', 50, None)], id='reference_of_zero'
    ),
    pytest.param(
      dot_bar(Estimate(5.0, -3.0, 12.0), 10.0), [('interval', 0, 100), ('dot', 50, None)], id='beyond_both_ends'
    ),
    pytest.param(dot_bar(Estimate(0.0), 0.0), [('dot', 0, None)], id='no_track'),
    pytest.param(length_bar(3.0, 4.0), [('length', 0, 75)], id='length'),
    pytest.param(length_bar(5.0, 4.0), [('length', 0, 100)], id='too_long'),
    pytest.param(length_bar(1.0, 4.0, 'other', 3.0), [('other', 0, 25), ('limit', 75, None)], id='limit'),
    pytest.param(length_bar(1.0, 4.0, limit=0.0), [('length', 0, 25), ('limit', 0, None)], id='limit_of_zero'),
  ],
)
def test_bars(bar, expected):
  assert _pieces(bar) == expected


def test_a_forest_has_its_figures_where_its_axis_says():
  """The far one is an arrow at its edge; a line stands at the reference."""
  entries = [
    Entry('near', Estimate(1.01, 1.0, 1.02), 1),
    Entry('below', Estimate(0.98, 0.97, 0.99), 2),
    Entry('middle', Estimate(1.02, 1.0, 1.04), 3),
    Entry('far', Estimate(1.5, 1.4, 1.6), 4),
    Entry('under', Estimate(0.5, 0.4, 0.6), 5),
  ]
  drawn = draw_forest(entries, 1.0, 'ratio', 'told')
  axes = Axes(drawn)
  dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="4" class="fill s(\d)"><title>(\w+): ([\d.]+)<', drawn)
  assert [(name, figure, colour) for _, _, colour, name, figure in dots] == [
    ('near', '1.010', '1'),
    ('below', '0.980', '2'),
    ('middle', '1.020', '3'),
  ]
  for x, _, _, _, figure in dots:
    assert axes.x(float(x)) == pytest.approx(float(figure), abs=1e-3)
  assert [float(y) for _, y, _, _, _ in dots] == [17.5, 36.5, 55.5]
  whiskers = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" class="whisker s(\d)"', drawn)
  for (left, y, right, same, colour), entry in zip(whiskers, entries, strict=False):
    assert (y, int(colour)) == (same, entry.color)
    assert (axes.x(float(left)), axes.x(float(right))) == pytest.approx(
      (entry.estimate.low, entry.estimate.high), abs=1e-3
    )
  assert len(whiskers) == 3
  [(mark, *_)] = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" class="mark"', drawn)
  assert axes.x(float(mark)) == pytest.approx(1.0, abs=1e-3)
  arrows = re.findall(
    r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)L[\d. ]+Z" class="fill s(\d)"><title>(\w+): ', drawn
  )
  assert [(float(tip) > float(back), float(y), name) for back, _, tip, y, _, name in arrows] == [
    (True, 74.5, 'far'),
    (False, 93.5, 'under'),
  ]
  assert ('>1.50</text>' in drawn, '>0.50</text>' in drawn) == (True, True)


def _hour(hour: int, mean: float, low: float, high: float, half: tuple[float, float]) -> Hour:
  return Hour(hour, 10, Estimate(mean, low, high), half)


def test_one_wide_interval_does_not_flatten_the_hours():
  """Quartiles of 2 and -2: the picture reaches twice as far, however wide an interval is."""
  hours = [_hour(3, 0.5, 0.0, 1.0, (-2.0, 2.0)), _hour(4, 0.0, -900.0, 900.0, (-1.0, 1.0))]
  drawn = draw_hours(hours, 'USD', 'told')
  axes = Axes(drawn)
  bars = re.findall(r'<rect x="[\d.]+" y="([\d.]+)" width="10" height="([\d.]+)"', drawn)
  assert axes.y(float(bars[0][0])) == pytest.approx(2.0, abs=0.06)
  assert float(bars[0][1]) == pytest.approx(202 / (8 * 1.12) * 4, abs=1)
  assert 'prediction minus fare (USD)' in drawn
  assert next(tick for tick, _ in axes.x_ticks) >= 0


def test_rides_that_err_alike_still_have_a_bar():
  drawn = draw_hours([_hour(3, 1.0, 0.5, 1.5, (1.0, 1.0))], 'USD', 'told')
  [height] = re.findall(r'width="10" height="([\d.]+)"', drawn)
  assert float(height) == 1


def test_lanes_of_a_graph_take_little_room():
  """A step goes on in the lane that ends in it, else in one that is free; one that leads nowhere takes none."""
  after = {'a': [], 'b': ['a'], 'c': ['a'], 'd': ['b', 'c'], 'alone': [], 'e': ['d']}
  rows = draw_lanes(after, {name: f'style-{name}' for name in after})
  places = [float(re.search(r'<circle cx="([\d.]+)"', row)[1]) for row in rows]
  assert [(x - 9) / 16 for x in places] == [0, 1, 0, 0, 1, 0]
  assert [re.search(r'class="step ([\w-]+)"', row)[1] for row in rows] == [f'style-{name}' for name in after]
  assert {re.search(r'viewBox="0 0 ([\d.]+) 34"', row)[1] for row in rows} == {'34'}
  # Lines that come in from above, and those that leave below.
  entering = [len(re.findall(r'd="M[\d.]+ 0C', row)) for row in rows]
  leaving = [len(re.findall(r' 34" class="lane"', row)) for row in rows]
  assert (entering, leaving) == ([0, 2, 2, 2, 1, 1], [1, 2, 2, 1, 1, 0])


def test_a_step_that_waits_for_one_which_is_not_there_starts_anew():
  rows = draw_lanes({'a': ['gone'], 'b': ['a', 'gone']}, {'a': 'x', 'b': 'x'})
  assert [row.count('class="lane"') for row in rows] == [1, 1]


def _circles(drawn: str) -> list[tuple[float, float, float, str, str]]:
  found = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)" class="(\w+)"><title>([^<]+)', drawn)
  return [(float(x), float(y), float(r), style, title.replace('\xa0', ' ')) for x, y, r, style, title in found]


def _map(longitude, latitude, errors):
  return draw_map(longitude, latitude, errors, shades_for(2.0), (), 'USD', 'told')


def test_dots_of_a_map_count_their_rides_and_tell_their_mean():
  """Three places on the equator: 9, 4 and 1 rides; a dot's area goes with its rides, the largest has a radius of 9."""
  longitude = np.repeat([0.0, 0.1, 0.2], [9, 4, 1])
  latitude = np.repeat([0.0, 0.05, 0.1], [9, 4, 1])
  errors = np.concatenate([np.full(9, 1.0) + np.arange(-4, 5) / 4, [-2.0] * 3 + [-6.0], [5.0]])
  drawn, outside = _map(longitude, latitude, errors)
  assert outside == 0
  first, second, third = _circles(drawn)
  assert [dot[4] for dot in (first, second, third)] == [
    '9 rides, mean error +1.00 USD',
    '4 rides, mean error −3.00 USD',
    '1 ride, mean error +5.00 USD',
  ]
  assert [dot[2] for dot in (first, second, third)] == pytest.approx([9.0, 6.0, 3.0], abs=0.05)
  # Colours are one wide here: 1 is one above, -3 three below, 5 as far above as there are colours.
  assert [dot[3] for dot in (first, second, third)] == ['e4', 'e0', 'e6']
  # East is right and north is up; equal ways are equally long.
  assert second[0] - first[0] == pytest.approx(third[0] - second[0], abs=0.11)
  assert first[1] - second[1] == pytest.approx(second[1] - third[1], abs=0.11)
  assert first[1] > second[1]
  assert (second[0] - first[0]) / (first[1] - second[1]) == pytest.approx(2, abs=0.02)


def test_a_small_dot_can_still_be_seen():
  longitude, latitude = np.repeat([0.0, 0.1], [1000, 1]), np.repeat([0.0, 0.1], [1000, 1])
  [*_, small] = _circles(draw_map(longitude, latitude, np.zeros(1001), shades_for(1.0), [], 'USD', 'told')[0])
  # One ride in a thousand would have a radius of 0.3; half a per cent at each edge is left outside.
  assert small[2] >= 1.7


@pytest.mark.parametrize('centre', [0.0, 60.0])
def test_a_kilometre_is_as_long_across_as_it_is_up(centre):
  """Half as many degrees of latitude as of longitude at 60 degrees north. The ruler says how long a kilometre is."""
  half = 0.05 * math.cos(math.radians(centre))
  longitude, latitude = np.array([-0.05, 0.05] * 300), np.array([centre - half, centre + half] * 300)
  drawn, _ = draw_map(longitude, latitude, np.zeros(600), shades_for(1.0), [], 'USD', 'told')
  one, other = sorted(_circles(drawn))
  assert other[0] - one[0] == pytest.approx(one[1] - other[1], rel=0.01)
  width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn).groups())
  assert height - 26 == pytest.approx(width, rel=0.01)  # Below the map is what the sizes mean.
  [(start, end, label)] = re.findall(
    r'<path d="M([\d.]+) [\d.]+L([\d.]+) [\d.]+" class="ruler"/><text[^>]*>([\d.]+) km<', drawn
  )
  kilometres = 0.1 * math.cos(math.radians(centre)) * 111.195
  per_kilometre = (other[0] - one[0]) / kilometres
  assert float(end) - float(start) == pytest.approx(float(label) * per_kilometre, rel=0.01)
  assert width / 8 <= float(end) - float(start) <= width / 8 * 2.01


@pytest.mark.parametrize(
  ('across', 'up', 'shape'),
  [
    pytest.param(0.2, 0.02, 0.5, id='a_strip_is_half_as_high_as_wide'),
    pytest.param(0.02, 0.2, 1.0, id='a_tower_is_as_high_as_wide'),
    pytest.param(0.2, 0.15, 0.75, id='between'),
  ],
)
def test_maps_are_neither_strips_nor_towers(across, up, shape):
  longitude, latitude = np.array([-across, across] * 300), np.array([-up, up] * 300)
  drawn, _ = draw_map(longitude, latitude, np.zeros(600), shades_for(1.0), [], 'USD', 'told')
  width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn).groups())
  assert (height - 26) / width == pytest.approx(shape, abs=0.01)
  # The rides are in the middle.
  one, other = sorted(_circles(drawn))
  assert ((one[0] + other[0]) / 2, (one[1] + other[1]) / 2) == pytest.approx((width / 2, (height - 26) / 2), abs=0.2)


def test_rides_near_each_other_are_one_dot():
  """The finest grid has 44 cells across; many places get a coarser one, and so at most 500 dots."""
  near = np.array([0.0, 0.001, 1.0] * 200)
  assert len(_circles(draw_map(near, near, np.zeros(600), shades_for(1.0), [], 'USD', 'told')[0])) == 2
  places = np.linspace(0, 1, 30)
  longitude, latitude = (found.ravel() for found in np.meshgrid(places, places))
  drawn, outside = draw_map(longitude, latitude, np.zeros(900), shades_for(1.0), [], 'USD', 'told')
  assert len(_circles(drawn)) <= 500
  assert sum(int(dot[4].split()[0]) for dot in _circles(drawn)) + outside == 900
  few = np.linspace(0, 1, 20)
  longitude, latitude = (found.ravel() for found in np.meshgrid(few, few))
  assert len(_circles(draw_map(longitude, latitude, np.zeros(400), shades_for(1.0), [], 'USD', 'told')[0])) == 400


@pytest.mark.parametrize(
  ('error', 'index'), [(-0.5, 0), (-0.51, -1), (0.49, 0), (0.5, 1), (1.49, 1), (1.5, 2), (2.5, 3), (99, 3), (-99, -3)]
)
def test_colours_change_at_half_steps(error, index):
  """A mean absolute error of 2 makes them one wide."""
  assert shades_for(2.0).index(error) == index


@pytest.mark.parametrize(
  ('error', 'step'), [(2.0, 1.0), (2.1, 2.0), (4.0, 2.0), (4.2, 2.5), (8.0, 5.0), (0.0, 0.005), (0.004, 0.005)]
)
def test_colours_are_as_wide_as_half_a_typical_error(error, step):
  """Rounded up to 1, 2, 2.5 or 5 times a power of ten."""
  assert shades_for(error).step == pytest.approx(step)


@pytest.mark.parametrize(
  ('rough', 'step'),
  [(1.0, 1.0), (1.01, 2.0), (2.0, 2.0), (2.2, 2.5), (2.5, 2.5), (3.0, 5.0), (5.1, 10.0), (0.03, 0.05), (700, 1000)],
)
def test_round_steps(rough, step):
  assert round_step(rough) == pytest.approx(step)


@pytest.mark.parametrize(
  ('low', 'high', 'ticks'),
  [
    pytest.param(0.0, 10.0, [0, 2, 4, 6, 8, 10], id='ends_included'),
    pytest.param(0.1, 9.9, [2, 4, 6, 8], id='ends_left_out'),
    pytest.param(-1.0, 1.0, [-1.0, -0.5, 0.0, 0.5, 1.0], id='around_zero'),
  ],
)
def test_ticks_are_round_and_inside(low, high, ticks):
  assert Scale(low, high, 0.0, 1.0).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize(
  ('low', 'high', 'ticks'),
  [
    pytest.param(1.0, 100.0, [1, 2, 5, 10, 20, 50, 100], id='two_decades'),
    pytest.param(1.0, 1e4, [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4], id='four_decades'),
    pytest.param(1.0, 1e5, [1, 10, 100, 1e3, 1e4, 1e5], id='five_decades'),
    pytest.param(3.0, 4.0, [3.0, 3.2, 3.4, 3.6, 3.8, 4.0], id='no_round_one_inside'),
  ],
)
def test_ticks_of_a_logarithmic_axis(low, high, ticks):
  assert Scale(low, high, 0.0, 1.0, logarithmic=True).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize(
  ('values', 'share', 'expected'),
  [
    pytest.param([0.0, 10.0], 0.1, (-1.0, 11.0), id='a_share_of_the_range'),
    pytest.param([-5.0, -5.0], 0.1, (-5.5, -4.5), id='one_value'),
    pytest.param([0.0], 0.1, (-1.0, 1.0), id='zero_alone'),
  ],
)
def test_ranges_have_room_at_both_ends(values, share, expected):
  assert padded(values, share) == pytest.approx(expected)


def test_curves_lie_where_their_axes_say():
  """Two lines with their names; one leaves out what is not known; a mark stands where something begins."""
  series = [Series('one', 's0', [1, 2, 3, 4], [1.0, 2.0, float('nan'), 4.0]), Series('two', 's1', [1, 4], [3.0, 3.0])]
  drawn = draw_curves(series, 'step', 'loss', 'told', marks=[(2.0, 'pruning')])
  axes = Axes(drawn)
  lines = re.findall(r'<path d="M([^"]+)" class="curve (s\d)"/>', drawn)
  # The pieces beside the names come first.
  curves = [
    [(axes.x(float(x)), axes.y(float(y))) for x, y in (p.split() for p in path.split('L'))] for path, _ in lines[2:]
  ]
  assert [style for _, style in lines] == ['s1', 's0', 's0', 's1']
  assert curves[0] == [pytest.approx(place, abs=0.03) for place in ((1, 1.0), (2, 2.0), (4, 4.0))]
  assert curves[1] == [pytest.approx(place, abs=0.03) for place in ((1, 3.0), (4, 3.0))]
  [(mark, *_)] = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" class="mark"/>', drawn)
  assert axes.x(float(mark)) == pytest.approx(2, abs=0.03)
  assert '>pruning</text>' in drawn
  assert re.findall(r'class="tick">(one|two)</text>', drawn) == ['two', 'one']


def test_curves_of_very_many_points_keep_their_ends():
  steps = list(range(1, 1002))
  drawn = draw_curves([Series('', 's0', steps, [float(step) for step in steps])], 'step', 'loss', 'told')
  [path] = re.findall(r'<path d="M([^"]+)" class="curve s0"/>', drawn)
  places = [tuple(map(float, place.split())) for place in path.split('L')]
  assert len(places) <= 161
  assert Axes(drawn).x(places[-1][0]) == pytest.approx(1001, abs=3)
  assert places[0][0] < places[1][0]
  assert all(one[0] <= other[0] for one, other in itertools.pairwise(places))


def test_the_first_points_of_a_curve_may_lie_outside():
  """One in twenty: the errors of the first steps would flatten the rest."""
  y = [1000.0, *np.linspace(2.0, 1.0, 39)]
  axes = Axes(draw_curves([Series('', 's0', list(range(40)), y)], 'step', 'loss', 'told'))
  assert max(figure for figure, _ in axes.y_ticks) < 500
  whole = Axes(draw_curves([Series('', 's0', list(range(40)), [2.0, 2.0, 1000.0, *y[3:]])], 'step', 'loss', 'told'))
  assert max(figure for figure, _ in whole.y_ticks) >= 500


def test_one_hopeless_variant_alone_is_on_the_picture():
  """There is nothing better that it could flatten."""
  drawn, outside = draw_frontier([_point('a', 10.0, 3.0, within_budget=False)], Limits(None, None), 'time', str, 'told')
  assert outside == []
  [(_, y)] = _dots(drawn).values()
  assert Axes(drawn).y(y) == pytest.approx(3.0, abs=0.02)


def test_what_matters_lies_on_top():
  """The chosen one above the frontier, that above the rest, in whatever order they come."""
  points = [_point('b', 10.0, 1.0, chosen=True), _point('c', 20.0, 1.0, on_frontier=True), _point('d', 30.0, 1.0)]
  for given in itertools.permutations(points):
    drawn, _ = draw_frontier(given, Limits(None, None), 'time', '{:g}'.format, 'told')
    assert list(_dots(drawn)) == ['d', 'c', 'b']


@pytest.mark.parametrize(
  ('reach', 'fits'),
  [pytest.param(0.004, True, id='near'), pytest.param(0.006, False, id='far'), pytest.param(0.5, False, id='very_far')],
)
def test_intervals_that_reach_a_little_further_fit_and_others_do_not_count(reach, fits):
  """Ratios of 1 and 1.01: half of that range is the room that their intervals may ask for."""
  points = [
    Point(name, 0, cost, Estimate(ratio, ratio - reach, ratio + reach), False, True, False, name)
    for name, cost, ratio in (('a', 10.0, 1.01), ('b', 20.0, 1.0))
  ]
  drawn, _ = draw_frontier(points, Limits(None, 1.01), 'time', '{:g}'.format, 'told')
  axes = Axes(drawn)
  whiskers = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" class="whisker', drawn)
  low, high = axes.y(float(whiskers[1][1])), axes.y(float(whiskers[0][3]))
  assert ((low, high) == pytest.approx((1 - reach, 1.01 + reach), abs=2e-4)) == fits
  # Without such room the two dots take the height of the picture, but for a few per cent at its ends.
  dots = _dots(drawn)
  inner = 0.01 / (0.01 + 2 * reach) if fits else 1.0
  assert dots['b'][1] - dots['a'][1] == pytest.approx(242 * inner / 1.12, abs=1)


@pytest.mark.parametrize(
  'estimate', [Estimate(5.0, None, 7.0), Estimate(5.0, 3.0, None)], ids=['no_lower_end', 'no_upper_end']
)
def test_half_an_interval_is_no_bar(estimate):
  assert _pieces(dot_bar(estimate, 10.0)) == [('dot', 50, None)]


def test_a_forest_has_room_for_its_longest_name_and_no_more_than_it_needs():
  """7.2 for a letter, 3.6 for a mark between, 10 beside; a figure far below does not widen the scale for the others."""
  entries = [
    Entry('a', Estimate(0.99, 0.98, 1.0), 0),
    Entry('b', Estimate(1.01, 1.0, 1.02), 0),
    Entry('a name of 21 letters.', Estimate(0.5, 0.4, 0.6), 0),
  ]
  drawn = draw_forest(entries, 1.0, 'ratio', 'told')
  [(left, right)] = re.findall(r'<path d="M([\d.]+) 65L([\d.]+) 65" class="axis"/>', drawn)
  assert float(left) == pytest.approx(7.2 * 16 + 3.6 * 5 + 10, abs=0.06)
  assert float(right) == 408
  ends = [
    float(end) for found in re.findall(r'd="M([\d.]+) [\d.]+L([\d.]+) [\d.]+" class="whisker', drawn) for end in found
  ]
  assert min(ends) - float(left) < 0.1 * (408 - float(left))
  assert 408 - max(ends) < 0.1 * (408 - float(left))


def test_the_hours_of_a_day_take_the_whole_width():
  drawn = draw_hours([_hour(hour, 1.0, 0.5, 1.5, (0.0, 2.0)) for hour in range(24)], 'USD', 'told')
  places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawn)]
  assert 46 + 5 < places[0] < 46 + 15
  assert 410 - 15 < places[-1] < 410 - 3
  assert len({round(other - one, 0) for one, other in itertools.pairwise(places)}) <= 2


def test_each_tick_has_its_line_across_and_its_label_beside_the_axis():
  drawn = draw_curves([Series('', 's0', [0, 10], [1.0, 3.0])], 'step', 'loss', 'told')
  lines = [float(y) for y in re.findall(r'<path d="M46 ([\d.]+)L410 [\d.]+" class="grid"/>', drawn)]
  labels = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="end" class="tick">', drawn)
  assert len(lines) >= 3
  assert [float(y) - 4 for _, y in labels] == pytest.approx(lines, abs=0.11)
  assert {x for x, _ in labels} == {'40'}
  # What leaves the picture is cut off at its edges, not drawn larger or smaller.
  [(x, y, width, height, box)] = re.findall(
    r'<svg x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" viewBox="([\d. ]+)"', drawn
  )
  assert box.split() == [x, y, width, height]
  assert (float(x), float(width)) == (46, 374)


def test_a_line_of_which_nothing_is_known_is_empty():
  drawn = draw_curves([Series('', 's0', [0, 10], [float('nan')] * 2)], 'step', 'loss', 'told')
  assert 'class="curve' not in drawn
  figures = [figure for figure, _ in Axes(drawn).y_ticks]
  assert (min(figures), max(figures)) == (-1, 1)


@pytest.mark.parametrize(
  ('low', 'cut'),
  [
    pytest.param(2.0, True, id='above_zero'),
    pytest.param(0.0, False, id='at_zero'),
    pytest.param(-1.0, False, id='across'),
  ],
)
def test_an_axis_that_does_not_begin_at_zero_has_a_zigzag(low, cut):
  drawn = draw_curves([Series('', 's0', (0, 1), (3.0, 4.0))], 'x', 'y', 'told', y_range=(low, 5.0))
  assert drawn.count('class="cut"') == cut
  assert ('The axis does not begin at zero.' in drawn) == cut


def test_a_logarithmic_axis_has_no_zero_to_begin_at():
  drawn = draw_curves([Series('', 's0', (1, 100), (0.0, 4.0))], 'x', 'y', 'told', y_range=(0.0, 5.0), logarithmic=True)
  assert 'class="cut"' not in drawn


def _tips(drawn: str) -> list[tuple[float, float]]:
  return [(float(x), float(y)) for x, y in re.findall(r'd="M([\d.]+) ([\d.]+)l[^"]+Z" class="tip', drawn)]


def test_a_line_that_leaves_the_picture_has_an_arrowhead_at_its_edge():
  """The first of forty points is far above the rest: the arrowhead says how far, at its place on the axis."""
  high = Series('train', 's0', range(40), [80.0, *[1.0] * 39])
  drawn = draw_curves([high, Series('eval', 's1', range(40), [1.5] * 40)], 'x', 'y', 'told')
  [(x, y)] = _tips(drawn)
  assert Axes(drawn).x(x) == pytest.approx(0, abs=0.1)
  assert y < 25
  assert 'train goes on to 80.00.' in drawn


def test_intervals_that_go_on_beyond_the_picture_have_arrowheads():
  wide, narrow = _hour(4, 0.0, -900.0, 900.0, (-1.0, 1.0)), _hour(3, 0.5, 0.0, 1.0, (-2.0, 2.0))
  drawn = draw_hours([narrow, wide], 'USD', 'told')
  (x, top), (same, bottom) = _tips(drawn)
  assert (x, top < bottom) == (same, True)
  assert Axes(drawn).x(x) == pytest.approx(4, abs=0.1)
  assert _tips(draw_hours([narrow], 'USD', 'told')) == []


def test_intervals_of_a_forest_that_are_cut_have_arrowheads():
  entries = [Entry('near', Estimate(1.01, 0.2, 1.9), 1), Entry('sure', Estimate(0.99, 0.98, 1.0), 2)]
  drawn = draw_forest(entries, 1.0, 'ratio', 'told')
  assert len(_tips(drawn)) == 2
  assert len({y for _, y in _tips(drawn)}) == 1


@pytest.mark.parametrize(
  ('most', 'told'),
  [
    pytest.param(1, [1], id='one'),
    pytest.param(4, [1, 2], id='few'),
    pytest.param(37, [1, 5, 20], id='some'),
    pytest.param(1000, [1, 200, 1000], id='many'),
  ],
)
def test_sizes_of_dots_are_told_by_round_numbers(most, told):
  """Oracle: the radius of a dot of so many rides on the same map."""
  longitude, latitude = np.repeat([0.0, 0.1], [most, 1]), np.repeat([0.0, 0.05], [most, 1])
  drawn, _ = draw_map(longitude, latitude, np.zeros(most + 1), shades_for(1.0), [], 'USD', 'told', _extent(most))
  found = re.findall(r'r="([\d.]+)" class="size"/><text[^>]*>([\d,]+)\xa0rides?<', drawn)
  assert [int(rides.replace(',', '')) for _, rides in found] == told
  for radius, rides in found:
    assert float(radius) == pytest.approx(max(1.7, 9 * math.sqrt(int(rides.replace(',', '')) / most)), abs=0.06)


def _extent(most: int) -> Extent:
  return dataclasses.replace(Extent.of((np.array([0.0, 0.1]), np.array([0.0, 0.05]))), most=most)


def test_two_maps_of_one_extent_have_one_place_for_one_place():
  """Rides that begin in one part and end in another: a place is drawn at the same spot, and as large, on both."""
  begin = np.repeat([0.0, 0.1], 300), np.repeat([0.0, 0.05], 300)
  end = np.repeat([0.1, 0.4], [150, 450]), np.repeat([0.05, 0.2], [150, 450])
  extent = Extent.of(begin, end)
  maps = [draw_map(*places, np.zeros(600), shades_for(1.0), [], 'USD', 'told', extent)[0] for places in (begin, end)]
  assert len({re.search('viewBox="[^"]*"', drawn)[0] for drawn in maps}) == 1
  first, second = ({dot[:2]: dot for dot in _circles(drawn)} for drawn in maps)
  [shared] = first.keys() & second.keys()
  radii = 9 * math.sqrt(300 / 450), 9 * math.sqrt(150 / 450)
  assert (first[shared][2], second[shared][2]) == pytest.approx(radii, abs=0.06)


@pytest.mark.parametrize(
  ('largest', 'end', 'ticks'),
  [
    pytest.param(7.4, 8.0, ['0', '2', '4', '6', '8'], id='round_above'),
    pytest.param(20.0, 20.0, ['0', '5', '10', '15', '20'], id='at_its_end'),
    pytest.param(0.0, 1.0, ['0.00', '0.50', '1.00'], id='nothing'),
    pytest.param(72_000.0, 80_000.0, ['0', '80,000'], id='thousands'),
  ],
)
def test_the_scale_of_bars_ends_at_a_round_figure(largest, end, ticks):
  assert reach(largest) == pytest.approx(end)
  assert re.findall(r'>([\d.,]+)</span>', ruler(reach(largest))) == ticks


def test_recipes_beyond_the_colours_are_squares():
  points = [
    Point(f'p{i}', i, 10.0 + i, Estimate(1.0 + i / 1000), False, True, False, f'p{i}: told') for i in (0, 7, 8, 9)
  ]
  drawn, _ = draw_frontier(points, Limits(None, None), 'size', str, 'told')
  shapes = re.findall(r'<(circle|rect)[^>]*class="fill (s\d)"><title>(p\d)', drawn)
  assert sorted(shapes, key=lambda shape: shape[2]) == [
    ('circle', 's0', 'p0'), ('circle', 's7', 'p7'), ('rect', 's0', 'p8'), ('rect', 's1', 'p9'),
  ]  # fmt: skip
  assert [swatch(index) for index in (0, 7, 8, 9)] == ['s0', 's7', 's0 square', 's1 square']


def test_shares_that_are_all_zero_have_no_axis_to_the_whole():
  drawn = draw_runs([Mark(0, Estimate(0.0), '', 'fill s0')], ['11-30'], 'share', 'told', percent, is_share=True)
  assert '>0.8\N{NO-BREAK SPACE}%</text>' in drawn and '100.0' not in drawn
