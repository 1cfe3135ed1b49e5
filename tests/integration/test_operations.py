"""Two real pushes, a rollback, a run that would undo it, and retention, on whole runs."""

from __future__ import annotations

import json
import pathlib

import pytest
from click.testing import CliRunner

from pipeline import cli
from tests.integration.conftest import QUICK, Project


def _farelite(*arguments: str) -> str:
  result = CliRunner().invoke(cli.main, list(arguments))
  assert result.exit_code == 0, result.output
  return result.output


def _tree(path: pathlib.Path) -> dict[str, bytes]:
  return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob('*') if file.is_file()}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_push_rollback_rerun_prune(project: Project):
  """Oracle: the bytes that serve, and the steps that ran."""
  longer = 'training.epochs=4'
  first, _ = project.run()
  second, _ = project.run(longer)
  good, bad = pathlib.Path(first['pushed_path']), pathlib.Path(second['pushed_path'])
  assert _tree(good) != _tree(bad)
  _write_config(project)

  _farelite('rollback', str(project.output.path), '--reason', 'airport fares are off')
  serving = project.output.serving / max(name for name in project.versions() if name.isdecimal())
  assert _tree(serving) == _tree(good)

  again, states = project.run(longer)
  assert states['FareEvaluator'] == 'cached', 'the model to beat is the same one as before'
  assert again['status'] == 'not_blessed'
  assert 'rolled back on' in again['reason'] and 'airport fares are off' in again['reason']
  assert again['pushed_path'] is None

  restored, states = project.run()
  assert set(states.values()) <= {'cached', 'complete'} and states['Pusher'] == 'cached'
  assert (restored['status'], restored['pushed_path']) == ('pushed', str(serving))

  runs = json.loads(_farelite('runs', str(project.output.path), '--json'))
  assert [run['status'] for run in runs] == ['pushed', 'pushed', 'rolled_back', 'not_blessed', 'pushed']
  shown = json.loads(_farelite('runs', 'show', serving.name, str(project.output.path), '--json'))
  assert shown['entry']['status'] == 'rolled_back'
  [rides] = shown['rides']
  assert (rides['files'], rides['read']) == ([str(project.data)], 1500)
  assert rides['digest'].startswith('sha256:')
  assert 'epochs: 3' in shown['config']

  ancestors = [pathlib.Path(made['where']) for made in shown['artifacts']]
  before = {path: _tree(path) for path in (*ancestors, serving, good)}
  said = _farelite('prune', str(project.output.path), '--set', 'retention.runs=1', '--set', 'retention.versions=1')
  assert f'version {serving.name}, which serves, stays' in said
  assert not bad.exists()
  assert not pathlib.Path(second['artifacts']['PruningTrainer']['model']).exists()
  assert {path: _tree(path) for path in before} == before

  after, states = project.run()
  assert {states[step] for step in ('RideExampleGen', 'PruningTrainer', 'FareEvaluator', 'Pusher')} == {'cached'}
  assert after['pushed_path'] == str(serving)


@pytest.mark.slow
def test_retention_at_the_end_of_a_run(project: Project, capfd: pytest.CaptureFixture[str]):
  """Oracle: the files of a run that came to nothing, before and after the next run."""
  pushed, _ = project.run()
  in_vain, _ = project.run('training.epochs=2', 'evaluation.max_rmse=0.1')
  assert in_vain['status'] == 'not_blessed'
  serving, model, old_model = (
    pathlib.Path(path)
    for path in (pushed['pushed_path'], pushed['artifacts']['PruningTrainer']['model'],
                 in_vain['artifacts']['PruningTrainer']['model'])
  )  # fmt: skip
  before = {path: _tree(path) for path in (serving, model)}
  assert _tree(old_model)
  settings = [*QUICK, 'retention.runs=1', 'retention.after_run=true']
  _farelite(
    'run', '--config', 'nyc', '--data', str(project.data), '--output', str(project.output.path),
    *(part for setting in settings for part in ('--set', setting)),
  )  # fmt: skip
  assert '\nretention ' in capfd.readouterr().out
  assert not old_model.exists()
  assert {path: _tree(path) for path in before} == before
  assert json.loads(project.output.summary.read_text())['status'] == 'pushed'


def _write_config(project: Project) -> None:
  """What `farelite run` writes, and `Project.run`, which begins below the command line, does not."""
  from configs import loading

  project.output.config.write_text(loading.dump(project.config()))
