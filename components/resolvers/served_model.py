"""The look-up of the served model where the backend has no Resolver."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.utils import io_utils, path_utils

from components.specs import Artifacts, Properties, channels, new_outputs, parameters
from models.served_versions import is_saved_model, served_version


class ServedModelSpec(component_spec.ComponentSpec):
  """A folder of versions to the model of the one that serves."""

  PARAMETERS = parameters('push_destination', 'code_version')
  INPUTS = channels()
  OUTPUTS = channels(model=standard_artifacts.Model)


VERSION_PROPERTY = 'served_version'
"""Custom property of the model: the version's name; empty where nothing is served."""


class ServedModelExecutor(base_executor.BaseExecutor):
  """Executor of `ServedModel`."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Fills the model, or leaves it empty where nothing is served yet."""
    model = artifact_utils.get_single_instance(output_dict['model'])
    destination = exec_properties['push_destination']
    served = served_version(destination)
    model.set_string_custom_property(VERSION_PROPERTY, '' if served is None else str(served))
    if served is not None:
      io_utils.copy_dir(os.path.join(destination, str(served)), path_utils.serving_model_dir(model.uri))


class ServedModel(base_component.BaseComponent):
  """Copies the version of a push destination that serves into a Model artifact.

  Output: `model`, as a Trainer writes it. Nothing served yet: the artifact is there and empty, as Kubeflow Pipelines
  has no output that may be missing; later steps use `without_absent`. The step depends on what is in the destination,
  which is no input of it, so it must not be cached.

  ```
  served = ServedModel(push_destination='out/serving', code_version=step_version(ServedModel))
  ```

  Args:
    push_destination: URI of the folder of versions.
    code_version: as every step has it.
  """

  SPEC_CLASS = ServedModelSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ServedModelExecutor)

  def __init__(self, *, push_destination: str, code_version: str) -> None:
    spec = ServedModelSpec(push_destination=push_destination, code_version=code_version, **new_outputs(ServedModelSpec))
    super().__init__(spec=spec)


def without_absent(artifacts: Mapping[str, Sequence[types.Artifact]], key: str) -> Artifacts:
  """A step's inputs without the model `key` if that has no SavedModel.

  A Resolver that finds nothing leaves the input out; `ServedModel` can only leave its output empty. Both mean the same
  to whoever reads it.

  Args: key: of an optional Model input.
  """
  present = {name: list(values) for name, values in artifacts.items()}
  if not any(is_saved_model(path_utils.serving_model_path(model.uri)) for model in present.get(key, ())):
    present.pop(key, None)
  return present
