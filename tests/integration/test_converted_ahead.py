"""Recipes that are converted, and their files run, while others are trained: the same outcome, whatever becomes of the
process that does it.

Oracle: the files of a run without that process, and what its gate says of them.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from components.compression_gate.measuring import Bench
from components.compression_gate.predicted_ahead import PREDICTED_AHEAD, PredictedAhead
from models.recipe_training import RecipeTraining
from pipeline.local import ahead, run, runner
from pipeline.local import output as local_output
from pipeline.local.ahead import WorkAhead
from pipeline.local.steps import StepState
from pipeline.sources import rides_of
from tests.integration.conftest import Project, Recorder, simulated

RECIPES = ('training.recipes=[dense, pqat_80]',)


class Order(Recorder):
  """An observer that notes what begins and ends, in turn."""

  def __init__(self):
    super().__init__()
    self.lines, self.converting = [], threading.Event()

  def started(self, name):
    self.lines.append(f'+{name}')
    if name == 'QuantizationRewriter':
      self.converting.set()

  def ended(self, step):
    super().ended(step)
    self.lines.append(f'-{step.name}')


def _files(project):
  """What the record says of each lite file but for the time that it took; and the files by name, with the gate's
  predictions by all of them."""
  [record] = project.output.artifacts.glob('QuantizationRewriter/variants/*/variants.json')
  said = [{**one, 'seconds': None} for one in json.loads(record.read_text())['variants']]
  [judged] = project.output.artifacts.glob('CompressionGate/report/*/predictions.parquet')
  files = {path.name: path.read_bytes() for path in record.parent.glob('*.tflite')}
  return said, {**files, judged.name: judged.read_bytes()}


def _differing(project, others):
  """What differs between the files of a run and those of another: names of files, and facts of theirs."""
  said, files = _files(project)
  others_said, other_files = others
  assert [*files] and {*files} == {*other_files}
  facts = [
    (one['name'], key, one[key], other[key])
    for one, other in zip(said, others_said, strict=True)
    for key in one
    if one[key] != other[key]
  ]
  return [*facts, *(name for name in files if files[name] != other_files[name])]


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  return simulated(tmp_path_factory.mktemp('rides'))


@pytest.fixture(scope='module')
def alone(data, tmp_path_factory):
  """A run in which nothing is converted ahead."""
  project = Project(data, local_output.prepare(str(tmp_path_factory.mktemp('alone') / 'out')))
  project.run(*RECIPES)
  return _files(project)


@pytest.fixture
def run_ahead(data, tmp_path, monkeypatch):
  """Runs the pipeline; its trainer is not done with the last recipe before `meanwhile` is."""

  def run_it(meanwhile):
    project, order = Project(data, local_output.prepare(str(tmp_path / 'out'))), Order()
    report = RecipeTraining._report
    with WorkAhead() as work_ahead:

      def waits(training, compressed, *further):
        if compressed.recipe.name == 'pqat_80':
          meanwhile(order, work_ahead)
        report(training, compressed, *further)

      monkeypatch.setattr(RecipeTraining, '_report', waits)
      config = project.config(*RECIPES)
      summary = run.run(config, rides_of(config.dataset), project.output, order, work_ahead=work_ahead)
    return project, order, summary, work_ahead

  return run_it


def _first_file(order, work_ahead):
  assert order.converting.wait(120)


def test_a_recipe_is_converted_while_the_next_one_is_trained(run_ahead, alone):
  project, order, summary, work_ahead = run_ahead(_first_file)
  assert order.lines.index('+QuantizationRewriter') < order.lines.index('-PruningTrainer')
  assert order.lines.count('+QuantizationRewriter') == 1
  assert _differing(project, alone) == []
  begun = {step.name: step for step in summary.steps if step.ahead}
  assert [*begun] == ['QuantizationRewriter', 'CompressionGate']
  assert {step.state for step in begun.values()} == {StepState.COMPLETE}
  assert begun['CompressionGate'].ahead > begun['QuantizationRewriter'].ahead
  assert work_ahead._process is None


def test_the_gate_takes_what_files_gave_when_they_were_checked(run_ahead, alone, monkeypatch):
  """Files that the process had finished before the trainer was done are not asked again, and no others are left out."""
  ahead_of_it, asked = [], []
  find, predict = PredictedAhead.find, Bench.ask_all

  def found(kept, key):
    predictions = find(kept, key)
    ahead_of_it.append(predictions is not None)
    return predictions

  def ask_all(bench, question, spared=()):
    asked.append(sorted({*bench.names} - {*spared}))
    return predict(bench, question, spared)

  monkeypatch.setattr(PredictedAhead, 'find', found)
  monkeypatch.setattr(Bench, 'ask_all', ask_all)
  project, order, _, _ = run_ahead(_first_file)
  assert order.lines.index('+CompressionGate') < order.lines.index('-PruningTrainer')
  assert order.lines.count('+CompressionGate') == 1
  assert any(ahead_of_it)
  everybody, predicting = asked[1], asked[2]
  assert len(everybody) == len(ahead_of_it) and len(predicting) == ahead_of_it.count(False)
  assert _differing(project, alone) == []
  assert PREDICTED_AHEAD._kept == {}


def test_a_run_does_without_a_process_that_dies(run_ahead, alone):
  def kill(order, work_ahead):
    _first_file(order, work_ahead)
    os.kill(work_ahead._process.pid, signal.SIGKILL)

  project, _, summary, _ = run_ahead(kill)
  assert not summary.failed
  assert _differing(project, alone) == []


def test_a_run_does_not_wait_for_a_process_that_never_began(run_ahead, alone, monkeypatch):
  monkeypatch.setattr(WorkAhead, 'give', lambda *_: None)
  project, order, summary, _ = run_ahead(lambda *_: None)
  assert order.lines.index('-PruningTrainer') < order.lines.index('+QuantizationRewriter')
  assert _differing(project, alone) == []
  assert {step.ahead for step in summary.steps} == {0}


def test_of_many_rides_nothing_is_converted_ahead(run_ahead, alone, monkeypatch):
  """There memory is worth more than the time: the process is gone before the trainer begins."""
  monkeypatch.setattr(runner, 'MOST_BYTES', 1000)
  seen = []
  project, _, summary, _ = run_ahead(lambda order, work_ahead: seen.append(work_ahead._process))
  assert seen == [None]
  assert _differing(project, alone) == [] and {step.ahead for step in summary.steps} == {0}


def test_a_failed_training_ends_the_process(run_ahead):
  def fail(order, work_ahead):
    _first_file(order, work_ahead)
    raise ValueError('No.')

  _, _, summary, work_ahead = run_ahead(fail)
  assert summary.failed and summary.reason == 'PruningTrainer: No.'
  assert work_ahead._process is None


def test_with_one_core_there_is_no_process(monkeypatch):
  monkeypatch.setattr(ahead, 'cores', lambda: 1)
  with WorkAhead() as work_ahead:
    assert work_ahead._process is None
    work_ahead.give('{}', {}, lambda step: None)


OWNER = """
import time
from pipeline.local.ahead import WorkAhead
with WorkAhead() as work_ahead:
  print(work_ahead._process.pid, flush=True)
  time.sleep(600)
"""


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGINT])
def test_the_process_goes_with_the_one_that_started_it(number):
  owner = subprocess.Popen([sys.executable, '-c', OWNER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
  pid = int(owner.stdout.readline())
  owner.send_signal(number)
  owner.communicate()
  late = time.monotonic() + 120
  while _runs(pid) and time.monotonic() < late:
    time.sleep(0.1)
  assert not _runs(pid)


def _runs(pid):
  status = pathlib.Path(f'/proc/{pid}/status')
  try:
    return 'State:\tZ' not in status.read_text()
  except FileNotFoundError:
    return False
