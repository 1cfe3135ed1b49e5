"""What a study sums up and writes. Oracle: two variants on six rides, their errors and medians by hand."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from configs import loading
from configs.dataset import LABEL, TIME
from configs.errors import UserError
from configs.records import Estimate
from configs.study import StudyBlock
from pipeline.study import results as study_results
from pipeline.study import sweeps
from pipeline.study.folds import Outcome, StudyFold, StudyTask, StudyVariant, digest, score, t_interval
from pipeline.study.records import OccupiedCells, RideLatency
from pipeline.study.results import BlockResults, Results, UnitStore
from transforms.engineering import catalogue

CONFIG = loading.load('nyc', ['evaluation.bootstrap=100', 'study.seeds=2', 'study.folds=2'])
SECONDS, FARES = np.arange(6) * 100, np.array([10.0, 12.0, 14.0, 20.0, 22.0, 30.0], np.float32)
EVEN = np.arange(6) % 2 == 0
# Errors of each ride by seed; the reference errs by twice as much on the first seed and by four on the second.
OWN = {1: np.array([1.0, -1, 1, -1, 1, -1]), 2: np.array([2.0, 2, -2, -2, 2, 2])}
BASE = {1: 2 * OWN[1], 2: 4 * OWN[2]}
A, B = StudyVariant('a', 'b', {'inputs': 7}), StudyVariant('b', 'b')


def _folds(seed: int) -> list[StudyFold]:
  rides = {TIME: SECONDS, LABEL: FARES}
  return [StudyFold(CONFIG, rides, test, seed, number) for number, test in enumerate((EVEN, ~EVEN))]


def _block(seeds=(1, 2), **without) -> BlockResults:
  latency = RideLatency(latency_us=9.0, latency_low_us=8.0, latency_high_us=11.0)
  block = BlockResults(variants=[A, B], latency={'a': latency})
  for seed in seeds:
    for fold in _folds(seed):
      facts = {'parameters': 100.0 + 10 * fold.number, 'train_seconds': float(seed + fold.number)}
      outcomes = {
        name: Outcome((FARES + errors[seed])[fold.test].astype(np.float32), facts if name == 'a' else {}, None)
        for name, errors in (('a', OWN), ('b', BASE))
        if name not in without
      }
      block.add(fold, outcomes)
  return block


def _results(block: BlockResults, **changes) -> Results:
  told = {
    'config': CONFIG, 'stamps': SECONDS, 'fares': FARES, 'blocks': {StudyBlock.REFERENCES: block}, 'notes': [],
    'cells': {}, 'identity': 'id', 'code': 'abc',
  }  # fmt: skip
  return Results(**(told | changes))


def test_a_row_sums_up_all_seeds():
  """Squares of the errors are 1 and 4, and 4 and 64 for the reference."""
  row, base = _results(_block()).rows()
  assert (row['block'], row['variant'], row['reference'], row['inputs'], row['code']) == (
    'references',
    'a',
    'b',
    7,
    'abc',
  )
  assert row['units'] == base['units'] == 4
  assert row['rmse'] == pytest.approx(np.sqrt(2.5))
  assert row['mae'] == pytest.approx(1.5)
  assert base['rmse'] == pytest.approx(np.sqrt((4 + 64) / 2))
  assert row['ratio'] == pytest.approx(np.sqrt(2.5 / 34))
  # Medians over the units: 100, 110, 100 and 110; 1, 2, 2 and 3.
  assert (row['parameters'], row['train_seconds']) == (105.0, 2.0)
  assert (row['latency_us'], row['latency_low_us'], row['latency_high_us']) == (9.0, 8.0, 11.0)
  assert 'latency_us' not in base
  # By seed the ratios are a half and a quarter.
  half = stats.t.ppf(0.975, 1) * np.std([0.5, 0.25], ddof=1) / np.sqrt(2)
  assert (row['ratio_seeds_low'], row['ratio_seeds_high']) == pytest.approx((0.375 - half, 0.375 + half))
  # Of so few time stamps there is no interval.
  assert (base['ratio'], base['ratio_low'], base['ratio_high']) == (1.0, None, None)


def test_one_seed_says_nothing_of_seeds():
  row, _ = _results(_block(seeds=(1,))).rows()
  assert row['ratio'] == pytest.approx(0.5)
  assert (row['ratio_seeds_low'], row['ratio_seeds_high']) == (None, None)


def test_without_its_reference_a_variant_has_no_ratio():
  block = _block()
  block.lose(StudyTask(StudyBlock.REFERENCES, 'b', (B,), lambda fold: {}), 'it fell.')
  [row] = _results(block).rows()
  assert row['rmse'] == pytest.approx(np.sqrt(2.5))
  assert 'ratio' not in row
  [lost] = _results(block).lost()
  assert (lost.block, lost.variant, lost.reason) == ('references', 'b', 'it fell.')
  # The first reason stays, and a variant that was never measured has no row.
  block.lose(StudyTask(StudyBlock.REFERENCES, 'b', (B, StudyVariant('c', 'b')), lambda fold: {}), 'again.')
  assert block.lost == {'b': 'it fell.', 'c': 'again.'}
  assert [row['variant'] for row in _results(_block(b=True)).rows()] == ['a']


def test_a_reference_that_makes_no_error_divides_nothing():
  block = BlockResults(variants=[A, B])
  [fold, other] = _folds(1)
  for each in (fold, other):
    block.add(each, {'a': Outcome(FARES[each.test] + 1), 'b': Outcome(FARES[each.test])})
  row, base = _results(block).rows()
  assert row['rmse'] == pytest.approx(1.0)
  assert 'ratio' not in row and 'ratio' not in base


def test_units_one_by_one():
  found = _results(_block()).unit_rows()
  assert [(row['variant'], row['seed'], row['fold'], row['rides']) for row in found] == [
    (name, seed, number, 3) for name in 'ab' for seed in (1, 2) for number in (0, 1)
  ]
  assert [row['rmse'] for row in found] == pytest.approx([1, 1, 2, 2, 2, 2, 8, 8])
  assert [row['mae'] for row in found] == pytest.approx([1, 1, 2, 2, 2, 2, 8, 8])
  assert [row.get('parameters') for row in found] == [100.0, 110.0, 100.0, 110.0, None, None, None, None]
  assert {row['code'] for row in found} == {'abc'}


def test_the_first_file_of_each_variant():
  [fold, other] = _folds(1)
  block = BlockResults(variants=[A, B])
  block.add(fold, {'a': Outcome(FARES[EVEN]), 'b': Outcome(FARES[EVEN])})
  block.add(other, {'a': Outcome(FARES[~EVEN], file=b'one'), 'b': Outcome(FARES[~EVEN])})
  block.add(fold, {'a': Outcome(FARES[EVEN], file=b'two')})
  assert block.first_files() == {'a': b'one'}


def _write(folder: pathlib.Path, results: Results, written: str = '') -> tuple[list, list, dict]:
  study_results.write(results, folder, written)
  rows, _ = study_results.read(folder)
  return (
    rows,
    pq.read_table(folder / study_results.UNITS).to_pylist(),
    json.loads((folder / study_results.ABOUT).read_text()),
  )


def test_what_is_written_of_a_study(tmp_path):
  block = _block()
  block.lost['c'] = 'it fell.'
  cells = {'published': OccupiedCells(pickup_cells=3, pairs=5, largest_share=0.9)}
  rows, units, about = _write(tmp_path, _results(block, notes=['n'], cells=cells), 'today')
  assert [row['variant'] for row in rows] == ['a', 'b']
  assert rows[1]['inputs'] is None
  assert len(units) == 8
  del about['schema_version']
  assert about == {
    'name': 'nyc', 'currency': 'USD', 'rides': 6, 'seeds': 2, 'folds': 2, 'notes': ['n'],
    'lost': [{'block': 'references', 'variant': 'c', 'reason': 'it fell.'}],
    'cells': {'published': {'pickup_cells': 3, 'pairs': 5, 'largest_share': 0.9}},
    'identity': 'id', 'code': 'abc', 'written': 'today', 'units': 8,
  }  # fmt: skip
  types = {field.name: field.type for field in pq.read_schema(tmp_path / study_results.STUDY)}
  assert (types['variant'], types['rmse'], types['units'], types['inputs']) == (
    pa.string(), pa.float64(), pa.int64(), pa.int64()
  )  # fmt: skip


def test_other_blocks_of_an_earlier_study_stay(tmp_path):
  """Of the same rides, config, seeds and folds; the block that was measured again is replaced, its losses, too."""
  earlier = _block()
  earlier.lost |= {'old': 'it fell.'}
  features = _block(seeds=(1,))
  features.lost |= {'gone': 'it fell, too.'}
  blocks = {StudyBlock.REFERENCES: earlier, StudyBlock.FEATURES: features}
  cells = {'fitted': OccupiedCells(pickup_cells=3, pairs=5, largest_share=0.9)}
  _write(tmp_path, _results(earlier, blocks=blocks, notes=['x', 'y'], cells=cells, code='old'))
  rows, units, about = _write(tmp_path, _results(_block(seeds=(1,)), notes=['z', 'x'], code='new'))
  assert [(row['block'], row['variant'], row['code']) for row in rows] == [
    ('references', 'a', 'new'), ('references', 'b', 'new'), ('features', 'a', 'old'), ('features', 'b', 'old')
  ]  # fmt: skip
  assert [unit['block'] for unit in units] == ['references'] * 4 + ['features'] * 4
  assert about['notes'] == ['z', 'x', 'y']
  assert about['lost'] == [{'block': 'features', 'variant': 'gone', 'reason': 'it fell, too.'}]
  assert about['cells'] == {'fitted': {'pickup_cells': 3, 'pairs': 5, 'largest_share': 0.9}}
  assert about['units'] == 8
  rows, _, about = _write(tmp_path, _results(_block(seeds=(1,)), identity='another'))
  assert [row['block'] for row in rows] == ['references', 'references']
  assert (about['notes'], about['lost'], about['cells']) == ([], [], {})


def test_a_unit_comes_back_as_it_was_kept(tmp_path):
  store = UnitStore(tmp_path / 'units')
  assert not store.has('k')
  assert store.load('k') is None
  made = {
    'a': Outcome(np.array([1.5, 2.5], np.float32), {'zeros': 0.5}, b'lite'),
    'b': Outcome(np.array([3.5], np.float32)),
  }
  store.keep('k', made)
  assert store.has('k')
  found = store.load('k')
  assert {name: (one.fares.tolist(), dict(one.facts), one.file) for name, one in found.items()} == {
    'a': ([1.5, 2.5], {'zeros': 0.5}, b'lite'),
    'b': ([3.5], {}, None),
  }
  assert found['a'].fares.dtype == np.float32


@pytest.mark.parametrize('lost', [study_results.STUDY, study_results.ABOUT])
def test_half_a_study_is_none(tmp_path, lost):
  _write(tmp_path, _results(_block()))
  (tmp_path / lost).unlink()
  with pytest.raises(UserError, match='holds no finished study; make one with farelite study --output'):
    study_results.read(tmp_path)


def test_a_score_by_hand():
  """Seeds that err by 1 and by 3: the mean of their RMSEs is 2, and so is the mean absolute error."""
  fares = np.full(8, 10.0, np.float32)
  signs = np.where(np.arange(8) % 4 == 0, -1.0, 1.0)
  found = score(fares, np.arange(8), np.stack([fares + signs, fares + 3 * signs]), 50, 1.25)
  assert (found.rmse, found.mae, found.fit_seconds) == (2.0, 2.0, 1.25)
  # Six of eight are too high.
  assert found.bias == pytest.approx(2 * (6 - 2) / 8)
  assert found.rmse_without_worst == pytest.approx(2.0)
  half = stats.t.ppf(0.975, 1) * np.std([1, 3], ddof=1) / np.sqrt(2)
  assert found.over_seeds == pytest.approx((2 - half, 2 + half))
  assert isinstance(found.over_rides, Estimate)
  # Both seeds together: the root of the mean of 1 and 9.
  assert found.over_rides.value == pytest.approx(np.sqrt(5))
  assert score(fares, np.arange(8), (fares + signs)[np.newaxis], 50).over_seeds is None


def test_a_t_interval_by_a_table():
  """Student's t for three degrees of freedom is 3.182 at 97.5 %."""
  low, high = t_interval(np.array([1.0, 2.0, 3.0, 4.0]))
  assert (low, high) == pytest.approx((2.5 - 3.182 * 1.29099 / 2, 2.5 + 3.182 * 1.29099 / 2), abs=1e-3)


def test_every_value_and_every_name_of_the_rides_counts():
  rides = {TIME: SECONDS, LABEL: FARES}
  changed = {TIME: SECONDS, LABEL: FARES + np.eye(6, dtype=np.float32)[3]}
  renamed = {'other': SECONDS, LABEL: FARES}
  found = [digest(one) for one in (rides, changed, renamed, dict(reversed(rides.items())))]
  assert len(set(found)) == 4
  assert digest({name: column.copy() for name, column in rides.items()}) == found[0]
  assert all(len(one) == 16 for one in found)


def test_what_another_unit_is():
  """Seed, number and name of the fold's task; block and `about` as well."""
  origin = study_results.Origin(CONFIG, 'rides', 'code')
  [fold, other] = _folds(1)
  task = StudyTask(StudyBlock.REFERENCES, 'a', (A,), lambda fold: {}, about='x')
  keys = [
    origin.key(task, fold),
    origin.key(task, other),
    origin.key(task, dataclasses.replace(fold, seed=2)),
    origin.key(dataclasses.replace(task, name='b'), fold),
    origin.key(dataclasses.replace(task, about='y'), fold),
    origin.key(dataclasses.replace(task, block=StudyBlock.FEATURES), fold),
    study_results.Origin(CONFIG, 'other', 'code').key(task, fold),
    study_results.Origin(CONFIG, 'rides', 'other').key(task, fold),
  ]
  assert len(set(keys)) == len(keys)
  # Who measures, and on how many folds, is no part of what comes out.
  assert origin.key(dataclasses.replace(task, tested_folds=1, variants=(B,)), fold) == keys[0]


def test_reductions_are_asked_for_by_method_and_number():
  """A quarter, a half and all but none of the inputs; at least one. Names and columns tell the same number."""
  config = loading.load(
    'nyc', ['study.reductions.methods=[variance,pca,lda]', 'study.reductions.shares=[0.5,0.25,0.001]']
  )
  total = len(catalogue(config.dataset, config.features))
  full, *tasks = sweeps.reduction_tasks(config)
  assert [variant.name for variant in full.variants] == [sweeps.REDUCTION_REFERENCE]
  counts = [1, round(0.25 * total), round(0.5 * total)]
  found = [(variant.name, variant.reference, dict(variant.settings)) for task in tasks for variant in task.variants]
  assert found == [
    (f'{method}, {count}', sweeps.REDUCTION_REFERENCE, {'method': method, 'components': count})
    for method in ('variance', 'pca', 'lda')
    for count in counts
  ]
  # A ranking serves all sizes at once; the others are fitted for each.
  assert [task.name for task in tasks] == [
    'variance',
    *(f'{method}, {count}' for method in ('pca', 'lda') for count in counts),
  ]
  assert {task.block for task in tasks} == {StudyBlock.REDUCTIONS}
  assert len({task.about for task in tasks}) == len(tasks)
  # Linear discriminants are at most one fewer than bands of fares.
  assert [json.loads(task.about)['fare_bands'] for task in tasks[-3:]] == [2 * count + 2 for count in counts]


@pytest.mark.parametrize(
  ('overrides', 'tested'),
  [
    (['study.folds=3', 'study.reductions.tested_folds=1', 'study.compression.tested_folds=1'], 1),
    (['study.folds=3'], 2),
  ],
)
def test_no_more_folds_are_tested_than_there_are(overrides, tested):
  config = loading.load('nyc', overrides)
  made = [*sweeps.reduction_tasks(config), *sweeps.compression_tasks(config)]
  assert {task.tested_folds for task in made} == {tested}


def test_recipes_meet_the_schemes_that_apply():
  config = loading.load(
    'nyc',
    ['study.compression.recipes=[dense,blocks_16x1_80]', 'study.compression.schemes=[float32,dynamic_range_sparse]'],
  )
  tasks = list(sweeps.compression_tasks(config))
  assert [[variant.name for variant in task.variants] for task in tasks] == [
    ['dense.float32'],
    ['blocks_16x1_80.float32', 'blocks_16x1_80.dynamic_range_sparse'],
  ]
  assert dict(tasks[1].variants[1].settings) == {'recipe': 'blocks_16x1_80', 'scheme': 'dynamic_range_sparse'}
  assert {variant.reference for task in tasks for variant in task.variants} == {'dense.float32'}
