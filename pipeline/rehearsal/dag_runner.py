"""Runs the tasks of a compiled pipeline in the order of its DAG, some of them side by side, as pods do."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import time
from collections.abc import Mapping, Sequence

from pipeline.rehearsal.artifact_store import Execution
from pipeline.rehearsal.errors import TaskFailedError
from pipeline.rehearsal.kubeflow_spec import DagTask
from pipeline.rehearsal.task_runner import Rehearsal, TaskOutcome, run_task
from pipeline.steps import Output, Step, StepObserver, StepState


@dataclasses.dataclass(frozen=True)
class RehearsedStep:
  """A task that ended.

  Attributes:
    step: name, state, seconds, outputs.
    outcome: `None` where it failed.
    failure: the sentence of a failed task, with its name in front.
  """

  step: Step
  outcome: TaskOutcome | None
  failure: str | None = None


def run_tasks(stage: Rehearsal, observer: StepObserver, parallel: int) -> list[RehearsedStep]:
  """Runs every task once its upstream tasks are done; after a failure no further one begins.

  Args:
    stage: what the tasks share.
    observer: is told as tasks begin and end; from one thread.
    parallel: how many containers at a time.

  Returns:
    The tasks that ended, in that order.
  """
  ended: list[RehearsedStep] = []
  done: dict[str, Execution] = {}
  waiting = list(stage.pipeline.tasks)
  running: dict[concurrent.futures.Future[RehearsedStep], str] = {}
  with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
    try:
      while waiting or running:
        failed = any(step.failure for step in ended)
        for task in [] if failed else _ready(waiting, done)[: parallel - len(running)]:
          waiting.remove(task)
          observer.started(task.name)
          running[pool.submit(_run, stage, task, dict(done))] = task.name
        if not running:
          break
        finished, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in finished:
          running.pop(future)
          step = future.result()
          ended.append(step)
          if step.outcome:
            done[step.step.name] = step.outcome.execution
          observer.ended(step.step)
    except BaseException:  # Ctrl-C above all: nothing of a rehearsal goes on after it.
      stage.containers.end()
      raise
  return ended


def _ready(waiting: Sequence[DagTask], done: Mapping[str, Execution]) -> list[DagTask]:
  return [task for task in waiting if task.upstream <= set(done)]


def _run(stage: Rehearsal, task: DagTask, done: Mapping[str, Execution]) -> RehearsedStep:
  start = time.monotonic()
  try:
    outcome = run_task(stage, task, done)
  except TaskFailedError as error:
    step = Step(task.name, StepState.FAILED, time.monotonic() - start)
    return RehearsedStep(step, None, f'{task.name}: {error}')
  cached = outcome.execution.cached and 'container' in task.executor
  state = StepState.CACHED if cached else StepState.COMPLETE
  outputs = {
    key: [Output(artifact['uri'], artifact.get('metadata', {})) for artifact in artifacts]
    for key, artifacts in outcome.execution.outputs.items()
  }
  return RehearsedStep(Step(task.name, state, time.monotonic() - start, outputs), outcome)
