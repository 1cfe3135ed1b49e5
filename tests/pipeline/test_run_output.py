"""What a run prints: its first screen, JSON, exit codes, and how to go on after Ctrl-C."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from configs import loading
from pipeline import errors
from pipeline.cli import main
from pipeline.commands.session import NOT_PUSHED, Manner
from pipeline.local.steps import Step, StepState, next_step
from pipeline.local.terminal import config_differences
from pipeline.summary_record import Status
from tests.pipeline.made_store import MadeStore


@pytest.mark.parametrize(
  ('source', 'overrides', 'like', 'lines'),
  [
    pytest.param('nyc', [], 'the preset nyc', [], id='preset'),
    pytest.param('nyc-wide', [], 'the preset nyc-wide', [], id='preset_of_the_same_dataset'),
    pytest.param(
      'nyc',
      ['name=mine', 'training.epochs=3', 'model.hidden=[16, 8]', 'training.recipes=[dense, qat]'],
      'the preset nyc',
      ['model.hidden: [16, 8]', 'training.epochs: 3', 'training.recipes: ["dense", "qat"]'],
      id='overrides',
    ),
    pytest.param(
      'nyc',
      ['dataset.name=lima', 'training.epochs=3'],
      'the defaults, and the columns and rules of the dataset lima',
      ['training.epochs: 3'],
      id='another_city',
    ),
  ],
)
def test_the_first_screen_says_what_is_special(source, overrides, like, lines):
  words, found = config_differences(loading.load(source, overrides))
  assert words == like
  assert set(lines) <= set(found)
  if like.startswith('the preset'):  # What a window and a recipe bring along is shown, too.
    along = ('split.method', 'training.recipes', 'training.serve')
    assert {line for line in found if not line.startswith(along)} <= set(lines)


def test_a_long_value_is_cut():
  _, [line] = config_differences(loading.load('nyc', [f'platform.image={"x" * 200}']))
  assert line == f'platform.image: {"x" * 90}…'


@pytest.mark.parametrize(
  ('asked', 'code', 'statuses', 'expected'),
  [
    pytest.param(False, 0, [Status.NOT_BLESSED], 0, id='not_asked'),
    pytest.param(True, 0, [Status.NOT_BLESSED], NOT_PUSHED, id='not_blessed'),
    pytest.param(True, 0, [Status.PUSHED], 0, id='pushed'),
    pytest.param(True, 0, [Status.NOT_BLESSED, Status.PUSHED], 0, id='one_of_a_back_fill'),
    pytest.param(True, 1, [Status.FAILED], 1, id='failed'),
  ],
)
def test_fail_unless_pushed(asked, code, statuses, expected):
  assert Manner(fail_unless_pushed=asked).exit_code(code, *statuses) == expected


def test_an_interrupt_says_how_to_go_on():
  error = errors.with_advice(KeyboardInterrupt(), 'run it again, it goes on at step 3 (Trainer)')
  assert errors.message_and_exit_code(error) == (
    '\nInterrupted; run it again, it goes on at step 3 (Trainer).',
    130,
  )
  ended = errors.with_advice(KeyboardInterrupt(signal.SIGTERM), 'run it again')
  assert errors.message_and_exit_code(ended) == ('Ended by SIGTERM; run it again.', 143)


@pytest.mark.parametrize(
  ('ended', 'expected'),
  [
    pytest.param([], '1 (RideExampleGen)', id='none'),
    pytest.param(['RideExampleGen', 'ServedModel'], '2 (FareEvaluator)', id='look_ups_have_no_number'),
    pytest.param(['RideExampleGen', 'QuantizationRewriter'], '2 (FareEvaluator)', id='one_beside_was_slower'),
    pytest.param(['RideExampleGen', 'FareEvaluator'], '3 (QuantizationRewriter)', id='one_beside_was_faster'),
    pytest.param(['RideExampleGen', 'FareEvaluator', 'QuantizationRewriter'], None, id='all'),
  ],
)
def test_where_a_run_goes_on(ended, expected):
  """Oracle: the places in which the page lists the steps."""
  order = ['RideExampleGen', 'BaselineStatistics', 'FareEvaluator', 'ServedModel', 'QuantizationRewriter']
  assert next_step(order, [Step(name, StepState.COMPLETE, 0.1) for name in ended]) == expected


def test_a_step_that_failed_is_the_next_one():
  assert next_step(['RideExampleGen'], [Step('RideExampleGen', StepState.FAILED, 0.1)]) == '1 (RideExampleGen)'


def _json(*arguments: str):
  """In a process of its own: whatever is printed besides would spoil it."""
  command = [sys.executable, '-m', 'pipeline', *arguments, '--json']
  done = subprocess.run(command, capture_output=True, text=True)
  return json.loads(done.stdout)


def test_the_doctor_and_the_features_as_json():
  from pipeline.commands.doctor import CHECKS

  checks = _json('doctor')
  assert [check['check'] for check in checks] == list(CHECKS)
  assert checks[0].keys() == {'check', 'ok', 'text', 'fix'}
  features = _json('features', '--config', 'nyc')
  assert 'haversine_km' in [feature['name'] for feature in features['numeric']]
  assert features['numeric'][0].keys() >= {'name', 'unit', 'meaning'}


def test_schedules_as_json(tmp_path):
  units = ['--units', str(tmp_path / 'units')]
  create = ['schedule', 'create', '--cron', '0 3 * * *', '--time-zone', 'UTC', '--config', 'nyc', *units]
  create += ['--data', f'{tmp_path}/{{YYYY}}/{{MM}}/{{DD}}/*.csv', '--output', str(tmp_path / 'out')]
  assert _json('schedule', 'list', *units) == []
  assert subprocess.run([sys.executable, '-m', 'pipeline', *create], capture_output=True).returncode == 0
  [found] = _json('schedule', 'list', *units)
  assert (found['name'], found['cron'], found['zone'], found['state']) == ('nyc', '0 3 * * *', 'UTC', 'written')
  told = (tmp_path / 'units' / 'farelite-nyc-failed.service').read_text()
  assert f'-m pipeline notify --if-killed --output {tmp_path}/out --config nyc --set ' in told
  service = (tmp_path / 'units' / 'farelite-nyc.service').read_text()
  assert 'OnFailure=farelite-nyc-failed.service' in service and 'EnvironmentFile=-%E/farelite/environment' in service


@pytest.fixture
def made(tmp_path) -> MadeStore:
  store = MadeStore(tmp_path)
  for version in (1, 2, 3):
    store.run(version=version)
  return store


def _printed(*arguments: str):
  result = CliRunner().invoke(main, list(arguments))
  assert result.exit_code == 0, result.output
  return json.loads(result.stdout)


def test_pruning_and_rollback_as_json(made):
  """Oracle: the folders that are there before and after."""
  limits = ('--set', 'retention.versions=1')
  serving = made.output.serving
  planned = _printed('prune', str(made.output.path), '--dry-run', *limits, '--json')
  assert planned['removed'] is False and planned['serves'] == 3
  assert planned['versions'] == [str(serving / '1'), str(serving / '2')] and (serving / '1').is_dir()
  back = _printed('rollback', str(made.output.path), '--to', '2', '--reason', 'too dear', '--json')
  assert (back['restored'], back['replaced'], back['reason']) == (2, 3, 'too dear')
  assert (serving / str(back['version'])).is_dir()
  done = _printed('prune', str(made.output.path), *limits, '--json')
  assert done['removed'] is True and str(serving / '1') in done['versions'] and not (serving / '1').exists()


def test_a_manner_hides_what_goes_on_where_it_should():
  hiding = [dataclasses.replace(Manner(), **{name: True}).hides for name in ('quiet', 'as_json', 'whole_config')]
  assert hiding == [True, True, False]
