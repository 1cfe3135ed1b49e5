"""Runs on windows of daily rides: what they read, when they end early, and the past in order."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys

import pytest

from pipeline.commands import retrain
from pipeline.local import output
from pipeline.sources import data_source
from tests.integration.sixty_days import RIDES, City

FIRST = datetime.date(2026, 3, 1)
NOON = datetime.datetime(2026, 3, 4, 12, tzinfo=datetime.timezone.utc)


@pytest.fixture
def city(tmp_path) -> City:
  """Three days of rides."""
  city = City(tmp_path, new_rows=1)
  for number in range(3):
    city.ride(FIRST + datetime.timedelta(number))
  return city


def _farelite(city: City, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
  whole = [sys.executable, '-m', 'pipeline', command, '--config', str(city.folder / 'daily.yaml')]
  whole += ['--data', city.pattern, '--output', str(city.output.path), *arguments]
  return subprocess.run(whole, capture_output=True, text=True, env=os.environ.copy())


def test_a_window_is_run_once_and_then_there_is_no_new_data(city: City):
  """Oracle: the rides that were laid out, and the push destination."""
  first = _farelite(city, 'run', '--window', '2')
  assert first.returncode == 0, first.stderr
  assert 'window: 2026-03-02 to 2026-03-03 (2 spans)' in first.stdout
  summary = json.loads(city.output.summary.read_text())
  assert summary['rows']['splits'] == {'train': RIDES, 'eval': RIDES}
  assert summary['window']['spans'] == ['2026-03-02', '2026-03-03'] and not summary['ended_early']
  [version] = city.versions()

  again = _farelite(city, 'run', '--window', '2')
  assert again.returncode == 0, again.stderr
  said = f'Version {version} goes on serving.'
  assert 'nothing to do: No new data: the newest span, 2026-03-03,' in again.stdout and said in again.stdout
  early = json.loads(city.output.summary.read_text())
  assert early['ended_early'] and early['timings'] == {} and said in early['reason']
  assert (early['status'], early['pushed_path']) == ('pushed', summary['pushed_path'])
  assert early['metrics'] == summary['metrics']
  assert city.versions() == [version]


def test_while_a_run_is_on_its_way_another_trigger_is_content(city: City):
  with output.locked(city.output):
    busy = _farelite(city, 'retrain')
  assert busy.returncode == 0, busy.stderr
  assert 'No run: another one is on its way.' in busy.stdout
  assert not city.output.ledger.exists()


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    pytest.param(['--from', '2026-03-01'], 'needs both --from and --to', id='no_end'),
    pytest.param(['--from', '1', '--to', '2'], "takes a day such as 2026-01-31, as the pattern has dates; got '1'",
                 id='numbers_for_days'),
    pytest.param(['--now', 'tomorrow'], "takes a time such as 2026-03-08T03:00:00-04:00, got 'tomorrow'", id='now'),
    pytest.param(['--now', '2026-03-08T03:00:00'], '--now needs an offset', id='now_without_offset'),
  ],
)  # fmt: skip
def test_mistakes(city: City, arguments, message):
  result = _farelite(city, 'retrain', *arguments)
  assert result.returncode == 2
  assert message in result.stderr and 'Traceback' not in result.stderr


@pytest.mark.slow
def test_the_past_is_run_in_order_and_goes_on_where_it_was_stopped(city: City):
  """Oracle: the ledger; a broken day in the middle is reported and passed over, what is done is not done again."""
  city.ride(FIRST + datetime.timedelta(3))
  city.break_day(FIRST + datetime.timedelta(1))

  def filled(first: str, last: str) -> int:
    with output.locked(city.output):
      return retrain.back_fill(city.config, data_source(city.config.dataset.path), city.output, first, last, NOON)

  assert filled('2026-03-01', '2026-03-03') == 1
  assert filled('2026-03-01', '2026-03-04') == 1
  windows = [(run.status, run.newest - min(run.spans), len(run.spans)) for run in city.ledger().runs]
  assert windows == [('pushed', 0, 1), ('pushed', 2, 2), ('pushed', 3, 3)]
  assert len(city.versions()) == 3
  city.ride(FIRST + datetime.timedelta(1))
  assert filled('2026-03-01', '2026-03-02') == 0  # Mended, but newer spans have been run since.
  assert len(city.ledger().runs) == 3
