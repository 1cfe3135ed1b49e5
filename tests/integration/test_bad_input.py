"""What a run does with bad rides: one sentence, everything kept, the served model untouched."""

from __future__ import annotations

import pathlib
import re

import pandas as pd
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.summary_record import FailedStart, Status, Summary, begin
from tests.integration.conftest import simulated
from tests.pipeline.made_store import MadeStore


def _spoil(data: pathlib.Path, change: str) -> None:
  rides = pd.read_csv(data, dtype=str)
  if change == 'all_rows_invalid':
    rides['fare_amount'] = '-1'
  elif change == 'too_many_invalid':
    rides.loc[: len(rides) // 2, 'fare_amount'] = 'free'
  elif change == 'one_row':
    rides = rides.head(1)
  elif change == 'one_time_stamp':
    rides['pickup_datetime'] = rides['pickup_datetime'].iloc[0]
  elif change == 'missing_column':
    rides = rides.drop(columns='pickup_latitude')
  elif change == 'renamed_label':
    rides = rides.rename(columns={'fare_amount': 'fare'})
  elif change == 'header_only':
    rides = rides.head(0)
  rides.to_csv(data, index=False)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    pytest.param('all_rows_invalid', r'1,?500', id='all_rows_invalid'),
    pytest.param('too_many_invalid', r'751', id='too_many_invalid'),
    pytest.param('one_row', r'split', id='one_row'),
    pytest.param('one_time_stamp', r'time stamp', id='one_time_stamp'),
    pytest.param('missing_column', r'pickup_latitude', id='missing_column'),
    pytest.param('renamed_label', r'fare_amount.*fare', id='renamed_label'),
    pytest.param('header_only', r'', id='header_only'),
  ],
)
def test_refused_before_training(project, change: str, message: str):
  _spoil(project.data, change)
  summary, states = project.run()
  assert summary['status'] == 'failed'
  assert not project.versions()
  assert re.search(message, summary['reason']), summary['reason']
  assert 'Traceback' not in summary['reason']
  assert 'PruningTrainer' not in states
  if summary['rows']:
    assert summary['rows']['read'] == summary['rows']['kept'] + sum(summary['rows']['quarantined'].values())


def test_anomalies_stop_the_run_before_training(project):
  rides = pd.read_csv(project.data)
  rides.loc[: len(rides) // 2, 'dropoff_latitude'] = None
  rides.to_csv(project.data, index=False)
  summary, states = project.run('validation.max_missing_share={dropoff_latitude: 0.1}')
  assert summary['status'] == 'anomalies'
  assert 'dropoff_latitude' in summary['reason']
  assert 'expected' in summary['reason']
  assert 'PruningTrainer' not in states


def test_constant_features_train(project):
  rides = pd.read_csv(project.data)
  for column in ('pickup_longitude', 'pickup_latitude', 'passenger_count'):
    rides[column] = rides[column].iloc[0]
  rides.to_csv(project.data, index=False)
  summary, _ = project.run()
  assert summary['status'] == 'pushed', summary['reason']


def test_a_failed_run_leaves_the_served_model(project):
  first, _ = project.run()
  before = sorted((path, path.stat().st_mtime_ns) for path in pathlib.Path(first['pushed_path']).rglob('*'))
  _spoil(project.data, 'all_rows_invalid')
  failed, _ = project.run()
  assert failed['status'] == 'failed'
  assert sorted((path, path.stat().st_mtime_ns) for path in pathlib.Path(first['pushed_path']).rglob('*')) == before


@pytest.mark.parametrize(('rides', 'code'), [('none.csv', 2), ('m.csv', 2), ('?.csv', 1)])
def test_a_run_that_does_not_begin_leaves_the_files_of_the_one_before(tmp_path, capfd, rides: str, code: int):
  """Refused, or failed in its first step, as a file between two good ones lacks its columns.

  What has read its rides takes the note away again.
  """
  made = MadeStore(tmp_path / 'out')
  made.run(version=1)
  files = [made.output.config, made.output.summary, made.output.path / 'report.html']
  Summary(status=Status.PUSHED, name='nyc').write(made.output.summary)
  files[2].write_text('a page')
  before = [path.read_bytes() for path in files]
  for name in 'az':
    simulated(tmp_path / 'good', rows=50).rename(tmp_path / f'{name}.csv')
  (tmp_path / 'm.csv').write_text('nothing,that,anyone,knows\n1,2,3,4\n')
  arguments = ['--data', str(tmp_path / rides), '--set', 'training.epochs=9']
  result = CliRunner().invoke(main, ['run', '--output', str(made.output.path), '--config', 'nyc', *arguments])
  assert result.exit_code == code, result.output
  assert [path.read_bytes() for path in files] == before
  note = FailedStart.read(made.output.failed_start)
  assert note.reason in result.output + capfd.readouterr().out
  assert 'epochs: 9' in note.config
  listed = CliRunner().invoke(main, ['runs', str(made.output.path)]).output
  assert f'did not begin ({note.time[:16]}): {note.reason}' in listed
  begin(made.config, made.output)
  assert not made.output.failed_start.exists()


def test_a_first_run_that_does_not_begin_has_a_summary(tmp_path):
  arguments = ['run', '--config', 'nyc', '--output', str(tmp_path / 'out'), '--data', str(tmp_path / 'none.csv')]
  assert CliRunner().invoke(main, arguments).exit_code == 2
  assert sorted(path.name for path in (tmp_path / 'out').glob('*.*')) == ['.lock', 'config.yaml', 'summary.json']
  assert 'No file matches' in Summary.read(tmp_path / 'out' / 'summary.json').reason
