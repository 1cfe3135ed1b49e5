"""Data that arrives as spans: the newest one is read, and compared with the one before."""

from __future__ import annotations

import pathlib

from pipeline.local import output
from tests.integration.conftest import Project, simulated


def test_newest_span_is_read_and_drift_is_measured_against_the_one_before(tmp_path: pathlib.Path):
  """Oracle: spans of different sizes; the second one's passengers are changed, so the drift is known to be large."""
  first = simulated(tmp_path / 'spans' / 'span-1', rows=1200, seed=1)
  pattern = tmp_path / 'spans' / 'span-{SPAN}' / '*.csv'
  project = Project(pattern, output.prepare(str(tmp_path / 'out')))
  before, _ = project.run()
  assert before['rows']['read'] == 1200
  assert not [finding for finding in before['findings'] if finding['kind'] == 'drift']

  second = simulated(tmp_path / 'spans' / 'span-2', rows=900, seed=2)
  header, *rows = second.read_text().splitlines()
  second.write_text('\n'.join([header, *(row.rpartition(',')[0] + ',6' for row in rows)]) + '\n')
  after, states = project.run()
  assert after['rows']['read'] == 900
  assert states['PruningTrainer'] == 'complete'
  [drift] = [f for f in after['findings'] if f['kind'] == 'drift' and f['feature'] == 'passenger_count']
  assert drift['divergence'] > drift['threshold']
  assert drift['severity'] == 'warning'

  stopped, states = project.run('validation.drift_stops=true')
  assert stopped['status'] == 'anomalies'
  assert 'passenger_count' in stopped['reason']
  assert 'FeatureEngineering' not in states
  assert first.is_file()
