"""A power cut leaves no version by half: what is pushed is on the disk before it takes its number.

Oracle: the order of the calls, and the files that a version has; POSIX promises nothing of a file that was renamed
before it was flushed, nor of a name before its folder was.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pathlib
import resource
import threading

import pytest
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.utils import proto_utils

from components.pusher.component import AtomicPusherExecutor
from components.pusher.publishing import STAGING_PREFIX, publish, staging
from components.pusher.rollback import (
  JOURNAL,
  Rollback,
  announce,
  manifest_digest,
  record_outcomes,
  remove_versions,
  restore,
  rollbacks,
)
from models.release import Manifest, VersionMetrics, write_manifest
from models.served_versions import next_version, versions
from tests.disk_calls import DiskCalls
from tests.pipeline.made_store import make_version

FILES = ('saved_model.pb', 'variables/variables.index', 'model.tflite')
ROLLBACK = Rollback(
  id='', time='2026-03-08T00:00:00+00:00', version=0, restored=0, replaced=0, withdraws=False, reason='worse',
  by='me@here',
  restored_manifest='', replaced_manifest='',
)  # fmt: skip


MADE = Manifest(recipe='dense', scheme='int8', dataset='nyc', inputs=(), metrics=VersionMetrics(), code_version='1')


def _entry(restored: int, replaced: int) -> Rollback:
  return ROLLBACK.model_copy(update={'restored': restored, 'replaced': replaced})


def _staged(folder: pathlib.Path) -> pathlib.Path:
  for name in FILES:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name)
  return folder


def _assert_flushed_then_renamed(calls, staged: str, final: str, files) -> None:
  """Every file and every folder of the version, then its name, then the folder that holds the name."""
  position = calls.index(('rename', staged, final))
  before, after = calls[:position], calls[position + 1 :]
  folders = {str(parent) for name in files for parent in pathlib.PurePosixPath(name).parents}
  wanted = {f'{staged}/{name}'.removesuffix('/.') for name in (*files, *folders)}
  assert wanted <= {path for call, path, _ in before if call == 'fsync'}
  assert ('fsync', str(pathlib.PurePosixPath(final).parent), None) in after


def test_a_version_is_flushed_then_renamed_then_its_folder_is_flushed(tmp_path, monkeypatch):
  base = tmp_path / 'base'
  staged = _staged(base / '.staging-1' / '7')
  disk = DiskCalls(tmp_path, monkeypatch)
  assert publish(str(staged), str(base), 7) == str(base / '7')
  _assert_flushed_then_renamed(disk.calls, 'base/.staging-1/7', 'base/7', FILES)
  sizes = {path: size for call, path, size in disk.calls if call == 'fsync' and size is not None}
  assert sizes == {f'base/.staging-1/7/{name}': len(name) for name in FILES}
  assert [call for call, *_ in disk.calls].count('rename') == 1


def test_the_executor_pushes_that_way(tmp_path, monkeypatch):
  model, blessing, pushed = (
    standard_artifacts.Model(),
    standard_artifacts.ModelBlessing(),
    standard_artifacts.PushedModel(),
  )
  write_manifest(_staged(tmp_path / 'model' / 'Format-Serving'), MADE)
  model.uri = blessing.uri = str(tmp_path / 'model')
  pushed.uri = str(tmp_path / 'archive')
  blessing.set_int_custom_property('blessed', 1)
  blessing.set_int_custom_property('current_model_id', 41)
  base = tmp_path / 'base'
  destination = pusher_pb2.PushDestination(filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(base)))
  disk = DiskCalls(tmp_path, monkeypatch)
  specs = standard_component_specs
  AtomicPusherExecutor().Do(
    {specs.MODEL_KEY: [model], specs.MODEL_BLESSING_KEY: [blessing]},
    {specs.PUSHED_MODEL_KEY: [pushed]},
    {specs.PUSH_DESTINATION_KEY: proto_utils.proto_to_json(destination)},
  )
  [(_, staged, final)] = [call for call in disk.calls if call[0] == 'rename']
  assert final == f'base/{pushed.get_string_custom_property("pushed_version")}'
  _assert_flushed_then_renamed(disk.calls, staged, final, FILES)
  # The rollback that withdraws a model knows it by this.
  assert pushed.get_int_custom_property('evaluated_model_id') == 41


def test_a_rollback_is_announced_on_the_disk_before_its_version_appears(tmp_path, monkeypatch):
  for version in (1, 2):
    make_version(tmp_path / str(version), f'bytes of {version}')
  disk = DiskCalls(tmp_path, monkeypatch)
  happened = restore(tmp_path, 1, _entry)
  [(_, staged, final)] = [call for call in disk.calls if call[0] == 'rename']
  assert final == str(happened.version)
  copied = [path.relative_to(tmp_path / '1').as_posix() for path in (tmp_path / '1').rglob('*') if path.is_file()]
  _assert_flushed_then_renamed(disk.calls, staged, final, copied)
  written = [(position, call[2]) for position, call in enumerate(disk.calls) if call[:2] == ('fsync', JOURNAL)]
  renamed = disk.calls.index(('rename', staged, final))
  announced, settled = (line + '\n' for line in (tmp_path / JOURNAL).read_text().splitlines())
  # The size at each flush says that the line was in the file by then.
  assert [size for _, size in written] == [len(announced.encode()), len((announced + settled).encode())]
  assert written[0][0] < renamed < written[1][0]
  assert json.loads(settled) == {'schema_version': 1, 'settled': happened.id, 'happened': True}


def test_every_line_of_the_journal_is_flushed(tmp_path, monkeypatch):
  make_version(tmp_path / '1', 'bytes')
  disk = DiskCalls(tmp_path, monkeypatch)
  announce(tmp_path, _entry(1, 1))
  record_outcomes(tmp_path)
  size = (tmp_path / JOURNAL).stat().st_size
  # Each time with the folder, as the name of a file that is new is in there.
  assert [path for _, path, _ in disk.calls] == [JOURNAL, '.'] * 2
  assert disk.calls[-2][2] == size > disk.calls[0][2] > 0


def test_a_version_leaves_under_another_name_before_its_first_file_goes(tmp_path, monkeypatch):
  for version in (1, 2, 3):
    make_version(tmp_path / str(version), f'bytes of {version}')
  disk = DiskCalls(tmp_path, monkeypatch)
  whole = []
  monkeypatch.setattr(
    'shutil.rmtree', lambda path, **_: whole.append((pathlib.Path(path).name, sorted(versions(tmp_path))))
  )
  assert remove_versions(tmp_path, [2, 1, 9]) == [1, 2]
  gone = [(('rename', name, f'{STAGING_PREFIX}removed-{name}'), ('fsync', '.', None)) for name in ('1', '2')]
  assert disk.calls == [call for calls in gone for call in calls]
  assert whole[:2] == [(f'{STAGING_PREFIX}removed-{name}', [3]) for name in ('1', '2')]


def test_a_version_that_appeared_is_pushed_whatever_the_disk_says_then(tmp_path, monkeypatch):
  staged = make_version(tmp_path / '.staging-1' / '7', 'bytes')
  flush = os.fsync

  def failing(descriptor):
    if (tmp_path / '7').exists():
      raise OSError(errno.EIO, 'Input/output error')
    flush(descriptor)

  monkeypatch.setattr(os, 'fsync', failing)
  assert publish(str(staged), str(tmp_path), 7) == str(tmp_path / '7')
  monkeypatch.setattr(os, 'fsync', lambda _: os.close(-1))
  with pytest.raises(OSError, match='Bad file descriptor'):
    publish(str(make_version(tmp_path / '.staging-1' / '8', 'more')), str(tmp_path), 8)
  assert versions(tmp_path) == [7]


def test_a_version_that_alone_shows_that_a_rollback_happened_stays_while_the_journal_has_no_room(tmp_path):
  """The system refuses each byte more, as a full disk does."""
  for version in (1, 2, 3):
    make_version(tmp_path / str(version), f'bytes of {version}')
  facts = {'id': 'a', 'version': 2, 'restored_manifest': manifest_digest(tmp_path / '2')}
  announce(tmp_path, ROLLBACK.model_copy(update=facts))
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / JOURNAL).stat().st_size, limits[1]))
  try:
    assert remove_versions(tmp_path, [1, 2]) == [1]
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  assert remove_versions(tmp_path, [2]) == [2]
  assert [rollback.id for rollback in rollbacks(tmp_path)] == ['a']


def test_removed_versions_leave_nothing_behind(tmp_path):
  for version in (9, 10, 11):
    make_version(tmp_path / str(version), f'bytes of {version}')
  assert remove_versions(tmp_path, [9, 10, 11]) == [9, 10]
  assert [path.name for path in tmp_path.iterdir()] == ['11']


def test_of_a_version_that_is_a_link_the_link_is_removed(tmp_path):
  elsewhere, base = make_version(tmp_path / 'elsewhere', 'mine'), tmp_path / 'base'
  make_version(base / '3', 'bytes of 3')
  for name in ('2', f'{STAGING_PREFIX}removed-1'):
    (base / name).symlink_to(elsewhere)
  assert remove_versions(base, [2]) == [2]
  assert [path.name for path in base.iterdir()] == ['3']
  assert (elsewhere / 'saved_model.pb').is_file()


def test_neither_the_newest_version_nor_where_its_bytes_were_first_is_ever_removed(tmp_path):
  for version in (1, 2, 3):
    make_version(tmp_path / str(version), f'bytes of {version}')
  newest = restore(tmp_path, 1, _entry).version
  assert remove_versions(tmp_path, versions(tmp_path)) == [2, 3]
  assert versions(tmp_path) == [1, newest]


@pytest.mark.parametrize(
  'change',
  [
    pytest.param(lambda base: restore(base, 1, _entry), id='rollback'),
    pytest.param(lambda base: remove_versions(base, [1]), id='removal'),
    pytest.param(lambda base: staging(str(base)).__enter__(), id='push'),
  ],
)
def test_changes_of_the_versions_wait_for_each_other(change, tmp_path, monkeypatch):
  """Oracle: the kind of lock that is asked for, and on which folder, before anything is changed."""
  for version in (1, 2):
    make_version(tmp_path / str(version), f'bytes of {version}')
  before, asked = sorted(tmp_path.rglob('*')), []

  class AskedError(Exception):
    pass

  def flock(descriptor, kind):
    asked.append((pathlib.Path(f'/proc/self/fd/{descriptor}').readlink(), kind))
    raise AskedError

  monkeypatch.setattr(fcntl, 'flock', flock)
  with pytest.raises(AskedError):
    change(tmp_path)
  assert asked == [(tmp_path, fcntl.LOCK_EX)]
  assert sorted(tmp_path.rglob('*')) == before


def test_a_second_push_waits_for_the_first(tmp_path):
  waited = threading.Event()

  def second():
    with staging(str(tmp_path)):
      waited.set()

  with staging(str(tmp_path)) as folder:
    thread = threading.Thread(target=second)
    thread.start()
    assert not waited.wait(0.1)
    assert pathlib.Path(folder).is_dir()
  thread.join(10)
  assert waited.is_set()


def test_versions_are_numbers(tmp_path):
  """Oracle: 10 comes after 9, which it does not as text; a file is no version."""
  for name in ('9', '10', '8'):
    make_version(tmp_path / name, name)
  (tmp_path / '11').write_text('no version')
  assert versions(tmp_path) == [8, 9, 10]
  (tmp_path / '11').unlink()
  assert next_version(str(tmp_path), 1) == 11


def test_a_killed_rollback_is_settled_by_the_next_one(tmp_path):
  """The first was announced, and its version never appeared; a line of its own says so before the second one's."""
  for version in (1, 2):
    make_version(tmp_path / str(version), f'bytes of {version}')
  killed = ROLLBACK.model_copy(update={'id': 'killed', 'version': 7, 'restored_manifest': 'of nothing'})
  announce(tmp_path, killed)
  happened = restore(tmp_path, 1, _entry)
  lines = [json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines()]
  assert [line.get('settled') or line['id'] for line in lines] == ['killed', 'killed', happened.id, happened.id]
  assert [line['happened'] for line in lines if 'settled' in line] == [False, True]
  assert rollbacks(tmp_path) == [happened]
  # Settled once and for all: that a version of that number appears later changes nothing.
  record_outcomes(tmp_path)
  assert len((tmp_path / JOURNAL).read_text().splitlines()) == 4


def test_a_rollback_that_nobody_settled_happened_if_its_version_is_there(tmp_path):
  make_version(tmp_path / '7', 'bytes')
  there = ROLLBACK.model_copy(update={'id': 'a', 'version': 7, 'restored_manifest': manifest_digest(tmp_path / '7')})
  announce(tmp_path, there)
  assert rollbacks(tmp_path) == [there]
  assert len((tmp_path / JOURNAL).read_text().splitlines()) == 1
