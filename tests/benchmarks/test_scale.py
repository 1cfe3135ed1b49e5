"""The arithmetic behind docs/scale.md: from where on more rides bring nothing, and what slopes make of many rides."""

import json

import numpy as np
import pytest
from scipy import stats

from benchmarks import slopes
from benchmarks.learning_curve import Point, enough_rides, excess


def points(*means):
  """Points of 10, 20, … rides, four seeds each, whose spread is the same at every size."""
  seeds = [0.99, 1.0, 1.0, 1.01]
  return [Point(10 * (number + 1), 1, [mean * seed for seed in seeds], [], []) for number, mean in enumerate(means)]


def test_excess_is_paired():
  """Oracle: SciPy's one-sample interval of the log ratios; what all sizes of a seed share is no uncertainty."""
  few, many = points(1.1, 1.0)
  assert excess(few.rmse, many.rmse) == pytest.approx((0.1, 0.1, 0.1))
  found, logs = excess([1.2, 1.1, 1.3], [1.0, 1.0, 1.1]), np.log([1.2, 1.1, 1.3 / 1.1])
  interval = stats.t.interval(0.95, 2, loc=logs.mean(), scale=stats.sem(logs))
  assert found[1:] == pytest.approx(np.expm1(interval))


@pytest.mark.parametrize(
  ('means', 'expected'),
  [
    pytest.param([1.3, 1.1, 1.005, 1.0], 30, id='the_last_but_one'),
    pytest.param([1.3, 1.009, 1.02, 1.0], 40, id='from_there_on'),
    pytest.param([1.0, 0.99, 1.0, 1.0], 10, id='all_alike'),
  ],
)
def test_enough_rides(means, expected):
  assert enough_rides(points(*means), 0.01) == expected


def measured(cpu):
  return {'cpu': cpu, 'disk': 1e3 * cpu, 'grown': 1e6 * cpu, 'peak': 2**30}


CONTENT = {
  'settings': [],
  'load': [0.0, 0.0],
  'cores': 2,
  'step_us': 256.0,
  'forms': {
    form: {
      'sizes': [100_000, 200_000],
      'few': {step: measured(2.0) for step in (*slopes.BEAM_STEPS, *slopes.SINGLE_STEPS)},
      'many': {step: measured(3.0) for step in (*slopes.BEAM_STEPS, *slopes.SINGLE_STEPS)},
    }
    for form in slopes.FORMS
  },
  'predict': {
    name: {'sizes': [100_000, 200_000], 'cpu': [1.0, 1.5], 'disk': [0, 1e6], 'grown': [1e8, 1e8], 'peak': [1e8, 1e8]}
    for name in slopes.PREDICT
  },
}
"""10 µs a ride and 1 s once for each step, 5 µs for predictions; an optimizer's step takes 256 µs, 1 µs a ride."""


def test_slopes_leave_out_what_is_paid_once():
  found = slopes.slopes(CONTENT)
  assert found['beam', 'StatisticsGen'] == pytest.approx(
    {'us': 10, 'once': 1, 'memory': 10, 'disk': 0.01, 'peak': 2**30}
  )
  # Without the one epoch, which takes 1 µs for each of 80 % of the rides.
  assert found['memory', 'PruningTrainer']['us'] == pytest.approx(10 - 0.8)
  assert found['predict', 'predict, CSV']['us'] == pytest.approx(5)


def test_a_projection_is_their_sum(tmp_path, capsys):
  """Oracle: by hand, for 3.6 billion rides, whose 10 µs are 10 hours of CPU, on 10 workers that work half the time."""
  path = tmp_path / 'slopes.json'
  path.write_text(json.dumps(CONTENT), encoding='utf-8')
  words = ['--rides', '3600000000', '--workers', '10', '--efficiency', '0.5', '--price', '2', '--steps', '1']
  slopes.main(['--slopes', str(path), *words, '--train-rides', '2880000000', '--eval-rides', '720000000'])
  rows = {line.split(' | ')[0].strip('| '): line.split(' | ') for line in capsys.readouterr().out.splitlines()}
  assert rows['StatisticsGen'][1:4] == ['10 workers', '10.00', '2.00']
  assert rows['StatisticsGen'][-1].strip(' |') == '40.00'
  assert rows['CompressionGate'][1:4] == ['1 machine', '10.00', '10.00']
  assert rows['all'][1].strip('| ') == f'{4 * 10 + 9.2 + 10 + 10 + 5:.2f}'
  assert rows['all'][2] == f'{4 * 2 + 9.2 + 10 + 10 + 1:.2f}'
