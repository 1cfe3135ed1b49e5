"""Nodes of a local pipeline side by side: who waits for whom, who runs where, and what a failure leaves.

Oracle: the jobs themselves, which wait for each other or note what they met. The launcher and the store are TFX's own.
"""

import threading
import time

import pytest
from tfx.dsl.component.experimental.annotations import Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline

from pipeline.local import runner
from pipeline.local.runner import ObservedLocalRunner, StepFailedError
from pipeline.local.steps import StepState

ORDER = ['Trainer', 'BaseEvaluator', 'Evaluator', 'Rewriter', 'Gate']
"""As TFX's compiler has them: what waits for the same by name."""

JOBS = {}
"""What a step does, by its name; nothing where it is not here."""


@component
def Job(name: Parameter[str]):  # noqa: N802
  JOBS.get(name, lambda: None)()


class Notes:
  """An observer that notes what begins and ends, and in which thread."""

  def __init__(self):
    self.lines, self.threads = [], {}

  def started(self, name):
    self.lines.append(f'+{name}')
    self.threads[name] = threading.current_thread()

  def ended(self, step):
    self.lines.append(f'-{step.name}')


@pytest.fixture
def run(tmp_path, monkeypatch):
  """Runs the pipeline with some jobs; the steps, the notes, and the error."""

  def run(cores=2, **jobs):
    monkeypatch.setattr(runner, 'cores', lambda: cores)
    monkeypatch.setattr('tests.pipeline.test_runner.JOBS', jobs)
    nodes = {name: Job(name=name).with_id(name) for name in ORDER}
    for name in ORDER[1:4]:
      nodes[name].add_upstream_node(nodes['Trainer'])
      nodes['Gate'].add_upstream_node(nodes[name])
    connection = metadata.sqlite_metadata_connection_config(str(tmp_path / 'metadata.sqlite'))
    pipeline = Pipeline('shop', str(tmp_path / 'root'), components=list(nodes.values()))
    steps, notes, raised = [], Notes(), None
    try:
      ObservedLocalRunner(connection, 'run', notes, steps, {'Evaluator', 'BaseEvaluator'}).run(pipeline)
    except (StepFailedError, KeyboardInterrupt) as error:
      raised = error
    return steps, notes, raised

  return run


def _fails(error=ValueError):
  raise error('No.')


def test_two_steps_run_at_the_same_time_and_the_next_one_waits_for_both(run):
  """Each would wait for the other in vain if they ran one after another."""
  meeting = threading.Barrier(2, timeout=30)
  steps, notes, raised = run(BaseEvaluator=meeting.wait, Rewriter=meeting.wait)
  assert raised is None
  assert [(step.name, step.state) for step in steps] == [(name, StepState.COMPLETE) for name in ORDER]
  assert notes.lines[:2] == ['+Trainer', '-Trainer'] and notes.lines[-2:] == ['+Gate', '-Gate']
  assert [name for name, thread in notes.threads.items() if thread is not threading.main_thread()] == ORDER[1:3]
  began = {step.name: step.began for step in steps}
  assert began['Rewriter'] < began['BaseEvaluator'] + {step.name: step.seconds for step in steps}['BaseEvaluator']


def test_with_one_core_they_run_one_after_another(run):
  _, notes, raised = run(cores=1)
  assert raised is None
  assert notes.lines == [f'{sign}{name}' for name in ORDER for sign in '+-']
  assert set(notes.threads.values()) == {threading.main_thread()}


@pytest.mark.parametrize(
  ('failing', 'told'),
  [
    pytest.param(['BaseEvaluator'], 'BaseEvaluator', id='beside'),
    pytest.param(['Rewriter'], 'Rewriter', id='here'),
    pytest.param(['Rewriter', 'BaseEvaluator'], 'BaseEvaluator', id='both_first_in_order'),
  ],
)
def test_what_runs_ends_after_a_failure_and_nothing_begins(run, failing, told):
  meeting = threading.Barrier(2, timeout=30)

  def job(name):
    meeting.wait()
    if name in failing:
      # The later one in order fails first.
      time.sleep(0.3 * (name == 'BaseEvaluator'))
      _fails()
    time.sleep(1.0)

  steps, notes, raised = run(BaseEvaluator=lambda: job('BaseEvaluator'), Rewriter=lambda: job('Rewriter'))
  assert (raised.step, str(raised.__cause__)) == (told, 'No.')
  states = {step.name: step.state for step in steps}
  wanted = {name: StepState.FAILED if name in failing else StepState.COMPLETE for name in ('BaseEvaluator', 'Rewriter')}
  assert states == {'Trainer': StepState.COMPLETE, **wanted}
  assert [*states] == ['Trainer', 'BaseEvaluator', 'Rewriter']
  assert '+Gate' not in notes.lines and '+Evaluator' not in notes.lines


def test_an_interrupt_ends_both(run):
  """The second thread is met by it in the middle of its Python code, and soon."""
  meeting, met = threading.Barrier(2, timeout=30), []

  def beside():
    meeting.wait()
    try:
      for _ in range(6000):
        time.sleep(0.01)
    except KeyboardInterrupt:
      met.append(True)
      raise

  def here():
    meeting.wait()
    _fails(KeyboardInterrupt)

  steps, _, raised = run(BaseEvaluator=beside, Rewriter=here)
  assert isinstance(raised, KeyboardInterrupt)
  assert met == [True]
  assert [step.name for step in steps] == ['Trainer']
  assert not [thread for thread in threading.enumerate() if thread.name == 'steps beside']
