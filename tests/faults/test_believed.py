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

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from components.parquet import pq
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


def _repeated(path: pathlib.Path, rows: int, key: str) -> pathlib.Path:
  """A Parquet file of some kilobytes: dictionaries of one value, and one run of indices."""
  place = pa.array(np.zeros(rows, np.int8))
  values = {
    'pickup_longitude': -73.98, 'pickup_latitude': 40.75, 'dropoff_longitude': -73.95, 'dropoff_latitude': 40.78,
    'fare_amount': 8.5, 'passenger_count': 1.0, 'pickup_datetime': '2012-01-01 10:00:00 UTC', 'key': key,
  }  # fmt: skip
  table = pa.table({name: pa.DictionaryArray.from_arrays(place, pa.array([value])) for name, value in values.items()})
  # pyarrow 10 always keeps the types that it was given.
  options = {} if pa.__version__.startswith('10.') else {'store_schema': False}
  pq.write_table(table, path, compression='zstd', row_group_size=rows, **options)
  assert path.stat().st_size < 10_000
  return path


_READ = """
import resource, sys
from components.ride_example_gen.reading import read_blocks
from configs import loading
from configs.errors import FareliteError
dataset = loading.load('nyc').dataset
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
  print('rows', sum(block.rows.num_rows for block in read_blocks(sys.argv[1], dataset)))
except FareliteError as error:
  print('sentence', error)
print('kilobytes', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
  ('rows', 'key', 'said'),
  [
    pytest.param(3_000_000, 'k', 'has 3,000,000 rows', id='many_rows'),
    pytest.param(20_000, 'k' * 100_000, 'a cell of more than 64 KiB', id='long_texts'),
    pytest.param(20_000, 'k' * 60_000, 'rows 20000', id='texts_as_long_as_may_be'),
  ],
)
def test_a_small_parquet_file_takes_no_large_memory(tmp_path: pathlib.Path, rows: int, key: str, said: str):
  """2 GB of text from 20,000 rows; a block of rows may take 300 MB, and rows that are no rides none."""
  path = _repeated(tmp_path / 'rides.parquet', rows, key)
  done = subprocess.run([sys.executable, '-c', _READ, str(path)], capture_output=True, text=True, timeout=300)
  assert done.returncode == 0, done.stderr[-2000:]
  assert int(done.stdout.split()[-1]) < 300_000
  assert said in done.stdout
