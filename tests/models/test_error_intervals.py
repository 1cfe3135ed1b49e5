"""Errors and their intervals against NumPy and against normal theory."""

import inspect
import math
import pathlib
import re

import numpy as np
import pytest

from configs.evaluation import Evaluation
from models import error_intervals as home
from models.error_intervals import (
  _POISSON,
  Estimate,
  error_intervals,
  mean_error,
  ratio_interval,
  rmse_without_worst,
  root_mean_square,
  slice_intervals,
  widened,
)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RESAMPLES = Evaluation().bootstrap


def _sides(estimate):
  return [estimate.value, estimate.low, estimate.high]


def _case(rides, seed=0):
  generator = np.random.default_rng(seed)
  fares = generator.gamma(4, 3, rides)
  return fares, fares + generator.normal(0, 2, rides)


def test_values_are_those_of_all_rides():
  fares, predictions = _case(500)
  found = error_intervals(fares, predictions, np.arange(500), RESAMPLES)
  assert found['rmse'].value == pytest.approx(np.sqrt(np.mean((predictions - fares) ** 2)))
  assert found['mae'].value == pytest.approx(np.mean(np.abs(predictions - fares)))
  for estimate in found.values():
    assert estimate.low < estimate.value < estimate.high


def test_interval_of_independent_rides_is_that_of_normal_theory():
  """Oracle: a sample standard deviation of n normal errors has standard error sigma / sqrt(2 n)."""
  fares, predictions = _case(4000)
  found = error_intervals(fares, predictions, np.arange(4000), resamples=2000)['rmse']
  assert found.high - found.low == pytest.approx(2 * 1.96 * 2 / np.sqrt(2 * 4000), rel=0.1)


def test_copies_of_a_ride_are_no_new_evidence():
  """Oracle: the interval of the rides without their copies, as each cluster is drawn as one."""
  fares, predictions = _case(800)
  once = error_intervals(fares, predictions, np.arange(800), RESAMPLES)
  thrice = error_intervals(np.tile(fares, 3), np.tile(predictions, 3), np.tile(np.arange(800), 3), RESAMPLES)
  for name in ('rmse', 'mae'):
    assert _sides(thrice[name]) == pytest.approx(_sides(once[name]))
  naive = error_intervals(np.tile(fares, 3), np.tile(predictions, 3), np.arange(2400), RESAMPLES)
  assert naive['rmse'].high - naive['rmse'].low < 0.7 * (once['rmse'].high - once['rmse'].low)


@pytest.mark.parametrize(
  ('fares', 'predictions', 'groups', 'expected'),
  [
    pytest.param([10.0], [12.0], [0], 2.0, id='single_ride'),
    pytest.param([10.0, 20.0], [13.0, 23.0], [5, 5], 3.0, id='one_time_stamp'),
    pytest.param([1.0] * 9, [1.0] * 9, range(9), 0.0, id='nine_time_stamps'),
    pytest.param([1.0] * 12, [3.0] * 12, [*range(9), 8, 8, 8], 2.0, id='more_rides_than_time_stamps'),
  ],
)
def test_of_few_time_stamps_there_is_no_interval(fares, predictions, groups, expected):
  """It would be of width zero, and meet any budget."""
  found = error_intervals(np.array(fares), np.array(predictions), np.array(groups), resamples=100)
  for estimate in found.values():
    assert _sides(estimate) == [pytest.approx(expected), None, None]


def test_errors_that_are_alike_have_an_interval_without_width():
  found = error_intervals(np.arange(10.0), np.arange(10.0) + 2, np.arange(10), resamples=100)
  assert [_sides(estimate) for estimate in found.values()] == [pytest.approx([2.0] * 3)] * 2


def test_the_draws_depend_on_the_time_stamps_and_their_number_alone():
  """Oracle: the same rides in another order, and errors that are twice as large."""
  fares, predictions = _case(100)
  order = np.random.default_rng(1).permutation(100)
  first, again = (error_intervals(fares, predictions, np.arange(100), 200) for _ in range(2))
  assert first == again
  shuffled = error_intervals(fares[order], predictions[order], np.arange(100)[order], 200)
  doubled = error_intervals(fares, 2 * predictions - fares, np.arange(100), 200)
  for name, error in first.items():
    assert _sides(shuffled[name]) == pytest.approx(_sides(error))
    assert _sides(doubled[name]) == pytest.approx([2 * side for side in _sides(error)])
  assert error_intervals(fares, predictions, np.arange(100), 300) != first


def test_many_clusters_are_drawn_in_parts():
  """A part holds 2,000,000 weights, a draw at most 100,000 clusters; the interval must notice neither."""
  fares, predictions = _case(300_000)
  found = error_intervals(fares, predictions, np.arange(300_000), resamples=100)['rmse']
  assert found.high - found.low == pytest.approx(2 * 1.96 * 2 / np.sqrt(2 * 300_000), rel=0.4)


def _paired(rides, seed=0):
  """Fares, and two models whose errors have most in common."""
  generator = np.random.default_rng(seed)
  fares = generator.gamma(4, 3, rides)
  base = fares + generator.normal(0, 2, rides)
  return fares, base + generator.normal(0, 0.3, rides), base


def _rmse(fares, predictions):
  return np.sqrt(np.mean((predictions - fares) ** 2))


def test_ratio_is_that_of_all_rides():
  fares, model, base = _paired(500)
  found = ratio_interval(fares, model, base, np.arange(500), RESAMPLES)
  assert found.value == pytest.approx(_rmse(fares, model) / _rmse(fares, base))
  assert found.low < found.value < found.high


def test_interval_of_a_ratio_is_that_of_the_resampled_rides():
  """Oracle: the multinomial bootstrap, written out ride by ride, the same rides for both models."""
  fares, model, base = _paired(400)
  generator = np.random.default_rng(1)
  draws = [generator.integers(0, 400, 400) for _ in range(4000)]
  expected = np.percentile(
    [_rmse(fares[rows], model[rows]) / _rmse(fares[rows], base[rows]) for rows in draws], [2.5, 97.5]
  )
  found = ratio_interval(fares, model, base, np.arange(400), resamples=4000)
  width = expected[1] - expected[0]
  np.testing.assert_allclose([found.low, found.high], expected, atol=0.08 * width)


def test_pairing_cancels_what_both_models_find_hard():
  fares, model, base = _paired(2000)
  paired = ratio_interval(fares, model, base, np.arange(2000), RESAMPLES)
  errors = error_intervals(fares, model, np.arange(2000), RESAMPLES)['rmse']
  assert paired.high - paired.low < 0.3 * (errors.high - errors.low) / errors.value


def test_copies_of_a_ride_are_no_new_evidence_for_a_ratio():
  fares, model, base = _paired(300)
  once = ratio_interval(fares, model, base, np.arange(300), RESAMPLES)
  thrice = ratio_interval(*(np.tile(values, 3) for values in (fares, model, base, np.arange(300))), RESAMPLES)
  assert _sides(thrice) == pytest.approx(_sides(once))


@pytest.mark.parametrize(
  ('predictions', 'stamps', 'expected'),
  [
    pytest.param([12.0, 21.0], range(10), [1.0] * 3, id='the_base_itself'),
    pytest.param([14.0, 22.0], range(10), [2.0] * 3, id='every_error_doubled'),
    pytest.param([10.0, 20.0], range(10), [0.0] * 3, id='no_error'),
    pytest.param([16.0, 23.0], [7] * 10, [3.0, None, None], id='one_time_stamp'),
  ],
)
def test_ratios_without_doubt_have_no_width(predictions, stamps, expected):
  """Five times the same two rides, each at a time of its own."""
  fares, base = np.array([10.0, 20.0] * 5), np.array([12.0, 21.0] * 5)
  found = ratio_interval(fares, np.array(predictions * 5), base, np.array(stamps), resamples=200)
  assert _sides(found) == pytest.approx(expected)


def test_a_base_without_error_has_no_ratio():
  fares = np.array([10.0, 20.0])
  with pytest.raises(ValueError, match='The base predicts every fare exactly; there is no ratio of errors to it'):
    ratio_interval(fares, fares + 1, fares, np.arange(2), RESAMPLES)


def test_weights_of_the_bootstrap_are_poisson():
  """Oracle: mean and variance of Poisson(1) are 1; its probabilities."""
  assert _POISSON.mean() == pytest.approx(1, abs=1e-4)
  assert _POISSON.var() == pytest.approx(1, abs=1e-4)
  shares = np.bincount(_POISSON.astype(int)) / len(_POISSON)
  np.testing.assert_allclose(
    shares, [np.exp(-1) / math.factorial(k) for k in range(len(shares))], atol=1 / len(_POISSON)
  )


def test_slices_share_the_draws_of_all_rides():
  """Oracle: `error_intervals` of all rides, and of a slice alone, whose draws are others: a tenth of the width."""
  fares, predictions = _case(3000)
  stamps, third = np.arange(3000), np.arange(3000) % 3 == 0
  slices = {'all': np.ones(3000, bool), 'third': third, 'none': np.zeros(3000, bool)}
  found = slice_intervals(fares, predictions, stamps, slices, 4000)
  assert list(found) == ['all', 'third']
  assert _sides(found['all']) == pytest.approx(_sides(error_intervals(fares, predictions, stamps, 4000)['rmse']))
  alone = error_intervals(fares[third], predictions[third], stamps[third], 4000)['rmse']
  assert _sides(found['third']) == pytest.approx(_sides(alone), abs=0.1 * (alone.high - alone.low))
  assert slice_intervals(fares, predictions, stamps, {'none': slices['none']}, 100) == {}


def test_root_mean_square_of_rows_and_of_small_numbers():
  """Float32 numbers are squared in float64."""
  rows = np.array([[3.0, 4.0], [6.0, 8.0]])
  np.testing.assert_allclose(root_mean_square(rows, axis=1), [math.sqrt(12.5), math.sqrt(50)])
  assert root_mean_square(np.float32([1e-30, 1e-30])) == pytest.approx(1e-30)


@pytest.mark.parametrize(
  ('errors', 'expected'),
  [
    pytest.param([1, -9, 1, 8, -7, 1, 6, -5, -1], 1.0, id='the_five_worst_of_nine'),
    pytest.param([2, -2, 2, 2, -2], 2.0, id='of_five_none'),
    pytest.param([9, -3, 9, 9, 9, 9], 3.0, id='of_six_one_is_left'),
  ],
)
def test_rmse_without_the_worst_rides(errors, expected):
  assert rmse_without_worst(np.array(errors)) == pytest.approx(expected)


def test_mean_error_of_independent_rides_is_the_textbooks():
  errors = np.random.default_rng(0).normal(1, 2, 400)
  found = mean_error(errors, np.arange(400))
  reach = 1.96 * errors.std(ddof=1) / 20
  assert _sides(found) == pytest.approx([errors.mean(), errors.mean() - reach, errors.mean() + reach])


def test_mean_error_counts_rides_of_one_moment_once():
  """Each error three times at one time stamp: no more is known than from the errors once."""
  errors = np.random.default_rng(0).normal(1, 2, 100)
  once, thrice = mean_error(errors, np.arange(100)), mean_error(np.repeat(errors, 3), np.repeat(np.arange(100), 3))
  assert _sides(thrice) == pytest.approx(_sides(once))


def test_mean_error_of_one_moment_has_no_interval():
  assert mean_error(np.array([1.0, 3.0]), np.array([7, 7])) == Estimate(2.0)


@pytest.mark.parametrize(
  ('given', 'expected'),
  [
    pytest.param((1,), 1.0, id='one_look'),
    pytest.param((24,), 3.0781 / 1.95996, id='24_hours'),
    pytest.param((10, 0.01, 1), 3.0902 / 1.95996, id='one_sided'),
  ],
)
def test_intervals_are_widened_by_bonferroni(given, expected):
  """Oracle: tables of the normal distribution, z of 1 - 0.05 / 48 and of 1 - 0.001."""
  assert widened(*given) == pytest.approx(expected, abs=2e-4)


HOME = {'models/error_intervals.py'}
ELSEWHERE = {
  # The t-interval over seeds, which is no interval over rides.
  'pipeline/study/folds.py': {'0.975'},
  # The figure itself, as it is computed, recorded and shown.
  'configs/records.py': {'class Estimate'},
  # Errors of every day and slice out of the same draws, which are the home's.
  'pipeline/monitoring/judging.py': {'ResampledSums'},
  # The metrics of other models, out of the same draws.
  'models/task_metrics.py': {'ResampledSums'},
  # A share of a deviation, not an end of an interval.
  'components/compression_gate/pushed_version.py': {'0.025'},
}
OWN = re.compile(
  r'poisson\(|multinomial\(|ResampledSums|class Estimate\b|(?<![\d.])(?:1\.96|0?\.025|0?\.975|97\.5)(?!\d)'
  r'|sqrt\(np\.mean\(|\*\* ?2\)?\.mean\(|mean_squared_error\(',
  re.IGNORECASE,
)


def test_no_other_file_draws_a_bootstrap_or_computes_an_rmse():
  """The source of every room: what only an interval or an RMSE of one's own would need."""
  found = {}
  for room in ('configs', 'transforms', 'models', 'components', 'pipeline', 'benchmarks'):
    for path in (ROOT / room).rglob('*.py'):
      name = str(path.relative_to(ROOT))
      own = set(OWN.findall(path.read_text(encoding='utf-8'))) - ELSEWHERE.get(name, set())
      if own and name not in HOME:
        found[name] = own
  assert not found


def test_no_function_has_a_number_of_draws_or_a_seed_of_its_own():
  """Every caller says how often its run draws, and none can draw by another seed."""
  for name, function in inspect.getmembers(home, inspect.isfunction):
    parameters = inspect.signature(function).parameters
    assert 'seed' not in parameters, name
    if 'resamples' in parameters:
      assert parameters['resamples'].default is inspect.Parameter.empty, name
