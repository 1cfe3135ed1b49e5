"""The blocks of the study: what they compare, and that a fold of each can be measured, on simulated rides."""

import numpy as np
import pytest

from benchmarks import simulator
from configs import loading
from configs.dataset import COORDINATES, TIME
from configs.reduction import Reduction, ReductionMethod
from models.lite.client import LiteModel
from models.reduction.fitting import fit
from pipeline.study import blocks as study_blocks
from pipeline.study import sweeps
from pipeline.study.folds import StudyFold, read_kept
from pipeline.study.reference_models import occupied_cells
from transforms import names
from transforms.catalogue import categoricals
from transforms.engineering import catalogue

CONFIG = loading.load(
  'nyc',
  [
    *('model.hidden=[8]', 'training.epochs=2', 'study.seeds=1', 'study.folds=2'),
    'study.dimensions={features: [3], noise: [5], training_rides: [100]}',
    'study.reductions={methods: [pca, l1], shares: [0.25, 0.5]}',
    'study.embeddings={widths: [2], crosses: [hour_of_week]}',
    'study.compression={recipes: [pruned_80], schemes: [int8]}',
  ],
)
WIDTH = len(catalogue(CONFIG.dataset, CONFIG.features))


@pytest.fixture(scope='module')
def fold(tmp_path_factory):
  path = simulator.write(tmp_path_factory.mktemp('rides'), rows=600).paths[0]
  rides = read_kept([str(path)], CONFIG.dataset)
  return StudyFold(CONFIG, rides, np.arange(len(rides[TIME])) % 2 == 0, 0)


def _task(tasks, name):
  return next(task for task in tasks if task.name == name)


def test_the_sets_of_features_are_those_of_the_question():
  listed = list(study_blocks.feature_tasks(CONFIG))
  on = {task.name: task.variants[0].settings['features'] for task in listed}
  assert on['raw'] == 'raw + passengers'
  assert on['raw + geographic'] == 'raw + passengers + geographic'
  assert on['everything'] == 'raw + passengers + temporal + geographic + buckets + crosses'
  assert on['everything less temporal'] == 'raw + passengers + geographic + buckets + crosses'
  assert {task.variants[0].reference for task in listed} == {'everything'}
  assert len({task.name for task in listed}) == len({task.about + task.name for task in listed}) == len(listed) == 16


@pytest.mark.parametrize('name', ['raw', 'everything less geographic'])
def test_a_set_of_features_is_what_the_model_gets(fold, name):
  """Oracle: the catalogue of that set, and the shape of dense layers."""
  outcome = _task(study_blocks.feature_tasks(CONFIG), name).measure(fold)[name]
  wanted = study_blocks._only(CONFIG.features, _on(name))
  embedded = categoricals(CONFIG.dataset, wanted)
  inputs = len(catalogue(CONFIG.dataset, wanted)) + sum(one.embedding_width for one in embedded)
  tables = sum(one.size * one.embedding_width for one in embedded)
  assert outcome.facts['inputs'] == inputs
  assert outcome.facts['parameters'] == tables + (inputs + 1) * 8 + 8 + 1
  assert outcome.fares.shape == (fold.test.sum(),)


def _on(name):
  blocks = ('raw', 'passengers', 'temporal', 'geographic', 'buckets', 'crosses')
  return ('raw', 'passengers') if name == 'raw' else tuple(block for block in blocks if block != name.split()[-1])


def test_published_cells_hold_nearly_all_rides_in_one(fold):
  """Oracle: `linspace(0, 1, 10)` over 8 degrees, by hand: 0.89 degrees are wider than the simulated city."""
  published, fitted = (occupied_cells(fold, one) for one in (False, True))
  assert published.pairs < 10
  assert published.largest_share > 0.9
  edges = np.linspace(0, 1, 10) * 8
  columns = [np.digitize(fold.rides[name], edges + (-78 if 'longitude' in name else 37)) for name in COORDINATES]
  assert published.pairs == len(set(zip(*columns, strict=True)))
  assert fitted.pickup_cells > 50
  assert fitted.largest_share < 0.05


def test_numbers_of_features_at_each_size_of_the_training_split():
  listed = [task.variants[0] for task in study_blocks.dimension_tasks(CONFIG)]
  settings = [(one.settings['training_rides'], one.settings['kept_features'], one.settings['noise_features'])
              for one in listed]  # fmt: skip
  assert settings == [(rides, *count) for rides in (100, 'all') for count in ((3, 0), (WIDTH, 0), (WIDTH, 5))]
  assert [one.reference for one in listed[:3]] == [f'{WIDTH} features, 100 rides'] * 3
  assert {one.reference for one in listed[3:]} == {f'{WIDTH} features, all rides'}


def test_noise_and_fewer_features_reach_the_model(fold):
  for name, inputs in ((f'{WIDTH} features + 5 noise, 100 rides', WIDTH + 5), ('3 features, all rides', 3)):
    outcome = _task(study_blocks.dimension_tasks(CONFIG), name).measure(fold)[name]
    assert outcome.facts['inputs'] == inputs
    assert np.isfinite(outcome.fares).all()


def test_features_come_in_the_order_of_their_use():
  """Oracle: a fare that depends on three columns, one more than the other."""
  generator = np.random.default_rng(0)
  numeric = generator.normal(size=(400, 6)).astype(np.float32)
  fares = 5 * numeric[:, 4] + 2 * numeric[:, 1] + 0.5 * numeric[:, 3]
  for count, expected in ((1, [4]), (2, [4, 1]), (3, [4, 1, 3])):
    found = study_blocks._columns(numeric, fares, np.arange(200), count)
    np.testing.assert_array_equal(found, numeric[:, expected])


@pytest.mark.parametrize('method', ['variance', 'mutual_information', 'l1'])
def test_a_ranking_serves_all_sizes(fold, method):
  """Oracle: the selection fitted for that size."""
  rides = fold.engineered[~fold.test]
  listed = [feature.name for feature in catalogue(CONFIG.dataset, CONFIG.features)]

  def fitted(count):
    reduction = Reduction(method=ReductionMethod(method), components=count)
    return fit(reduction, listed, rides.inputs[names.NUMERIC], rides.fares)

  few = fitted(4)
  for count in (4, 9, 20):
    found, expected = sweeps.ranked(few, count), fitted(count)
    assert found.outputs == expected.outputs
    np.testing.assert_array_equal(found.apply(rides.inputs[names.NUMERIC]), expected.apply(rides.inputs[names.NUMERIC]))


def test_recursive_elimination_ranks_for_all_sizes(fold):
  """Oracle: the elimination that stops earlier; with a linear model, which is fast."""
  rides = fold.engineered[~fold.test]
  listed = [feature.name for feature in catalogue(CONFIG.dataset, CONFIG.features)]

  def fitted(count):
    reduction = Reduction(method=ReductionMethod.RFE, components=count, scorer='linear')
    return fit(reduction, listed, rides.inputs[names.NUMERIC], rides.fares)

  assert sweeps.ranked(fitted(5), 17).outputs == fitted(17).outputs


def test_a_reduced_file_predicts_what_its_model_does(fold, tmp_path):
  """Oracle: LiteRT on raw rides in this process, against the Keras model on features reduced in NumPy."""
  half = round(0.5 * WIDTH)
  quarter = round(0.25 * WIDTH)
  outcomes = _task(sweeps.reduction_tasks(CONFIG), 'l1').measure(fold)
  full = _task(sweeps.reduction_tasks(CONFIG), sweeps.REDUCTION_REFERENCE).measure(fold)[sweeps.REDUCTION_REFERENCE]
  assert list(outcomes) == [f'l1, {quarter}', f'l1, {half}']
  for name, outcome in outcomes.items():
    (tmp_path / name).write_bytes(outcome.file)
    raw = {column: values[fold.test] for column, values in fold.raw.items()}
    found = LiteModel(tmp_path / name).predict(raw)
    np.testing.assert_allclose(found, outcome.fares, atol=0.01)
    assert outcome.facts['bytes'] == len(outcome.file) < full.facts['bytes']
  assert outcomes[f'l1, {quarter}'].facts['bytes'] < outcomes[f'l1, {half}'].facts['bytes']


def test_embeddings_differ_in_width_alone(fold):
  listed = {task.name: task for task in study_blocks.embedding_tasks(CONFIG)}
  assert list(listed) == ['no embedding', 'width 2', 'fourth root']
  counts = {name: task.measure(fold)[name].facts['inputs'] - WIDTH for name, task in listed.items()}
  # 168 hours of the week: the fourth root is 3.6, rounded to 4.
  assert counts == {'no embedding': 0, 'width 2': 2, 'fourth root': 4}


def test_compression_judges_the_files_themselves(fold, tmp_path):
  listed = {task.name: task for task in sweeps.compression_tasks(CONFIG)}
  assert list(listed) == ['dense', 'pruned_80']
  outcomes = listed['pruned_80'].measure(fold)
  assert list(outcomes) == ['pruned_80.float32', 'pruned_80.int8']
  for name, outcome in outcomes.items():
    (tmp_path / name).write_bytes(outcome.file)
    raw = {column: values[fold.test] for column, values in fold.raw.items()}
    np.testing.assert_allclose(LiteModel(tmp_path / name).predict(raw), outcome.fares, atol=1e-4)
  assert 0.7 < outcomes['pruned_80.float32'].facts['zeros'] < 0.9
  assert outcomes['pruned_80.int8'].facts['bytes'] < outcomes['pruned_80.float32'].facts['bytes']
