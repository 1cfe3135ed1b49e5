"""What is at hand is looked at before it is believed: paths, links, odd files, altered versions, texts with controls.

Oracle: the files themselves, the documented exit codes, and that a sentence is one: no traceback, no control character.
"""

from __future__ import annotations

import os
import pathlib
import pty
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from configs import loading
from pipeline import cli
from tests.pipeline.made_store import MadeStore

LIMITS = ('--set', 'retention.runs=1', '--set', 'retention.versions=1')
SIZE = 80_000_000
"""Of the small disk: a run wants more than 50 MB to begin with."""


@pytest.fixture
def made(tmp_path: pathlib.Path) -> MadeStore:
  """Versions 1, 2 and 3, and a run that was not blessed."""
  return _made(tmp_path / 'out')


def _made(path: pathlib.Path) -> MadeStore:
  store = MadeStore(path)
  for version in (1, 2, 3):
    store.run(version=version)
  store.run()
  return store


def _versions(made: MadeStore) -> list[str]:
  return sorted(path.name for path in made.output.serving.iterdir() if path.name.isdecimal())


def _farelite(*arguments: str) -> Result:
  result = CliRunner().invoke(cli.main, list(arguments))
  assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
  return result


@pytest.fixture
def small_disk(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
  """A real file system of its own."""
  path = tmp_path / 'disk'
  path.mkdir()
  if subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={SIZE}', 'tmpfs', str(path)], check=False).returncode:
    pytest.skip('needs the right to mount a tmpfs')
  # Temporary files are not elsewhere, either.
  monkeypatch.setattr(tempfile, 'tempdir', None)
  monkeypatch.setattr(tempfile, '_candidate_tempdir_list', lambda: [str(path)])
  yield path
  subprocess.run(['umount', '-l', str(path)], check=True)


def _fill(disk: pathlib.Path, free: int = 0) -> None:
  filler = disk / 'filler'
  with filler.open('wb', buffering=0) as file, pytest.raises(OSError, match='No space left'):
    while True:
      file.write(bytes(1 << 16))
  os.truncate(filler, filler.stat().st_size - free)


def test_prune_frees_a_full_disk(small_disk: pathlib.Path):
  made = _made(small_disk / 'out')
  _fill(small_disk)
  result = _farelite('prune', str(made.output.path), *LIMITS)
  assert result.exit_code == 0, result.output
  assert _versions(made) == ['3']
  assert os.statvfs(small_disk).f_bavail > 0


@pytest.mark.parametrize(
  'free',
  [
    pytest.param(0, id='no_room'),
    pytest.param(16_384, id='room_for_some_files'),
    pytest.param(24_576, id='room_for_the_version'),
    pytest.param(32_768, id='room_for_version_and_journal'),
  ],
)
def test_rollback_on_a_full_disk_happens_or_not(small_disk: pathlib.Path, free: int):
  made = _made(small_disk / 'out')
  _fill(small_disk, free)
  result = _farelite('rollback', str(made.output.path), '--reason', 'worse')
  assert (result.exit_code == 0) == (len(_versions(made)) == 4), result.output
  assert ('so nothing was changed' in result.output) == bool(result.exit_code), result.output


@pytest.mark.parametrize('way', ['link', 'dots'])
def test_prune_by_another_path_finds_the_same(made: MadeStore, tmp_path: pathlib.Path, way: str):
  plain = _farelite('prune', str(made.output.path), '--dry-run', *LIMITS).output.splitlines()[-1]
  (tmp_path / 'link').symlink_to(made.output.path)
  path = {'link': str(tmp_path / 'link'), 'dots': f'{made.output.path}/../out'}[way]
  assert _farelite('prune', path, '--dry-run', *LIMITS).output.splitlines()[-1] == plain


def test_prune_deletes_nothing_outside(made: MadeStore, tmp_path: pathlib.Path):
  precious = tmp_path / 'precious'
  precious.mkdir()
  artifact = next(one for one in made.store.get_artifacts() if 'PruningTrainer' in one.uri)
  artifact.uri = f'{made.output.artifacts}/../../precious'
  made.store.put_artifacts([artifact])
  _farelite('prune', str(made.output.path), *LIMITS)
  assert precious.is_dir()


@pytest.mark.parametrize('command', [('rollback', '--reason', 'worse'), ('prune', *LIMITS)], ids=['rollback', 'prune'])
def test_a_stray_file_among_the_versions_stops_nothing(made: MadeStore, command: tuple[str, ...]):
  (made.output.serving / '.staging-stray').touch()
  result = _farelite(command[0], str(made.output.path), *command[1:])
  assert result.exit_code == 0, result.output


def test_a_version_that_is_a_link_does_not_stop_prune(made: MadeStore, tmp_path: pathlib.Path):
  (made.output.serving / '1').rename(tmp_path / 'elsewhere')
  (made.output.serving / '1').symlink_to(tmp_path / 'elsewhere')
  assert _farelite('prune', str(made.output.path), *LIMITS).exit_code == 0
  assert _versions(made) == ['3']
  assert (tmp_path / 'elsewhere' / 'saved_model.pb').is_file()


def test_a_lock_that_is_a_link_is_refused(made: MadeStore, tmp_path: pathlib.Path):
  victim = tmp_path / 'victim'
  victim.write_text('important')
  (made.output.path / '.lock').symlink_to(victim)
  result = _farelite('prune', str(made.output.path), *LIMITS)
  assert (result.exit_code, victim.read_text()) == (2, 'important')


def test_a_served_version_that_was_altered_is_named(made: MadeStore):
  (made.output.serving / '3' / 'saved_model.pb').write_bytes(b'grapj')
  assert 'was altered' in _farelite('runs', str(made.output.path)).output


def test_a_pipe_among_the_files_of_a_version_is_one_sentence(made: MadeStore):
  os.mkfifo(made.output.serving / '2' / 'pipe')
  result = _farelite('rollback', str(made.output.path), '--reason', 'worse')
  assert result.exit_code == 2
  assert '[(' not in result.output


def test_an_empty_output_is_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'rides.csv').write_text('nothing')
  result = _farelite('run', '--config', 'nyc', '--data', 'rides.csv', '--output', '')
  assert result.exit_code == 2
  assert '--output' in result.output
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('rides', ['pipe', '/dev/zero'], ids=['pipe', 'device'])
@pytest.mark.parametrize('command', ['run', 'retrain', 'check', 'init', 'predict', 'study', 'report_of_one'])
def test_what_never_ends_is_refused_as_input(made: MadeStore, tmp_path: pathlib.Path, command: str, rides: str):
  """And nothing waits for it: whoever opened the pipe would wait for a writer for ever."""
  os.mkfifo(tmp_path / 'pipe')
  path = rides if rides.startswith('/') else str(tmp_path / rides)
  words = {
    'init': ['init', path, '--yes', '--output', str(tmp_path / 'mine.yaml')],
    'predict': ['predict', str(made.output.serving / '3'), path, '--config', 'nyc'],
    'check': ['check', '--config', 'nyc', '--data', path],
    'report_of_one': ['report', path],
  }.get(command, [command, '--config', 'nyc', '--data', path, '--output', str(tmp_path / 'new')])
  result = _farelite(*words)
  assert result.exit_code == 2, result.output
  assert 'Traceback' not in result.output


def test_an_output_that_can_only_be_read(tmp_path: pathlib.Path):
  """Oracle: a file system that is mounted over itself without the right to write, which root has not either."""
  disk = tmp_path / 'disk'
  disk.mkdir()
  if subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', str(disk)], check=False).returncode:
    pytest.skip('needs the right to mount a tmpfs')
  try:
    made = _made(disk / 'out')
    output, serving = str(made.output.path), made.output.serving
    before = sorted(path.name for path in serving.iterdir())
    subprocess.run(['mount', '--bind', str(disk), str(disk)], check=True)
    subprocess.run(['mount', '-o', 'remount,bind,ro', str(disk)], check=True)
    (tmp_path / 'rides.csv').write_text('nothing')
    for words in (
      ['run', '--config', 'nyc', '--data', str(tmp_path / 'rides.csv'), '--output', output],
      ['rollback', output, '--reason', 'worse'],
      ['prune', output, *LIMITS],
      ['report', output],
    ):
      result = _farelite(*words)
      assert result.exit_code == 2, (words, result.output)
      assert len(result.stderr.splitlines()) == 1, (words, result.stderr)
    assert _farelite('runs', output).exit_code == 0
    assert sorted(path.name for path in serving.iterdir()) == before
  finally:
    while subprocess.run(['umount', '-l', str(disk)], check=False, capture_output=True).returncode == 0:
      pass


def _features(tmp_path: pathlib.Path, text: str) -> Result:
  path = tmp_path / 'configs' / 'mine.yaml'
  path.parent.mkdir(exist_ok=True)
  path.write_text(text, encoding='utf-8')
  return _farelite('features', '--config', str(path))


def test_yaml_that_nests_deep_is_one_sentence(tmp_path: pathlib.Path):
  result = _features(tmp_path, f'extends: nyc\nname: {"[" * 3000}{"]" * 3000}\n')
  assert (result.exit_code, len(result.output.splitlines())) == (2, 1)


def test_a_key_that_is_there_twice_is_refused(tmp_path: pathlib.Path):
  result = _features(tmp_path, 'extends: nyc\nname: one\nname: two\n')
  assert result.exit_code == 2
  assert "'name'" in result.output


@pytest.mark.parametrize('way', ['absolute', 'dots'])
def test_extends_outside_of_the_config_s_folder_is_refused_unread(tmp_path: pathlib.Path, way: str):
  secret = tmp_path / 'secret'
  secret.write_text('root:$6$salt: x\ndaemon:*: y\n')
  result = _features(tmp_path, f'extends: {secret if way == "absolute" else "../secret"}\n')
  assert result.exit_code == 2
  assert 'daemon' not in result.output and 'salt' not in result.output
  assert 'outside' in result.output


@pytest.mark.parametrize('host', ['user:geheim@db', 'postgresql://u:geheim@db/d'])
def test_a_password_inside_the_host_is_refused_unprinted(host: str):
  with pytest.raises(loading.ConfigError, match=r'metadata\.host') as caught:
    loading.load(
      'nyc', ['metadata.kind=postgresql', f'metadata.host="{host}"', 'metadata.database=d', 'metadata.user=u']
    )
  assert 'geheim' not in str(caught.value)


def test_control_characters_are_shown(tmp_path: pathlib.Path):
  """On a terminal: where there is none, escapes are taken away."""
  (tmp_path / 'mine.yaml').write_text('extends: nyc\n"bog\\e[31mus": 1\n')
  output = _on_a_terminal('features', '--config', str(tmp_path / 'mine.yaml'))
  assert b'bog' in output
  assert b'\x1b[31m' not in output


@pytest.mark.parametrize(
  'command',
  [('features', '--config', 'nyc'), ('runs', '{made}'), ('prune', '{made}', *LIMITS)],
  ids=lambda words: words[0],
)
@pytest.mark.parametrize('way', ['| true', '>&-'])
def test_a_closed_standard_output_ends_nothing(made: MadeStore, command: tuple[str, ...], way: str):
  words = ' '.join(command).format(made=made.output.path)
  shell = f'set -o pipefail; (sleep 1; {sys.executable} -m pipeline {words}) {way}'
  done = subprocess.run(['bash', '-c', shell], capture_output=True, text=True, timeout=100)
  assert done.returncode == 0, done.stderr
  assert 'Error' not in done.stderr and 'Exception' not in done.stderr
  assert _versions(made) == (['3'] if command[0] == 'prune' else ['1', '2', '3'])


def _on_a_terminal(*arguments: str) -> bytes:
  pid, terminal = pty.fork()
  if not pid:
    os.execv(sys.executable, [sys.executable, '-m', 'pipeline', *arguments])
  output = b''
  try:
    while chunk := os.read(terminal, 4096):
      output += chunk
  except OSError:  # Its end, as Linux tells it.
    pass
  os.waitpid(pid, 0)
  os.close(terminal)
  return output
