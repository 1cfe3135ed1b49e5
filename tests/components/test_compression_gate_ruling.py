"""The gate's rules without a file: budget, choice, frontier, notes, each on made-up figures."""

import numpy as np
import pytest

from components.compression_gate.choice import (
  QUANTIZATION_AWARE_KEEPS_IT,
  Candidate,
  Limit,
  Served,
  Thresholds,
  Variant,
  choose,
  frontier,
  misses,
  notes,
)
from components.compression_gate.measuring import Measured
from components.quantization_rewriter.records import ConvertedVariant
from configs.compression import Budget, Compression, JudgedOn, Objective, Precision, Scheme
from configs.records import Estimate
from models.error_intervals import Comparison, RootMeanSquareError, SliceErrors
from models.lite.client import RideFile
from models.release import Latency

RMSE = RootMeanSquareError()
OPEN = Budget(rmse_ratio=None, worst_slice_ratio=None)
"""A budget without a limit."""


def estimate(value, high=None):
  return Estimate(value, value, value if high is None else high)


def candidate(
  name='dense.int8',
  ratio=1.0,
  high=None,
  slices=None,
  size=1000,
  gzip=500,
  microseconds=5.0,
  slowest=9.0,
  metric=RMSE,
  error=None,
):
  """A candidate of these figures; `slices` are (rides, ratio, high) by name, `error` is three times the ratio."""
  recipe, scheme = name.split('.')
  latency = Latency(p50=microseconds, p99=9.0, spread=(1.0, slowest))
  found = {
    key: SliceErrors(rides, 3.0, value and estimate(value, upper))
    for key, (rides, value, upper) in (slices or {}).items()
  }
  return Candidate(
    Variant(ConvertedVariant(name=name, recipe=recipe, scheme=scheme, bytes=size, gzip_bytes=gzip), None),
    Measured(np.zeros(1, np.float32), latency, latency, 1),
    Comparison(estimate(3.0 * ratio if error is None else error), estimate(ratio, high), found, {}),
    metric,
    RideFile.terms,
  )


def ruled(candidates, budget, objective=Objective.DOWNLOAD):
  found = {candidate.variant.name: candidate for candidate in candidates}
  return choose(found, {name: misses(candidate, budget) for name, candidate in found.items()}, objective=objective)


@pytest.mark.parametrize(
  ('budget', 'figures', 'expected'),
  [
    pytest.param({'rmse_ratio': 1.01}, {'ratio': 1.013}, 'RMSE ratio 1.013 is above the budget of 1.010', id='overall'),
    pytest.param({'rmse_ratio': 1.01}, {'ratio': 1.01, 'high': 1.2}, None, id='exactly_at_the_limit'),
    pytest.param(
      {'rmse_ratio': 1.01},
      {'ratio': 1.01003},
      'RMSE ratio 1.01003 is above the budget of 1.01000',
      id='as_many_decimals_as_it_takes',
    ),
    pytest.param(
      {'rmse_ratio': 1.01, 'judged_on': JudgedOn.UPPER_BOUND},
      {'ratio': 1.004, 'high': 1.021},
      'RMSE ratio 1.004 may be as high as 1.021 (upper bound of the 95 % interval), above the budget of 1.010',
      id='upper_bound',
    ),
    pytest.param(
      {'worst_slice_ratio': 1.05},
      {'slices': {'a': (50, 1.02, 1.5), '10–16 h': (1312, 1.0731, 1.1)}},
      "RMSE ratio 1.073 in the slice '10–16 h' (1,312 rides) is above the budget of 1.050",
      id='worst_slice',
    ),
    pytest.param(
      {'worst_slice_ratio': 1.05, 'judged_on': JudgedOn.UPPER_BOUND},
      {'slices': {'point': (90, 1.02, 1.04), 'wide': (90, 1.01, 1.09)}},
      "RMSE ratio 1.010 in the slice 'wide' (90 rides) may be as high as 1.090 (upper bound of the 95 % interval), "
      'above the budget of 1.050',
      id='worst_slice_by_its_upper_bound',
    ),
    pytest.param(
      {'worst_slice_ratio': 1.05, 'min_slice_rides': 50},
      {'slices': {'few': (49, 2.0, 3.0), 'exact': (90, None, None), 'many': (50, 1.05, 1.2)}},
      None,
      id='slices_that_are_not_judged',
    ),
    pytest.param({'worst_slice_ratio': 1.05}, {'slices': {'few': (1, 2.0, 3.0)}}, None, id='no_slice_is_judged'),
    pytest.param({'bytes': 8000}, {'size': 17_004}, '17,004 bytes are above the budget of 8,000', id='bytes'),
    pytest.param({'bytes': 8000}, {'size': 8000}, None, id='bytes_at_the_limit'),
    pytest.param(
      {'gzip_bytes': 400}, {'gzip': 1401}, '1,401 bytes after gzip are above the budget of 400', id='gzip_bytes'
    ),
    pytest.param({'gzip_bytes': 400}, {'gzip': 400}, None, id='gzip_bytes_at_the_limit'),
    pytest.param(
      {'latency_us': 3.0}, {'microseconds': 4.13}, '4.1 µs for one ride are above the budget of 3.0 µs', id='latency'
    ),
    pytest.param({}, {'ratio': 9.0, 'slices': {'a': (99, 9.0, 9.0)}}, None, id='limits_left_out'),
  ],
)
def test_budget(budget, figures, expected):
  found = misses(candidate(**figures), OPEN.model_copy(update=budget))
  assert [miss.sentence for miss in found] == ([] if expected is None else [expected])
  assert all(miss.excess > 1 for miss in found)


@pytest.mark.parametrize(
  ('error', 'limit', 'expected'),
  [
    pytest.param(
      18547.027, 17000.5, 'RMSE is 18,547 IDR, above the limit of 17,000 IDR (evaluation.max_rmse)', id='rupiah'
    ),
    pytest.param(
      18547.027, 18546.9, 'RMSE is 18,547.0 IDR, above the limit of 18,546.9 IDR (evaluation.max_rmse)',
      id='as_many_decimals_as_it_takes',
    ),
    pytest.param(3.5274, 3.5, 'RMSE is 3.527 IDR, above the limit of 3.500 IDR (evaluation.max_rmse)', id='small'),
  ],
)  # fmt: skip
def test_decimals_follow_the_size_of_the_figure(error, limit, expected):
  [miss] = misses(candidate(error=error), OPEN, Thresholds(limit, unit='IDR'))
  assert miss.sentence == expected


def test_decimals_of_what_serves_and_of_the_chosen():
  thresholds = Thresholds(61234.56, 0.02, unit='IDR')
  [miss] = misses(candidate(error=18547.027), OPEN, thresholds, Served('7', estimate(17000.25)))
  assert miss.sentence.startswith('RMSE is 18,547 IDR, where version 7, which serves, has 17,000 IDR on the same rides')
  found = choose({'dense.int8': candidate(error=18547.027)}, {'dense.int8': []}, thresholds)
  assert 'RMSE 18,547 IDR of at most 61,235)' in found.reason


def test_every_limit_that_is_missed_is_reported():
  budget = Budget(rmse_ratio=1.01, worst_slice_ratio=1.05, bytes=10, gzip_bytes=9, latency_us=1)
  found = misses(candidate(ratio=1.1, slices={'a': (99, 1.2, 1.3)}), budget)
  of_files = [limit for limit in Limit if limit.value in Budget.model_fields]
  assert [miss.limit for miss in found] == of_files


def test_the_smallest_that_keeps_the_budget_is_chosen_and_the_others_have_a_reason():
  choice = ruled(
    [
      candidate('dense.float32', size=17_004, gzip=15_100),
      candidate('dense.int8', ratio=1.0134, size=7_900, gzip=5_010),
      candidate('pqat_80.int8', ratio=1.004, size=8_120, gzip=3_100),
    ],
    Budget(),
  )
  assert choice.chosen == 'pqat_80.int8'
  assert choice.reason == (
    'pqat_80.int8 is the smallest download of 2 variants that keep the budget (objective download: 3,100 bytes after '
    'gzip, 8,120 as it is, RMSE ratio 1.004).'
  )
  assert choice.reasons == {
    'dense.float32': 'Keeps the budget, but pqat_80.int8 is a smaller download (3,100 of 15,100 bytes after gzip).',
    'dense.int8': 'RMSE ratio 1.013 is above the budget of 1.010.',
    'pqat_80.int8': choice.reason.replace('pqat_80.int8 is', 'Chosen:'),
  }


def test_the_only_one_that_keeps_the_budget():
  choice = ruled([candidate('dense.float32'), candidate('dense.int8', ratio=1.2)], Budget())
  assert choice.reason == (
    'dense.float32 is the only variant that keeps the budget (objective download: 500 bytes after gzip, 1,000 as it '
    'is, RMSE ratio 1.000).'
  )


@pytest.mark.parametrize(
  ('objective', 'first', 'second', 'reason'),
  [
    pytest.param(
      'download',
      {'size': 15_520, 'gzip': 6_300},
      {'size': 15_504, 'gzip': 9_400},
      'a.int8 is a smaller download (6,300 of 9,400 bytes after gzip)',
      id='16_bytes_of_padding_beat_no_download',
    ),
    pytest.param(
      'file',
      {'size': 15_000, 'gzip': 9_400},
      {'size': 16_000, 'gzip': 6_300},
      'a.int8 is a smaller file (15,000 of 16,000 bytes)',
      id='file',
    ),
    pytest.param(
      'file',
      {'size': 15_504, 'ratio': 0.98},
      {'size': 15_488},
      'a.int8 is more accurate (RMSE ratio 0.980 of 1.000) and equal but for noise (15,504 of 15,488 bytes)',
      id='the_same_size_within_noise',
    ),
    pytest.param(
      'latency',
      {'microseconds': 4.0, 'slowest': 4.2},
      {'microseconds': 4.3, 'ratio': 0.9, 'gzip': 100},
      'a.int8 is faster (4.00 of 4.30 µs)',
      id='latency',
    ),
    pytest.param(
      'latency',
      {'microseconds': 4.1, 'ratio': 0.9},
      {'microseconds': 4.0, 'slowest': 4.2},
      'a.int8 is more accurate (RMSE ratio 0.900 of 1.000) and equal but for noise (4.10 of 4.00 µs)',
      id='as_fast_within_its_rounds',
    ),
    pytest.param(
      'error',
      {'ratio': 0.9999, 'gzip': 900},
      {'ratio': 1.0},
      'a.int8 is more accurate (RMSE ratio 0.9999 of 1.0000)',
      id='error',
    ),
    pytest.param(
      'error',
      {},
      {'gzip': 501},
      'a.int8 is as accurate and a smaller download (500 of 501 bytes after gzip)',
      id='equal',
    ),
    pytest.param(
      'download',
      {},
      {'gzip': 505},
      'a.int8 is as accurate and a smaller download (500 of 505 bytes after gzip)',
      id='a_tie_in_all',
    ),
    pytest.param(
      'download', {}, {'microseconds': 5.01}, 'a.int8 is as accurate and faster (5.00 of 5.01 µs)', id='faster'
    ),
    pytest.param(
      'download',
      {'gzip': 504},
      {'gzip': 503, 'microseconds': 10.1},
      'a.int8 is as accurate and faster (5.00 of 10.10 µs)',
      id='many_times_slower_for_a_byte',
    ),
    pytest.param(
      'download',
      {'gzip': 504},
      {'gzip': 506, 'ratio': 0.5},
      'a.int8 is a smaller download (504 of 506 bytes after gzip)',
      id='only_what_ties_with_the_first',
    ),
  ],
)
def test_the_objective_decides_and_accuracy_where_noise_would(objective, first, second, reason):
  """In both orders; `c.int8` is the smallest where that is what the tie is measured from."""
  candidates = [candidate('a.int8', **first), candidate('b.int8', **second)]
  if reason.endswith('(504 of 506 bytes after gzip)'):
    candidates.append(candidate('c.int8', gzip=500, ratio=2.0))
  for order in (candidates, candidates[::-1]):
    choice = ruled(order, OPEN, Objective(objective))
    assert choice.chosen == 'a.int8'
    assert f'(objective {objective}: ' in choice.reason
    assert choice.reasons['b.int8'] == f'Keeps the budget, but {reason}.'


def test_a_tie_is_named_and_the_first_of_equal_ones_comes_first():
  equal = [candidate('a.int8'), candidate('b.int8'), candidate('c.int8', gzip=900)]
  choice = ruled(equal, OPEN)
  assert choice.reason == (
    'a.int8 is the most accurate of those that share the smallest download within 1 %, 2 of 3 that keep the budget '
    '(objective download: 500 bytes after gzip, 1,000 as it is, RMSE ratio 1.000).'
  )
  assert choice.reasons['b.int8'] == 'Keeps the budget, but a.int8 is as good in all that counts, and comes first.'


def test_none_keeps_the_budget_and_the_nearest_is_named():
  """The nearest is the one whose largest excess is smallest: 1 %, not 90 bytes."""
  choice = ruled(
    [candidate('a.int8', size=90), candidate('b.int8', ratio=1.0201, size=10), candidate('c.int8', ratio=3, size=11)],
    Budget(rmse_ratio=1.01, bytes=10),
  )
  assert choice.chosen is None
  assert choice.reason == (
    'No variant keeps every limit, so nothing is pushed and the served model stays; nearest is b.int8: '
    'RMSE ratio 1.020 is above the budget of 1.010.'
  )
  assert choice.reasons == {
    'a.int8': '90 bytes are above the budget of 10.',
    'b.int8': 'RMSE ratio 1.020 is above the budget of 1.010.',
    'c.int8': 'RMSE ratio 3.000 is above the budget of 1.010; 11 bytes are above the budget of 10.',
  }


@pytest.mark.parametrize(
  ('costs', 'expected'),
  [
    pytest.param({'a': (1, 1)}, 'a', id='single_point'),
    pytest.param({'a': (1, 2), 'b': (2, 1), 'c': (2, 2)}, 'ab', id='a_corner_inside'),
    pytest.param({'a': (1, 2), 'b': (1, 3), 'c': (2, 2)}, 'a', id='equal_in_one_cost'),
    pytest.param({'a': (1, 2), 'b': (1, 2)}, 'ab', id='equal_points_stay_together'),
    pytest.param({}, '', id='no_point'),
  ],
)
def test_frontier(costs, expected):
  assert frontier(costs) == {*expected}


def test_frontier_of_many_points():
  """Oracle: the sweep from the left, which keeps what is lower than all before; no two points share a cost."""
  points = np.random.default_rng(0).random((200, 2))
  swept, lowest = set(), np.inf
  for name in np.argsort(points[:, 0]):
    if points[name, 1] < lowest:
      swept.add(name)
      lowest = points[name, 1]
  assert frontier(dict(enumerate(map(tuple, points)))) == swept


SCHEMES = tuple(
  Scheme(name=precision.value, precision=precision)
  for precision in (Precision.FLOAT32, Precision.FLOAT16, Precision.INT8, Precision.DYNAMIC_RANGE)
)


def noted(candidates, budget, lost=(), baseline='dense.float32', aware=('qat',)):
  found = {candidate.variant.name: candidate for candidate in candidates}
  missed = {name: misses(candidate, budget) for name, candidate in found.items()}
  return notes(found, missed, lost, baseline, Compression(schemes=SCHEMES, budget=budget), aware)


BASE = candidate('dense.float32')
BAD = candidate('dense.int8', ratio=1.02)


@pytest.mark.parametrize(
  ('candidates', 'expected'),
  [
    pytest.param([BAD, candidate('qat.int8')], True, id='misses_and_keeps'),
    pytest.param(
      [BAD, candidate('dense.dynamic_range', ratio=1.02), candidate('qat.int8')], True, id='both_kinds_miss'
    ),
    pytest.param([BAD, candidate('dense.dynamic_range'), candidate('qat.int8')], False, id='one_kind_keeps_it'),
    pytest.param([BAD, candidate('dense.float16'), candidate('qat.int8')], True, id='float16_is_no_quantization'),
    pytest.param([BAD, candidate('qat.int8', ratio=1.02)], False, id='both_miss'),
    pytest.param([BAD, candidate('qat.float32')], False, id='quantization_aware_but_float'),
    pytest.param([BAD, candidate('pruned.int8')], False, id='pruned_is_not_quantization_aware'),
    pytest.param([candidate('qat.int8')], False, id='no_post_training_variant'),
    pytest.param([BAD], False, id='no_quantization_aware_variant'),
    pytest.param(
      [candidate('dense.int8', slices={'a': (99, 1.2, 1.2)}), candidate('qat.int8')],
      True,
      id='misses_by_its_worst_slice',
    ),
    pytest.param([BAD, candidate('qat.int8', size=10**6)], True, id='bytes_are_no_accuracy'),
    pytest.param([candidate('dense.int8', size=10**6), candidate('qat.int8')], False, id='only_bytes_are_missed'),
  ],
)
def test_it_is_said_that_only_quantization_aware_training_keeps_the_accuracy(candidates, expected):
  found = noted([BASE, *candidates], Budget(bytes=10**5))
  assert (QUANTIZATION_AWARE_KEEPS_IT in found) is expected
  assert QUANTIZATION_AWARE_KEEPS_IT == (
    'Post-training quantization misses the accuracy budget; quantization-aware training keeps it.'
  )


def test_further_notes():
  base = candidate('qat.float32', slices={'0–6 h': (1049, 1.0, 1.0), 'airport ride': (7, 1.0, 1.0)})
  assert noted([base], Budget(), lost=['dense.float32', 'x.int8'], baseline='qat.float32') == [
    'There is no dense.float32 to compare with, so RMSE ratios are to qat.float32.',
    '2 of 3 variants could not be judged: dense.float32, x.int8.',
    'Slices of fewer than 50 rides are shown, not judged: airport ride (7).',
  ]
  assert noted([BASE], Budget()) == []
