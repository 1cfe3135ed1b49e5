"""Rollback: earlier bytes serve under a new number, whole or not at all, and everyone can see why."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from components.pusher.rollback import (
  JOURNAL,
  RestoreError,
  is_withdrawn,
  manifest_digest,
  rollbacks,
  verified_manifest,
)
from pipeline import cli
from pipeline.commands import operations
from pipeline.local import output
from pipeline.operations import registry
from pipeline.prediction.scoring import find_model
from tests.pipeline.made_store import MadeStore


@pytest.fixture
def made(tmp_path: pathlib.Path) -> MadeStore:
  """Three pushed versions: 1, 2 and 3."""
  store = MadeStore(tmp_path)
  for version in (1, 2, 3):
    store.run(version=version)
  return store


def _files(version: pathlib.Path) -> dict[str, bytes]:
  return {str(path.relative_to(version)): path.read_bytes() for path in version.rglob('*') if path.is_file()}


def _versions(made: MadeStore) -> list[int]:
  return sorted(int(path.name) for path in made.output.serving.iterdir() if path.name.isdecimal())


def _killed(made: MadeStore, setup: str) -> None:
  """A rollback in a process of its own that dies by SIGKILL where `setup` says so."""
  program = (
    'import os, signal, sys, shutil\n'
    'from components.pusher import rollback\n'
    'from pipeline.commands import operations\n'
    'def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)\n'
    f'{setup}\n'
    "operations.roll_back(sys.argv[1], 1, 'killed')\n"
  )
  ended = subprocess.run([sys.executable, '-c', program, str(made.output.path)], capture_output=True, text=True)
  assert ended.returncode == -signal.SIGKILL, ended.stderr


def test_the_version_before_serves_as_the_highest_number(made: MadeStore):
  result = CliRunner().invoke(cli.main, ['rollback', str(made.output.path), '--reason', 'airport fares are off'])
  assert result.exit_code == 0, result.output
  *earlier, newest = _versions(made)
  assert earlier == [1, 2, 3]
  assert f'Version {newest} serves now: the bytes of 2, in place of 3. Reason: airport fares are off' in result.output
  assert _files(made.output.serving / str(newest)) == _files(made.output.serving / '2')
  assert verified_manifest(made.output.serving / str(newest))
  assert find_model(str(made.output.serving)).lite.parent.name == str(newest)


def test_a_second_one_goes_further_back_and_never_to_what_was_withdrawn(made: MadeStore):
  serving, out = made.output.serving, str(made.output.path)
  for restored in ('2', '1'):
    operations.roll_back(out, None, 'bad')
    assert _files(serving / str(_versions(made)[-1])) == _files(serving / restored)
  with pytest.raises(RestoreError, match=r'no version before 1 with other bytes.*--to goes forward again, to 2 or'):
    operations.roll_back(out, None, 'bad')
  operations.roll_back(out, 3, 'it was not the model')
  operations.roll_back(out, None, 'it was')
  assert _files(serving / str(_versions(made)[-1])) == _files(serving / '1'), 'version 2 was withdrawn'


def test_it_is_recorded_in_the_store_and_beside_the_versions(made: MadeStore):
  operations.roll_back(str(made.output.path), to=1, reason='airport fares are off')
  newest = _versions(made)[-1]
  [rollback] = rollbacks(made.output.serving)
  assert (rollback.version, rollback.restored, rollback.replaced, rollback.reason) == (
    newest,
    1,
    3,
    'airport fares are off',
  )
  assert '@' in rollback.by
  push = registry.pushes(made.store, 'nyc')[newest]
  assert push.model == made.models[made.runs[0]].id
  assert push.artifact.custom_properties['withdrawn_model_id'].int_value == made.models[made.runs[2]].id
  assert push.artifact.custom_properties['reason'].string_value == 'airport fares are off'
  *_, entry = registry.read_runs(made.store, made.config, made.output)
  assert (entry.status, entry.pushed_version, entry.serves) == ('rolled_back', newest, True)
  assert (entry.restored_version, entry.replaced_version) == (1, 3)


def test_killed_while_copying_the_served_version_stays(made: MadeStore):
  _killed(made, 'rollback.verified_manifest = die')
  assert _versions(made) == [1, 2, 3]
  assert rollbacks(made.output.serving) == []
  operations.roll_back(str(made.output.path), to=1, reason='again')
  assert not list(made.output.serving.glob('.staging-*'))
  assert len(_versions(made)) == 4


def test_killed_between_the_journal_and_the_rename_it_did_not_happen(made: MadeStore):
  """The journal announced it; what is on the disk decides, also after more was written."""
  _killed(made, 'rollback.publish = die')
  assert 'killed' in (made.output.serving / JOURNAL).read_text()
  assert _versions(made) == [1, 2, 3]
  assert rollbacks(made.output.serving) == []
  operations.roll_back(str(made.output.path), to=2, reason='second try')
  assert [rollback.reason for rollback in rollbacks(made.output.serving)] == ['second try']
  assert registry.record_rollbacks(made.store, 'nyc', made.output.serving) == []


def test_killed_right_after_the_rename_it_did_and_the_next_one_enters_it(made: MadeStore):
  _killed(made, 'rollback.record_outcomes = lambda base: die() if len(rollback.versions(base)) == 4 else None')
  newest = _versions(made)[-1]
  assert verified_manifest(made.output.serving / str(newest))
  assert newest not in registry.pushes(made.store, 'nyc')
  [entered] = registry.record_rollbacks(made.store, 'nyc', made.output.serving)
  assert (entered.version, entered.reason) == (newest, 'killed')
  assert registry.pushes(made.store, 'nyc')[newest].model == made.models[made.runs[0]].id


def test_a_store_that_is_down_does_not_keep_from_rolling_back(made: MadeStore, capsys: pytest.CaptureFixture[str]):
  """The store's file is replaced by what is no database; the next run, here its first call, enters it."""
  file, aside = made.output.metadata, made.output.path / 'aside'
  file.rename(aside)
  file.write_bytes(b'no database' * 100)
  operations.roll_back(str(made.output.path), to=1, reason='in the night')
  assert 'The metadata store does not know it yet; the next run enters it.' in capsys.readouterr().out
  newest = _versions(made)[-1]
  assert newest > 3
  aside.replace(file)
  [entered] = registry.record_rollbacks(made.store, 'nyc', made.output.serving)
  assert entered.version == newest


def test_what_was_withdrawn_is_not_pushed_again_until_it_is_put_back(made: MadeStore):
  serving = made.output.serving
  third, model = manifest_digest(serving / '3'), made.models[made.runs[2]].id
  assert is_withdrawn(rollbacks(serving), third, model) is None
  operations.roll_back(str(made.output.path), to=2, reason='bad')
  assert is_withdrawn(rollbacks(serving), third, None)
  assert is_withdrawn(rollbacks(serving), None, model), 'the same model under another manifest'
  assert is_withdrawn(rollbacks(serving), manifest_digest(serving / '2'), None) is None
  operations.roll_back(str(made.output.path), to=3, reason='it was not the model')
  assert is_withdrawn(rollbacks(serving), third, model) is None
  second = manifest_digest(serving / '2')
  assert is_withdrawn(rollbacks(serving), second, None) is None, 'going forward withdraws nothing'


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    pytest.param(['--to', '9', '--reason', 'x'], 'holds no version 9; there are 1, 2, 3.', id='no_such_version'),
    pytest.param(['--to', '3', '--reason', 'x'], 'Version 3 is what serves now (as 3)', id='serves_already'),
    pytest.param(['--reason', ' '], '--reason is empty; say what it should be.', id='empty_reason'),
    pytest.param([], "Missing option '--reason'", id='no_reason'),
  ],
)
def test_mistakes(made: MadeStore, arguments: list[str], message: str):
  result = CliRunner().invoke(cli.main, ['rollback', str(made.output.path), *arguments])
  assert result.exit_code == 2
  assert message in result.output
  assert _versions(made) == [1, 2, 3]


def test_an_altered_version_is_not_put_back(made: MadeStore):
  (made.output.serving / '2' / 'saved_model.pb').write_bytes(b'grapj')
  with pytest.raises(RestoreError, match=r"'saved_model.pb' in '.*/2' was altered"):
    operations.roll_back(str(made.output.path), to=2, reason='x')
  assert _versions(made) == [1, 2, 3]


def test_nothing_pushed(tmp_path: pathlib.Path):
  MadeStore(tmp_path).run()
  with pytest.raises(RestoreError, match='holds no pushed version'):
    operations.roll_back(str(tmp_path), to=None, reason='x')


def test_a_run_that_goes_on_is_named(made: MadeStore, capsys: pytest.CaptureFixture[str]):
  with output.locked(made.output):
    operations.roll_back(str(made.output.path), to=1, reason='x')
  assert 'Mind that a run goes on and may push a newer version: process' in capsys.readouterr().out


@pytest.mark.parametrize(
  'command',
  [
    pytest.param(['rollback', '--reason', 'worse'], id='rollback'),
    pytest.param(['prune', '--set', 'retention.runs=1'], id='prune'),
    pytest.param(['runs'], id='runs'),
  ],
)
def test_a_foreign_line_in_the_journal_is_named_and_stops_nothing(made: MadeStore, command: list[str]):
  (made.output.serving / JOURNAL).write_text('5\n')
  result = CliRunner().invoke(cli.main, [command[0], str(made.output.path), *command[1:]])
  assert result.exit_code == 0, result.output
  assert "rollbacks.jsonl:1' is broken (it holds no record); take that line out of it. Until" in result.output


def test_a_journal_that_was_cut_short_is_read_and_written_on(made: MadeStore):
  operations.roll_back(str(made.output.path), to=1, reason='first')
  journal = made.output.serving / JOURNAL
  with journal.open('a') as file:
    file.write('{"time": "2026')
  operations.roll_back(str(made.output.path), to=2, reason='second')
  assert [rollback.reason for rollback in rollbacks(made.output.serving)] == ['first', 'second']
  whole = [json.loads(line) for line in journal.read_text().splitlines() if line.endswith('}')]
  assert len(whole) == 4
