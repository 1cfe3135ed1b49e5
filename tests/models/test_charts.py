"""What charts are made of: scales, escaped elements, curves; and pictures as files of their own."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from models.charts import Scale, Series, decimals, draw_curves, element, grid, padded, picture, standalone, text
from tests.models.svg import SVG, lines, parsed, points, texts


@pytest.mark.parametrize(
  ('low', 'high', 'ticks'),
  [
    pytest.param(0, 10, [0, 2, 4, 6, 8, 10], id='tens'),
    pytest.param(0.993, 1.021, [1.0, 1.01, 1.02], id='ratios'),
    pytest.param(-3, 3, [-2, 0, 2], id='around_zero'),
  ],
)
def test_ticks_are_round_and_inside(low: float, high: float, ticks: list[float]):
  assert Scale(low, high, 0, 100).ticks() == pytest.approx(ticks)


def test_logarithmic_ticks():
  assert Scale(900, 60_000, 0, 1, logarithmic=True).ticks() == [1000, 2000, 5000, 10_000, 20_000, 50_000]


def test_decimals_are_alike():
  assert [decimals(ticks) for ticks in ([3.0, 3.5, 4.0], [0.25, 0.5], [1.0, 2.0], [0.0001, 0.0002])] == [1, 2, 0, 4]


def test_a_scale_keeps_what_is_outside_at_its_edge():
  scale = Scale(0, 10, 100, 200)
  assert [scale(value) for value in (-5, 0, 5, 15)] == [100, 100, 150, 200]
  assert scale.beyond(15) == 250


@pytest.mark.parametrize('values', [pytest.param([5.0], id='one'), pytest.param([0.0, 0.0], id='zeros')])
def test_a_range_is_never_empty(values: list[float]):
  low, high = padded(values)
  assert low < min(values) <= max(values) < high


def test_text_and_attributes_are_escaped():
  assert element('text', '<b>&', class_='a"b') == '<text class="a&#34;b">&lt;b&gt;&amp;</text>'


def test_curves_stand_what_is_not_finite_and_thin_out_what_is_long():
  x = list(range(5000))
  y = [float('nan')] * 10 + [3.0] * 4990
  picture = draw_curves([Series('train', 's0', x, y), Series('eval', 's1', [0], [1.0])], 'step', 'loss', 'label')
  assert 'nan' not in picture
  assert len(picture) < 8000


def test_powers_of_ten_alone_where_there_are_many():
  assert Scale(0.7, 300_000, 0, 100, logarithmic=True).ticks() == [1, 10, 100, 1000, 10_000, 100_000]


def test_every_point_of_a_curve_is_drawn_and_who_has_no_name_is_in_no_legend():
  """Oracle: an XML parser. The legend draws a piece of each line that it names."""
  nan = float('nan')
  series = [
    Series('a', 's0', [0, 1, 2, 3], [1.0, nan, 2.0, 3.0]),
    Series('b', 's1', [0, 3], [2.0, 2.5]),
    Series('', 's7', [0, 1, 3], [1.0, 2.0, 2.0]),
  ]
  root = parsed(standalone(draw_curves(series, 'step', 'loss', 'label')))
  assert {style: [points(one) for one in lines(root, f'curve {style}')] for style in ('s0', 's1', 's7')} == {
    's0': [2, 3], 's1': [2, 2], 's7': [3]
  }  # fmt: skip
  assert {'a', 'b', 'step', 'loss'} <= set(texts(root))


def test_a_grid_holds_each_picture_at_its_place():
  """Oracle: rows and columns by hand; the tallest picture of a row is as high as the row."""
  pictures = [picture(420, height, f'<{height}>', text(1, 2, 'a < b & c')) for height in (100, 150, 120)]
  root = parsed(standalone(grid(pictures, 2, 'Losses of <b> & more')))
  assert root.get('viewBox') == '0 0 840 300'
  places = [tuple(float(one.get(name, '')) for name in ('x', 'y', 'width', 'height')) for one in root.iter(f'{SVG}svg')
            if one is not root]  # fmt: skip
  assert places == [(0, 30, 420, 100), (420, 30, 420, 150), (0, 180, 420, 120)]
  assert texts(root) == ['Losses of <b> & more', *['a < b & c'] * 3]
  assert [one.get('aria-label') for one in root.iter(f'{SVG}svg')] == [
    'Losses of <b> & more', '<100>', '<150>', '<120>'
  ]  # fmt: skip


def test_a_file_of_its_own_has_its_namespace_and_its_style():
  root = ElementTree.fromstring(standalone(picture(10, 10, 'label', text(1, 2, 'x'))))
  assert root.tag == f'{SVG}svg'
  [style] = root.iter(f'{SVG}style')
  assert '.curve {' in (style.text or '')
