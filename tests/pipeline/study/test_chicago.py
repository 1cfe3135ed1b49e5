"""The study on Chicago's rides of the tfx package: no passengers, missing ends, and far from New York."""

import functools
import importlib.util
import pathlib

import numpy as np
import pytest

from configs import loading
from configs.dataset import COORDINATES, PASSENGERS, TIME
from models.keras_compat import keras
from pipeline.study import blocks as study_blocks
from pipeline.study import engine
from pipeline.study.folds import StudyFold, read_kept, sampled
from pipeline.study.reference_models import case_study_net, cell_box, imputed, occupied_cells, raw_columns
from pipeline.study.results import DATASET

CONFIG = loading.load('chicago', ['model.hidden=[8]', 'training.epochs=2', 'study.seeds=1', 'study.folds=2'])


@pytest.fixture(scope='module')
def rides():
  package = pathlib.Path(importlib.util.find_spec('tfx').submodule_search_locations[0])
  path = package.parent / CONFIG.dataset.path.removeprefix('package://')
  return sampled(read_kept([str(path)], CONFIG.dataset), 2000, seed=0)


@pytest.fixture(scope='module')
def fold(rides):
  config = CONFIG.model_copy(update={'dataset': DATASET.of(CONFIG.dataset)})
  return StudyFold(config, rides, np.arange(len(rides[TIME])) % 2 == 0, 0)


def _task(name):
  return next(task for task in study_blocks.feature_tasks(CONFIG) if task.name == name)


def test_missing_inputs_of_rivals_are_the_medians_of_the_training_rides(fold):
  """Oracle: NumPy, column by column; nobody counts passengers, so that column is left out."""
  assert np.isnan(fold.rides[PASSENGERS]).all()
  found = raw_columns(fold)
  assert found.shape == (len(fold.test), 4)
  for position, name in enumerate(COORDINATES):
    column = fold.rides[name].astype(np.float64)
    lost = np.isnan(column)
    assert lost.any() or not name.startswith('dropoff')
    np.testing.assert_array_equal(found[~lost, position], column[~lost])
    assert set(found[lost, position]) <= {np.median(column[~fold.test & ~lost])}
  assert imputed(fold, [PASSENGERS]).shape == (len(fold.test), 0)


def test_every_net_of_the_case_study_learns(fold):
  """Three nets at one RMSE would be nets that take no ride in."""
  errors = {}
  for name in (study_blocks.CASE_STUDY_BASELINE, study_blocks.PUBLISHED, study_blocks.FITTED):
    fares = _task(name).measure(fold)[name].fares
    assert np.ptp(fares) > 0
    errors[name] = float(np.sqrt(np.mean((fares - fold.fares[fold.test]) ** 2)))
  assert len({round(error, 3) for error in errors.values()}) == 3
  assert errors[study_blocks.FITTED] < fold.fares[fold.test].std()


def test_a_net_that_died_is_said_to_be_so(fold, monkeypatch):
  """Units that give 0 for every ride get no gradient, on any processor."""
  dead = functools.partial(keras.layers.Dense, kernel_initializer='zeros')
  monkeypatch.setattr(keras.layers, 'Dense', dead)
  with pytest.raises(ValueError, match=r'gives -?[\d.]+ for every ride, so it could not be trained'):
    case_study_net(fold, fitted=True)


def test_a_net_that_diverged_is_said_to_be_so(fold):
  far = {name: np.full_like(column, -1e15) for name, column in fold.rides.items() if name in COORDINATES}
  with pytest.raises(ValueError, match=r'gives no number for [\d,]+ of [\d,]+ rides, so it could not be trained'):
    case_study_net(StudyFold(fold.config, {**fold.rides, **far}, fold.test, 0), fitted=True)


def test_cells_take_the_bounds_of_the_city(fold):
  """Oracle: ten edges from end to end of the bounds, by hand."""
  bounds = CONFIG.dataset.rules.bounds
  assert cell_box(bounds) == bounds
  assert cell_box(loading.load('nyc').dataset.rules.bounds).longitude.min == -78
  found = occupied_cells(fold, fitted=False)
  edges = {
    'longitude': (bounds.longitude.min, bounds.longitude.max),
    'latitude': (bounds.latitude.min, bounds.latitude.max),
  }
  columns = [
    np.digitize(column, np.linspace(*edges[name.split('_')[1]], 10))
    for name, column in zip(COORDINATES, raw_columns(fold).T, strict=True)
  ]
  assert found.pairs == pytest.approx(len(set(zip(*columns, strict=True))), abs=2)
  assert found.degrees == pytest.approx((1.1, 0.8))
  assert found.pickup_cells > 3


def test_blocks_whose_column_is_lacking_are_no_question():
  names = {task.name for task in study_blocks.feature_tasks(CONFIG)}
  on = {task.name: task.variants[0].settings['features'] for task in study_blocks.feature_tasks(CONFIG)}
  assert 'everything less passengers' not in names
  assert on['raw'] == 'raw'
  assert on['everything'] == 'raw + temporal + geographic + buckets + crosses'


def test_a_study_of_these_rides_loses_nothing_silently(rides, tmp_path, monkeypatch):
  """Of a task that can't be made the reason is kept, and no row stands for it."""
  wanted = (study_blocks.RAW, study_blocks.EVERYTHING, study_blocks.PUBLISHED)
  tasks = [_task(name) for name in wanted]
  monkeypatch.setitem(engine._BLOCKS, engine.StudyBlock.FEATURES, lambda config: iter(tasks))
  config = CONFIG.model_copy(
    update={'study': CONFIG.study.model_copy(update={'blocks': (engine.StudyBlock.FEATURES,)})}
  )
  results = engine.run(config, rides, tmp_path, 'code', _Silent())
  assert [row['variant'] for row in results.rows()] == list(wanted)
  assert results.lost() == ()
  assert set(results.cells) == {'published', 'fitted'}


class _Silent:
  def planned(self, units, kept):
    pass

  def began(self, block, task):
    pass

  def finished(self, kept):
    pass
