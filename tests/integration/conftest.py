"""One whole run that several tests look at."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import pytest

from benchmarks.simulator import Format, write
from configs import loading
from configs.run import RunConfig
from pipeline.local import output as local_output
from pipeline.local import run as local_run
from pipeline.local.output import OutputDirectory
from pipeline.local.steps import Step
from pipeline.sources import rides_of
from pipeline.summary_record import Summary

QUICK = (
  'training.epochs=3',
  'model.hidden=[16, 8]',
  'evaluation.max_rmse=100',
  'evaluation.max_rmse_increase=10',
  'evaluation.bootstrap=100',
  'training.recipes=dense',
  'compression.schemes=[float32, int8]',
  'compression.measurement.rounds=3',
  'compression.measurement.calls=10',
)
"""Settings of a run that is about the machinery and not about its model."""


class Recorder:
  """A `StepObserver` that remembers how steps ended."""

  def __init__(self) -> None:
    self.steps: list[Step] = []

  def started(self, name: str) -> None:
    """Nothing to remember."""

  def ended(self, step: Step) -> None:
    """Remembers the step."""
    self.steps.append(step)

  def states(self) -> dict[str, str]:
    """State by step name."""
    return {step.name: step.state.value for step in self.steps}


@dataclasses.dataclass
class Project:
  """A data file and an output directory that runs share."""

  data: pathlib.Path
  output: OutputDirectory

  def run(self, *overrides: str, config: str = 'nyc') -> tuple[dict[str, Any], dict[str, str]]:
    """Runs the real pipeline in this process; returns `summary.json` and the states of the steps."""
    resolved = self.config(*overrides, config=config)
    recorder = Recorder()
    returned = local_run.run(resolved, rides_of(resolved.dataset), self.output, recorder)
    assert Summary.read(self.output.summary) == returned
    return json.loads(self.output.summary.read_text(encoding='utf-8')), recorder.states()

  def config(self, *overrides: str, config: str = 'nyc') -> RunConfig:
    """The resolved config of `run`."""
    return loading.load(config, [*QUICK, f'dataset.path={self.data}', *overrides])

  def versions(self) -> Sequence[str]:
    """What the push destination holds, staging included."""
    return sorted(path.name for path in self.output.serving.iterdir()) if self.output.serving.is_dir() else []


def simulated(directory: pathlib.Path, rows: int = 1500, seed: int = 0) -> pathlib.Path:
  """Writes simulated rides to one CSV file."""
  write(directory, rows=rows, seed=seed, file_format=Format.CSV, parts=1)
  [path] = directory.glob('*.csv')
  return path


@pytest.fixture
def project(tmp_path: pathlib.Path) -> Project:
  """A fresh project with 1,500 simulated rides."""
  return Project(simulated(tmp_path / 'rides'), local_output.prepare(str(tmp_path / 'out')))


@pytest.fixture(scope='session')
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, Any], dict[str, str]]:
  """A project after its first run: project, summary, states. Tests may run it again, not change its data."""
  directory = tmp_path_factory.mktemp('finished')
  first = Project(simulated(directory / 'rides'), local_output.prepare(str(directory / 'out')))
  return first, *first.run()
