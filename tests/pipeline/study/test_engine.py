"""The study's engine on simulated rides: units, what is kept of them, and how results are summed up."""

import dataclasses
import re

import numpy as np
import pytest

from benchmarks import simulator
from configs import loading
from configs.dataset import LABEL, TIME
from configs.errors import UserError
from configs.features import Cross
from configs.study import StudyBlock
from models.error_intervals import error_intervals, ratio_interval
from pipeline.study import blocks, engine
from pipeline.study import results as study_results
from pipeline.study.folds import (
  Outcome,
  StudyFold,
  StudyTask,
  StudyVariant,
  digest,
  everything,
  first_stamps,
  read_kept,
  sampled,
  t_interval,
  with_features,
)
from pipeline.study.results import BlockResults, Origin, Results, UnitStore
from transforms import names

SMALL = ('model.hidden=[4]', 'training.epochs=1', 'study.seeds=2', 'study.folds=2', 'evaluation.bootstrap=100')
CONFIG = loading.load('nyc', [*SMALL, 'study.blocks=[references]'])


class _Observer:
  """An observer that remembers."""

  def __init__(self):
    self.plan, self.measured, self.kept = None, 0, 0

  def planned(self, units, kept):
    self.plan = (units, kept)

  def began(self, block, task):
    self.task = (block, task)

  def finished(self, kept):
    self.kept += kept
    self.measured += not kept


@pytest.fixture(scope='module')
def rides(tmp_path_factory):
  path = simulator.write(tmp_path_factory.mktemp('rides'), rows=400).paths[0]
  return read_kept([str(path)], CONFIG.dataset)


@pytest.fixture(scope='module')
def first(rides, tmp_path_factory):
  """Units of a first study, its results and what its observer saw."""
  directory, observer = tmp_path_factory.mktemp('units'), _Observer()
  return directory, engine.run(CONFIG, rides, directory, 'code', observer), observer


def _fold(rides, number=0, seed=0, config=CONFIG):
  test = np.arange(len(rides[TIME])) % 2 == number
  return StudyFold(config, rides, test, seed, number)


def test_every_ride_is_predicted_once_per_seed(rides, first):
  _, results, observer = first
  assert observer.plan == (observer.measured, 0)
  assert observer.measured == 4 * len(results.blocks[StudyBlock.REFERENCES].variants)
  for measured in results.blocks[StudyBlock.REFERENCES].outcomes.values():
    for seed in (0, 1):
      tested = sum(fold.test.astype(int) for fold, _ in measured if fold.seed == seed)
      np.testing.assert_array_equal(tested, np.ones(len(rides[LABEL])))


def test_mean_fare_errs_by_the_spread_of_the_fares(rides, first):
  """Oracle: the standard deviation of all fares; the mean of the other fold is near that of all."""
  row = next(row for row in first[1].rows() if row['variant'] == 'mean fare')
  assert row['rmse'] == pytest.approx(rides[LABEL].std(), rel=0.02)
  assert row['rmse_low'] < row['rmse'] < row['rmse_high']


def test_a_second_study_measures_nothing_and_finds_the_same(rides, first):
  directory, results, _ = first
  observer = _Observer()
  again = engine.run(CONFIG, rides, directory, 'code', observer)
  assert (observer.measured, observer.kept) == (0, observer.plan[0])
  assert observer.plan[1] == observer.plan[0]
  assert again.rows() == results.rows()


def test_more_seeds_take_what_is_there(rides, first):
  directory, _, before = first
  observer = _Observer()
  study = CONFIG.study.model_copy(update={'seeds': 3})
  engine.run(CONFIG.model_copy(update={'study': study}), rides, directory, 'code', observer)
  assert observer.kept == before.measured
  assert observer.measured == before.measured // 2


@pytest.mark.parametrize(
  ('overrides', 'code', 'same'),
  [
    pytest.param([], 'code', True, id='nothing_changed'),
    pytest.param(['dataset.path=elsewhere.csv', 'name=other'], 'code', True, id='same_rides_elsewhere'),
    pytest.param(['study.blocks=[features]', 'study.seeds=5'], 'code', True, id='more_questions'),
    pytest.param(['compression.schemes=[int8]'], 'code', True, id='schemes_of_the_run'),
    pytest.param(['training.epochs=2'], 'code', False, id='longer_training'),
    pytest.param(['features.temporal.enabled=false'], 'code', False, id='other_features'),
    pytest.param(['study.folds=3'], 'code', False, id='other_folds'),
    pytest.param([], 'new code', False, id='other_code'),
  ],
)
def test_a_unit_goes_by_what_it_depends_on(rides, overrides, code, same):
  """A stale unit is one with another key."""
  task = StudyTask(StudyBlock.REFERENCES, 'mean fare', (StudyVariant('mean fare', 'mean fare'),), lambda fold: {})
  fold = _fold(rides)
  other = Origin(loading.load('nyc', [*SMALL, 'study.blocks=[references]', *overrides]), 'rides', code)
  assert (other.key(task, fold) == Origin(CONFIG, 'rides', 'code').key(task, fold)) is same


def test_other_rides_folds_and_variants_are_other_units(rides):
  task = StudyTask(StudyBlock.REFERENCES, 'a', (StudyVariant('a', 'a'),), lambda fold: {}, about='1')
  origin, fold = Origin(CONFIG, 'rides', 'code'), _fold(rides)
  keys = {
    origin.key(task, fold),
    origin.key(task, _fold(rides, number=1)),
    origin.key(task, _fold(rides, seed=1)),
    origin.key(dataclasses.replace(task, about='2'), fold),
    Origin(CONFIG, 'other rides', 'code').key(task, fold),
  }
  assert len(keys) == 5
  changed = {**rides, LABEL: rides[LABEL] + np.float32(0.01)}
  assert digest(changed) != digest(rides)


def test_a_store_gives_back_what_it_took(tmp_path):
  store = UnitStore(tmp_path / 'units')
  outcomes = {
    'a.b': Outcome(np.array([1.5, 2.5], np.float32), {'parameters': 3}, b'\0file\0'),
    'c': Outcome(np.ones(1)),
  }
  assert store.load('key') is None
  store.keep('key', outcomes)
  found = store.load('key')
  np.testing.assert_array_equal(found['a.b'].fares, outcomes['a.b'].fares)
  assert (found['a.b'].facts, found['a.b'].file, found['c'].file) == ({'parameters': 3.0}, b'\0file\0', None)
  assert [path.name for path in (tmp_path / 'units').iterdir()] == ['key.unit']


@pytest.mark.parametrize(
  'damage',
  [
    pytest.param(lambda content: content[: len(content) // 2], id='cut_off'),
    pytest.param(lambda content: b'', id='empty'),
    pytest.param(lambda content: content[:-1] + bytes([content[-1] ^ 1]), id='one_bit'),
  ],
)
def test_a_damaged_unit_is_measured_anew(tmp_path, damage):
  store = UnitStore(tmp_path)
  store.keep('key', {'a': Outcome(np.ones(500, np.float32))})
  file = tmp_path / 'key.unit'
  file.write_bytes(damage(file.read_bytes()))
  assert store.load('key') is None


def test_a_variant_that_cannot_be_measured_does_not_cost_the_others(rides, tmp_path, monkeypatch):
  def refuse(fold):
    raise ValueError('this one can not be made.')

  def measure(fold):
    return {'fine': Outcome(np.zeros(fold.test.sum(), np.float32))}

  tasks = [
    StudyTask(StudyBlock.REFERENCES, 'lost', (StudyVariant('lost', 'fine'),), refuse),
    StudyTask(StudyBlock.REFERENCES, 'fine', (StudyVariant('fine', 'fine'),), measure),
  ]
  monkeypatch.setitem(engine._BLOCKS, StudyBlock.REFERENCES, lambda config: iter(tasks))
  results = engine.run(CONFIG, rides, tmp_path, 'code', _Observer())
  assert [row['variant'] for row in results.rows()] == ['fine']
  [lost] = results.lost()
  assert lost.to_dict() == {'block': 'references', 'variant': 'lost', 'reason': 'this one can not be made.'}


@pytest.mark.parametrize(
  ('error', 'sentence'),
  [
    pytest.param(ImportError('no'), 'LightGBM is not installed', id='not_installed'),
    pytest.param(OSError('libgomp.so.1: cannot open'), "LightGBM can't be loaded .libgomp.so.1", id='no_openmp'),
  ],
)
def test_without_lightgbm_the_rest_goes_on_and_says_so(rides, tmp_path, monkeypatch, error, sentence):
  def refuse(name):
    raise error

  blocks.lightgbm_missing.cache_clear()
  monkeypatch.setattr(blocks.importlib, 'import_module', refuse)
  found = blocks.lightgbm_missing()
  monkeypatch.undo()
  assert re.match(sentence, found)
  results = engine.run(CONFIG, rides, tmp_path, 'code', _Observer())
  blocks.lightgbm_missing.cache_clear()
  assert [row['variant'] for row in results.rows()] == [
    'mean fare', 'linear, raw columns', 'linear, engineered features', 'this model',
  ]  # fmt: skip
  assert results.notes == [found]


def _results(rides, first_errors, second_errors, seeds=1):
  """Results of two variants whose errors on all rides are given, [seeds, rides]."""
  block = BlockResults(variants=[StudyVariant('own', 'base'), StudyVariant('base', 'base')])
  for seed in range(seeds):
    for number in (0, 1):
      fold = _fold(rides, number, seed)
      for name, errors in (('own', first_errors), ('base', second_errors)):
        fares = (fold.fares + errors[seed])[fold.test]
        block.add(fold, {name: Outcome(fares.astype(np.float64))})
  config = CONFIG.model_copy(update={'evaluation': CONFIG.evaluation.model_copy(update={'bootstrap': 500})})
  return Results(config, rides[TIME], rides[LABEL], {StudyBlock.REFERENCES: block}, [], {}, 'id', 'code')


def test_intervals_of_one_seed_are_those_of_the_gate(rides):
  """Oracle: `models.error_intervals`, which the compression gate uses and its own tests hold against NumPy."""
  generator = np.random.default_rng(4)
  own, base = generator.normal(size=(2, 1, len(rides[TIME])))
  row = _results(rides, own, base).rows()[0]
  fares = rides[LABEL].astype(np.float64)
  paired = ratio_interval(fares, fares + own[0], fares + base[0], rides[TIME], resamples=500)
  alone = error_intervals(fares, fares + own[0], rides[TIME], resamples=500)
  for name, expected in (('ratio', paired), ('rmse', alone['rmse']), ('mae', alone['mae'])):
    found = {'value': row[name], 'low': row[f'{name}_low'], 'high': row[f'{name}_high']}
    assert found == pytest.approx(dataclasses.asdict(expected), rel=1e-6), name
  assert row['ratio_seeds_low'] is None


def test_intervals_of_several_seeds_draw_whole_stamps(rides):
  """Oracle: a bootstrap in plain NumPy with multinomial draws of time stamps, all seeds of a ride together."""
  generator = np.random.default_rng(5)
  hard = generator.normal(size=len(rides[TIME])) ** 2
  base = hard * generator.normal(1, 0.1, size=(3, len(hard)))
  own = 1.1 * base * generator.normal(1, 0.1, size=base.shape)
  row = _results(rides, own, base, seeds=3).rows()[0]
  _, cluster = np.unique(rides[TIME], return_inverse=True)
  mine, other = (np.bincount(cluster, (errors**2).sum(axis=0)) for errors in (own, base))
  drawn = generator.integers(0, len(mine), size=(4000, len(mine)))
  ratios = np.sqrt(mine[drawn].sum(axis=1) / other[drawn].sum(axis=1))
  assert row['ratio'] == pytest.approx(np.sqrt(mine.sum() / other.sum()), rel=1e-6)
  assert (row['ratio_low'], row['ratio_high']) == pytest.approx(tuple(np.percentile(ratios, [2.5, 97.5])), abs=0.005)
  each = np.sqrt((own**2).mean(axis=1) / (base**2).mean(axis=1))
  assert (row['ratio_seeds_low'], row['ratio_seeds_high']) == pytest.approx(t_interval(each), rel=1e-5)


def test_features_of_a_variant_are_those_it_would_make_alone(rides):
  """Oracle: the fold's own features, made for the variant alone."""
  fold = _fold(rides)
  features = CONFIG.features
  on = {'enabled': True, 'crosses': (Cross.CELL_PAIR,), 'embedding': {Cross.CELL_PAIR: 7}}
  for changed in (
    features.model_copy(update={'geographic': features.geographic.model_copy(update={'enabled': False})}),
    features.model_copy(update={'crosses': features.crosses.model_copy(update=on)}),
    everything(features),
  ):
    config = with_features(CONFIG, changed)
    shared, alone = fold.features_of(config), super(StudyFold, fold).features_of(config)
    assert shared.inputs.keys() == alone.inputs.keys()
    np.testing.assert_allclose(shared.inputs[names.NUMERIC], alone.inputs[names.NUMERIC], atol=1e-5)
    for name in shared.inputs.keys() - {names.NUMERIC}:
      np.testing.assert_array_equal(shared.inputs[name], alone.inputs[name])


def test_other_settings_of_a_block_are_not_shared(rides):
  fold = _fold(rides)
  buckets = CONFIG.features.buckets.model_copy(update={'enabled': True, 'count': 3})
  made = fold.features_of(with_features(CONFIG, CONFIG.features.model_copy(update={'buckets': buckets})))
  assert made.inputs['pickup_longitude_bucket'].max() <= 3


def test_samples_hold_whole_stamps_and_smaller_ones_are_part_of_larger_ones():
  seconds = np.repeat(np.arange(300), 2)
  few, many = (first_stamps(seconds, most, seed=3) for most in (100, 200))
  assert (few.sum(), many.sum()) == (100, 200)
  assert not (few & ~many).any()
  assert (few[::2] == few[1::2]).all()
  assert first_stamps(seconds, 600, seed=3).all()
  taken = sampled({TIME: seconds, LABEL: seconds * 2}, 50, seed=1)
  np.testing.assert_array_equal(taken[LABEL], 2 * taken[TIME])


def test_blocks_of_an_earlier_study_of_the_same_setting_stay(first, tmp_path):
  results = first[1]
  study_results.write(results, tmp_path)
  other = dataclasses.replace(results, blocks={StudyBlock.FEATURES: results.blocks[StudyBlock.REFERENCES]})
  study_results.write(other, tmp_path)
  rows, about = study_results.read(tmp_path)
  assert {row['block'] for row in rows} == {'features', 'references'}
  assert about.units == 2 * len(results.unit_rows())
  study_results.write(dataclasses.replace(results, identity='another setting'), tmp_path)
  assert {row['block'] for row in study_results.read(tmp_path)[0]} == {'references'}


def test_no_study_is_told(tmp_path):
  with pytest.raises(UserError, match='holds no finished study; make one with farelite study --output'):
    study_results.read(tmp_path)


def test_no_valid_ride_is_told(tmp_path):
  file = tmp_path / 'rides.csv'
  columns = list(CONFIG.dataset.source_columns().values())
  file.write_text(','.join(columns) + '\n' + ','.join('0' for _ in columns) + '\n', encoding='utf-8')
  with pytest.raises(UserError, match=r'No valid ride in .*rides.csv; does --config fit'):
    read_kept([str(file)], CONFIG.dataset)
