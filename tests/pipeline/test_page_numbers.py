"""The page as it is read: figures, marks, bars and sentences of its HTML. Oracle: the made run's numbers, by hand."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from configs.compression import JudgedOn
from models.served_versions import SAVED_MODEL
from pipeline.report.page import run_page
from pipeline.report.record import read_record
from pipeline.report.tables import counted
from tests.pipeline.made_run import VARIANTS, compression, config_of, interval, made_run, manifest, write_json
from tests.pipeline.page_reader import Axes, PageTable, pictures, section, tables, text

GATE = 'artifacts/CompressionGate/report/12'
VARIANTS_TABLE = 'Variants, smallest file first'


def _page(directory: pathlib.Path, gate: dict[str, Any] | None = None, **changes: Any) -> str:
  """The page of a made run: `gate` is another report of the gate, the rest replaces parts of the summary."""
  made_run(directory, **changes)
  if gate is not None:
    write_json(directory / GATE / 'compression.json', gate)
  return run_page(read_record(directory))


def _told(directory: pathlib.Path) -> dict[str, Any]:
  return dict(json.loads((directory / 'summary.json').read_text(encoding='utf-8')))


@pytest.fixture(scope='module')
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
  return _page(tmp_path_factory.mktemp('page') / 'out')


def _judged() -> dict[str, Any]:
  """A report of the gate on four files, the best of each column another one, the smallest file last."""
  told = compression()
  told['variants'] = told['variants'][:4]
  # RMSE, to float32, worst slice, KB, KB after gzip, p50, p99, batch, MB of memory, share of zeros.
  figures = (
    (4.1, 1.04, 1.09, 40_000, 39_000, 5.0, 9.0, 90.0, 70e6, 0.2),
    (4.2, 1.01, 1.08, 39_000, 37_000, 6.0, 8.0, 99.0, 60e6, 0.1),
    (4.3, 1.02, 1.03, 38_000, 36_000, 4.0, 10.0, 70.0, 90e6, 0.0),
    (4.4, 1.03, 1.07, 37_000, 38_000, 7.0, 11.0, 80.0, 80e6, 0.9),
  )
  for variant, (rmse, ratio, worst, size, zipped, p50, p99, batch, memory, zeros) in zip(
    told['variants'], figures, strict=True
  ):
    variant |= {
      'rmse': interval(rmse, 0.1),
      'rmse_ratio': interval(ratio, 0.01),
      'worst_slice': {'name': 'night', 'rides': 60, 'rmse': 6.0, 'rmse_ratio': interval(worst, 0.02)},
      'bytes': size,
      'gzip_bytes': zipped,
      'latency_us': {'p50': p50, 'p99': p99, 'spread': [p50 - 1, p50 + 2]},
      'latency_batch_us': {'p50': batch, 'p99': 2 * batch, 'spread': [batch - 1, batch + 1]},
      'peak_bytes': memory,
      'sparsity': zeros,
    }
  return told


def test_the_best_of_every_column_is_marked(tmp_path):
  table = tables(_page(tmp_path / 'out', _judged()))[VARIANTS_TABLE]
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
  table = tables(_page(tmp_path / 'out', _judged()))[VARIANTS_TABLE]
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
  gate = _judged()
  gate['variants'][0]['latency_us']['p50'] = p50
  assert tables(_page(tmp_path / 'out', gate))[VARIANTS_TABLE].row('dense.float32')['one ride, p50'].text == expected


def test_columns_without_any_figure_are_left_out(tmp_path):
  """As of a gate that measured neither latency nor memory."""
  gate = _judged()
  for variant in gate['variants']:
    variant |= {'latency_us': None, 'latency_batch_us': None, 'peak_bytes': None, 'worst_slice': None}
  found = tables(_page(tmp_path / 'out', gate))[VARIANTS_TABLE]
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
  found = _page(tmp_path / 'out', compression() | {'chosen': 'dense.float32'})
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
  gate = _judged()
  for index, variant in enumerate(gate['variants']):
    variant['within_budget'] = index < kept
  assert expected in text(_page(tmp_path / 'out', gate))


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
  page = _page(tmp_path / 'out', _judged() | {'budget': budget})
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
  gate = _judged() | {'objective': objective}
  gate['budget'] = {'rmse_ratio': None, 'worst_slice_ratio': None, 'gzip_bytes': 9_000}
  page = _page(tmp_path / 'out', gate)
  assert f'The budget asks for a download of at most 9.0 KB. {pushed} is pushed.' in text(page)
  order = sorted(gate['variants'], key=lambda variant: variant['gzip_bytes' if by_download else 'bytes'])
  word = 'download' if by_download else 'file'
  found = tables(page)[f'Variants, smallest {word} first']
  assert [cell.split()[0] for cell in found.texts('variant')] == [variant['name'] for variant in order]
  size, _ = _charts(page)
  assert f'size of the {word}' in size
  assert size.count('class="budget"') == by_download


def test_the_layer_that_loses_accuracy_is_named(tmp_path):
  title, gate = 'Accuracy lost up to each layer, and by it alone', _judged()
  assert title not in tables(_page(tmp_path / 'without', gate))
  lost = [('dense_0', 0.004, 0.004), ('fare', 0.011, 0.0031)]
  gate['variants'][1] |= {
    'output_step': 0.404,
    'layer_errors': [{'name': name, 'error': error, 'own_error': own} for name, error, own in lost],
  }
  found = tables(_page(tmp_path / 'out', gate))
  [row] = found[title].rows
  assert [cell.text for cell in row] == [gate['variants'][1]['name'], '0.40', '1.10', 'dense_0']
  assert row[2].note == '0.31 of its own'
  assert '0.404' in found[VARIANTS_TABLE].texts('step')


@pytest.mark.parametrize('limits', [None, {}], ids=['no_budget', 'no_limit'])
def test_a_budget_without_limits_asks_for_nothing(tmp_path, limits):
  none = dict.fromkeys(('rmse_ratio', 'worst_slice_ratio', 'bytes', 'latency_us'))
  budget = None if limits is None else none | {'min_slice_rides': 70, 'judged_on': 'point'}
  found = _page(tmp_path / 'out', _judged() | {'budget': budget})
  assert 'The budget asks for' not in text(found)
  assert not any('class="budget"' in drawn for drawn in _charts(found))


def test_the_version_that_the_files_were_held_against(tmp_path):
  served = {'served_version': '1795769719', 'served_rmse': {'value': 4.412, 'low': 3.951, 'high': 4.873}}
  held = 'They were held against version 1795769719: its file has an RMSE of 4.41 [3.95, 4.87] USD on the same rides.'
  assert held in text(_page(tmp_path / 'out', _judged() | served))
  assert 'held against' not in text(_page(tmp_path / 'first', _judged()))


def _charts(page: str) -> list[str]:
  """The pictures of accuracy against size and against latency."""
  return [drawn for label, drawn in pictures(page).items() if label.startswith('Accuracy and')]


def test_frontiers_are_told_from_the_cheapest_to_the_dearest(tmp_path):
  gate = _judged()
  for variant, size, latency in zip(gate['variants'], (1, 0, 1, 1), (0, 1, 1, 0), strict=True):
    variant |= {'frontier_size': bool(size), 'frontier_latency': bool(latency)}
  labels = [label for label in pictures(_page(tmp_path / 'out', gate)) if label.startswith('Accuracy')]
  assert labels == [
    'Accuracy and size: 4 variants. On the frontier: dense.int8, dense.dynamic_range and dense.float32.',
    'Accuracy and latency: 4 variants. On the frontier: dense.dynamic_range and dense.float16.',
  ]


def test_no_frontier_is_told_as_none(tmp_path):
  gate = _judged()
  for variant in gate['variants']:
    variant |= {'frontier_size': False, 'frontier_latency': False, 'latency_us': None}
  # Nothing was timed: there is no picture of latencies.
  labels = [label for label in pictures(_page(tmp_path / 'out', gate)) if label.startswith('Accuracy')]
  assert labels == ['Accuracy and size: 4 variants. On the frontier: none.']


@pytest.mark.parametrize('hopeless', [1, 2])
def test_hopeless_variants_are_named_below_the_picture(tmp_path, hopeless):
  gate = _judged()
  for variant in gate['variants'][1 : 1 + hopeless]:
    variant |= {'rmse_ratio': interval(3.0, 0.1), 'within_budget': False}
  lies, names = ('it lies', 'dense.float16') if hopeless == 1 else ('they lie', 'dense.float16, dense.dynamic_range')
  found = text(_page(tmp_path / 'out', gate))
  assert found.count(f'So inaccurate that {lies} above the picture (▲): {names}.') == 2


def test_dots_lie_where_the_axes_say(tmp_path):
  """The colours are those of the legend; what is beyond the budget is hollow, what is chosen has a ring."""
  gate = _judged() | {'chosen': 'dense.float16'}
  for variant, recipe in zip(gate['variants'], ('a', 'b', 'a', 'c'), strict=True):
    variant |= {'recipe': recipe, 'within_budget': recipe != 'c', 'frontier_size': recipe == 'b'}
  page = _page(tmp_path / 'out', gate)
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
  drawn = _charts(_page(tmp_path / 'out', _judged()))[0]
  axes = Axes(drawn)
  found = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" class="whisker[^"]*"', drawn)
  assert len(found) == 4
  for x, bottom, other, top in found:
    assert x == other
    assert axes.y(float(top)) - axes.y(float(bottom)) == pytest.approx(0.02, abs=5e-4)


def test_slices_side_by_side(page):
  """Bars go from zero to a round figure, which the scale above them says, at or beyond the largest upper end; the line
  across is the RMSE of all rides of the chosen file.
  """
  table = tables(page)['Errors by slice']
  assert table.sortable
  assert table.styles == ['strong', '', '']
  bars = [row[2].pieces for row in table.rows]
  ends = [(low, high) for (low, high) in (re.findall(r'[\d.]+', cell.note) for cell in table.column('RMSE, file'))]
  largest = max(float(high) for _, high in ends)
  ticks = table.headings[2].ticks
  top = float(ticks[-1][0])
  assert largest <= top <= 1.25 * largest
  assert len(ticks) >= 4
  assert [place for _, place in ticks] == pytest.approx([100 * float(said) / top for said, _ in ticks], abs=0.01)
  reference = 4.43 * VARIANTS['pqat_80.int8'][0]
  for (low, high), value, bar in zip(ends, table.values('RMSE, file'), bars, strict=True):
    assert [piece for piece, _, _ in bar] == ['reference', 'interval', 'dot']
    assert bar[0][1] == pytest.approx(100 * reference / top, abs=0.2)
    assert bar[1][1] == pytest.approx(100 * float(low) / top, abs=0.2)
    assert bar[1][1] + bar[1][2] == pytest.approx(100 * float(high) / top, abs=0.3)
    assert bar[2][1] == pytest.approx(100 * value / top, abs=0.2)
  assert 'The dots show the file of pqat_80.int8, the last three columns the trained model' in text(page)


def test_slices_of_the_file_alone(tmp_path):
  """Where nothing was evaluated: all rides first, then the gate's slices; they have no code to tell their rides by."""
  table = tables(_page(tmp_path / 'out', slices=[], metrics=None, rmse_without_worst_5=None))['Errors by slice']
  assert table.texts('slice') == ['all', 'airport ride', '0–6 h']
  assert table.texts('rides') == ['–', '60', '80']
  assert table.texts('RMSE, trained model') == table.texts('MAE') == table.texts('calibration') == ['–'] * 3
  ratio = VARIANTS['pqat_80.int8'][0]
  assert table.values('RMSE, file') == pytest.approx([4.43 * ratio, 6.6 * ratio, 4.1 * ratio])


def test_slices_of_the_trained_model_alone(tmp_path):
  """Without any file the line across is the trained model's RMSE; only that of all rides has an interval."""
  told = [
    {
      'name': name,
      'slice': [],
      'root_mean_squared_error': rmse,
      'mean_absolute_error': mae,
      'example_count': count,
      'calibration': total,
    }
    for name, rmse, mae, count, total in (('all', 4.43, 1.82, 400.0, 0.978), ('night', 8.86, 3.0, 1234.0, 1.25))
  ]
  directory = made_run(tmp_path / 'out', slices=told, variants=[], chosen=None)
  summary = _told(directory)
  del summary['artifacts']['CompressionGate']
  write_json(directory / 'summary.json', summary)
  page = run_page(read_record(directory))
  table = tables(page)['Errors by slice']
  assert table.names == ['slice', 'rides', 'RMSE, the line is that of all rides', 'RMSE', 'MAE', 'calibration']
  assert [(cell.text, cell.note) for cell in table.column('RMSE')] == [('4.43', '[3.53, 5.33]'), ('8.86', '')]
  assert table.texts('MAE') == ['1.82', '3.00']
  assert table.texts('calibration') == ['0.978', '1.250']
  assert table.texts('rides') == ['400', '1,234']
  assert [row[2].pieces for row in table.rows] == [
    [('reference', 44.3, None), ('dot', 44.3, None)],
    [('reference', 44.3, None), ('dot', 88.6, None)],
  ]
  assert 'The dots show the file' not in text(page)
  assert 'variants' in re.findall(r'left nothing of: ([^.]+)\.', text(page))[0]


def _predicted(directory: pathlib.Path, **columns: np.ndarray) -> None:
  """Replaces columns of the predictions."""
  path = directory / GATE / 'predictions.parquet'
  table = pq.read_table(path)
  names = table.column_names
  arrays = {name: columns.get(name.replace('.', '_'), table[name]) for name in names}
  pq.write_table(pa.table(arrays), path)


def test_hours_as_they_are_drawn(tmp_path):
  """Two hours whose errors are known, one of them far more uneven; the rest have no ride."""
  directory = made_run(tmp_path / 'out')
  count = 400
  second = np.arange(count) % 2 == 1
  days = 126_230_400 + 86_400 * np.arange(count)
  errors = np.where(second, -3.0, 2.0) + np.where(np.arange(count) % 4 < 2, 1.0, -1.0)
  fares = np.full(count, 20.0)
  _predicted(
    directory,
    pickup_seconds=(days + np.where(second, 17, 5) * 3600).astype(np.int32),
    fare_amount=fares,
    pqat_80_int8=fares + errors,
  )
  page = run_page(read_record(directory))
  sentence = (
    'In 2 hours the mean error can hardly be chance, of 2 hours looked at; the largest is at 17 h, where predictions '
    'are 3.00 USD too low on average.'
  )
  assert f'{sentence} Shown is pqat_80.int8 on 400 rides of the eval split.' in text(page)
  [(_, drawn)] = [found for found in pictures(page).items() if found[0] == f'Errors by hour of the day. {sentence}']
  titles = [found.replace('\xa0', ' ') for found in re.findall(r'<title>([^<]+)', drawn)]
  # 200 rides, each one of its own moment: 1.96 times the standard error, 1.00 / sqrt(199).
  assert titles == ['5 h: 2.00 [1.86, 2.14] USD, 200 rides', '17 h: −3.00 [−3.14, −2.86] USD, 200 rides']
  axes = Axes(drawn)
  for (x, y, width, height), (hour, low, high) in zip(
    re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" class="half"', drawn),
    ((5, 1.0, 3.0), (17, -4.0, -2.0)),
    strict=True,
  ):
    assert axes.x(float(x) + float(width) / 2) == pytest.approx(hour, abs=0.05)
    assert axes.y(float(y)) == pytest.approx(high, abs=0.05)
    assert axes.y(float(y) + float(height)) == pytest.approx(low, abs=0.05)
  for (x, y), (hour, mean) in zip(
    re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="3"', drawn), ((5, 2.0), (17, -3.0)), strict=True
  ):
    assert (axes.x(float(x)), axes.y(float(y))) == pytest.approx((hour, mean), abs=0.05)
  [(_, zero, _, same)] = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" class="axis"/><g>', drawn)
  assert zero == same
  assert axes.y(float(zero)) == pytest.approx(0, abs=0.05)


def test_the_colours_of_the_maps_are_told(tmp_path):
  """The mean absolute error is 4: colours are 2 wide."""
  directory = made_run(tmp_path / 'out')
  fares = np.full(400, 20.0)
  _predicted(directory, fare_amount=fares, pqat_80_int8=fares + np.where(np.arange(400) % 2, 4.0, -4.0))
  found = section(run_page(read_record(directory)), 'errors')
  assert [meaning for _, meaning in re.findall(r'<i class="swatch (e\d)"></i>([^<]+)', found)] == [
    'below −5.0',
    '−5.0 to −3.0',
    '−3.0 to −1.0',
    '−1.0 to +1.0',
    '+1.0 to +3.0',
    '+3.0 to +5.0',
    'above +5.0',
  ]
  assert re.findall(r'<i class="swatch (e\d)">', found) == [f'e{index}' for index in range(7)]
  assert 'Mean of prediction minus fare (USD):' in text(found)
  # A dot of one ride has its ride's own error, and so its colour: +4 is two colours above the neutral one.
  for colour, rides, error in re.findall(r'class="(e\d)"><title>(\d+)\xa0rides?, mean error ([−+][\d.]+)', found):
    if rides == '1':
      assert colour == ('e5' if error == '+4.00' else 'e1')


def test_landmarks_are_crosses_with_their_names_inside(tmp_path):
  """The name is on the right of its cross, but on the left near the right edge; what lies outside is not drawn."""
  directory = made_run(tmp_path / 'out')
  longitude, latitude = np.tile([-88.0, -87.0], 200), np.tile([41.5, 42.2], 200)
  ends = ('pickup', 'dropoff')
  _predicted(
    directory,
    **{f'{end}_longitude': longitude.astype(np.float32) for end in ends},
    **{f'{end}_latitude': latitude.astype(np.float32) for end in ends},
  )
  places = {
    'west': (-87.9, 41.9), 'east': (-87.05, 41.7), 'beyond': (-85.0, 41.9), 'north': (-87.5, 43.5),
    'south': (-87.5, 40.0), 'before': (-90.0, 41.9),
  }  # fmt: skip
  config = config_of(directory)
  marks = [{'name': name, 'longitude': x, 'latitude': y, 'airport': False} for name, (x, y) in places.items()]
  config['dataset']['city']['landmarks'] = marks
  (directory / 'config.yaml').write_text(yaml.safe_dump(config), encoding='utf-8')
  maps = [drawn for label, drawn in pictures(run_page(read_record(directory))).items() if label.startswith('Where')]
  assert len(maps) == 2
  for drawn in maps:
    names = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"( text-anchor="end")? class="name halo">(\w+)<', drawn)
    assert [(name, bool(anchor)) for _, _, anchor, name in names] == [('west', False), ('east', True)]
    crosses = re.findall(r'<path d="M([\d.]+) ([\d.]+)h8M([\d.]+) ([\d.]+)v8" class="landmark"/>', drawn)
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="[\d.]+" class="e\d"', drawn)
    (x0, y0), (x1, y1) = sorted((float(x), float(y)) for x, y in dots)
    for cross, (x, y, anchor, name) in zip(crosses, names, strict=True):
      left, middle, centre, top = map(float, cross)
      east, north = places[name][0] + 88, (places[name][1] - 41.5) / 0.7
      assert (centre, middle) == pytest.approx((x0 + (x1 - x0) * east, y0 + (y1 - y0) * north), abs=0.5)
      assert (centre - left, middle - top) == pytest.approx((4, 4), abs=0.11)
      assert (float(x) - centre, float(y) - middle) == pytest.approx((-8 if anchor else 8, 4), abs=0.11)


def test_rows_that_were_set_aside_as_bars(page):
  table = tables(page)['Rows that were set aside, by reason']
  assert [row[3].pieces for row in table.rows] == [[('length', 0.0, 100.0)], [('length', 0.0, 42.86)]]
  assert table.texts('reason') == ['fare out of range', 'unparsable time']


def test_the_first_broken_values_stand_under_their_reason(tmp_path):
  rows = {'read': 10, 'kept': 8, 'quarantined': {'a_b': 2}, 'splits': {'eval': 2, 'train': 6}}
  examples = {'a_b': ["in fare, such as '$1': set <b>", "in tip, such as '-'"]}
  page = section(_page(tmp_path / 'out', rows=rows | {'examples': examples}), 'data')
  assert "a b in fare, such as '$1': set <b>; in tip, such as '-'" in text(page)


@pytest.mark.parametrize(
  ('aside', 'sentence', 'kept_whole'),
  [
    pytest.param(
      {}, '10 rows were read and 8 kept: 6 to train on and 2 to evaluate on. None was set aside.', False, id='none'
    ),
    pytest.param({'a_b': 1}, '1 row was set aside (10.00 %).', True, id='one'),
    pytest.param({'a_b': 1, 'c': 1}, '2 rows were set aside (20.00 %).', True, id='two'),
  ],
)
def test_what_is_told_of_the_rows(tmp_path, aside, sentence, kept_whole):
  rows = {'read': 10, 'kept': 8, 'quarantined': aside, 'splits': {'eval': 2, 'train': 6}}
  page = section(_page(tmp_path / 'out', rows=rows), 'data')
  assert sentence in text(page)
  assert ('Every row that was set aside is kept whole' in text(page)) == kept_whole
  found = tables(page).get('Rows that were set aside, by reason')
  assert (found is not None) == bool(aside)
  if found:
    # A bar of one reason alone would say nothing.
    assert found.names == [
      'reason',
      'rows',
      'share of all rows',
      *(['beside the other reasons'] if len(aside) > 1 else []),
    ]


def _divergence(feature: str, kind: str, value: float | None, threshold: float | None) -> dict[str, Any]:
  sentence = f'{feature} is {value}.'
  return {
    'sentence': sentence,
    'split': 'train',
    'feature': feature,
    'kind': kind,
    'severity': 'info',
    'stops': False,
    'divergence': value,
    'threshold': threshold,
  }


def test_bars_of_drift_and_skew_stand_against_their_thresholds(tmp_path):
  """The threshold lies at three quarters of the track, whatever it is; what is at the threshold is not beyond it."""
  findings = [
    _divergence('half', 'drift', 0.1, 0.2),
    _divergence('at', 'drift', 0.3, 0.3),
    _divergence('far', 'skew', 0.5, 0.4),
    _divergence('half', 'skew', 0.02, 0.08),
    _divergence('unmeasured', 'drift', None, 0.3),
    _divergence('unbounded', 'drift', 0.3, None),
  ]
  page = section(_page(tmp_path / 'out', findings=findings), 'data')
  table = tables(page)['Drift and skew by column']
  assert table.names == ['column', 'drift', 'to its threshold', 'skew', 'to its threshold']
  limit = ('limit', 75.0, None)
  assert [(row[0].text, row[2].pieces, row[4].pieces) for row in table.rows] == [
    ('half', [('length', 0.0, 37.5), limit], [('length', 0.0, 18.75), limit]),
    ('at', [('length', 0.0, 75.0), limit], []),
    ('far', [], [('beyond', 0.0, 93.75), limit]),
  ]
  assert [(row[1].text, row[3].text) for row in table.rows] == [('0.100', '0.020'), ('0.300', '–'), ('–', '0.500')]
  assert [heading.meaning.split(':')[0] for heading in table.headings if heading.meaning] == [
    'drift from the earlier rides',
    'skew between train and eval',
  ]


@pytest.mark.parametrize(
  ('findings', 'expected'),
  [
    pytest.param([], 'No column was compared yet.', id='nothing'),
    pytest.param(
      [('a', 'drift', 'info')], 'Compared: drift from the earlier rides. Nothing is beyond its threshold.', id='calm'
    ),
    pytest.param(
      [('a', 'drift', 'info'), ('a', 'skew', 'info')],
      'Compared: drift from the earlier rides and skew between train and eval. Nothing is beyond',
      id='both',
    ),
    pytest.param([('a', 'schema', 'info')], 'Nothing is beyond its threshold.', id='no_comparison'),
    pytest.param(
      [('a', 'drift', 'error'), ('a', 'skew', 'info')],
      'error a is 0.1. Compared: drift from the earlier rides and skew between train and eval.',
      id='loud',
    ),
  ],
)
def test_what_was_compared(tmp_path, findings, expected):
  made = [_divergence(name, kind, 0.1, 0.2) | {'severity': severity} for name, kind, severity in findings]
  found = text(section(_page(tmp_path / 'out', findings=made), 'data'))
  assert expected in found
  assert ('Nothing is beyond' in found) == (bool(made) and all(severity == 'info' for _, _, severity in findings))
  assert ('Compared: ' in found) == any(kind != 'schema' for _, kind, _ in findings)


def test_columns_of_degrees_have_four_decimals(page):
  table = tables(page)['What the train split holds, before any feature']
  assert table.texts('column') == ['dropoff_latitude', 'fare_amount', 'passenger_count']
  # What no ride has has no smallest value, though TFDV says 0.
  assert table.texts('smallest') == ['41.6600', '2.25', '–']
  assert table.texts('missing') == ['3.19 %', '0.00 %', '100.00 %']
  assert 'The rides of the train split began between 1 January 2013 and 30 December 2016.' in text(page)


def test_steps_with_their_words_and_bars(tmp_path):
  seconds, states = (4.0, 1.0, 2.0, 0.0), ('complete', 'cached', 'failed', 'skipped')
  steps = [
    {'name': f'S{index}', 'state': state, 'seconds': second, 'after': [f'S{index - 1}'] if index else []}
    for index, (state, second) in enumerate(zip(states, seconds, strict=True))
  ]
  page = _page(tmp_path / 'out', steps=steps)
  table = tables(page)['Steps of the run, and what each waits for']
  assert table.texts('step') == ['S0', 'S1', 'S2', 'S3']
  assert table.texts('state') == ['ran', 'from the cache', 'failed', 'skipped']
  assert table.texts('time') == ['4.0 s', '1.0 s', '2.0 s', '0.0 s']
  assert [row[4].pieces for row in table.rows] == [
    [('complete', 0.0, 100.0)],
    [('cached', 0.0, 25.0)],
    [('failed', 0.0, 50.0)],
    [('skipped', 0.0, 0.0)],
  ]
  assert table.texts('waits for') == ['', 'S0', 'S1', 'S2']
  assert '4 steps in 7.0 s; 1 came from the cache.' in text(page)


def test_steps_side_by_side_lie_on_a_time_line(tmp_path):
  """Oracle: shares of the ten seconds from the first beginning to the last end."""
  times = {'a': (0.0, 4.0), 'b': (4.0, 3.0), 'c': (4.5, 5.5)}
  steps = [
    {'name': name, 'state': 'complete', 'began': began, 'seconds': seconds, 'after': [] if name == 'a' else ['a']}
    for name, (began, seconds) in times.items()
  ]
  page = _page(tmp_path / 'out', steps=steps)
  table = tables(page)['Steps of the run, and what each waits for']
  assert [row[4].pieces for row in table.rows] == [
    [('complete', 0.0, 40.0)],
    [('complete', 40.0, 30.0)],
    [('complete', 45.0, 55.0)],
  ]
  assert '3 steps in 10 s, 12 s one after another; none came from the cache.' in text(page)


def test_steps_of_which_one_does_not_say_what_it_waits_for(tmp_path):
  steps = [
    {'name': name, 'state': 'complete', 'seconds': 1.0, 'after': after} for name, after in (('a', []), ('b', None))
  ]
  page = _page(tmp_path / 'out', steps=steps)
  table = tables(page)['Steps of the run, in their order']
  assert table.names == ['step', 'state', 'time', '']
  assert '2 steps in 2.0 s; none came from the cache.' in text(page)


def _facts(page: str) -> dict[str, str]:
  found = re.findall(r'<div><dt>([^<]*)</dt><dd>([^<]*)</dd></div>', section(page, 'again'))
  return {name: value for name, value in found}


@pytest.mark.parametrize(
  ('files', 'told'),
  [
    pytest.param(['a.csv', 'b.csv', 'c.csv'], 'a.csv, b.csv and c.csv', id='three'),
    pytest.param(['a.csv', 'b.csv', 'c.csv', 'd.csv', 'e.csv'], 'a.csv, b.csv, c.csv and 2 more', id='five'),
  ],
)
def test_what_it_takes_to_run_again(tmp_path, files, told):
  directory = tmp_path / 'my out'
  made_run(directory, code_version='abc', started='2026-11-20T06:00:00Z', config='nyc.yaml')
  write_json(directory / 'artifacts/RideExampleGen/quarantine/1/counts.json', {'files': files})
  page = run_page(read_record(directory))
  assert _facts(page) == {
    'Config': 'nyc.yaml',
    'Data': told,
    'Code version': 'abc',
    'Started': '2026-11-20T06:00:00Z',
    'Pushed to': f'{directory}/serving/1795458791',
  }
  command = f"farelite run --config '{directory}/config.yaml' --output '{directory}-again'"
  assert command in text(page)


def test_what_is_not_known_is_no_fact(tmp_path):
  """The summary's own word on the data comes before that of the quarantine; nothing is told of what is lost."""
  directory = made_run(tmp_path / 'out', data='gs://rides/*.csv', pushed_path=None)
  assert _facts(run_page(read_record(directory))) == {
    'Config': f'{directory}/config.yaml',
    'Data': 'gs://rides/*.csv',
  }
  (directory / 'config.yaml').unlink()
  assert 'The resolved config' not in run_page(read_record(directory))


@pytest.mark.parametrize(
  ('status', 'badge', 'title'),
  [
    pytest.param('pushed', 'Pushed', 'pqat_80.int8 was pushed', id='pushed'),
    pytest.param('not_blessed', 'Not pushed', 'Nothing was pushed; the served model stays', id='not_blessed'),
    pytest.param(
      'anomalies', 'Stopped', 'Stopped before training: the rides are not what was expected', id='anomalies'
    ),
    pytest.param('failed', 'Failed', 'The run failed before its first step', id='failed'),
  ],
)
def test_the_head_of_each_ending(tmp_path, status, badge, title):
  page = _page(tmp_path / 'out', status=status, reason=' One.\n\nTwo.\nOne. ')
  assert f'<header class="{status}">' in page
  assert f'<span class="badge">{badge}</span>' in page
  assert f'<h1>{title}</h1>' in page
  # Each line once; then what the gate says, if the reason does not say it already.
  lines = re.findall(r'<p class="reason">([^<]*)</p>', page)
  assert lines == ['One.', 'Two.', 'pqat_80.int8 is the smallest of 8 variants that keep the budget.']


def test_a_version_that_served_beside_this_run(tmp_path):
  """All that is told of both; nothing of this run was chosen in the second case."""
  directory = made_run(tmp_path / 'out')
  version = directory / 'serving' / '1700000000'
  write_json(version / 'assets.extra' / 'manifest.json', manifest(4.0, 0.5))
  (version / SAVED_MODEL).touch()
  ratio, size = VARIANTS['pqat_80.int8'][:2]
  table = tables(run_page(read_record(directory)))['This run and the version that served before']
  assert table.names == ['', 'this run', 'version 1700000000'] or table.names[1:] == ['this run', 'version 1700000000']
  found = {row[0].text: ((row[0].note, row[1].text, row[1].note), (row[2].text, row[2].note)) for row in table.rows}
  written = found.pop('made')
  assert found == {
    'RMSE': (('USD', f'{4.43 * ratio:.2f}', '[3.55, 5.35]'), ('4.00', '[3.50, 4.50]')),
    'MAE': (('USD', f'{1.82 * ratio:.2f}', '[1.68, 1.98]'), ('2.00', '[1.50, 2.50]')),
    'size of the file': (('', f'{size / 1000:.1f} KB', ''), ('16.2 KB', '')),
    'variant': (('', 'pqat_80.int8', ''), ('qat.int8', '')),
    'dataset': (('', 'chicago', ''), ('chicago', '')),
  }
  assert written[1] == ('2026-11-20 06:00 UTC', '')
  assert re.fullmatch(r'\d{4}-\d\d-\d\d \d\d:\d\d', written[0][1])
  write_json(directory / GATE / 'compression.json', compression() | {'chosen': None})
  table = tables(run_page(read_record(directory)))['This run and the version that served before']
  found = {row[0].text: row[1].text for row in table.rows}
  assert (found['RMSE'], found['MAE'], found['size of the file'], found['variant']) == ('4.43', '1.82', '–', '–')


@pytest.mark.parametrize('lost', ['now', 'then'])
def test_without_an_rmse_only_sizes_and_settings_compare(tmp_path, lost):
  gate = compression() | {'chosen': None}
  directory = made_run(
    tmp_path / 'out', metrics=None if lost == 'now' else {'rmse': interval(4.43, 0.9), 'mae': interval(1, 0.1)}
  )
  write_json(directory / GATE / 'compression.json', gate)
  told = manifest(4.0, 0.5)
  if lost == 'then':
    told['metrics']['rmse'] = None
  write_json(directory / 'serving' / '1700000000' / 'assets.extra' / 'manifest.json', told)
  (directory / 'serving' / '1700000000' / SAVED_MODEL).touch()
  found = text(run_page(read_record(directory)))
  assert 'One of the two has no RMSE, so they can only be compared by their sizes and settings.' in found


def _recipes(directory: pathlib.Path, **changes: dict[str, Any]) -> str:
  """The page with other figures in the reports of some recipes."""
  for name, change in changes.items():
    path = directory / f'artifacts/PruningTrainer/model_run/9/recipes/{name}/training_report/training_report.json'
    write_json(path, json.loads(path.read_text(encoding='utf-8')) | change)
  return run_page(read_record(directory))


def _totals(parameters: int, zeros: float, pruned: float | None, distinct: int) -> dict[str, Any]:
  return {
    'parameters': parameters,
    'nonzero': 1,
    'sparsity': zeros,
    'pruned_sparsity': pruned,
    'biases': 3,
    'distinct_weights': distinct,
  }


def test_recipes_with_their_best_figures(tmp_path):
  """Of RMSE and ratio the smallest is best, of zeros the largest; the rest is neither good nor bad."""
  directory = made_run(tmp_path / 'out')
  changes = {
    name: {
      'metrics': {'rmse': interval(rmse, 0.1), 'mae': interval(1, 0.1), 'rmse_ratio': interval(ratio, 0.02)},
      'totals': _totals(parameters, zeros, pruned, distinct),
      'seconds': seconds,
    }
    for name, rmse, ratio, parameters, zeros, pruned, distinct, seconds in (
      ('dense', 4.5, 1.01, 1000, 0.0, None, 400, 4.0),
      ('pruned_80', 4.4, 1.03, 2000, 0.5, 0.8, 300, 3.0),
      ('pqat_80', 4.6, 0.99, 3000, 0.7, 0.9, 200, 75.0),
      ('qat', 4.7, 1.02, 4000, 0.1, None, 100, 1.0),
    )
  }
  table = tables(_recipes(directory, **changes))['Training recipes']
  assert {name: [cell.value for cell in table.column(name) if cell.best] for name in table.names} == (
    {key: [] for key in table.names} | {'RMSE': [4.4], 'to dense': [0.99], 'zeros': [0.7]}
  )
  assert {name: (cell.text, cell.note) for name, cell in table.row('pqat_80').items()} == {
    'recipe': ('pqat_80', 'What pqat_80 does.'),
    'RMSE': ('4.60', '[4.50, 4.70]'),
    'to dense': ('0.990', '[0.970, 1.010]'),
    'weights': ('3,000', ''),
    'zeros': ('70.0 %', ''),
    'zeros of pruned layers': ('90.0 %', ''),
    'distinct values': ('200', ''),
    'fine-tuning': ('1 min 15 s', ''),
  }
  assert [row[0].text for row in table.rows if 'Judged by the evaluator.' in row[0].note] == ['dense']
  assert table.sortable


def test_layers_of_every_recipe(tmp_path):
  """A layer that one recipe lacks has no figure there; a share of exactly zero is no measured one."""
  directory = made_run(tmp_path / 'out')
  layer = {
    'parameters': 10,
    'nonzero': 5,
    'distinct': 5,
    'target_sparsity': None,
    'range': None,
    'histogram': {'edges': [-1.0, 0.0, 1.0], 'before': [4, 6], 'after': [4, 6]},
  }
  first = layer | {'name': 'one', 'shape': [2, 5], 'sparsity': 0.0}
  second = layer | {'name': 'two', 'shape': [10], 'sparsity': 0.25, 'parameters': 1234}
  changes = {'dense': {'layers': [first, second]}, 'pruned_80': {'layers': [first | {'sparsity': 0.5}]}}
  table = tables(_recipes(directory, **changes))['Share of zero weights by layer and recipe']
  assert table.names == ['layer', 'weights', 'dense', 'pruned_80', 'pqat_80', 'qat']
  assert [[(cell.text, cell.note, 'none' in cell.classes) for cell in row] for row in table.rows] == [
    [
      ('one', '2 × 5', False),
      ('10', '', False),
      ('0', '', True),
      ('50.0 %', '', False),
      ('–', '', True),
      ('–', '', True),
    ],
    [
      ('two', '10', False),
      ('1,234', '', False),
      ('25.0 %', '', False),
      ('–', '', True),
      ('–', '', True),
      ('–', '', True),
    ],
  ]


def test_names_of_recipes_come_from_the_summary_where_the_config_is_lost(tmp_path):
  totals = _totals(1, 0.0, None, 1) | {
    'seconds': 1.0,
    **{name: interval(1.0, 0.1) for name in ('rmse', 'mae', 'rmse_ratio')},
  }
  recipes = [totals | {'name': 'qat', 'summary': 's', 'served': True, 'path': '/gone'}]
  directory = made_run(tmp_path / 'out', recipes=recipes)
  (directory / 'config.yaml').unlink()
  assert tables(run_page(read_record(directory)))['Training recipes'].texts('recipe') == ['qat']


def test_a_training_without_an_eval_split_has_no_second_figure(tmp_path):
  directory = made_run(tmp_path / 'out')
  path = directory / 'artifacts/PruningTrainer/model_run/9/history.json'
  write_json(path, {'epoch': [1.0, 3.0], 'step': [1.0, 1234.0], 'loss': [3.0, 2.0], 'rmse': [3.0, 2.0]})
  found = text(section(run_page(read_record(directory)), 'training'))
  assert 'The dense base was trained for 3 epochs (1,234 steps).' in found
  assert 'At the end its RMSE was' not in found


def test_courses_of_recipes_share_one_scale(tmp_path):
  """So that they can be compared by eye: the same loss lies at the same height in each."""
  directory = made_run(tmp_path / 'out')
  stage = {'technique': 'quantization', 'seconds': 1.0, 'resumed_from': 0}
  losses = {'pruned_80': [9.0, 8.0, 7.0, 6.0], 'pqat_80': [5.0, 4.0, 3.0, 2.0], 'qat': [1.0, 1.0, 1.0, 1.0]}
  changes = {
    name: {'stages': [stage | {'curves': {'step': [10, 20, 30, 40], 'loss': loss}}]} for name, loss in losses.items()
  }
  drawn = pictures(_recipes(directory, **changes))
  axes = {name: Axes(drawn[f'Loss of {name} by step.']).y_ticks for name in losses}
  assert axes['pruned_80'] == axes['pqat_80'] == axes['qat']
  figures = [figure for figure, _ in axes['qat']]
  assert min(figures) <= 2
  assert max(figures) >= 6


def test_tables_of_the_page_have_as_many_cells_as_headings(page):
  found: dict[str, PageTable] = tables(page)
  assert len(found) >= 10
  for caption, table in found.items():
    assert {len(row) for row in table.rows} == {len(table.headings)}, caption


@pytest.mark.parametrize('lost', ['history', 'reports'])
def test_half_of_a_training_is_still_shown(tmp_path, lost):
  """As of a run that stopped between the base and its recipes, or of one whose curves are gone."""
  directory = made_run(tmp_path / 'out')
  folder = directory / 'artifacts/PruningTrainer/model_run/9'
  if lost == 'history':
    (folder / 'history.json').unlink()
  else:
    shutil.rmtree(folder / 'recipes')
  found = section(run_page(read_record(directory)), 'training')
  assert ('The dense base was trained for' in text(found)) == (lost == 'reports')
  assert ('Training recipes' in tables(found)) == (lost == 'history')
  shutil.rmtree(folder)
  folder.mkdir()
  assert '<section id="training"' not in run_page(read_record(directory))


def test_the_base_alone_has_no_zeros_to_show_by_layer(tmp_path):
  directory = made_run(tmp_path / 'out')
  for name in ('pruned_80', 'pqat_80', 'qat'):
    shutil.rmtree(directory / f'artifacts/PruningTrainer/model_run/9/recipes/{name}')
  found = section(run_page(read_record(directory)), 'training')
  assert list(tables(found)) == ['Training recipes']
  assert tables(found)['Training recipes'].texts('recipe') == ['dense']


def test_a_pointer_over_a_heading_tells_what_it_means(page):
  found = tables(page)
  assert {heading.text: heading.meaning for heading in found[VARIANTS_TABLE].headings if heading.meaning} == {
    'RMSE': 'Root mean squared error: large misses weigh more.',
    'to float32': 'Ratio of the RMSE to that of the float32 file, ride by ride; 1 is no loss.',
    'worst slice': 'The slice whose RMSE grows most, against the float32 file.',
    'file': 'The file as it is, the features included.',
    'gzip': 'What users download.',
    'one ride, p50': 'Median time of a call for one ride: inputs set, invoked, fare taken.',
    'one ride, p99': '99 of 100 calls for one ride are faster.',
    '256 rides, p50': 'Median time for a larger batch, all of its rides together.',
    'memory': 'Peak memory of the process that runs it.',
    'zeros': 'Share of weights that are zero, counted in the file.',
    'budget': 'Whether it keeps every limit.',
  }
  told = {caption: [bool(heading.meaning) for heading in table.headings] for caption, table in found.items()}
  assert told['Errors by slice'] == [False, False, False, *[True] * 5]
  assert told['Training recipes'] == [False, *[True] * 6, False]
  [worst] = [caption for caption in told if 'missed most' in caption]
  assert told[worst] == [False, True, False, False, True]
  slices = found['Errors by slice'].headings
  assert 'Of pqat_80.int8.' in [heading.meaning for heading in slices]


def test_nothing_is_said_of_rides_that_no_map_leaves_out(tmp_path):
  """Of 400 rides in two places, none lies outside and none has no place."""
  directory = made_run(tmp_path / 'out')
  ends = ('pickup', 'dropoff')
  _predicted(
    directory,
    **{f'{end}_longitude': np.tile([-88.0, -87.0], 200).astype(np.float32) for end in ends},
    **{f'{end}_latitude': np.tile([41.5, 42.2], 200).astype(np.float32) for end in ends},
  )
  found = text(section(run_page(read_record(directory)), 'errors'))
  assert 'outside of the map' not in found
  assert 'no pickup place' not in found
  assert 'no dropoff place' not in found


def test_a_variant_below_the_red_line_is_refused_with_its_reason(tmp_path):
  """Its RMSE is within the budget; what it misses is another limit, and stands below both pictures."""
  gate = _judged()
  gate['variants'][1] |= {'rmse_ratio': interval(1.005, 0.01), 'within_budget': False, 'reason': 'Too slow: 9 of 8 µs.'}
  gate['variants'][2] |= {'rmse_ratio': interval(1.05, 0.01), 'within_budget': False, 'reason': 'RMSE too high.'}
  found = text(_page(tmp_path / 'out', gate))
  said = 'Below the red line of the RMSE, and beyond the budget all the same: dense.float16: Too slow: 9 of 8 µs.'
  assert found.count(said) == 2
  assert 'Below the red line' not in text(_page(tmp_path / 'other', _judged()))


def test_one_time_is_that_of_the_whole_run(tmp_path):
  """The summary's own, in the head and with the steps, which took less of it."""
  page = _page(tmp_path / 'out', seconds=101.0)
  assert 'The run took 1 min 41 s 9 steps' in text(page)
  assert '9 steps in 1 min 26 s, of the 1 min 41 s that the run took with what is around them; 1 came' in text(page)
  assert 'of the' not in text(section(_page(tmp_path / 'same', seconds=85.6), 'steps')).split('Without')[0]


def test_look_ups_are_no_steps(tmp_path):
  names = ('RideExampleGen', 'BaselineStatistics', 'ServedModel-2')
  steps = [{'name': name, 'state': 'complete', 'seconds': 1.0, 'after': []} for name in names]
  page = _page(tmp_path / 'out', steps=steps)
  assert text(page).count('1 step and 2 look-ups') == 2


def test_one_of_a_thing_is_not_several(tmp_path):
  """One epoch of one step, one number and one category."""
  directory = made_run(tmp_path / 'out')
  path = directory / 'artifacts/PruningTrainer/model_run/9/history.json'
  write_json(path, {'epoch': [1.0], 'step': [1.0], 'loss': [3.0], 'rmse': [3.0]})
  page = text(run_page(read_record(directory)))
  assert 'The dense base was trained for 1 epoch (1 step).' in page
  assert [counted(count, 'category', 'categories').replace('\N{NO-BREAK SPACE}', ' ') for count in (1, 2)] == [
    '1 category',
    '2 categories',
  ]


def test_curves_say_what_they_measure(tmp_path):
  """Of a run that measured the whole training split, that; of an older one, its batches and their mean."""
  directory = made_run(tmp_path / 'out')
  path = directory / 'artifacts/PruningTrainer/model_run/9/history.json'
  older = text(section(run_page(read_record(directory)), 'training'))
  assert 'Train, faint: mean over the batches since the point before, which leave out the last, partial batch' in older
  told = json.loads(path.read_text(encoding='utf-8'))
  curve = [4.0] * len(told['epoch'])
  write_json(path, told | {'train_loss': curve, 'train_rmse': curve})
  page = run_page(read_record(directory))
  found = text(section(page, 'training'))
  assert 'Both lines are measured at each point, on the model as it stands there' in found
  assert 'At the end its RMSE was 4.00 USD on the rides it learned from' in found
  [drawn] = [drawn for label, drawn in pictures(page).items() if label.startswith('RMSE (USD) of the dense base')]
  assert 'faint' not in drawn
  assert 'Loss, faint: mean over the batches' in found
