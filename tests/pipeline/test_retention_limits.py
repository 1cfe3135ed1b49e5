"""What exactly goes and stays, limit by limit. Oracle: the runs and versions that the test makes, and their ages."""

from __future__ import annotations

import datetime
import os
import pathlib

import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from components.pusher.rollback import Rollback, restore
from configs import loading
from configs.run import RunConfig
from models.served_versions import SAVED_MODEL
from pipeline.commands import operations
from pipeline.operations import retention
from pipeline.operations.registry import AGAIN, Push, RunEntry
from tests.pipeline.made_store import NOON, MadeStore, make_version

DAY = datetime.timedelta(days=1)


def _config(*limits: str) -> RunConfig:
  return loading.load('nyc', [f'retention.{limit}' for limit in limits])


def _plan(made: MadeStore, *limits: str, now: datetime.datetime | None = None) -> retention.Removals:
  return retention.plan(made.store, _config(*limits), made.output, now)


def _entry(day: float) -> RunEntry:
  return RunEntry(run=f'day {day:g}', started=(NOON + day * DAY).isoformat())


@pytest.mark.parametrize(
  ('limits', 'kept'),
  [
    pytest.param([], [0, 10, 20, 30], id='no_limit'),
    pytest.param(['runs=1'], [30], id='one'),
    pytest.param(['runs=3'], [10, 20, 30], id='three'),
    pytest.param(['runs=9'], [0, 10, 20, 30], id='more_than_there_are'),
    pytest.param(['versions=1'], [0, 10, 20, 30], id='a_limit_of_versions'),
    pytest.param(['max_age_days=20'], [20, 30], id='exactly_as_old_stays'),
    pytest.param(['max_age_days=19.9'], [30], id='older_goes'),
    pytest.param(['runs=3', 'max_age_days=20'], [20, 30], id='the_narrower_limit_age'),
    pytest.param(['runs=1', 'max_age_days=20'], [30], id='the_narrower_limit_number'),
    pytest.param(['max_age_days=1'], [30], id='the_newest_stays'),
  ],
)
def test_which_runs_are_kept(limits, kept):
  """Runs of days 0, 10, 20 and 30, looked at on day 40."""
  launched = [_entry(day) for day in (0, 10, 20, 30)]
  found = retention._kept_runs(launched, _config(*limits), NOON + 40 * DAY)
  assert [entry.run for entry in found] == [f'day {day}' for day in kept]


def test_no_run_is_kept_where_there_is_none():
  assert retention._kept_runs([], _config('runs=1'), NOON) == []


def _push(version: int, day: float) -> Push:
  when = int((NOON + day * DAY).timestamp() * 1000)
  return Push(mlmd_pb2.Artifact(id=version, create_time_since_epoch=when), version, None)


@pytest.mark.parametrize(
  ('limits', 'kept'),
  [
    pytest.param([], {8, 9, 10, 11}, id='no_limit'),
    pytest.param(['versions=1'], {11}, id='one'),
    pytest.param(['versions=2'], {10, 11}, id='two_by_number_not_text'),
    pytest.param(['versions=9'], {8, 9, 10, 11}, id='more_than_there_are'),
    pytest.param(['runs=1'], {8, 9, 10, 11}, id='a_limit_of_runs'),
    pytest.param(['max_age_days=20'], {10, 11}, id='exactly_as_old_stays'),
    pytest.param(['max_age_days=19.9'], {11}, id='older_goes'),
    pytest.param(['versions=3', 'max_age_days=20'], {10, 11}, id='both'),
    pytest.param(['max_age_days=1'], {11}, id='what_serves_stays'),
  ],
)
def test_which_versions_are_kept(limits, kept, tmp_path):
  """Versions 8 to 11, pushed on days 0, 10, 20 and 30; looked at on day 40; the store tells, not the folders."""
  for version in (8, 9, 10, 11):
    (tmp_path / str(version)).mkdir()
    (tmp_path / str(version) / SAVED_MODEL).touch()
  known = {version: _push(version, day) for version, day in ((8, 0), (9, 10), (10, 20), (11, 30))}
  assert retention._kept_versions(tmp_path, known, _config(*limits), NOON + 40 * DAY) == kept


@pytest.mark.parametrize('limit', ['versions=1', 'max_age_days=1'])
def test_what_serves_stays_with_the_version_that_its_bytes_come_from(limit, tmp_path):
  """Back from 3 to 1, long ago; of 1 only the bytes serve, under a new number."""
  for version in (1, 2, 3):
    make_version(tmp_path / str(version), f'bytes of {version}')
  newest = restore(tmp_path, 1, _rollback).version
  long_after = datetime.datetime.now(datetime.timezone.utc) + 40 * DAY
  assert retention._kept_versions(tmp_path, {}, _config(limit), long_after) == {1, newest}


def _rollback(restored: int, replaced: int) -> Rollback:
  known = {'restored': restored, 'replaced': replaced, 'restored_manifest': '', 'replaced_manifest': ''}
  return Rollback(id='', time='2026-03-08', version=0, withdraws=True, reason='worse', by='me@here', **known)


def test_the_age_of_a_version_that_the_store_does_not_know(tmp_path):
  """Of the file system, which says now."""
  for version in (1, 2):
    (tmp_path / str(version)).mkdir()
    (tmp_path / str(version) / SAVED_MODEL).touch()
  now = datetime.datetime.now(datetime.timezone.utc)
  assert retention._kept_versions(tmp_path, {}, _config('max_age_days=1'), now + 0.5 * DAY) == {1, 2}
  assert retention._kept_versions(tmp_path, {}, _config('max_age_days=1'), now + 2 * DAY) == {2}
  assert retention._kept_versions(tmp_path / 'nowhere', {}, _config('max_age_days=1'), now) == set()


def test_a_plan_counts_what_goes_and_what_stays(tmp_path):
  """Eight artifacts with a push, seven without; the last run is kept, and what serves with all that belongs to it."""
  made = MadeStore(tmp_path)
  first, _, third = made.run(version=9), made.run(version=10), made.run()
  planned = _plan(made, 'runs=1', 'versions=1')
  assert list(planned.runs) == [first]
  assert (list(planned.versions), planned.serves) == ([9], 10)
  assert {pathlib.Path(artifact.uri).name for artifact in planned.artifacts} == {first}
  assert (len(planned.artifacts), planned.kept_artifacts) == (8, 15)
  retention.prune(made.store, made.output, planned)
  live = [artifact for artifact in made.store.get_artifacts() if artifact.state == mlmd_pb2.Artifact.LIVE]
  assert len(live) == planned.kept_artifacts
  again = _plan(made, 'runs=1', 'versions=1')
  assert (again.runs, again.artifacts, again.versions, again.kept_artifacts) == ([], [], [], 15)
  assert third not in planned.runs


def test_versions_that_go_take_their_models_along(tmp_path):
  """Version 1's run is old and its version goes, too; a version that stays would have kept it."""
  made = MadeStore(tmp_path)
  old, _ = made.run(version=1), made.run(version=2)
  for limits, stays in ((['runs=1', 'versions=1'], False), (['runs=1', 'versions=2'], True), (['runs=1'], True)):
    gone = [pathlib.Path(artifact.uri).parts[-3:] for artifact in _plan(made, *limits).artifacts]
    assert (('PruningTrainer', 'model', old) not in gone) == stays, limits


def test_a_rollback_is_no_run(tmp_path):
  """It comes last, and the newest run is the one before it; the first one made the bytes that serve."""
  made = MadeStore(tmp_path)
  for version in (1, 2):
    made.run(version=version)
  newest = made.run()
  operations.roll_back(str(tmp_path), to=1, reason='worse')
  planned = _plan(made, 'runs=1', 'versions=1')
  assert list(planned.runs) == made.runs[1:2]
  assert newest not in {pathlib.Path(artifact.uri).name for artifact in planned.artifacts}


def test_a_push_that_a_kept_run_repeated_stays(tmp_path):
  """It has a run of its own in TFX's sense."""
  made = MadeStore(tmp_path)
  made.run()
  newest = made.run()
  made._step(newest + AGAIN, 'Pusher', [], {'pushed_model': 'PushedModel'})
  gone = {pathlib.Path(artifact.uri).name for artifact in _plan(made, 'runs=1').artifacts}
  assert gone == {made.runs[0]}


def test_a_folder_that_a_kept_artifact_shares_stays(tmp_path):
  made = MadeStore(tmp_path)
  old, new = made.run(), made.run()
  shared = str(made.folder('PruningTrainer', 'model', new))
  [artifact] = [
    one for one in made.store.get_artifacts() if one.uri == str(made.folder('PruningTrainer', 'model', old))
  ]
  artifact.uri = shared
  made.store.put_artifacts([artifact])
  planned = _plan(made, 'runs=1')
  assert pathlib.Path(shared) not in planned.paths
  assert {path.name for path in planned.paths} == {old}
  assert planned.paths == sorted(set(planned.paths))


def test_nothing_goes_where_no_run_is_known(tmp_path):
  """Neither files nor artifacts: something is wrong with the store then."""
  made = MadeStore(tmp_path)
  log = made.output.logs / 'old.log'
  log.touch()
  os.utime(log, (0, 0))
  made._step('unknown', 'PruningTrainer', [], {'model': 'Model'})
  planned = _plan(made, 'runs=1', 'versions=1')
  assert (planned.files, planned.artifacts, planned.runs, planned.versions, planned.serves) == ([], [], [], [], None)
  assert planned.kept_artifacts >= 0


@pytest.mark.parametrize('folder', ['logs', 'checkpoints', 'variants'])
def test_logs_and_caches_go_by_the_oldest_run_that_is_kept(tmp_path, folder):
  """Runs at noon, 13 h and 14 h, of which the last two stay."""
  made = MadeStore(tmp_path)
  for _ in range(3):
    made.run()
  place = getattr(made.output, folder)
  place.mkdir(parents=True, exist_ok=True)
  for name, hours in (('old', 0.5), ('as_old_as_the_run', 1), ('between', 1.5), ('new', 5)):
    (place / name).touch()
    when = (NOON + datetime.timedelta(hours=hours)).timestamp()
    os.utime(place / name, (when, when))
  assert _plan(made, 'runs=2').files == [place / 'old']


def test_what_was_removed_by_hand_costs_nothing(tmp_path):
  import shutil

  made = MadeStore(tmp_path)
  old, _ = made.run(version=1), made.run(version=2)
  log = made.output.logs / 'old.log'
  log.touch()
  os.utime(log, (0, 0))
  planned = _plan(made, 'runs=1', 'versions=1')
  shutil.rmtree(made.folder('PruningTrainer', 'model', old))
  log.unlink()
  retention.prune(made.store, made.output, planned)
  assert not any(path.exists() for path in planned.paths)


def test_a_link_goes_and_what_it_points_to_stays(tmp_path):
  made = MadeStore(tmp_path / 'out')
  made.run()
  elsewhere = tmp_path / 'elsewhere'
  elsewhere.mkdir()
  (elsewhere / 'mine').touch()
  link = made.output.logs / 'link'
  link.symlink_to(elsewhere)
  retention.delete(link)
  assert not link.is_symlink() and (elsewhere / 'mine').is_file()


def test_every_step_of_a_pruning_in_its_order(tmp_path, monkeypatch):
  """Folders are out of sight before the store knows, and the store knows before a file of theirs goes.

  A version that goes was swept out before: an output folder never names half of anything.
  """
  made = MadeStore(tmp_path)
  old, _ = made.run(version=1), made.run(version=2)
  made.output.artifacts.joinpath('Step', 'key', '.removed-7').mkdir(parents=True)
  (made.output.logs / 'old.log').touch()
  os.utime(made.output.logs / 'old.log', (0, 0))
  planned, seen = _plan(made, 'runs=1', 'versions=1'), []
  put, delete = made.store.put_artifacts, retention.delete

  def put_artifacts(artifacts):
    seen.append('stored')
    assert not any(path.exists() for path in planned.paths)
    assert all(path.with_name(f'.removed-{path.name}').is_dir() for path in planned.paths)
    assert {artifact.state for artifact in artifacts} == {mlmd_pb2.Artifact.DELETED}
    return put(artifacts)

  def deleted(path):
    seen.append(path.name)
    delete(path)

  monkeypatch.setattr(made.store, 'put_artifacts', put_artifacts)
  monkeypatch.setattr(retention, 'delete', deleted)
  retention.prune(made.store, made.output, planned)
  assert seen == ['.removed-7', 'old.log', 'stored', *[f'.removed-{old}'] * len(planned.paths)]
  assert not list(made.output.logs.iterdir())
  assert [path.name for path in made.output.serving.iterdir()] == ['2']
  assert not list(made.output.artifacts.glob('*/*/.removed-*'))
  [entry, _] = retention.read_runs(made.store, made.config, made.output)
  assert entry.pruned == f'{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}'


def test_a_version_beside_those_of_the_store_is_counted_too(tmp_path):
  """As one that a rollback entered while the store was down."""
  made = MadeStore(tmp_path)
  made.run(version=1)
  make_version(made.output.serving / '5', 'unknown')
  assert _plan(made, 'versions=1').versions == [1]
  assert _plan(made, 'versions=1').serves == 5
