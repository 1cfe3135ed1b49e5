"""Both targets, rehearsed twice: the second rehearsal is judged against what the first one pushed."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from models import release
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.invocation import ArtifactStore, Execution
from pipeline.targets import Target
from tests.conftest import REPOSITORY

SHORT = REPOSITORY / 'tests' / 'integration' / 'short_rehearsal.yaml'
CACHED_BY_THE_SECOND = {
  Target.VERTEX: {'RideExampleGen', 'StatisticsGen', 'RideSchema', 'FeatureEngineering'},
  Target.KFP: {'RideSchema'},  # Without a driver the ingestion has to look at the rides each time.
}


@dataclasses.dataclass
class Rehearsed:
  """Two rehearsals of one target in one directory."""

  directory: pathlib.Path
  target: Target
  summaries: list[dict[str, Any]]

  def execution(self, task: str, number: int) -> Execution:
    """A task's execution in the first (0) or second (1) rehearsal."""
    store = ArtifactStore(self.directory / f'executions-{self.target.value}.jsonl', self.target)
    run = self.summaries[number]['run']
    [execution] = [e for e in store._executions if e.task == task and e.run == run]
    return execution

  def states(self, number: int) -> dict[str, str]:
    """State by task."""
    return {step['name']: step['state'] for step in self.summaries[number]['steps']}


def _rehearse(target: Target, output: pathlib.Path, *overrides: str) -> dict[str, Any]:
  """Runs the command as a user does, in a process of its own."""
  settings = [part for override in overrides for part in ('--set', override)]
  command = ['rehearse', '--target', target.value, '--config', str(SHORT), '--output', str(output), '--json', *settings]
  result = subprocess.run(
    [sys.executable, '-m', 'pipeline', *command], cwd=REPOSITORY, capture_output=True, text=True, check=False
  )
  assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
  printed = json.loads(result.stdout)
  assert printed == json.loads((output / 'rehearsal.json').read_text())
  return printed


@pytest.mark.slow
def test_a_step_that_fails_is_a_sentence_and_exit_code_1(tmp_path: pathlib.Path):
  """The gate's own words, out of the log of its process."""
  overrides = ['--set', 'dataset.rules.max_quarantined_share=0.000001']
  command = ['rehearse', '--target', 'kfp', '--config', str(SHORT), '--output', str(tmp_path), *overrides]
  result = subprocess.run(
    [sys.executable, '-m', 'pipeline', *command], cwd=REPOSITORY, capture_output=True, text=True, check=False
  )
  assert result.returncode == 1, result.stdout[-3000:] + result.stderr[-3000:]
  summary = json.loads((tmp_path / 'rehearsal.json').read_text())
  assert summary['status'] == 'failed' and summary['steps'][-1]['state'] == 'failed'
  assert summary['reason'].startswith('StatisticsGen: 35 of 15,002') and 'Its log: ' in summary['reason']


@pytest.fixture(scope='module', params=[Target.VERTEX, Target.KFP], ids=['vertex', 'kfp'])
def rehearsed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
  """Two rehearsals on the Chicago rides, the second with another seed."""
  output = tmp_path_factory.mktemp(request.param.value) / 'out'
  summaries = [_rehearse(request.param, output, f'training.seed={seed}') for seed in (1, 2)]
  return Rehearsed(output, request.param, summaries)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_was_pushed_is_a_whole_version(rehearsed: Rehearsed):
  """The manifest's digests and the golden rides say whether it is; two rehearsals push two versions."""
  versions = [Buckets(rehearsed.directory / 'buckets').path(summary['pushed']) for summary in rehearsed.summaries]
  assert versions[0] != versions[1]
  for version in versions:
    assert (version / 'saved_model.pb').exists()
    release.verify(version)
    release.check_golden(version)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_second_rehearsal_is_judged_against_what_the_first_one_pushed(rehearsed: Rehearsed):
  """The gate notes its baseline in the blessing, and the first rehearsal had none."""
  first, second = (
    rehearsed.execution('CompressionGate', number).outputs['blessing'][0]['metadata'] for number in (0, 1)
  )
  assert 'baseline_model' not in first
  [model] = rehearsed.execution('ServedModel', 1).outputs['model']
  assert rehearsed.summaries[0]['pushed'].endswith(f'/{model["metadata"]["served_version"]}')
  assert second['baseline_model'] == model['uri']


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_second_rehearsal_takes_from_the_cache_what_no_seed_changes(rehearsed: Rehearsed):
  states = rehearsed.states(1)
  cached = {name for name, state in states.items() if state == 'cached'}
  assert cached >= CACHED_BY_THE_SECOND[rehearsed.target]
  assert not cached & {'PruningTrainer', 'FareEvaluator', 'QuantizationRewriter', 'CompressionGate', 'Pusher'}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_process_left_a_log_and_nothing_else(rehearsed: Rehearsed):
  for summary in rehearsed.summaries:
    assert [step['left_behind'] for step in summary['steps'] if step['left_behind']] == []
    ran = {step['name'] for step in summary['steps'] if step['start_up_seconds']}
    assert {log.stem for log in pathlib.Path(summary['logs']).glob('*.log')} >= ran
    assert len(ran) == 12 or summary is rehearsed.summaries[1]
