"""What a run shows of its outcome, on terminals and pipes of any width. Oracle: the made figures, cell by cell."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from components.compression_gate.records import FareDifferences, JudgedVariant, ShadowRecord
from components.fare_evaluator.records import EvaluatedSlice
from configs.records import Estimate
from pipeline.commands import run
from pipeline.local.terminal import plain_table, right, show_table
from pipeline.summary_record import MetricsRecord, Status, Summary

NAMES = ('dense.float32', 'a_recipe_with_a_very_long_name.dynamic_range_sparse')
COLUMNS = ('lite file', 'RMSE (USD)', 'to float32 [95 %]', 'worst slice', 'bytes', 'gzip', 'µs/call', 'zero', 'budget')


def _estimate(value: float) -> dict[str, float]:
  return {'value': value, 'low': value - 0.5, 'high': value + 0.5}


def _summary(**changes) -> Summary:
  figures = {
    'bytes': 1_234_567, 'gzip_bytes': 234_567, 'sparsity': 0.79, 'rmse': _estimate(4.431), 'rmse_ratio': _estimate(1.0),
    'latency_us': {'p50': 9.8, 'p99': 12.0, 'spread': (9.0, 10.0), 'whole_call': True},
  }  # fmt: skip
  variants = tuple(
    JudgedVariant(name=name, recipe='r', scheme='s', within_budget=kept, **figures)
    for name, kept in zip(NAMES, (True, False), strict=True)
  )
  return Summary(status=Status.PUSHED, reason='Good.', variants=variants).model_copy(update=changes)


def _shown(table, width: int, terminal: bool) -> str:
  console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, soft_wrap=not terminal)
  show_table(console, table)
  return console.file.getvalue()


@pytest.mark.parametrize('width', [20, 40, 80, 120, 300])
@pytest.mark.parametrize('terminal', [False, True], ids=['pipe', 'terminal'])
def test_the_variants_keep_every_column_and_the_verdict(width, terminal):
  """Names and figures are whole, also where a column is wider than the terminal."""
  shown = _shown(run._variants_table(_summary(), 'USD'), width, terminal)
  words = ' '.join(shown.split()) if width > 60 else ''.join(shown.split())
  expected = [*COLUMNS, *NAMES, '1,234,567', '234,567', '4.431', '1.000 [0.500, 1.500]', '9.8', '79%', 'kept', 'missed']
  assert [cell for cell in expected if (cell if width > 60 else cell.replace(' ', '')) not in words] == []
  assert '…' not in shown


def test_a_pipe_has_a_line_for_each_variant(width=120):
  """So that what reads them finds name and verdict on one line."""
  lines = _shown(run._variants_table(_summary(), 'USD'), width, terminal=False).splitlines()
  assert [(line.split()[0], line.split()[-1]) for line in lines[1:]] == [(NAMES[0], 'kept'), (NAMES[1], 'missed')]


def test_what_the_shadow_holds_back_has_not_missed_its_budget():
  overall = FareDifferences.model_construct()
  shadow = ShadowRecord(variant=NAMES[1], version='7', apart=1.0, overall=overall, held=('It gives other fares',))
  lines = _shown(run._variants_table(_summary(shadow=shadow), 'USD'), 200, terminal=False).splitlines()
  assert [line.split()[-3:] for line in lines[2:]] == [['held', 'by', 'shadow']]


def test_errors_in_thousands_have_no_decimals():
  """As on the page: nobody pays a hundredth of a rupiah."""
  rmse = Estimate(18547.027, 17000.4, 20000.6)
  rows = (
    EvaluatedSlice.model_construct(
      name='all',
      slice={},
      example_count=900.0,
      calibration=1.0,
      root_mean_squared_error=18547.027,
      mean_absolute_error=900.5,
    ),
    EvaluatedSlice.model_construct(
      name='0–6 h',
      slice={'hour': '0'},
      example_count=90.0,
      calibration=1.0,
      root_mean_squared_error=12345.678,
      mean_absolute_error=900.5,
    ),
  )
  [variant, *_] = _summary().variants
  summary = _summary(
    slices=rows, base_slices=rows, rmse_without_worst_5=1234.56, variants=(variant.model_copy(update={'rmse': rmse}),)
  )
  metrics = MetricsRecord(rmse=rmse, mae=Estimate(900.5, 800.25, 1000.75))
  lines = [
    line.split()
    for table in (run._metrics_table(summary, metrics, 'IDR'), run._variants_table(summary, 'IDR'))
    for line in _shown(table, 200, terminal=False).splitlines()
  ]
  assert [' '.join(words) for words in lines[1:4]] == [
    'all 900 18,547 [17,000, 20,001] 900.50 [800.25, 1,000.75] 1.000 18,547',
    'without the worst 5 895 1,235',
    '0–6 h 90 12,346 900.50 1.000 12,346',
  ]
  assert lines[5][:2] == [NAMES[0], '18,547']


def test_a_narrow_terminal_repeats_the_first_column():
  table = plain_table('name', *right('first', 'second', 'third'))
  table.add_row('one', '1' * 10, '2' * 10, '3' * 10)
  lines = [line.split() for line in _shown(table, 32, terminal=True).splitlines()]
  assert lines == [
    ['name', 'first', 'second'], ['one', '1' * 10, '2' * 10],
    ['name', 'third'], ['one', '3' * 10],
  ]  # fmt: skip


def _evaluated() -> Summary:
  whole = {'root_mean_squared_error': 4.43, 'mean_absolute_error': 1.8, 'example_count': 400.0, 'calibration': 0.978}
  slices = (EvaluatedSlice(name='all', slice=(), **whole),)
  metrics = MetricsRecord(rmse=_estimate(4.43), mae=_estimate(1.8))
  return _summary(slices=slices, metrics=metrics, rmse_without_worst_5=3.64)


def test_the_rmse_without_the_worst_rides_stands_below_that_of_all():
  summary = _evaluated()
  lines = _shown(run._metrics_table(summary, summary.metrics, 'USD'), 200, terminal=False).splitlines()
  assert lines[0].startswith('trained model (USD)'), 'and not the pushed file'
  assert [line.split() for line in lines[1:]] == [
    ['all', '400', '4.43', '[3.93,', '4.93]', '1.80', '[1.30,', '2.30]', '0.978'],
    ['without', 'the', 'worst', '5', '395', '3.64'],
  ]


@pytest.mark.parametrize(
  ('seconds', 'expected'),
  [
    pytest.param(0.6, ' in 0.6 s', id='short'),
    pytest.param(69.4, ' in 1 min 9 s', id='minutes'),
    pytest.param(None, '', id='unknown'),
  ],
)
def test_the_terminal_says_the_summarys_own_time(seconds, expected):
  assert run._took(_summary(seconds=seconds)) == expected
