"""A run that would only repeat the last one is known without TFX; whatever is different makes a run.

Oracle: what each case changes, in real files, a real pushed version and a real summary.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from components.ride_example_gen.files import digest
from configs import loading
from pipeline.code_version import run_version
from pipeline.commands import run as commands_run
from pipeline.local import output as local_output
from pipeline.local import unchanged
from pipeline.sources import data_source
from pipeline.summary_record import Status, Summary
from tests.pipeline.made_store import make_version
from tests.test_rooms import ROOT

HEADER = (
  'key,fare_amount,pickup_datetime,pickup_longitude,pickup_latitude,dropoff_longitude,dropoff_latitude,'
  'passenger_count\n'
)
RIDE = '0,11.3,2011-01-28 20:42:59 UTC,-73.999022,40.739146,-73.990369,40.717866,1\n'


@pytest.fixture
def made(tmp_path):
  """An output as a run leaves it that has pushed version 7."""
  rides = tmp_path / 'rides.csv'
  rides.write_text(f'{HEADER}{RIDE}')
  output = local_output.prepare(str(tmp_path / 'out'))
  make_version(output.serving / '7', 'bytes')
  output.artifacts.mkdir(exist_ok=True)
  for file in (output.page, output.config, output.metadata):
    file.write_text('there')
  _write(output, rides)
  return output


def _config(*overrides: str):
  return loading.load('nyc', overrides)


def _write(made, rides: pathlib.Path, status: Status = Status.PUSHED, **changed) -> None:
  config = _config(f'dataset.path={rides}')
  facts = {'made_of': unchanged.made_of(config, made, digest([str(rides)])), 'code_version': run_version()}
  summary = Summary(status=status, name=config.name, output=str(made.path), started='2026-01-02T03:04:05+00:00')
  summary.model_copy(update=facts | changed).write(made.summary)


def _last(output, *overrides: str, data: str = 'rides.csv') -> Summary | None:
  rides = output.path.parent / data
  config = _config(f'dataset.path={rides.with_name("rides.csv")}', *overrides)
  return unchanged.last_run(config, data_source(str(rides)), output)


def test_nothing_changed(made):
  last = _last(made)
  assert last is not None
  assert 'as in the run of 2026-01-02 03:04, and version 7 goes on serving' in unchanged.sentence(last)
  ended = unchanged.end_early(last, made, 'why')
  assert (ended.ended_early, ended.reason, ended.status) == (True, 'why', Status.PUSHED)
  assert Summary.read(made.summary) == ended
  assert _last(made) is not None, 'the night after'


def test_what_a_killed_push_left_goes_though_nothing_is_pushed(made, tmp_path):
  (made.serving / '.staging-left/7').mkdir(parents=True)
  rides = tmp_path / 'rides.csv'
  config = _config(f'dataset.path={rides}')
  with commands_run.opened(config, data_source(str(rides)), made, show=False):
    assert [path.name for path in made.serving.iterdir()] == ['7']


@pytest.mark.parametrize(
  'overrides', [['retention.runs=3'], ['beam.direct.direct_running_mode=multi_threading']], ids=['retention', 'engine']
)
def test_what_is_no_part_of_a_model_makes_no_run(made, overrides):
  assert _last(made, *overrides) is not None


def _altered(output) -> None:
  (output.serving / '7/variables/data').write_bytes(b'other')


def _of_another_name(output) -> None:
  rides = output.path.parent / 'rides.csv'
  rides.rename(rides.with_name('others.csv'))


CHANGES = {
  'another_ride': lambda output: (output.path.parent / 'rides.csv').write_text(f'{HEADER}{RIDE}{RIDE}'),
  'another_version_serves': lambda output: make_version(output.serving / '8', 'bytes'),
  'nothing_serves': lambda output: (output.serving / '7/saved_model.pb').unlink(),
  'what_serves_was_altered': _altered,
  'no_page': lambda output: output.page.unlink(),
  'no_config': lambda output: output.config.unlink(),
  'no_store': lambda output: output.metadata.unlink(),
  'no_artifacts': lambda output: output.artifacts.rmdir(),
  'no_summary': lambda output: output.summary.unlink(),
  'a_broken_summary': lambda output: output.summary.write_text('{'),
  'a_start_that_failed': lambda output: output.failed_start.write_text('{}'),
  'a_run_that_failed': lambda output: _write(output, output.path.parent / 'rides.csv', Status.FAILED),
  'anomalies': lambda output: _write(output, output.path.parent / 'rides.csv', Status.ANOMALIES),
  'a_summary_of_an_earlier_release': lambda output: _write(output, output.path.parent / 'rides.csv', made_of=None),
  'a_moved_output': lambda output: _write(output, output.path.parent / 'rides.csv', output='/elsewhere'),
}


@pytest.mark.parametrize('change', CHANGES.values(), ids=CHANGES)
def test_what_makes_a_run(made, change):
  change(made)
  assert _last(made) is None


def test_another_config_makes_a_run(made):
  assert _last(made, 'training.seed=5') is None


def test_another_name_of_the_same_rides_makes_a_run(made):
  _of_another_name(made)
  assert _last(made, data='others.csv') is None


@pytest.mark.parametrize(('code', 'runs'), [('same', False), ('other', True)], ids=['comment', 'code'])
def test_other_sources_make_a_run_where_a_step_would_see_it(made, monkeypatch, code, runs):
  monkeypatch.setattr(unchanged, 'sources_digest', lambda: 'other')
  if code == 'other':
    monkeypatch.setattr(unchanged, 'run_version', lambda: 'other')
  assert (_last(made) is None) == runs


HEAVY = {'tensorflow', 'tfx', 'apache_beam', 'pandas', 'pyarrow', 'numpy', 'ml_metadata', 'pygments', 'http.client'}


def printed_by_farelite(command: list[str]) -> str:
  """What a command prints in a process of its own, and in the last line which modules of `HEAVY` it has loaded."""
  program = (
    'import sys\nfrom pipeline.cli import main\ntry:\n  main()\nfinally:\n'
    f'  print(sorted({HEAVY} & sys.modules.keys()))\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', program, *command],
    capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | {'COLUMNS': '200'},
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  return done.stdout


def test_the_command_shows_the_last_outcome_and_loads_no_tfx(made):
  """In a process of its own, as what it loads is asked of it."""
  command = ['run', '--config', 'nyc', '--data', str(made.path.parent / 'rides.csv'), '--output', str(made.path)]
  shown = printed_by_farelite(command)
  assert shown.splitlines()[-1] == '[]'
  assert 'nothing to do, pushed: Rides, config and code are as in the run' in shown
  assert Summary.read(made.summary).ended_early
  assert not made.runs.exists(), 'it is no run of its own'


def test_it_runs_by_force(made, monkeypatch):
  performed: list[int] = []
  monkeypatch.setattr(commands_run, 'perform', lambda session, job: performed.append(1) or 0)
  source = data_source(str(made.path.parent / 'rides.csv'))
  assert commands_run.run(_config(), source, made, force=True) == 0
  assert performed == [1]
