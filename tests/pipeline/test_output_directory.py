"""The output directory: what can't be used is said before a run starts."""

import os
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pipeline import cli
from pipeline.local import output
from pipeline.local.output import OutputError, locked, prepare

_HOLD = """
import sys, time
from pipeline.local import output
with output.locked(output.prepare(sys.argv[1])):
  print('held', flush=True)
  time.sleep(60)
"""


def test_is_made_with_its_parents(tmp_path):
  assert prepare(str(tmp_path / 'a' / 'b')).logs.is_dir()


def test_a_file_is_refused(tmp_path):
  (tmp_path / 'file').touch()
  with pytest.raises(OutputError, match=r'is a file, not a directory; choose another --output'):
    prepare(str(tmp_path / 'file'))


@pytest.mark.parametrize(
  'command', [['run', '--output'], ['rollback', '--reason', 'x'], ['prune']], ids=['run', 'rollback', 'prune']
)
def test_a_bucket_is_refused(tmp_path, monkeypatch, command):
  """And no folder is made whose name begins with `gs:`."""
  monkeypatch.chdir(tmp_path)
  result = CliRunner().invoke(cli.main, [*command, 'gs://bucket/out'])
  assert result.exit_code == 2
  assert "The output 'gs://bucket/out' is not on this machine" in result.output
  assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason='drops root to be refused by the file system')
def test_not_writable(tmp_path):
  tmp_path.chmod(0o755)
  program = (
    'import os, sys; os.setuid(65534)\n'
    'from pipeline.local.output import prepare, OutputError\n'
    'try: prepare(sys.argv[1])\n'
    'except OutputError as error: print(error)\n'
  )
  # Everything is imported as root before the rights are dropped, as the checkout may be closed to others.
  program = 'import pipeline.local.output\n' + program
  result = subprocess.run([sys.executable, '-c', program, str(tmp_path / 'out')], capture_output=True, text=True)
  assert 'is not writable for this user; choose another --output' in result.stdout, result.stderr


def test_full_disk(tmp_path, monkeypatch):
  monkeypatch.setattr(output, 'MINIMUM_FREE_BYTES', 10**18)
  with pytest.raises(OutputError, match=r'The disk of .* is full: \d+ MB free'):
    prepare(str(tmp_path / 'out'))


@pytest.mark.parametrize(
  ('options', 'ending'),
  [
    pytest.param({}, 'Wait until that run ends, or choose another --output.', id='retrain'),
    pytest.param({'wait': False}, 'Wait until that run ends (--wait does), or choose another --output.', id='run'),
    pytest.param({'wait': False, 'elsewhere': False}, 'Wait until that run ends (--wait does).', id='prune'),
  ],
)
def test_only_a_command_that_can_wait_says_so(tmp_path, options, ending):
  directory = prepare(str(tmp_path))
  with (
    locked(directory),
    pytest.raises(OutputError, match=re.escape(f'. {ending}') + '$'),
    locked(directory, **options),
  ):
    pass


def test_a_second_run_is_refused_with_the_holder(tmp_path):
  """Oracle: a real second process holds the lock; it dies by SIGKILL and the lock with it."""
  holder = subprocess.Popen([sys.executable, '-c', _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
  try:
    assert holder.stdout is not None and holder.stdout.readline().strip() == 'held'
    with pytest.raises(OutputError, match=rf'in use by process {holder.pid}, started '), locked(prepare(str(tmp_path))):
      pass
  finally:
    holder.kill()
    holder.wait()
  with locked(prepare(str(tmp_path))):
    pass


@pytest.mark.parametrize(
  'make',
  [
    pytest.param(lambda lock, victim: lock.symlink_to(victim), id='link'),
    pytest.param(lambda lock, victim: lock.symlink_to(victim.with_name('new')), id='link_to_nothing'),
    pytest.param(lambda lock, victim: os.mkfifo(lock), id='pipe'),
    pytest.param(lambda lock, victim: lock.mkdir(), id='folder'),
  ],
)
def test_a_lock_that_is_no_file_is_refused(tmp_path, make):
  victim = tmp_path / 'victim'
  victim.write_text('important')
  directory = prepare(str(tmp_path / 'out'))
  make(directory.path / '.lock', victim)
  with pytest.raises(OutputError, match=r"\.lock' is no file, so it can't be the lock of a run"), locked(directory):
    pass
  assert output.holder(directory) is None
  assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ['victim']
  assert victim.read_text() == 'important'


def test_a_path_is_resolved_once(tmp_path):
  directory = prepare(str(tmp_path / 'out'))
  (tmp_path / 'link').symlink_to(tmp_path / 'out')
  (tmp_path / 'circle').symlink_to(tmp_path / 'circle')
  for path in ('link', 'link/../out', 'out/.'):
    assert prepare(str(tmp_path / path)) == directory
  with pytest.raises(OutputError, match='circle'):
    prepare(str(tmp_path / 'circle'))


def test_a_second_run_waits_with_wait(tmp_path):
  """Oracle: the waiting one names the first one, and holds the directory only after that was killed."""
  holder = subprocess.Popen([sys.executable, '-c', _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
  holders = []

  def waiting(who):
    holders.append(who)
    assert holder.poll() is None
    holder.kill()

  try:
    assert holder.stdout is not None and holder.stdout.readline().strip() == 'held'
    with locked(prepare(str(tmp_path)), wait=True, waiting=waiting):
      assert holder.wait() < 0
      [who] = holders
      assert who.startswith(f'process {holder.pid}, started ')
      assert f'process {os.getpid()}, ' in (output.holder(prepare(str(tmp_path))) or '')
  finally:
    holder.kill()
    holder.wait()
  assert output.holder(prepare(str(tmp_path))) is None
