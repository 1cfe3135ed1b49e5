"""The look-up of the served model where the backend has no Resolver."""

from __future__ import annotations

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel, standard_artifacts

from components.served_model.executor import ServedModelExecutor
from components.served_model.spec import ServedModelSpec


class ServedModel(base_component.BaseComponent):
  """Copies the version of a push destination that serves into a Model artifact.

  Output: `model`, as a Trainer writes it. Nothing served yet: the artifact is there and empty, as Kubeflow Pipelines
  has no output that may be missing; `components.served_model.absence` tells later steps. The step depends on what lies
  in the destination, which is no input of it, so it must not be cached.

  Args:
    push_destination: URI of the folder of versions.
    code_version: as every step has it.
  """

  SPEC_CLASS = ServedModelSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ServedModelExecutor)

  def __init__(self, *, push_destination: str, code_version: str) -> None:
    spec = ServedModelSpec(
      push_destination=push_destination,
      code_version=code_version,
      model=channel.Channel(type=standard_artifacts.Model),
    )
    super().__init__(spec=spec)
