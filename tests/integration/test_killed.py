"""A run that is killed goes on where it stopped; nothing is pushed by half."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from configs import loading
from pipeline.operations.registry import read_runs
from pipeline.operations.store import open_store
from tests.integration.conftest import QUICK, Project

_PATIENCE = 300


def _start(project: Project) -> subprocess.Popen[str]:
  settings = [part for override in (*QUICK, 'training.epochs=6000') for part in ('--set', override)]
  command = [sys.executable, '-m', 'pipeline', 'run', '--config', 'nyc', '--data', str(project.data)]
  command += ['--output', str(project.output.path), *settings]
  environment = os.environ | {'PYTHONUNBUFFERED': '1'}
  return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def _wait_for(path: pathlib.Path, pattern: str) -> None:
  deadline = time.monotonic() + _PATIENCE
  while not list(path.glob(pattern)):
    assert time.monotonic() < deadline, f'{pattern} never came below {path}'
    time.sleep(0.2)


def test_kill_9_in_training_then_run_again(project: Project):
  """Oracle: the second process's own account of what came from the cache."""
  killed = _start(project)
  _wait_for(project.output.checkpoints, '*/base/training.checkpoint')
  killed.send_signal(signal.SIGKILL)
  assert killed.wait() == -signal.SIGKILL
  assert not project.versions()
  again = _start(project)
  shown, _ = again.communicate()
  assert again.returncode == 0, shown
  summary = json.loads(project.output.summary.read_text())
  assert summary['status'] == 'pushed'
  assert set(summary['cached']) >= {'RideExampleGen', 'StatisticsGen', 'FeatureEngineering'}
  assert 'PruningTrainer' not in summary['cached']
  [dense] = summary['recipes']
  report = json.loads(pathlib.Path(dense['path'], 'training_report', 'training_report.json').read_text())
  assert report['stages'][0]['resumed_from'] > 0
  assert not list(project.output.checkpoints.iterdir())
  assert project.versions() == [pathlib.Path(summary['pushed_path']).name]
  for text in ('↺ RideExampleGen', '✓ PruningTrainer', 'pushed in', 'RMSE'):
    assert text in shown


def test_ctrl_c_says_where_the_same_command_goes_on(project: Project):
  """Oracle: the step that the terminal shows last, and what the summary's own list has next."""
  running = _start(project)
  _wait_for(project.output.checkpoints, '*/base/training.checkpoint')
  running.send_signal(signal.SIGINT)
  shown, _ = running.communicate(timeout=_PATIENCE)
  ended = [line for line in shown.splitlines() if line.startswith((' ✓', ' ↺'))]
  assert running.returncode == 130
  config = loading.load('nyc')
  [entry] = read_runs(open_store(config.metadata, project.output.metadata), config, project.output)
  assert (entry.status, entry.reason) == ('failed', 'The run was interrupted by SIGINT.')
  assert f'Interrupted; run it again, it goes on at step {len(ended) + 1} (PruningTrainer).' in shown
