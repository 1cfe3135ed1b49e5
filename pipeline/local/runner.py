"""Runs a pipeline on this machine, step by step, some beside others, and calls an observer for each."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import pathlib
import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from types import TracebackType
from typing import Any

from tfx import types
from tfx.dsl.compiler import constants
from tfx.orchestration import data_types_utils, metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import (
  data_types,
  inputs_utils,
  launcher,
  python_executor_operator,
  runtime_parameter_utils,
  tfx_runner,
)
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.proto.orchestration import executable_spec_pb2, execution_result_pb2, pipeline_pb2
from tfx.utils import json_utils

from components.pruning_trainer.component import models_in_the_making
from configs.errors import FailedError
from pipeline.local.ahead import MOST_BYTES, WorkAhead, cores
from pipeline.local.ahead_worker import CONVERTED, PREDICTED
from pipeline.local.steps import Output, Step, StepObserver, StepState
from pipeline.operations.store import connect, plain_properties


class StepFailedError(FailedError):
  """A step raised; `__cause__` is what it raised."""

  def __init__(self, step: str) -> None:
    super().__init__(f'{step} failed.')
    self.step = step


class ObservedLocalRunner(tfx_runner.IrBasedRunner):
  """TFX's LocalDagRunner with an observer: the same launcher, and a record of each step.

  Args:
    connection: to the metadata store. It is given here and not to the pipeline,
      whose description is logged: it may hold a password.
    run_id: names the run in the store; no other run there has the same.
    beside: ids of nodes that run in a second thread, one after another, while this one goes on with what does not wait
      for them; where there is one core alone, they run here. What ends a command by a signal, and starts processes of
      its own, belongs into this thread.
    ahead: ids of the trainer of recipes, of the step that converts them, and of the one that judges their files.
    work_ahead: begins with those two while that trainer runs.
  """

  def __init__(
    self,
    connection: metadata.ConnectionConfigType,
    run_id: str,
    observer: StepObserver,
    steps: list[Step],
    beside: Collection[str] = (),
    ahead: tuple[str, str, str] = ('', '', ''),
    work_ahead: WorkAhead | None = None,
  ) -> None:
    self._connection, self._run_id, self._observer, self.steps = connection, run_id, observer, steps
    self._beside = beside if cores() > 1 else ()
    self._trainer, self._rewriter, self._gate = ahead
    self._work_ahead = work_ahead
    self._order: dict[str, int] = {}
    self._told: Callable[[data_types.ExecutionInfo], None] = lambda execution: None
    self._begun: set[str] = set()
    self._made: dict[str, dict[str, list[types.Artifact]]] = {}
    self._lock = threading.Lock()

  def run_with_ir(self, pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions | None = None) -> None:
    """Runs all nodes, each once those that it waits for have ended; `run` compiles a pipeline and comes here.

    `steps` has those that ended, in the order of the pipeline. Raises `StepFailedError` where a step raised, the first
    in that order; from then on no other one begins, and those that run come to their end.
    """
    del run_options
    runtime_parameter_utils.substitute_runtime_parameter(
      pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: self._run_id}
    )
    deployment = runner_utils.extract_local_deployment_config(pipeline)
    waiting = {node.pipeline_node.node_info.id: node.pipeline_node for node in pipeline.nodes}
    self._order = {name: position for position, name in enumerate(waiting)}
    ended: set[str] = set()
    failures: dict[str, StepFailedError] = {}

    def attempt(name: str, node: pipeline_pb2.PipelineNode) -> None:
      if failures:
        return
      try:
        self._run_node(pipeline, node, deployment)
        ended.add(name)
      except StepFailedError as error:
        failures[name] = error

    if self._work_ahead and {self._rewriter, self._gate} <= {*waiting}:
      begun_ahead = waiting[self._rewriter], waiting[self._gate]
      self._told = functools.partial(self._begin_ahead, self._work_ahead, *begun_ahead)
    with _SecondThread() as second:
      running: set[Future[None]] = set()
      while waiting and not failures:
        ready = [name for name, node in waiting.items() if ended.issuperset(node.upstream_nodes)]
        for name in ready:
          if name in self._beside:
            running.add(second.start(functools.partial(attempt, name, waiting.pop(name))))
        own = next((name for name in ready if name in waiting), None)
        if own is not None:
          attempt(own, waiting.pop(own))
        elif running:
          done, running = wait(running, return_when=FIRST_COMPLETED)
          for future in done:
            future.result()
        else:
          raise AssertionError(f'{", ".join(waiting)}: each waits for another one.')
      for future in running:
        future.result()
    if failures:
      raise failures[min(failures, key=self._order.__getitem__)]

  def _run_node(
    self,
    pipeline: pipeline_pb2.Pipeline,
    node: pipeline_pb2.PipelineNode,
    deployment: pipeline_pb2.IntermediateDeploymentConfig,
  ) -> None:
    name = node.node_info.id
    mlmd = _StoreHandle(self._connection)  # One for each node: it counts its users, without a lock.
    self._begin(name)
    start = time.monotonic()
    try:
      info = launcher.Launcher(
        pipeline_node=node,
        mlmd_connection=mlmd,
        pipeline_info=pipeline.pipeline_info,
        pipeline_runtime_spec=pipeline.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, name),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
        custom_executor_operators=_telling(self._told) if name == self._trainer else None,
      ).launch()
    except Exception as error:
      self._record(Step(name, StepState.FAILED, time.monotonic() - start, began=start))
      raise StepFailedError(name) from error
    execution = info.execution_id if info is not None else None
    state, self._made[name] = _ending(mlmd, execution)
    outputs = {key: [_output(artifact) for artifact in found] for key, found in self._made[name].items()}
    begun = self._work_ahead.began.get(name) if self._work_ahead else None
    ahead = 0.0 if begun is None else max(0.0, start - begun)
    self._record(Step(name, state, time.monotonic() - start, outputs, start, ahead))
    if state is StepState.FAILED:
      raise StepFailedError(name) from RuntimeError('its inputs could not be resolved; the log says why')

  def _begin(self, name: str) -> None:
    """Tells the observer, once, when a step begins, or when its work does."""
    with self._lock:
      is_new = name not in self._begun
      self._begun.add(name)
    if is_new:
      self._observer.started(name)

  def _begin_ahead(
    self,
    work_ahead: WorkAhead,
    rewriter: pipeline_pb2.PipelineNode,
    gate: pipeline_pb2.PipelineNode,
    training: data_types.ExecutionInfo,
  ) -> None:
    """Hands over what the two steps will be handed, with the models where they are while they are made.

    Args: training: what the trainer, which is about to run, is handed.
    """
    made = {**self._made, self._trainer: models_in_the_making(training.output_dict)}
    converting, judging = _execution(rewriter, made), _execution(gate, made)
    if not {*rewriter.inputs.inputs} <= {*converting['input_dict']} or 'examples' not in judging['input_dict']:
      return  # A further step has to end before anything can be converted.
    if sum(map(_bytes, converting['input_dict']['transformed_examples'])) > MOST_BYTES:
      work_ahead.stop()
      return
    job = json_utils.dumps({'rewriter': converting, 'gate': judging, 'run': training.pipeline_run_id})
    steps = {CONVERTED: self._rewriter, PREDICTED: self._gate}
    work_ahead.give(job, steps, self._begin)

  def _record(self, step: Step) -> None:
    with self._lock:
      self.steps.append(step)
      self.steps.sort(key=lambda step: self._order[step.name])
    self._observer.ended(step)


def _execution(
  node: pipeline_pb2.PipelineNode, made: Mapping[str, Mapping[str, list[types.Artifact]]]
) -> dict[str, Any]:
  """What a step's executor will be handed, as far as it is there: the names of its arguments, and their values.

  Args: made: artifacts by the step and the output that they are of.
  """
  inputs = {}
  for key, spec in node.inputs.inputs.items():
    found = [made.get(one.producer_node_query.id, {}).get(one.output_key) for one in spec.channels]
    if len(found) == 1 and found[0] is not None:
      inputs[key] = found[0]
  parameters = inputs_utils.resolve_parameters_with_schema(node_parameters=node.parameters)
  return {'input_dict': inputs, 'exec_properties': data_types_utils.build_parsed_value_dict(parameters)}


_PATIENCE = 5.0
"""Seconds that the second thread gets to end after a signal; TensorFlow and Beam look up from their work rarely."""


class _SecondThread:
  """A thread that does jobs in the order in which they are started; use it with `with`.

  What ends the block by an error ends the thread's job, too, where that runs in Python. The thread is a daemon, so that
  a job that can't be ended does not keep the command.
  """

  def __init__(self) -> None:
    self._jobs: queue.SimpleQueue[tuple[Callable[[], None], Future[None]] | None] = queue.SimpleQueue()
    self._thread = threading.Thread(target=self._work, name='steps beside', daemon=True)

  def __enter__(self) -> _SecondThread:
    return self

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
  ) -> None:
    if self._thread.ident is None:
      return
    if kind is not None:
      interrupt = ctypes.py_object(KeyboardInterrupt)
      ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident), interrupt)
    self._jobs.put(None)  # Later, so that a thread that has nothing to do meets the interrupt before it is gone.
    self._thread.join(None if kind is None else _PATIENCE)

  def start(self, job: Callable[[], None]) -> Future[None]:
    """Queues a job; its errors come with the future's result."""
    if self._thread.ident is None:
      self._thread.start()
    future: Future[None] = Future()
    self._jobs.put((job, future))
    return future

  def _work(self) -> None:
    with contextlib.suppress(KeyboardInterrupt):
      while (taken := self._jobs.get()) is not None:
        job, future = taken
        try:
          future.set_result(job())
        except BaseException as error:
          future.set_exception(error)
          if isinstance(error, KeyboardInterrupt):
            raise


class _StoreHandle(metadata.Metadata):
  """TFX's handle of the store, with this project's client."""

  def __enter__(self) -> metadata.Metadata:
    self._store = connect(self._connection_config)
    self._users += 1
    return self


def _telling(told: Callable[[data_types.ExecutionInfo], None]) -> dict[type, type]:
  """TFX's operator for Python executors, by the spec that it is for, with a call just before the executor's."""

  class Telling(python_executor_operator.PythonExecutorOperator):
    def run_executor(self, execution_info: data_types.ExecutionInfo) -> execution_result_pb2.ExecutorOutput:
      told(execution_info)
      return super().run_executor(execution_info)

  return {executable_spec_pb2.PythonClassExecutableSpec: Telling}


def _bytes(artifact: types.Artifact) -> int:
  """What the files of an artifact on this machine take."""
  return sum(path.stat().st_size for path in pathlib.Path(artifact.uri).rglob('*') if path.is_file())


def _output(artifact: types.Artifact) -> Output:
  return Output(artifact.uri, plain_properties(artifact.mlmd_artifact))


def _ending(mlmd: metadata.Metadata, execution_id: int | None) -> tuple[StepState, dict[str, list[types.Artifact]]]:
  if execution_id is None:
    return StepState.SKIPPED, {}
  with mlmd as handle:
    [execution] = handle.store.get_executions_by_id([execution_id])
    if execution_lib.is_execution_failed(execution):
      return StepState.FAILED, {}
    artifacts = execution_lib.get_output_artifacts(handle, execution_id)
  cached = execution.last_known_state == execution.CACHED
  return (StepState.CACHED if cached else StepState.COMPLETE), {key: list(found) for key, found in artifacts.items()}
