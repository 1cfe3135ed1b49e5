"""Timers on this machine. Oracles: systemd's own verifier, a real flock, and the files themselves."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import zoneinfo
from unittest import mock

import click.testing
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.commands import schedule
from pipeline.schedule.cron import Cron, ScheduleError, State
from pipeline.schedule.local import LocalSchedules, crontab_line

NIGHTLY = Cron.parse('0 3 * * *', 'America/New_York')


@pytest.fixture
def schedules(tmp_path) -> LocalSchedules:
  return LocalSchedules(tmp_path / 'units')


def _create(schedules: LocalSchedules, folder: pathlib.Path, *command: str, cron: Cron = NIGHTLY):
  command, tell = command or (sys.executable, '-c', 'pass'), (sys.executable, '-c', 'print("50 % of $5")')
  return schedules.create('nyc', cron, command, str(folder), str(folder / 'lock'), tell)


@pytest.mark.parametrize('expression', ['0 3 * * *', '*/15 9-17 * * MON-FRI', '30 4 1,15 * 5'])
def test_systemd_finds_no_fault_with_the_units(schedules, tmp_path, expression):
  if shutil.which('systemd-analyze') is None:
    pytest.skip('needs systemd-analyze (apt-get install systemd)')
  odd = tmp_path / 'a "strange" 100% $HOME\\folder'
  odd.mkdir()
  made = _create(schedules, odd, sys.executable, '-c', 'print("50 % of $5")', cron=Cron.parse(expression, 'Asia/Tokyo'))
  environment = os.environ | {'XDG_RUNTIME_DIR': str(tmp_path), 'SYSTEMD_LOG_LEVEL': 'warning'}
  service = made.place.replace('.timer', '.service')
  done = subprocess.run(
    ['systemd-analyze', '--user', 'verify', made.place, service, service.replace('.service', '-failed.service')],
    capture_output=True,
    text=True,
    env=environment,
  )
  ours = [line for line in done.stderr.splitlines() if 'farelite' in line]
  assert not ours and done.returncode == 0, done.stderr


def test_is_listed_paused_resumed_and_deleted(schedules, tmp_path):
  """Oracle: the link that `systemctl --user enable` makes."""
  created = _create(schedules, tmp_path)
  link = tmp_path / 'units' / 'timers.target.wants' / 'farelite-nyc.timer'
  assert (created.cron, created.zone, created.state) == ('0 3 * * *', 'America/New_York', State.WRITTEN)
  assert link.resolve() == pathlib.Path(created.place)
  assert 'systemd does not look below' in created.note
  assert [one.name for one in schedules.all()] == ['nyc']
  assert schedules.pause('nyc').state is State.PAUSED
  assert not link.is_symlink() and schedules.all()[0].state is State.PAUSED
  assert schedules.resume('nyc').state is State.WRITTEN
  assert link.is_symlink()
  with pytest.raises(ScheduleError, match="There is a schedule 'nyc' already"):
    _create(schedules, tmp_path)
  schedules.delete('nyc')
  assert schedules.all() == ()
  assert not [path for path in (tmp_path / 'units').rglob('*') if not path.is_dir()]
  with pytest.raises(ScheduleError, match=r"There is no local schedule 'nyc' below .*; there: none"):
    schedules.pause('nyc')


def test_only_where_systemd_looks_a_timer_is_active(tmp_path, monkeypatch):
  made = LocalSchedules(tmp_path / 'systemd' / 'user')
  assert _create(made, tmp_path).state is State.WRITTEN
  monkeypatch.setenv('XDG_CONFIG_HOME', str(tmp_path))
  assert [one.state for one in made.all()] == [State.ACTIVE]


def _words(exec_start: str) -> list[str]:
  """ExecStart as systemd splits it, by systemd.service(5): quotes, backslashes, %% and $$."""
  words = [quoted if quoted is not None else plain for quoted, plain in
           ((m.group(1), m.group(2)) for m in re.finditer(r'"((?:[^"\\]|\\.)*)"|(\S+)', exec_start))]  # fmt: skip
  return [re.sub(r'\\(.)', r'\1', word).replace('%%', '%').replace('$$', '$') for word in words]


def test_the_command_arrives_as_it_was_given_and_never_runs_beside_itself(schedules, tmp_path):
  """Oracle: two processes of the service's own command line, the second while the first one is at work."""
  odd = tmp_path / 'a "b" 100% $c\\d'
  odd.mkdir()
  program = 'import sys, time, pathlib; pathlib.Path(sys.argv[1]).open("a").write("ran\\n"); time.sleep(1.5)'
  made = _create(schedules, odd, sys.executable, '-c', program, str(odd / 'runs'))
  text = pathlib.Path(made.place.replace('.timer', '.service')).read_text()
  command = _words(re.search(r'^ExecStart=(.*)$', text, re.MULTILINE).group(1))
  first = subprocess.Popen(command)
  while not (odd / 'runs').exists():
    time.sleep(0.01)
  second = subprocess.run(command)
  assert (second.returncode, first.wait()) == (0, 0)
  assert (odd / 'runs').read_text() == 'ran\n'


def test_a_crontab_line_does_the_same(tmp_path):
  """Oracle: a shell that runs the line as cron would: after five fields, and with \\% as a plain sign."""
  odd = tmp_path / "a 100% 'strange' $folder"
  odd.mkdir()
  program = 'import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(str(pathlib.Path.cwd()))'
  command = [sys.executable, '-c', program, str(odd / 'ran')]
  line = crontab_line(NIGHTLY, command, str(odd), str(odd / 'lock'), zoneinfo.ZoneInfo('US/Eastern'))
  assert line.startswith('0 3 * * * cd ')
  assert not re.search(r'(?<!\\)%', line)
  subprocess.run(['/bin/sh', '-c', line.split(maxsplit=5)[5].replace(r'\%', '%')], check=True)
  assert (odd / 'ran').read_text() == str(odd)


def test_cron_knows_no_other_zone_than_the_machines(tmp_path):
  with pytest.raises(ScheduleError, match="this machine's clock, which is not always that of America/New_York"):
    crontab_line(NIGHTLY, ['true'], '/', '/lock', zoneinfo.ZoneInfo('America/Bogota'))


def test_the_command_line(tmp_path):
  """Oracle: what the units say after `create`, and exit codes."""
  base = [sys.executable, '-m', 'pipeline', 'schedule']
  units = ['--units', str(tmp_path / 'units')]
  create = [*base, 'create', '--cron', '0 3 * * *', '--time-zone', 'America/New_York', '--config', 'nyc', *units]
  create += ['--data', f'{tmp_path}/{{YYYY}}/{{MM}}/{{DD}}/*.csv', '--window', '7', '--output', str(tmp_path / 'out')]
  done = subprocess.run(create, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert len(re.findall(r'next: \w{3} \d{4}-\d\d-\d\d 03:00 E[SD]T', done.stdout)) == 3
  service = (tmp_path / 'units' / 'farelite-nyc.service').read_text()
  assert f'-m pipeline retrain --output {tmp_path}/out --config nyc --set ' in service
  assert 'retraining.window=7' in service
  listed = subprocess.run([*base, 'list', *units], capture_output=True, text=True)
  assert 'America/New_York' in listed.stdout and 'written' in listed.stdout
  bad = subprocess.run([part.replace('0 3 * * *', '0 3 * *') for part in create], capture_output=True, text=True)
  assert bad.returncode == 2 and 'A cron expression has five fields' in bad.stderr
  nobody = subprocess.run([*base, 'pause', 'chicago', *units], capture_output=True, text=True)
  assert nobody.returncode == 2 and "no local schedule 'chicago'" in nobody.stderr


_CREATE = ['create', '--cron', '0 3 * * *', '--time-zone', 'UTC', '--config', 'nyc']


def _schedule(folder: pathlib.Path, *arguments: str) -> click.testing.Result:
  """The command with a machine whose clock is UTC, and with rides that are there."""
  (folder / 'rides.csv').touch()
  with (
    mock.patch.object(schedule, 'machine_zone', lambda: zoneinfo.ZoneInfo('UTC')),
    mock.patch.dict(os.environ, {'XDG_CONFIG_HOME': str(folder / 'xdg')}),
  ):
    return CliRunner().invoke(main, ['schedule', *_CREATE, '--data', str(folder / 'rides.csv'), *arguments])


@pytest.mark.parametrize(
  ('output', 'message'),
  [
    pytest.param('/dev/null', "The output '/dev/null' is a file, not a directory; choose another --output.", id='file'),
    pytest.param('/proc/x', "The output '/proc/x' can't be used: No such file or directory.", id='no_place'),
  ],
)
@pytest.mark.parametrize('crontab', [False, True])
def test_an_output_that_a_run_would_refuse_is_refused(tmp_path, output, message, crontab):
  units = tmp_path / 'units'
  done = _schedule(tmp_path, '--output', output, *(['--crontab'] if crontab else ['--units', str(units)]))
  assert (done.exit_code, done.stderr) == (2, f'Error: {message}\n')
  assert not units.exists()


def test_a_crontab_has_no_units(tmp_path):
  done = _schedule(tmp_path, '--crontab', '--units', str(tmp_path / 'units'), '--output', str(tmp_path / 'out'))
  assert (done.exit_code, done.stdout) == (2, '')
  assert done.stderr == 'Error: --crontab prints a line and writes no units; leave out --crontab or --units.\n'
  assert not (tmp_path / 'out').exists()


def test_a_crontab_line_finds_the_folder_of_its_lock(tmp_path):
  """Oracle: flock itself, which makes a lock file, but no folder."""
  done = _schedule(tmp_path, '--crontab', '--output', str(tmp_path / 'out'))
  assert (done.exit_code, done.stderr) == (0, '')
  [comment, line] = done.stdout.splitlines()
  assert comment.startswith('# ')
  lock = re.search(r'flock --nonblock --conflict-exit-code 0 (\S+) ', line).group(1)
  subprocess.run(['flock', '--nonblock', lock, 'true'], check=True)


@pytest.mark.parametrize('crontab', [False, True])
@pytest.mark.parametrize(
  ('data', 'warns'),
  [('rides.csv', False), ('*.csv', False), ('nothere/*.csv', True), ('{YYYY}/{MM}/{DD}/*.csv', True)],
)
def test_rides_that_are_not_there_yet_are_reported(tmp_path, capfd, data, warns, crontab):
  where = ['--crontab'] if crontab else ['--units', str(tmp_path / 'units')]
  done = _schedule(tmp_path, *where, '--data', f'{tmp_path}/{data}', '--output', str(tmp_path / 'out'))
  warning = f"No file matches '{tmp_path}/{data}'; check the path"
  assert done.exit_code == 0
  assert (warning in (done.stderr if crontab else capfd.readouterr().out)) == warns
  assert 'No file matches' not in done.stdout  # Which goes into a crontab.
