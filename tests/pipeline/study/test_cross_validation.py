"""The cross-validation of the accuracy benchmark: groups, scores and a whole pass on simulated rides."""

import json

import numpy as np
import pytest

from benchmarks import accuracy, simulator
from configs import loading
from configs.dataset import LABEL
from pipeline.study import folds as study_folds
from pipeline.study.folds import read_kept
from transforms import names

CONFIG = loading.load('nyc')


@pytest.fixture(scope='module')
def rides_file(tmp_path_factory):
  return str(simulator.write(tmp_path_factory.mktemp('rides'), rows=600).paths[0])


def test_no_time_stamp_is_on_both_sides_and_folds_are_even():
  seconds = np.repeat(np.arange(100), 3)
  folds = study_folds.grouped_folds(seconds, 5, seed=1)
  assert all(len(set(folds[seconds == stamp])) == 1 for stamp in range(100))
  np.testing.assert_array_equal(np.bincount(folds), [60] * 5)
  assert not np.array_equal(folds, study_folds.grouped_folds(seconds, 5, seed=2))


def test_too_few_time_stamps_are_refused():
  with pytest.raises(ValueError, match='5 folds need as many time stamps, but the rides have 2; give more rides'):
    study_folds.grouped_folds(np.array([7, 7, 9]), 5, seed=0)


def test_score_of_known_errors():
  """Oracle: by hand. Ten errors of 1, five of 10; the second seed errs twice as much."""
  errors = np.array([1.0] * 10 + [10.0] * 5)
  fares = np.full(15, 20.0)
  found = study_folds.score(fares, np.arange(15), fares + np.stack([errors, 2 * errors]), resamples=1000)
  first = np.sqrt(510 / 15)
  assert found.rmse == pytest.approx(1.5 * first)
  assert found.rmse_without_worst == pytest.approx(1.5)
  assert found.mae == found.bias == pytest.approx(1.5 * 4)
  # Student's t with one degree of freedom: 12.706; the two means lie `first` apart, so the error is half of it.
  assert found.over_seeds == pytest.approx(
    (1.5 * first - 12.706 * first / 2, 1.5 * first + 12.706 * first / 2), rel=1e-4
  )
  assert found.over_rides.low < found.rmse < found.over_rides.high


def test_one_seed_has_no_interval_over_seeds():
  assert study_folds.score(np.ones(4), np.arange(4), np.zeros([1, 4]), resamples=100).over_seeds is None


def test_constants_are_fitted_on_the_training_rides_alone(rides_file):
  """Oracle: standardized columns have mean 0 and deviation 1 exactly where they were fitted."""
  rides = read_kept([rides_file], CONFIG.dataset)
  fold = next(iter(study_folds.divisions(CONFIG, rides, [1], 3)))
  columns = fold.engineered.inputs[names.NUMERIC].astype(np.float64)
  varies = columns.std(axis=0) > 0
  np.testing.assert_allclose(columns[~fold.test].mean(axis=0), 0, atol=1e-4)
  np.testing.assert_allclose(columns[~fold.test][:, varies].std(axis=0), 1, atol=1e-3)
  assert np.abs(columns[fold.test].mean(axis=0)).max() > 0.01


def test_the_command_scores_every_ride_once(rides_file, tmp_path, capsys):
  """Oracle: the mean of the other folds errs by about the standard deviation of all fares."""
  output = tmp_path / 'scores.json'
  accuracy.main(['--data', rides_file, '--quick', '--only', 'mean', '--output', str(output)])
  found = json.loads(output.read_text())
  fares = read_kept([rides_file], CONFIG.dataset)[LABEL]
  assert found['rides'] == len(fares) == 600
  assert found['scores']['mean fare']['rmse'] == pytest.approx(fares.std(), rel=0.02)
  assert 'mean fare' in capsys.readouterr().out


def test_an_unknown_method_is_told_the_known_ones(rides_file):
  with pytest.raises(SystemExit, match="--only 'svm' names none of: mean fare, linear, raw columns"):
    accuracy.main(['--data', rides_file, '--only', 'svm'])
