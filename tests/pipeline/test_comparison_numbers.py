"""The page of two runs as it is read. Oracle: the numbers that the tests write into both, by hand."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from configs.records import Estimate
from pipeline.report.page import write_comparison
from pipeline.report.record import differences, read_record
from pipeline.report.rides import PredictedRides, paired_ratio
from tests.pipeline.made_run import compression, config_of, failed_run, interval, made_run, write_json
from tests.pipeline.page_reader import PageTable, section, tables, text

GATE = 'artifacts/CompressionGate/report/12'


def _slices(*errors: tuple[str, float, float]) -> list[dict[str, Any]]:
  return [
    {
      'name': name,
      'slice': [],
      'root_mean_squared_error': rmse,
      'mean_absolute_error': 1.0,
      'example_count': count,
      'calibration': 1.0,
    }
    for name, rmse, count in errors
  ]


def _steps(*steps: tuple[str, str, float]) -> list[dict[str, Any]]:
  return [{'name': name, 'state': state, 'seconds': seconds, 'after': []} for name, state, seconds in steps]


def _run(
  directory: pathlib.Path, rmse: float = 4.0, reach: float = 0.5, currency: str = '', **changes: Any
) -> pathlib.Path:
  """A run whose chosen file was judged on no ride that is kept."""
  made_run(directory, **changes)
  gate = compression()
  for variant in gate['variants']:
    if variant['name'] == gate['chosen']:
      variant['rmse'] = interval(rmse, reach)
  write_json(directory / GATE / 'compression.json', gate)
  (directory / GATE / 'predictions.parquet').unlink()
  if currency:
    config = config_of(directory)
    config['dataset']['currency'] = currency
    (directory / 'config.yaml').write_text(yaml.safe_dump(config), encoding='utf-8')
  return directory


def _compared(first: pathlib.Path, second: pathlib.Path) -> str:
  return write_comparison(first, second).read_text(encoding='utf-8')


def _table(page: str, caption: str) -> PageTable:
  return tables(page)[caption]


OUTCOMES = 'RMSE and MAE are those of the chosen file, else of the trained model'


@pytest.mark.parametrize(
  ('rmse', 'sentence'),
  [
    pytest.param(4.9, 'The intervals overlap: the difference (−0.90) may be chance.', id='overlap'),
    pytest.param(5.0, 'The intervals overlap: the difference (−1.00) may be chance.', id='touch_above'),
    pytest.param(3.0, 'The intervals overlap: the difference (+1.00) may be chance.', id='touch_below'),
    pytest.param(5.1, 'The intervals do not overlap: A is better.', id='a'),
    pytest.param(2.9, 'The intervals do not overlap: B is better.', id='b'),
  ],
)
def test_which_run_is_better(tmp_path, rmse, sentence):
  """A has 4.0 +- 0.5, B the figure +- 0.5; the rides themselves are not there."""
  page = _compared(_run(tmp_path / 'a'), _run(tmp_path / 'b', rmse))
  assert f'RMSE: 4.00 [3.50, 4.50] against {rmse:.2f} [{rmse - 0.5:.2f}, {rmse + 0.5:.2f}] USD. {sentence}' in text(
    page
  )


def test_other_rows_mean_other_rides(tmp_path):
  rows = {'read': 2010, 'kept': 1999, 'quarantined': {}, 'splits': {'train': 1599, 'eval': 400}}
  page = _compared(_run(tmp_path / 'a'), _run(tmp_path / 'b', 9.0, rows=rows))
  assert 'USD. The two runs were judged on different rides, so the difference says little about the models.' in text(
    page
  )
  assert 'is better' not in text(page)


def test_other_currencies_do_not_compare(tmp_path):
  page = text(_compared(_run(tmp_path / 'a'), _run(tmp_path / 'b', currency='EUR')))
  assert 'The fares are in USD and EUR, so their errors are not comparable.' in page


@pytest.mark.parametrize(
  ('first', 'second', 'letters'),
  [
    pytest.param(True, False, 'A', id='a'),
    pytest.param(False, True, 'B', id='b'),
    pytest.param(True, True, 'A and B', id='both'),
  ],
)
def test_which_run_has_no_rmse(tmp_path, first, second, letters):
  runs = [
    failed_run(tmp_path / name) if failed else _run(tmp_path / name) for name, failed in (('a', first), ('b', second))
  ]
  page = _compared(*runs)
  assert f'{letters} did not come to an RMSE, so there is nothing to compare it by.' in text(page)
  found = {row[0].text: [cell.text for cell in row[1:]] for row in _table(page, OUTCOMES).rows}
  for index, failed in enumerate((first, second)):
    assert found['status'][index] == ('Failed' if failed else 'Pushed')
    assert (found['RMSE'][index] == '–') == failed
    assert found['chosen variant'][index] == ('–' if failed else 'pqat_80.int8')
    assert found['after gzip'][index] == ('–' if failed else '6.2 KB')
    assert found['median time for one ride'][index] == ('–' if failed else '7.9 µs')


def test_outcomes_side_by_side(tmp_path):
  rows = {'read': 3000, 'kept': 2999, 'quarantined': {}, 'splits': {'eval': 400}}
  second = _run(
    tmp_path / 'b', 9.0, rows=rows, status='not_blessed', steps=_steps(('A', 'complete', 3.0), ('B', 'cached', 4.0))
  )
  table = _table(_compared(_run(tmp_path / 'a'), second), OUTCOMES)
  assert [heading.text for heading in table.headings][1:] == ['A: a', 'B: b']
  found = {row[0].text: [(cell.text, cell.note) for cell in row[1:]] for row in table.rows}
  assert found['status'] == [('Pushed', ''), ('Not pushed', '')]
  assert found['RMSE'] == [('4.00', '[3.50, 4.50]'), ('9.00', '[8.50, 9.50]')]
  assert found['rides kept'] == [('2,000', ''), ('2,999', '')]
  assert found['duration'] == [('1 min 26 s', ''), ('7.0 s', '')]


@pytest.mark.parametrize(
  ('seeds', 'sentence'), [(1, '1 setting differs.'), (2, '2 settings differ.'), (0, '0 settings differ.')]
)
def test_how_many_settings_differ(tmp_path, seeds, sentence):
  second = _run(tmp_path / 'b')
  config = config_of(second)
  for name in ('seed', 'epochs')[:seeds]:
    config['training'][name] += 1
  (second / 'config.yaml').write_text(yaml.safe_dump(config), encoding='utf-8')
  page = text(_compared(_run(tmp_path / 'a'), second))
  assert sentence in page
  assert ('The configs are the same.' in page) == (seeds == 0)
  # The two files have the same size.
  assert 'A ships pqat_80.int8 in 14.0 KB, B ships pqat_80.int8 in 14.0 KB.' in page


def test_slices_of_both(tmp_path):
  """A slice that one run lacks has no difference."""
  first = _run(tmp_path / 'a', slices=_slices(('all', 4.0, 400.0), ('day', 3.0, 300.0), ('rain', 1.0, 5.0)))
  second = _run(tmp_path / 'b', slices=_slices(('all', 4.5, 410.0), ('day', 1.0, 310.0), ('snow', 2.0, 1234.0)))
  table = _table(_compared(first, second), 'RMSE of the trained models by slice')
  assert table.names == ['slice', 'rides, A', 'rides, B', 'RMSE, A', 'RMSE, B', 'A minus B']
  assert [heading.note for heading in table.headings] == ['', '', '', 'USD', 'USD', 'USD']
  assert table.sortable
  assert [[cell.text for cell in row] for row in table.rows] == [
    ['all', '400', '410', '4.00', '4.50', '−0.50'],
    ['day', '300', '310', '3.00', '1.00', '+2.00'],
    ['rain', '5', '–', '1.00', '–', '–'],
    ['snow', '–', '1,234', '–', '2.00', '–'],
  ]


def test_steps_of_both(tmp_path):
  first = _run(tmp_path / 'a', steps=_steps(('one', 'complete', 1.5), ('two', 'failed', 75.0)))
  second = _run(tmp_path / 'b', steps=_steps(('one', 'cached', 0.5), ('three', 'complete', 12.0)))
  table = _table(_compared(first, second), 'Time of each step')
  assert [[(cell.text, cell.note) for cell in row] for row in table.rows] == [
    [('one', ''), ('1.5 s', 'complete'), ('0.5 s', 'cached')],
    [('two', ''), ('1 min 15 s', 'failed'), ('–', '')],
    [('three', ''), ('–', ''), ('12 s', 'complete')],
  ]


def test_variants_of_both(tmp_path):
  """Each figure under its letter; what one side lacks is empty there."""
  first, second = _run(tmp_path / 'a'), _run(tmp_path / 'b')
  gate = compression()
  first_told = gate | {'variants': gate['variants'][:2], 'chosen': 'dense.float32'}
  write_json(first / GATE / 'compression.json', first_told)
  changed = gate['variants'][1] | {
    'rmse': interval(5.5, 0.1),
    'rmse_ratio': interval(1.5, 0.1),
    'bytes': 1_000,
    'within_budget': False,
    'latency_us': {'p50': 200.0, 'p99': 300.0, 'spread': [1.0, 2.0]},
  }
  write_json(
    second / GATE / 'compression.json', gate | {'variants': [changed, gate['variants'][-1]], 'chosen': 'dense.float16'}
  )
  table = _table(_compared(first, second), 'Variants of both runs')
  assert table.names == [
    'variant',
    'RMSE, A',
    'RMSE, B',
    'to float32, A',
    'to float32, B',
    'file, A',
    'file, B',
    'p50, A',
    'p50, B',
    'budget, A',
    'budget, B',
  ]
  assert [heading.note for heading in table.headings] == ['', 'USD', 'USD', *[''] * 8]
  # The changed record is of the time when invoking alone was measured.
  assert [table.rows[1][position].note for position in (7, 8)] == ['', 'without input and output']
  assert [(row[0].text, row[0].note, style) for row, style in zip(table.rows, table.styles, strict=True)] == [
    ('dense.float32', 'chosen by A', 'chosen'),
    ('dense.float16', 'chosen by B', 'chosen'),
    ('qat.dynamic_range_sparse', '', ''),
  ]
  assert [[cell.text for cell in row[1:]] for row in table.rows] == [
    ['4.43', '–', '1.000', '–', '28.4 KB', '–', '9.8 µs', '–', '✓ kept', '–'],
    ['4.43', '5.50', '1.000', '1.500', '17.9 KB', '1.0 KB', '10.1 µs', '200 µs', '✓ kept', '✗ missed'],
    ['–', '–', '–', '–', '–', '–', '–', '–', '–', '–'],
  ]
  assert [[cell.classes for cell in row[-2:]] for row in table.rows][1] == [('good',), ('bad',)]
  assert [[cell.classes for cell in row[-2:]] for row in table.rows][2] == [('none',), ('none',)]


def test_a_file_chosen_by_both_is_said_to_be(tmp_path):
  table = _table(_compared(_run(tmp_path / 'a'), _run(tmp_path / 'b')), 'Variants of both runs')
  assert {row[0].text: row[0].note for row in table.rows if row[0].note} == {'pqat_80.int8': 'chosen by A and B'}


def test_runs_without_variants_slices_and_steps(tmp_path):
  nothing = {'slices': [], 'variants': [], 'chosen': None, 'steps': [], 'timings': {}}
  runs = [made_run(tmp_path / name, **nothing) for name in ('a', 'b')]
  for run in runs:
    summary = json.loads((run / 'summary.json').read_text(encoding='utf-8'))
    summary['artifacts'] = {}
    write_json(run / 'summary.json', summary)
  assert list(tables(_compared(*runs))) == [OUTCOMES]


def _paired(folder: pathlib.Path, first: float, second: float) -> str:
  """Two runs whose files err by so much on the same rides, each ride by a little more or less."""
  runs = []
  random = np.random.default_rng(0)
  noise = random.normal(0, 1, 400)
  for name, error in (('a', first), ('b', second)):
    run = made_run(folder / name)
    path = run / GATE / 'predictions.parquet'
    table = pq.read_table(path)
    fares = table['fare_amount'].to_numpy()
    columns = {column: table[column] for column in table.column_names} | {'pqat_80.int8': fares + error * noise}
    pq.write_table(pa.table(columns), path)
    runs.append(run)
  return text(_compared(*runs))


@pytest.mark.parametrize(
  ('first', 'second', 'sentence'),
  [
    pytest.param(1.0, 2.0, "there A's RMSE is 0.500 [0.500, 0.500] times B's, so A is better.", id='a'),
    pytest.param(3.0, 2.0, "there A's RMSE is 1.500 [1.500, 1.500] times B's, so B is better.", id='b'),
    pytest.param(
      2.0, 2.0, "there A's RMSE is 1.000 [1.000, 1.000] times B's, a difference that may be chance.", id='same'
    ),
  ],
)
def test_the_same_rides_decide(tmp_path, first, second, sentence):
  """As each error of A is that of B times the same factor, every draw gives that factor."""
  assert f'Both predicted the same rides: {sentence}' in _paired(tmp_path, first, second)


def _rides(**changes: np.ndarray) -> PredictedRides:
  count = 50
  random = np.random.default_rng(0)
  places = {
    f'{end}_{axis}': random.normal(size=count) for end in ('pickup', 'dropoff') for axis in ('longitude', 'latitude')
  }
  fares = random.gamma(2, 6, count)
  return PredictedRides(
    variant='a',
    seconds=changes.get('seconds', np.arange(count)),
    coordinates={name: changes.get(name, place) for name, place in places.items()},
    fares=changes.get('fares', fares),
    predictions=changes.get('predictions', fares + random.normal(size=count)),
    codes={},
  )


@pytest.mark.parametrize(
  'what', ['seconds', 'fares', 'pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude']
)
def test_one_ride_that_differs_makes_other_rides(what):
  """Whatever it is that differs, and in one ride alone."""
  own = _rides()
  values = (own.coordinates | {'seconds': own.seconds, 'fares': own.fares})[what].copy()
  values[7] += 1
  assert paired_ratio(own, _rides(**{what: values}), 50) is None
  assert paired_ratio(own, _rides(), 50) == Estimate(1.0, 1.0, 1.0)


def test_places_that_are_unknown_in_both_are_the_same():
  place = np.full(50, np.nan)
  assert paired_ratio(_rides(dropoff_latitude=place), _rides(dropoff_latitude=place.copy()), 50) is not None


def test_a_model_without_error_is_no_measure():
  exact = _rides(predictions=_rides().fares)
  assert paired_ratio(_rides(), exact, 50) is None
  found = paired_ratio(exact, _rides(), 50)
  assert found is not None
  assert found.value == 0


@pytest.mark.parametrize(
  ('before', 'after', 'expected'),
  [
    pytest.param({'a': [{'b': 1}]}, {'a': [{'b': 2}]}, [('a', '[{b: 1}]', '[{b: 2}]')], id='things_without_names'),
    pytest.param(
      {'a': [{'name': 'x'}, 3]},
      {'a': [{'name': 'x'}, 4]},
      [('a', '[{name: x}, 3]', '[{name: x}, 4]')],
      id='not_all_are_things',
    ),
    pytest.param(
      {'a': [{'name': 'x'}, {'b': 1}]},
      {'a': [{'name': 'x'}]},
      [('a', '[{name: x}, {b: 1}]', '[{name: x}]')],
      id='not_all_have_names',
    ),
    pytest.param({'a': [1, 2]}, {'a': [2, 1]}, [('a', '[1, 2]', '[2, 1]')], id='order_of_a_list'),
    pytest.param({'a': {'b': {'c': 1, 'd': 2}}}, {'a': {'b': {'c': 1, 'd': 3}}}, [('a.b.d', '2', '3')], id='nested'),
    pytest.param({'a': {'b': 1}}, {'a': 1}, [('a', '{b: 1}', '1')], id='section_and_value'),
    pytest.param(
      {'b': 1, 'a': 1}, {'c': 1}, [('b', '1', 'not set'), ('a', '1', 'not set'), ('c', 'not set', '1')], id='order'
    ),
    pytest.param({'a': None}, {}, [('a', 'null', 'not set')], id='null_is_a_value'),
    pytest.param(
      {'a': []}, {'a': [{'name': 'x', 'v': 1}]}, [('a.x', 'not set', '{name: x, v: 1}')], id='first_of_its_kind'
    ),
    pytest.param({'a': True, 'b': 0.5}, {'a': True, 'b': 0.5}, [], id='same'),
  ],
)
def test_settings_that_differ(before, after, expected):
  assert [(found.setting, found.before, found.after) for found in differences(before, after)] == expected


@pytest.mark.parametrize(('length', 'cut'), [(160, False), (161, True)])
def test_long_values_are_cut(length, cut):
  [found] = differences({'a': 'x' * length}, {})
  assert found.before == ('x' * 160 + ' …' if cut else 'x' * 160)


def _place(directory: pathlib.Path, **changes: Any) -> Any:
  """Where the page finds the counts of the rides: an artifact with a key of its own in the summary."""
  summary = json.loads((directory / 'summary.json').read_text(encoding='utf-8')) | changes
  write_json(directory / 'summary.json', {key: value for key, value in summary.items() if value != 'lost'})
  return read_record(directory).artifact('RideExampleGen', 'quarantine')


def test_an_artifact_is_the_one_that_the_summary_names(tmp_path):
  directory = made_run(tmp_path / 'out')
  newer = directory / 'artifacts' / 'RideExampleGen' / 'quarantine' / '10'
  newer.mkdir()
  own = newer.with_name('1')
  assert _place(directory) == own
  # An older summary names this one by a key of its own, and no other.
  assert _place(directory, artifacts='lost') == own
  assert (
    read_record(directory).artifact('StatisticsGen', 'statistics') == directory / 'artifacts/StatisticsGen/statistics/4'
  )
  assert read_record(directory).artifact('StatisticsGen', 'nothing') is None
  # One that names none at all: the newest, by number and not as text.
  newer.with_name('9').mkdir()
  newer.with_name('notes').mkdir()
  assert _place(directory, artifacts='lost', quarantine='lost') == newer
  # What the run did not come to was another run's.
  assert _place(directory, artifacts='lost', quarantine='lost', timings={}) is None
  assert _place(directory, artifacts='lost', quarantine=None) is None
  assert _place(directory, artifacts={}, quarantine=str(own)) is None


@pytest.mark.parametrize(
  ('status', 'last'), [('failed', 'failed'), ('anomalies', 'failed'), ('pushed', 'cached'), ('not_blessed', 'cached')]
)
def test_steps_of_a_summary_that_has_timings_alone(tmp_path, status, last):
  """The last one of a run that stopped is the one that failed."""
  directory = made_run(
    tmp_path / 'out', status=status, timings={'one': 1.0, 'two': 2.0, 'three': 3.0}, cached=['two', 'three']
  )
  summary = json.loads((directory / 'summary.json').read_text(encoding='utf-8'))
  del summary['steps']
  write_json(directory / 'summary.json', summary)
  found = [(step.name, step.state.value, step.seconds) for step in read_record(directory).steps()]
  assert found == [('one', 'complete', 1.0), ('two', 'cached', 2.0), ('three', last, 3.0)]


def test_reasons_and_names_of_both(tmp_path):
  page = _compared(_run(tmp_path / 'a', reason='Because of A.'), _run(tmp_path / 'b', reason='Because of B.'))
  found = text(section(page, 'outcomes'))
  assert 'A , a: Because of A.' in found or 'A, a: Because of A.' in found
  assert ', b: Because of B.' in found
