"""The variants as they are read: figures, marks, budgets and frontiers. Oracle: the made run's numbers, by hand."""

from __future__ import annotations

import re

import pytest

from configs.compression import JudgedOn
from tests.pipeline.made_page import VARIANTS_TABLE, judged, page, page_of
from tests.pipeline.made_run import VARIANTS, compression, interval
from tests.pipeline.page_reader import Axes, pictures, tables, text

__all__ = ['page']


def test_the_best_of_every_column_is_marked(tmp_path):
  table = tables(page_of(tmp_path / 'out', judged()))[VARIANTS_TABLE]
  best = {
    'RMSE': 4.1,
    'to float32': 1.01,
    'worst slice': 1.03,
    'file': 37_000,
    'gzip': 36_000,
    'one ride, p50': 4.0,
    'one ride, p99': 8.0,
    '256 rides, p50': 70.0,
    'memory': 60e6,
    'zeros': 0.9,
  }
  assert {name: [cell.value for cell in table.column(name) if cell.best] for name in table.names} == {
    name: [best[name]] if name in best else [] for name in table.names
  }
  assert [cell.text for cell in table.column('file')] == ['37.0', '38.0', '39.0', '40.0']
  assert [heading.text for heading in table.headings if 'number' not in heading.classes] == ['variant', 'budget', 'why']


def test_units_and_ranges_of_the_variants(tmp_path):
  table = tables(page_of(tmp_path / 'out', judged()))[VARIANTS_TABLE]
  assert {heading.text: heading.note for heading in table.headings if heading.note} == {
    'RMSE': 'USD',
    'file': 'KB',
    'gzip': 'KB',
    'one ride, p50': 'µs',
    'one ride, p99': 'µs',
    '256 rides, p50': 'µs',
    'memory': 'MB',
    'zeros': '%',
  }
  row = table.row('dense.float32')
  assert {name: (cell.text, cell.note) for name, cell in row.items()} == {
    'variant': ('dense.float32', 'baseline'),
    'RMSE': ('4.10', '[4.00, 4.20]'),
    'to float32': ('1.040', '[1.030, 1.050]'),
    'worst slice': ('1.090', '[1.070, 1.110]\nnight'),
    'file': ('40.0', ''),
    'gzip': ('39.0', ''),
    'one ride, p50': ('5.0', '4.0–7.0'),
    'one ride, p99': ('9.0', ''),
    '256 rides, p50': ('90.0', ''),
    'memory': ('70.0', ''),
    'zeros': ('20.0', ''),
    'budget': ('✓ kept', ''),
    'why': ('Keeps the budget, but pqat_80.int8 is smaller (13,980 of 28,412 bytes).', ''),
  }


@pytest.mark.parametrize(
  ('p50', 'expected'),
  [
    pytest.param(999.9, '999.9', id='below'),
    pytest.param(1000.0, '1,000', id='at'),
    pytest.param(1234.5, '1,234', id='over'),
  ],
)
def test_a_thousand_microseconds_have_no_decimals(tmp_path, p50, expected):
  gate = judged()
  gate['variants'][0]['latency_us']['p50'] = p50
  assert tables(page_of(tmp_path / 'out', gate))[VARIANTS_TABLE].row('dense.float32')['one ride, p50'].text == expected


def test_columns_without_any_figure_are_left_out(tmp_path):
  """As of a gate that measured neither latency nor memory."""
  gate = judged()
  for variant in gate['variants']:
    variant |= {'latency_us': None, 'latency_batch_us': None, 'peak_bytes': None, 'worst_slice': None}
  found = tables(page_of(tmp_path / 'out', gate))[VARIANTS_TABLE]
  assert found.names == ['variant', 'RMSE', 'to float32', 'file', 'gzip', 'zeros', 'budget', 'why']
  # The figures stay below their own headings.
  assert found.values('zeros') == [0.9, 0.0, 0.1, 0.2]
  assert [cell.value for cell in found.column('gzip') if cell.best] == [36_000]


def test_verdicts_and_styles_of_the_variants(page):
  table = tables(page)[VARIANTS_TABLE]
  styles = {row[0].text: style for row, style in zip(table.rows, table.styles, strict=True)}
  assert styles == {name: '' for name in VARIANTS} | {'pqat_80.int8': 'chosen', 'qat.dynamic_range_sparse': 'faint'}
  for row in table.rows:
    found = dict(zip(table.names, row, strict=True))
    made, missed = row[0].text in VARIANTS, VARIANTS.get(row[0].text, [''])[-1]
    assert found['budget'].text == ('not made' if not made else '✗ missed' if missed else '✓ kept')
    assert found['budget'].classes == (('good',) if made and not missed else ('bad',))
    assert found['why'].classes == ('reason',)
  assert {row[0].text: row[0].note for row in table.rows if row[0].note} == {
    'pqat_80.int8': 'chosen',
    'dense.float32': 'baseline',
  }


def test_the_chosen_file_may_be_the_baseline(tmp_path):
  found = page_of(tmp_path / 'out', compression() | {'chosen': 'dense.float32'})
  assert tables(found)[VARIANTS_TABLE].row('dense.float32')['variant'].note == 'chosen, baseline'
  # Of itself there is no ratio to tell, nor a share of its size.
  assert 'the file itself has an RMSE of 4.43 [3.53, 5.33] USD. It takes 28.4 KB, 22.4 KB after gzip, and' in text(
    found
  )


@pytest.mark.parametrize(
  ('kept', 'expected'),
  [
    pytest.param(0, '4 variants; none keeps the budget.', id='none'),
    pytest.param(1, '4 variants; 1 keeps the budget.', id='one'),
    pytest.param(2, '4 variants; 2 keep the budget.', id='two'),
  ],
)
def test_how_many_variants_keep_the_budget(tmp_path, kept, expected):
  gate = judged()
  for index, variant in enumerate(gate['variants']):
    variant['within_budget'] = index < kept
  assert expected in text(page_of(tmp_path / 'out', gate))


RMSE_LIMIT, SIZE_LIMIT = "an RMSE of at most 1.02 times float32's", 'a file of at most 1.5 MB'
SLICE_LIMIT = 'at most 1.3 times on the worst slice (of those with at least 70 rides)'
LATENCY_LIMIT = 'at most 8.5 µs for one ride'


@pytest.mark.parametrize(
  ('limits', 'expected'),
  [
    pytest.param({'rmse_ratio': 1.02}, RMSE_LIMIT, id='rmse'),
    pytest.param({'worst_slice_ratio': 1.3}, SLICE_LIMIT, id='slice'),
    pytest.param({'bytes': 1_500_000}, SIZE_LIMIT, id='bytes'),
    pytest.param({'latency_us': 8.5}, LATENCY_LIMIT, id='latency'),
    pytest.param(
      {'rmse_ratio': 1.02, 'worst_slice_ratio': 1.3, 'bytes': 1_500_000, 'latency_us': 8.5},
      f'{RMSE_LIMIT}, {SLICE_LIMIT}, {SIZE_LIMIT} and {LATENCY_LIMIT}',
      id='all',
    ),
  ],
)
@pytest.mark.parametrize(
  ('judged_on', 'counts'),
  [
    ('point', 'the ratio itself'),
    ('upper_bound', "the upper bound of the ratio's interval"),
    ('significant', "the lower bound of the ratio's interval"),
  ],
  ids=[rule.value for rule in JudgedOn],
)
def test_what_the_budget_asks_for(tmp_path, limits, expected, judged_on, counts):
  none = dict.fromkeys(('rmse_ratio', 'worst_slice_ratio', 'bytes', 'latency_us'))
  budget = none | {'min_slice_rides': 70, 'judged_on': judged_on} | limits
  page = page_of(tmp_path / 'out', judged() | {'budget': budget})
  asked = f'The budget asks for {expected}. The smallest file that keeps it is pushed. What counts is {counts}.'
  assert asked in text(page)
  # One line across each picture that has the limit on one of its axes.
  lines = [drawn.count('class="budget"') for drawn in _charts(page)]
  ratio = 'rmse_ratio' in limits
  assert lines == [ratio + ('bytes' in limits), ratio + ('latency_us' in limits)]
  assert [drawn.count('>budget</text>') for drawn in _charts(page)] == lines


@pytest.mark.parametrize(
  ('objective', 'pushed', 'by_download'),
  [
    ('file', 'The smallest file that keeps it', False),
    ('download', 'The smallest download that keeps it', True),
    ('latency', 'The fastest file that keeps it', True),
    ('error', 'The most accurate file that keeps it', True),
  ],
)
def test_the_objective_says_what_is_pushed_and_what_a_size_is(tmp_path, objective, pushed, by_download):
  gate = judged() | {'objective': objective}
  gate['budget'] = {'rmse_ratio': None, 'worst_slice_ratio': None, 'gzip_bytes': 9_000}
  page = page_of(tmp_path / 'out', gate)
  assert f'The budget asks for a download of at most 9.0 KB. {pushed} is pushed.' in text(page)
  order = sorted(gate['variants'], key=lambda variant: variant['gzip_bytes' if by_download else 'bytes'])
  word = 'download' if by_download else 'file'
  found = tables(page)[f'Variants, smallest {word} first']
  assert [cell.split()[0] for cell in found.texts('variant')] == [variant['name'] for variant in order]
  size, _ = _charts(page)
  assert f'size of the {word}' in size
  assert size.count('class="budget"') == by_download


def test_the_layer_that_loses_accuracy_is_named(tmp_path):
  title, gate = 'Accuracy lost up to each layer, and by it alone', judged()
  assert title not in tables(page_of(tmp_path / 'without', gate))
  lost = [('dense_0', 0.004, 0.004), ('fare', 0.011, 0.0031)]
  gate['variants'][1] |= {
    'output_step': 0.404,
    'layer_errors': [{'name': name, 'error': error, 'own_error': own} for name, error, own in lost],
  }
  found = tables(page_of(tmp_path / 'out', gate))
  [row] = found[title].rows
  assert [cell.text for cell in row] == [gate['variants'][1]['name'], '0.40', '1.10', 'dense_0']
  assert row[2].note == '0.31 of its own'
  assert '0.404' in found[VARIANTS_TABLE].texts('step')


@pytest.mark.parametrize('limits', [None, {}], ids=['no_budget', 'no_limit'])
def test_a_budget_without_limits_asks_for_nothing(tmp_path, limits):
  none = dict.fromkeys(('rmse_ratio', 'worst_slice_ratio', 'bytes', 'latency_us'))
  budget = None if limits is None else none | {'min_slice_rides': 70, 'judged_on': 'point'}
  found = page_of(tmp_path / 'out', judged() | {'budget': budget})
  assert 'The budget asks for' not in text(found)
  assert not any('class="budget"' in drawn for drawn in _charts(found))


def test_the_version_that_the_files_were_held_against(tmp_path):
  served = {'served_version': '1795769719', 'served_rmse': {'value': 4.412, 'low': 3.951, 'high': 4.873}}
  held = 'They were held against version 1795769719: its file has an RMSE of 4.41 [3.95, 4.87] USD on the same rides.'
  assert held in text(page_of(tmp_path / 'out', judged() | served))
  assert 'held against' not in text(page_of(tmp_path / 'first', judged()))


def _charts(page: str) -> list[str]:
  """The pictures of accuracy against size and against latency."""
  return [drawn for label, drawn in pictures(page).items() if label.startswith('Accuracy and')]


def test_frontiers_are_told_from_the_cheapest_to_the_dearest(tmp_path):
  gate = judged()
  for variant, size, latency in zip(gate['variants'], (1, 0, 1, 1), (0, 1, 1, 0), strict=True):
    variant |= {'frontier_size': bool(size), 'frontier_latency': bool(latency)}
  labels = [label for label in pictures(page_of(tmp_path / 'out', gate)) if label.startswith('Accuracy')]
  assert labels == [
    'Accuracy and size: 4 variants. On the frontier: dense.int8, dense.dynamic_range and dense.float32.',
    'Accuracy and latency: 4 variants. On the frontier: dense.dynamic_range and dense.float16.',
  ]


def test_no_frontier_is_told_as_none(tmp_path):
  gate = judged()
  for variant in gate['variants']:
    variant |= {'frontier_size': False, 'frontier_latency': False, 'latency_us': None}
  # Nothing was timed: there is no picture of latencies.
  labels = [label for label in pictures(page_of(tmp_path / 'out', gate)) if label.startswith('Accuracy')]
  assert labels == ['Accuracy and size: 4 variants. On the frontier: none.']


@pytest.mark.parametrize('hopeless', [1, 2])
def test_hopeless_variants_are_named_below_the_picture(tmp_path, hopeless):
  gate = judged()
  for variant in gate['variants'][1 : 1 + hopeless]:
    variant |= {'rmse_ratio': interval(3.0, 0.1), 'within_budget': False}
  lies, names = ('it lies', 'dense.float16') if hopeless == 1 else ('they lie', 'dense.float16, dense.dynamic_range')
  found = text(page_of(tmp_path / 'out', gate))
  assert found.count(f'So inaccurate that {lies} above the picture (▲): {names}.') == 2


def test_dots_lie_where_the_axes_say(tmp_path):
  """The colours are those of the legend; what is beyond the budget is hollow, what is chosen has a ring."""
  gate = judged() | {'chosen': 'dense.float16'}
  for variant, recipe in zip(gate['variants'], ('a', 'b', 'a', 'c'), strict=True):
    variant |= {'recipe': recipe, 'within_budget': recipe != 'c', 'frontier_size': recipe == 'b'}
  page = page_of(tmp_path / 'out', gate)
  assert re.findall(r'<i class="swatch (s\d)"></i>(\w)<', page) == [('s0', 'a'), ('s1', 'b'), ('s2', 'c')]
  for drawn, cost in zip(_charts(page), ('bytes', 'p50'), strict=True):
    axes = Axes(drawn)
    dots = {
      title.split(':')[0]: (float(x), float(y), float(radius), style)
      for x, y, radius, style, title in re.findall(
        r'<circle cx="([\d.]+)" cy="([\d.]+)" r="(\d+)" class="([\w ]+)"><title>([^<]+)', drawn
      )
    }
    assert list(dots)[-1] == 'dense.float16', 'the chosen one is not on top'
    for variant in gate['variants']:
      x, y, radius, style = dots[variant['name']]
      figure = variant['bytes'] if cost == 'bytes' else variant['latency_us']['p50']
      assert axes.x(x) == pytest.approx(figure, rel=0.003)
      assert axes.y(y) == pytest.approx(variant['rmse_ratio']['value'], abs=2e-4)
      assert style == {'a': 'fill s0', 'b': 'fill s1', 'c': 'hollow s2'}[variant['recipe']]
      assert radius == (5 if variant[f'frontier_{"size" if cost == "bytes" else "latency"}'] else 4)
    [ring] = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="9" class="chosen"/>', drawn)
    assert tuple(map(float, ring)) == dots['dense.float16'][:2]
  size, latency = (
    re.findall(r'<title>(dense.float16: [^<]+)', drawn)[0].replace('\xa0', ' ') for drawn in _charts(page)
  )
  assert size == 'dense.float16: 39.0 KB, RMSE 1.010 [1.000, 1.020] times float32'
  assert latency == 'dense.float16: 6.0 µs, RMSE 1.010 [1.000, 1.020] times float32'
  for drawn, label in zip(_charts(page), ('size of the file', 'median time for one ride'), strict=True):
    assert f'>{label}</text>' in drawn
    assert '>RMSE relative to float32</text>' in drawn


def test_whiskers_are_the_intervals(tmp_path):
  """Strong ones for what is on the frontier or chosen; all are 0.02 high here."""
  drawn = _charts(page_of(tmp_path / 'out', judged()))[0]
  axes = Axes(drawn)
  found = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" class="whisker[^"]*"', drawn)
  assert len(found) == 4
  for x, bottom, other, top in found:
    assert x == other
    assert axes.y(float(top)) - axes.y(float(bottom)) == pytest.approx(0.02, abs=5e-4)


def test_a_variant_below_the_red_line_is_refused_with_its_reason(tmp_path):
  """Its RMSE is within the budget; what it misses is another limit, and stands below both pictures."""
  gate = judged()
  gate['variants'][1] |= {'rmse_ratio': interval(1.005, 0.01), 'within_budget': False, 'reason': 'Too slow: 9 of 8 µs.'}
  gate['variants'][2] |= {'rmse_ratio': interval(1.05, 0.01), 'within_budget': False, 'reason': 'RMSE too high.'}
  found = text(page_of(tmp_path / 'out', gate))
  said = 'Below the red line of the RMSE, and beyond the budget all the same: dense.float16: Too slow: 9 of 8 µs.'
  assert found.count(said) == 2
  assert 'Below the red line' not in text(page_of(tmp_path / 'other', judged()))
  # Of many, the table says why.
  gate['variants'][0] |= {'within_budget': False}
  gate['variants'][3] |= {'rmse_ratio': interval(1.0, 0.01), 'within_budget': False, 'reason': 'Too large.'}
  gate['variants'][2] |= {'rmse_ratio': interval(1.0, 0.01)}
  names = 'dense.float16, dense.dynamic_range and dense.int8; the table says why.'
  assert text(page_of(tmp_path / 'many', gate)).count(f'beyond the budget all the same: {names}') == 2
