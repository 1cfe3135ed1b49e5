"""What a run says on the terminal of drift and skew."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipeline.commands import run
from pipeline.report.sections import data
from pipeline.summary_record import FindingRecord


def _finding(feature: str, divergence: float, stops: bool) -> FindingRecord:
  return FindingRecord(
    sentence='',
    split='train',
    feature=feature,
    kind='skew',
    severity='info',
    stops=stops,
    divergence=divergence,
    threshold=0.2,
  )


@pytest.mark.parametrize(
  ('divergence', 'stops', 'line'),
  [
    pytest.param(0.203, False, 'the limit is 0.2; the run goes on all the same (validation.drift_stops)', id='shown'),
    pytest.param(0.203, True, 'the limit is 0.2', id='stops'),
    pytest.param(0.2, False, 'the limit is 0.2', id='within'),
  ],
)
def test_a_limit_that_is_passed_without_stopping_is_shown(divergence, stops, line):
  shown = io.StringIO()
  findings = [_finding('fare_amount', 0.1, False), _finding('passenger_count', divergence, stops)]
  run._show_divergences(Console(file=shown, width=200), findings)
  assert shown.getvalue() == f'skew between train and eval: at most {divergence:.3f} (passenger_count), {line}\n'


def test_the_one_that_is_shown_is_furthest_for_its_own_limit():
  """Hours have a limit of their own."""
  shown = io.StringIO()
  hours = _finding('hour_of_day', 0.07, False).model_copy(update={'threshold': 0.05})
  run._show_divergences(Console(file=shown, width=200), [_finding('fare_amount', 0.1, False), hours])
  assert shown.getvalue().startswith('skew between train and eval: at most 0.070 (hour_of_day), the limit is 0.05; ')


def test_drift_of_the_newest_span_has_a_column_of_its_own_on_the_page():
  drift = {'kind': 'drift', 'divergence': 0.05}
  findings = [
    _finding('fare_amount', 0.05, False).model_copy(update=drift),
    _finding('fare_amount', 0.6, False).model_copy(update=drift | {'divergence': 0.6, 'split': 'eval'}),
  ]
  shown = data._divergences(findings)
  kinds = [heading.text for heading in shown.headings if heading.text in ('drift', 'newest', 'skew')]
  assert kinds == ['drift', 'newest']
  [row] = shown.rows
  assert [cell.text for cell in row.cells if cell.text.startswith('0.')] == ['0.050', '0.600']
