"""Runs the tasks of a compiled pipeline in the order of its DAG, some of them side by side, as pods do."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import pathlib
import shutil
import time
from collections.abc import Mapping

from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.spans import check_inputs
from models.whole_files import is_bucket
from pipeline.local.steps import Output, Step, StepObserver, StepState
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.invocation import Execution
from pipeline.rehearsal.spec import DagTask, TaskFailedError
from pipeline.rehearsal.task_runner import Rehearsal, TaskOutcome, run_task
from pipeline.sources import DataSource, DataSourceError


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
    observer: called as tasks begin and end, from one thread.
    parallel: how many containers at a time.

  Returns the tasks that ended, in that order.
  """
  ended: list[RehearsedStep] = []
  done: dict[str, Execution] = {}
  waiting = list(stage.pipeline.tasks)
  running: dict[concurrent.futures.Future[RehearsedStep], str] = {}
  with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
    try:
      while waiting or running:
        failed = any(step.failure for step in ended)
        ready = [task for task in waiting if task.upstream <= set(done)]
        for task in [] if failed else ready[: parallel - len(running)]:
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


BUCKET = 'gs://farelite-rehearsal'
"""The bucket of whatever the config places in none."""
_RIDES = f'{BUCKET}/rides'


def staged(source: DataSource, buckets: Buckets) -> DataSource:
  """The source in a bucket; files of this machine are linked or copied there, and keep their times.

  Args: source: a path, or already in a bucket, whose files then have to be in the bucket's folder.
  Raises `DataSourceError` or `IngestionError` where there are no rides, here or in the bucket's folder.
  """
  if is_bucket(source.base):
    try:
      check_inputs(str(buckets.path(source.base)), source.pattern)
    except IngestionError as error:
      raise DataSourceError(
        f"'{source.base}/{source.pattern}' is a bucket, which a rehearsal has as a folder: put the rides into "
        f'{buckets.path(source.base)}, or name local ones with --data. {error}'
      ) from None
    return source
  base = pathlib.Path(source.base)
  files = [pathlib.Path(file) for file in check_inputs(source.base, source.pattern)]
  folder = buckets.path(_RIDES)
  shutil.rmtree(folder, ignore_errors=True)
  for file in files:
    target = folder / file.relative_to(base)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
      os.link(file, target)
    except OSError:  # Another disk, or a file of somebody else's.
      shutil.copy2(file, target)
  return dataclasses.replace(source, base=_RIDES)
