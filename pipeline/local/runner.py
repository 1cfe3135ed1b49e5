"""Runs a pipeline on this machine, step by step, and calls an observer for each."""

from __future__ import annotations

import time

from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils, tfx_runner
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.proto.orchestration import pipeline_pb2

from configs.errors import FailedError
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
  """

  def __init__(
    self, connection: metadata.ConnectionConfigType, run_id: str, observer: StepObserver, steps: list[Step]
  ) -> None:
    self._connection, self._run_id, self._observer, self.steps = connection, run_id, observer, steps

  def run_with_ir(self, pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions | None = None) -> None:
    """Runs all nodes in order and appends to `steps` as they end; `run` compiles a pipeline and comes here.

    Raises `StepFailedError` where a step raised; the steps after it do not run.
    """
    del run_options
    runtime_parameter_utils.substitute_runtime_parameter(
      pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: self._run_id}
    )
    deployment = runner_utils.extract_local_deployment_config(pipeline)
    mlmd = _StoreHandle(self._connection)
    for node in pipeline.nodes:
      self._run_node(pipeline, node.pipeline_node, deployment, mlmd)

  def _run_node(
    self,
    pipeline: pipeline_pb2.Pipeline,
    node: pipeline_pb2.PipelineNode,
    deployment: pipeline_pb2.IntermediateDeploymentConfig,
    mlmd: metadata.Metadata,
  ) -> None:
    name = node.node_info.id
    self._observer.started(name)
    start = time.monotonic()
    try:
      info = launcher.Launcher(
        pipeline_node=node,
        mlmd_connection=mlmd,
        pipeline_info=pipeline.pipeline_info,
        pipeline_runtime_spec=pipeline.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, name),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
      ).launch()
    except Exception as error:
      self._record(Step(name, StepState.FAILED, time.monotonic() - start))
      raise StepFailedError(name) from error
    execution = info.execution_id if info is not None else None
    state, outputs = _ending(mlmd, execution)
    self._record(Step(name, state, time.monotonic() - start, outputs))
    if state is StepState.FAILED:
      raise StepFailedError(name) from RuntimeError('its inputs could not be resolved; the log says why')

  def _record(self, step: Step) -> None:
    self.steps.append(step)
    self._observer.ended(step)


class _StoreHandle(metadata.Metadata):
  """TFX's handle of the store, with this project's client."""

  def __enter__(self) -> metadata.Metadata:
    self._store = connect(self._connection_config)
    self._users += 1
    return self


def _ending(mlmd: metadata.Metadata, execution_id: int | None) -> tuple[StepState, dict[str, list[Output]]]:
  if execution_id is None:
    return StepState.SKIPPED, {}
  with mlmd as handle:
    [execution] = handle.store.get_executions_by_id([execution_id])
    if execution_lib.is_execution_failed(execution):
      return StepState.FAILED, {}
    artifacts = execution_lib.get_output_artifacts(handle, execution_id)
  cached = execution.last_known_state == execution.CACHED
  outputs = {
    key: [Output(artifact.uri, plain_properties(artifact.mlmd_artifact)) for artifact in values]
    for key, values in artifacts.items()
  }
  return (StepState.CACHED if cached else StepState.COMPLETE), outputs
