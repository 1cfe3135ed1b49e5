"""Retention: old runs and versions go by age and number; what serves stays, with all that it was made of.

Oracle: the files themselves, and the artifacts' states in the store.
"""

from __future__ import annotations

import datetime
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from configs import loading
from pipeline import cli
from pipeline.commands import operations
from pipeline.local import output
from pipeline.operations import registry, retention
from tests.pipeline.made_store import NOON, MadeStore


def _pruned(made: MadeStore, *limits: str, now: datetime.datetime | None = None) -> retention.Removals:
  config = loading.load(str(made.output.config), [f'retention.{limit}' for limit in limits])
  planned = retention.plan(made.store, config, made.output, now)
  retention.prune(made.store, made.output, planned)
  return planned


def _runs_with(made: MadeStore, step: str, key: str) -> set[str]:
  folder = made.output.artifacts / step / key
  return {path.name for path in folder.iterdir()}


def _versions(made: MadeStore) -> list[str]:
  return sorted(path.name for path in made.output.serving.iterdir() if path.is_dir())


def test_a_version_that_serves_again_keeps_the_evaluation_of_the_run_that_pushed_it(tmp_path: pathlib.Path):
  """After a rollback, whose own push descends from the first one."""
  made = MadeStore(tmp_path)
  first, *_ = (made.run(version=version) for version in (1, 2))
  result = CliRunner().invoke(cli.main, ['rollback', str(tmp_path), '--reason', 'worse'])
  assert result.exit_code == 0, result.output
  newest = made.run()
  _pruned(made, 'runs=1', 'versions=1')
  assert _runs_with(made, 'FareEvaluator', 'evaluation') == {first, newest}


def test_the_run_whose_bytes_serve_again_is_not_shown_as_pruned(tmp_path: pathlib.Path):
  """After a rollback to the first of three versions; the others' runs are."""
  made = MadeStore(tmp_path)
  first, second, third = (made.run(version=version) for version in (1, 2, 3))
  result = CliRunner().invoke(cli.main, ['rollback', str(tmp_path), '--to', '1', '--reason', 'worse'])
  assert result.exit_code == 0, result.output
  made.run()
  planned = _pruned(made, 'runs=1', 'versions=1')
  assert planned.runs == [second, third]
  lines = {line.split()[0]: line for line in CliRunner().invoke(cli.main, ['runs', str(tmp_path)]).output.splitlines()}
  assert ['(pruned)' in lines[run] for run in (first, second, third)] == [False, True, True]


def test_by_number_the_served_lineage_stays_though_it_is_old(tmp_path: pathlib.Path):
  """Run 0 gave the rides, run 1 the served model; runs 2 to 4 were not blessed. One run is kept."""
  made = MadeStore(tmp_path)
  rides = made.run()
  served = made.run(version=5, rides_of=rides)
  *_, newest = (made.run() for _ in range(3))
  planned = _pruned(made, 'runs=1', 'versions=1')
  assert _runs_with(made, 'RideExampleGen', 'examples') == {rides, newest}
  assert _runs_with(made, 'RideExampleGen', 'quarantine') == {rides, newest}
  for step, key in (('PruningTrainer', 'model'), ('CompressionGate', 'blessing'), ('CompressionGate', 'model')):
    assert _runs_with(made, step, key) == {served, newest}
    assert made.folder(step, key, served).joinpath('data').read_text() == f'{key} of {served}'
  # No version descends from its evaluation, which stays nevertheless.
  assert _runs_with(made, 'FareEvaluator', 'evaluation') == {served, newest}
  assert _runs_with(made, 'Pusher', 'pushed_model') == {served}
  assert _versions(made) == ['5']
  assert newest not in planned.runs
  assert planned.serves == 5


def test_the_store_says_what_is_gone_and_names_nothing_that_is_not_there(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  old, _ = made.run(version=5), made.run(version=6)
  _pruned(made, 'runs=1', 'versions=1')
  for artifact in made.store.get_artifacts():
    assert (artifact.state == mlmd_pb2.Artifact.LIVE) == pathlib.Path(artifact.uri).is_dir(), artifact.uri
  entries = {entry.run: entry for entry in registry.read_runs(made.store, made.config, made.output)}
  assert [run for run, entry in entries.items() if entry.pruned] == [old]


def test_versions_by_number_and_what_can_be_rolled_back_to_keeps_its_model(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  kept = [made.run(version=number) for number in (1, 2, 3, 4)][-2:]
  _pruned(made, 'runs=1', 'versions=2')
  assert _versions(made) == ['3', '4']
  assert _runs_with(made, 'PruningTrainer', 'model') == set(kept)


def test_by_age(tmp_path: pathlib.Path):
  """Runs of days 0, 10 and 20, looked at on day 25: of 12 days only the last one is young enough."""
  made = MadeStore(tmp_path)
  _, _, last = (made.run(started=NOON + datetime.timedelta(days=day)) for day in (0, 10, 20))
  _pruned(made, 'max_age_days=12', now=NOON + datetime.timedelta(days=25))
  assert _runs_with(made, 'PruningTrainer', 'model') == {last}


def test_the_newest_run_stays_however_old(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  only = made.run(version=1)
  _pruned(made, 'max_age_days=1', now=NOON + datetime.timedelta(days=4000))
  assert _runs_with(made, 'PruningTrainer', 'model') == {only}
  assert _versions(made) == ['1']


def test_what_the_served_version_beat_is_no_ancestor(tmp_path: pathlib.Path):
  """Each version beats the one before; if that kept the one before, nothing would ever go."""
  made = MadeStore(tmp_path)
  first = made.run(version=1)
  second = made.run(version=2, baseline_of=first)
  served = made.run(version=3, baseline_of=second)
  newest = made.run()
  _pruned(made, 'runs=1', 'versions=1')
  assert _runs_with(made, 'PruningTrainer', 'model') == {served, newest}
  assert _versions(made) == ['3']


def test_after_a_rollback_the_restored_model_and_its_first_version_stay(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  good = made.run(version=1)
  for version in (2, 3):
    made.run(version=version)
  operations.roll_back(str(tmp_path), to=1, reason='worse at night')
  made.run()
  _pruned(made, 'runs=1', 'versions=1')
  newest = max(registry.pushes(made.store, 'nyc'))
  assert _versions(made) == sorted(['1', str(newest)])
  assert good in _runs_with(made, 'PruningTrainer', 'model')
  assert _runs_with(made, 'Pusher', 'pushed_model') == {good}


def test_files_of_others_stay(tmp_path: pathlib.Path):
  """An artifact whose files lie outside of the output directory, as an imported one."""
  made = MadeStore(tmp_path / 'out')
  made.run()
  foreign = tmp_path / 'foreign'
  foreign.mkdir()
  [artifact, *_] = made.store.get_artifacts()
  artifact.uri = str(foreign)
  made.store.put_artifacts([artifact])
  made.run()
  _pruned(made, 'runs=1')
  assert foreign.is_dir()


def test_what_was_made_by_a_path_with_a_link_in_it_goes_and_what_is_needed_stays(tmp_path: pathlib.Path):
  """The store has that path; a folder around what a kept run needs is one of somebody's mistakes."""
  (tmp_path / 'link').symlink_to(tmp_path / 'out')
  made = MadeStore(tmp_path / 'out')
  old, new = made.run(), made.run()
  artifacts = made.store.get_artifacts()
  for artifact in artifacts:
    artifact.uri = artifact.uri.replace(f'{tmp_path}/out', f'{tmp_path}/link')
  [around] = [one for one in artifacts if one.uri.endswith(f'PruningTrainer/model/{old}')]
  around.uri = f'{made.output.artifacts}/PruningTrainer'
  made.store.put_artifacts(artifacts)
  _pruned(made, 'runs=1')
  assert _runs_with(made, 'RideExampleGen', 'examples') == {new}
  assert new in _runs_with(made, 'PruningTrainer', 'model')


def test_logs_behind_a_link_are_not_the_pipeline_s_to_remove(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path / 'out')
  made.run(), made.run()
  made.output.logs.rmdir()
  (tmp_path / 'log').mkdir()
  (tmp_path / 'log' / 'of_others').touch()
  os.utime(tmp_path / 'log' / 'of_others', (0, 0))
  made.output.logs.symlink_to(tmp_path / 'log')
  assert not _pruned(made, 'runs=1').files


def test_logs_and_caches_before_the_oldest_kept_run_go(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  made.run(), made.run()
  old, new = made.output.logs / 'old.log', made.output.logs / 'new.log'
  for file, hours in ((old, -1), (new, 2)):
    file.touch()
    when = (NOON + datetime.timedelta(hours=hours)).timestamp()
    os.utime(file, (when, when))
  _pruned(made, 'runs=1')
  assert not old.exists()
  assert new.exists()


def test_killed_half_way_nothing_is_named_by_half_and_the_next_one_goes_on(tmp_path: pathlib.Path):
  """A real process dies by SIGKILL when the first folder is about to be deleted."""
  made = MadeStore(tmp_path)
  made.run(version=1), made.run(version=2)
  program = (
    'import os, signal, sys\n'
    'from pipeline.commands import operations\nfrom pipeline.operations import retention\n'
    'retention.delete = lambda path: os.kill(os.getpid(), signal.SIGKILL)\n'
    "operations.prune(sys.argv[1], False, False, ('retention.runs=1', 'retention.versions=1'))\n"
  )
  killed = subprocess.run([sys.executable, '-c', program, str(tmp_path)], capture_output=True, text=True)
  assert killed.returncode == -signal.SIGKILL, killed.stderr
  assert list(made.output.artifacts.glob('*/*/.removed-*'))
  for artifact in made.store.get_artifacts():
    assert (artifact.state == mlmd_pb2.Artifact.LIVE) == pathlib.Path(artifact.uri).is_dir(), artifact.uri
  _pruned(made, 'runs=1', 'versions=1')
  assert not list(made.output.artifacts.glob('*/*/.removed-*'))
  assert _versions(made) == ['2']


def test_the_command(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  made.run(version=1), made.run(version=2)
  before = sorted(tmp_path.rglob('*'))
  refused = CliRunner().invoke(cli.main, ['prune', str(tmp_path)])
  assert refused.exit_code == 2
  assert 'Nothing limits what is kept: set retention.runs' in refused.output
  limits = ['--set', 'retention.runs=1', '--set', 'retention.versions=1']
  dry = CliRunner().invoke(cli.main, ['prune', str(tmp_path), '--dry-run', *limits])
  assert 'would remove 8 artifacts of 1 runs, 1 versions' in dry.output
  assert 'version 2, which serves, stays with all that it was made of' in dry.output
  assert str(made.output.serving / '1') in dry.output
  assert sorted(tmp_path.rglob('*')) == before
  with output.locked(made.output):
    busy = CliRunner().invoke(cli.main, ['prune', str(tmp_path), *limits])
  assert busy.exit_code == 2
  assert 'is in use by process' in busy.output
  done = CliRunner().invoke(cli.main, ['prune', str(tmp_path), *limits])
  assert (done.exit_code, 'removed 8 artifacts of 1 runs' in done.output) == (0, True)
  assert _versions(made) == ['2']


@pytest.mark.parametrize(
  ('override', 'message'),
  [
    pytest.param('retention.runs=0', 'retention.runs must be a whole number above 0, or null, got 0', id='impossible'),
    pytest.param('retention.run=3', "unknown key 'run'. Did you mean 'runs'?", id='misspelled'),
    pytest.param('training.epochs=3', "got 'training.epochs=3'", id='else'),
    pytest.param('runs', "takes limits alone, such as retention.runs=5, got 'runs'", id='no_value'),
  ],
)
def test_a_wrong_override_is_not_the_stored_configs_mistake(tmp_path: pathlib.Path, override: str, message: str):
  MadeStore(tmp_path).run()
  refused = CliRunner().invoke(cli.main, ['prune', str(tmp_path), '--set', override])
  assert refused.exit_code == 2
  assert message in refused.output
  assert 'config.yaml' not in refused.output


def test_a_stored_config_that_cant_be_read_is_named(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  made.output.config.write_text('extends: nyc\nbogus: 1\n')
  refused = CliRunner().invoke(cli.main, ['prune', str(tmp_path), '--set', 'retention.runs=3'])
  assert refused.exit_code == 2
  assert "config.yaml' is not a config of this version of farelite" in refused.output


@pytest.mark.parametrize('directory', ['nowhere', '.'])
def test_no_output_directory(tmp_path: pathlib.Path, directory: str):
  result = CliRunner().invoke(cli.main, ['prune', str(tmp_path / directory)])
  assert result.exit_code == 2
  assert 'holds no config.yaml; name the output directory of a run' in result.output
