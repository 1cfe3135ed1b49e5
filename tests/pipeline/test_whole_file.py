"""What is to outlive a machine that stops is on the disk before it takes its name.

Oracle: the order of the calls, and the sizes that the files had when they were flushed; the old file, byte for byte,
where a write fails. For a bucket, TensorFlow's own file system in memory.
"""

from __future__ import annotations

import ast
import datetime
import os
import pathlib
import resource

import numpy as np
import pyarrow as pa
import pytest
from tensorflow.io import gfile

from components.ride_example_gen.executor import Staging
from configs.errors import UserError
from models.checkpoints import Checkpoint, TrainingState
from models.compression import compressor
from models.training import TrainingHistory
from models.whole_files import (
  append_line,
  discard_drafts,
  is_bucket,
  move_whole,
  read_checked,
  replacing,
  set_aside,
  write_checked,
  write_whole,
)
from pipeline.cloud.compiled import CompiledPipeline, write_compiled
from pipeline.prediction.streaming import predictions_file
from pipeline.retraining.ledger import Ledger, LedgerRun
from pipeline.study import results
from pipeline.study.folds import Outcome
from pipeline.study.results import UnitStore
from pipeline.summary_record import Status, Summary
from pipeline.targets import Target
from tests.disk_calls import DiskCalls

NOW = datetime.datetime(2026, 3, 8, tzinfo=datetime.timezone.utc)

HOME = 'models/whole_files.py'
ROOT = pathlib.Path(__file__).resolve().parents[2]


def _ledger(folder: pathlib.Path) -> None:
  Ledger(folder / 'file').begin(LedgerRun(NOW, {7: 'a'}, 'setting'))


def _summary(folder: pathlib.Path) -> None:
  Summary(status=Status.PUSHED).write(folder / 'file')


def _unit(folder: pathlib.Path) -> None:
  UnitStore(folder).keep('file', {'dense': Outcome(np.zeros(3, np.float32), {'rmse': 1.0}, b'lite')})


def _compiled(folder: pathlib.Path) -> None:
  write_compiled(CompiledPipeline(Target.KFP, {'root': {}}, 'gs://root', None), folder / 'file')


def _checkpoint(folder: pathlib.Path) -> None:
  Checkpoint(str(folder)).save(TrainingState(1, {}, [np.ones(3, np.float32)]), ['identity'])


def _stage(folder: pathlib.Path) -> None:
  compressor.save(compressor.Finished([np.ones(3, np.float32)], TrainingHistory({}, 1.0, 0)), str(folder))


def _table(folder: pathlib.Path) -> None:
  results._write_table([{'name': 'dense'}], folder / 'file')


def _predictions(folder: pathlib.Path) -> None:
  schema = pa.schema([('fare', pa.float32())])
  with predictions_file(str(folder / 'file.csv'), schema) as write:
    write(pa.record_batch([pa.array([1.5], pa.float32())], schema=schema))


def _note(folder: pathlib.Path) -> None:
  Staging(str(folder)).attempt().leave_note(7, 'rides', outputs={})


WRITERS = [
  pytest.param(lambda folder: write_whole(folder / 'file', 'text'), 'file', id='text'),
  pytest.param(_ledger, 'file', id='ledger'),
  pytest.param(_summary, 'file', id='summary'),
  pytest.param(_unit, 'file.unit', id='unit_of_a_study'),
  pytest.param(_table, 'file', id='study'),
  pytest.param(_compiled, 'file', id='compiled_pipeline'),
  pytest.param(_checkpoint, 'training.checkpoint', id='checkpoint'),
  pytest.param(_stage, 'finished.stage', id='finished_stage'),
  pytest.param(_predictions, 'file.csv', id='predictions'),
  pytest.param(_note, 'rides-00007.json', id='note_of_an_attempt'),
]


@pytest.mark.parametrize(('write', 'final'), WRITERS)
def test_flushed_before_it_takes_its_name_and_its_folder_after(write, final, tmp_path, monkeypatch):
  (tmp_path / final).write_text('old')
  disk = DiskCalls(tmp_path, monkeypatch)
  write(tmp_path)
  size = (tmp_path / final).stat().st_size
  assert size > 3
  (_, staged, _), *_ = disk.calls
  assert staged.startswith(f'.{final}.')
  assert disk.calls == [('fsync', staged, size), ('rename', staged, final), ('fsync', '.', None)]
  assert [path.name for path in tmp_path.iterdir()] == [final]


@pytest.mark.parametrize(('write', 'final'), WRITERS)
def test_a_full_disk_leaves_the_old_file(write, final, tmp_path, monkeypatch):
  (tmp_path / final).write_text('old')
  monkeypatch.setattr('os.fsync', _no_space)
  with pytest.raises((OSError, UserError), match='No space left'):
    write(tmp_path)
  assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {final: 'old'}


def _no_space(*_, **__):
  raise OSError(28, 'No space left on device')


def test_every_change_of_the_ledger_is_on_the_disk(tmp_path, monkeypatch):
  ledger = Ledger(tmp_path / 'retraining.json')
  disk = DiskCalls(tmp_path, monkeypatch)
  for change in (
    lambda: ledger.begin(LedgerRun(NOW, {1: 'a'}, 'setting')),
    lambda: ledger.end(status='pushed'),
    ledger.save,
  ):
    disk.calls.clear()
    change()
    assert [call for call, *_ in disk.calls] == ['fsync', 'rename', 'fsync']
    assert Ledger.load(ledger.path).runs == ledger.runs


def test_what_fails_on_the_way_leaves_the_old_file(tmp_path):
  (tmp_path / 'file').write_text('old')
  with pytest.raises(KeyboardInterrupt), replacing(tmp_path / 'file') as file:
    file.write(b'half')
    raise KeyboardInterrupt
  assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {'file': 'old'}


def test_two_writers_of_one_file_do_not_mix(tmp_path):
  with replacing(tmp_path / 'file') as first, replacing(tmp_path / 'file') as second:
    first.write(b'first')
    second.write(b'second')
  assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {'file': 'first'}


def test_a_folder_is_flushed_to_its_leaves(tmp_path, monkeypatch):
  (tmp_path / 'staged' / 'inner').mkdir(parents=True)
  (tmp_path / 'staged' / 'inner' / 'file').write_text('four')
  disk = DiskCalls(tmp_path, monkeypatch)
  move_whole(tmp_path / 'staged', tmp_path / 'final')
  *flushed, renamed, last = disk.calls
  assert set(flushed) == {('fsync', 'staged/inner/file', 4), ('fsync', 'staged/inner', None), ('fsync', 'staged', None)}
  assert [renamed, last] == [('rename', 'staged', 'final'), ('fsync', '.', None)]


def test_what_is_set_aside_is_renamed_at_once(tmp_path, monkeypatch):
  (tmp_path / 'old').mkdir()
  (tmp_path / 'old' / 'file').write_text('four')
  disk = DiskCalls(tmp_path, monkeypatch)
  set_aside(tmp_path / 'old', tmp_path / 'aside')
  assert disk.calls == [('rename', 'old', 'aside'), ('fsync', '.', None)]


def test_a_line_is_on_the_disk_and_so_is_the_name_of_its_file(tmp_path, monkeypatch):
  disk = DiskCalls(tmp_path, monkeypatch)
  append_line(tmp_path / 'journal', 'zwölf')
  append_line(tmp_path / 'journal', 'two')
  assert disk.calls == [('fsync', 'journal', 7), ('fsync', '.', None), ('fsync', 'journal', 11), ('fsync', '.', None)]
  (tmp_path / 'journal').write_text('one\ncut sho')
  append_line(tmp_path / 'journal', 'two')
  assert (tmp_path / 'journal').read_text() == 'one\ncut sho\ntwo\n'


@pytest.mark.parametrize('old', ['one\n', 'one\ncut sho'])
def test_of_a_line_that_has_no_room_nothing_is_left(tmp_path, old):
  """The system takes four bytes, as a disk does that fills up, and then refuses."""
  (tmp_path / 'journal').write_text(old)
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (len(old) + 4, limits[1]))
  try:
    with pytest.raises(OSError, match='File too large'):
      append_line(tmp_path / 'journal', 'longer than that')
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  assert (tmp_path / 'journal').read_text() == old


def test_a_file_system_that_flushes_no_folders_is_written_to_all_the_same(tmp_path, monkeypatch):
  fsync = os.fsync

  def refusing(descriptor):
    if pathlib.Path(f'/proc/self/fd/{descriptor}').readlink().is_dir():
      raise OSError(22, 'Invalid argument')
    fsync(descriptor)

  monkeypatch.setattr(os, 'fsync', refusing)
  write_whole(tmp_path / 'file', 'text')
  assert (tmp_path / 'file').read_text() == 'text'


def test_what_killed_writers_left_of_a_file_can_be_discarded(tmp_path):
  for name in ('file', '.file.0a.tmp', '.file.npz', 'file.tmp', '.other.0a.tmp'):
    (tmp_path / name).touch()
  discard_drafts(tmp_path / 'file')
  assert {path.name for path in tmp_path.iterdir()} == {'file', '.file.npz', 'file.tmp', '.other.0a.tmp'}
  discard_drafts(tmp_path / 'nowhere' / 'file')


BUCKET = 'ram://whole-files'


@pytest.mark.parametrize('bucket', [False, True])
def test_what_is_checked_is_as_it_was_written_or_not_there(tmp_path, bucket):
  """Every single bit and every length."""
  file = f'{BUCKET}/checked' if bucket else str(tmp_path / 'checked')
  assert read_checked(file) is None
  gfile.makedirs(BUCKET)
  write_checked(file, b'ab')
  assert read_checked(file) == b'ab'
  with gfile.GFile(file, 'rb') as stored:
    written = stored.read()
  cut = [written[:length] for length in range(len(written))]
  bits = [bytearray(written) for _ in range(8 * len(written))]
  for number, altered in enumerate(bits):
    altered[number // 8] ^= 1 << number % 8
  for content in [*cut, *map(bytes, bits), written + b'c']:
    write_whole(file, content)
    assert read_checked(file) is None
  gfile.rmtree(BUCKET)


def test_whole_before_it_takes_its_name_in_a_bucket_too(monkeypatch):
  """Oracle: what lies under both names when the rename is asked for."""
  gfile.makedirs(BUCKET)
  Checkpoint(BUCKET).save(TrainingState(1, {}, [np.zeros(3, np.float32)]), ['identity'])
  with gfile.GFile(f'{BUCKET}/training.checkpoint', 'rb') as file:
    old = file.read()
  seen = []
  rename = gfile.rename

  def watched(path, target, overwrite=False):
    with gfile.GFile(path, 'rb') as staged, gfile.GFile(target, 'rb') as final:
      seen.append((staged.read(), final.read()))
    rename(path, target, overwrite)

  monkeypatch.setattr(gfile, 'rename', watched)
  Checkpoint(BUCKET).save(TrainingState(2, {}, [np.ones(3, np.float32)]), ['identity'])
  with gfile.GFile(f'{BUCKET}/training.checkpoint', 'rb') as file:
    assert seen == [(file.read(), old)]
  state = Checkpoint(BUCKET).restore(['identity'])
  assert state is not None and state.step == 2
  gfile.rmtree(BUCKET)


def test_what_fails_on_the_way_leaves_the_old_file_of_a_bucket():
  gfile.makedirs(BUCKET)
  write_whole(f'{BUCKET}/file', 'old')
  with pytest.raises(KeyboardInterrupt), replacing(f'{BUCKET}/file') as file:
    file.write(b'half')
    raise KeyboardInterrupt
  assert gfile.listdir(BUCKET) == ['file']
  with gfile.GFile(f'{BUCKET}/file') as file:
    assert file.read() == 'old'
  gfile.makedirs(f'{BUCKET}/.other.0a.tmp')
  write_whole(f'{BUCKET}/.file.0a.tmp', 'half')
  discard_drafts(f'{BUCKET}/file')
  assert sorted(gfile.listdir(BUCKET)) == ['.other.0a.tmp', 'file']
  gfile.rmtree(BUCKET)


@pytest.mark.parametrize(
  ('path', 'expected'),
  [
    pytest.param('gs://bucket/models', True, id='gs'),
    pytest.param('s3://bucket', True, id='s3'),
    pytest.param('/home/me/models', False, id='absolute'),
    pytest.param('models', False, id='relative'),
    pytest.param(pathlib.Path('models'), False, id='path'),
    pytest.param('', False, id='empty'),
  ],
)
def test_a_bucket_is_a_url(path, expected):
  assert is_bucket(path) is expected


def _second_homes(source: str) -> list[str]:
  """Calls that rename or flush, and comparisons that look for a URL."""
  found = []
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant) and node.left.value == '://':
      found.append('://')
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
      continue
    name = node.func.attr
    # `str.replace` takes two texts, and what returns a changed copy takes keywords.
    replaces = name == 'replace' and (
      ast.unparse(node.func.value) == 'os' or (len(node.args) == 1 and not node.keywords)
    )
    if replaces or name in ('rename', 'renames', 'fsync', 'fdatasync') or ast.unparse(node.func) == 'shutil.move':
      found.append(ast.unparse(node.func))
  return found


def test_nothing_else_renames_flushes_or_tells_a_bucket():
  found = {
    path.relative_to(ROOT).as_posix(): names
    for room in ('configs', 'transforms', 'models', 'components', 'pipeline')
    for path in sorted((ROOT / room).rglob('*.py'))
    if (names := _second_homes(path.read_text(encoding='utf-8')))
  }
  assert set(found) == {HOME}


@pytest.mark.parametrize(
  'source',
  [
    pytest.param('os.replace(a, b)', id='os_replace'),
    pytest.param('os.rename(a, b)', id='os_rename'),
    pytest.param('path.rename(b)', id='path_rename'),
    pytest.param('path.replace(b)', id='path_replace'),
    pytest.param('gfile.rename(a, b, overwrite=True)', id='gfile'),
    pytest.param('shutil.move(a, b)', id='move'),
    pytest.param('os.fsync(3)', id='fsync'),
    pytest.param("'://' in path", id='in'),
    pytest.param("'://' not in path", id='not_in'),
  ],
)
def test_a_second_home_is_seen(source):
  assert _second_homes(source)
  assert not _second_homes("text.replace('a', 'b'); dataclasses.replace(x, a=1); when.replace(hour=3)")
