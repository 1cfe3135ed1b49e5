"""The step after the push: the pushed version as a version of a model in Vertex AI's Model Registry."""

from __future__ import annotations

import os

import pydantic
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.utils import io_utils

from components.specs import Artifacts, Properties, channels, new_outputs, parameters
from configs.errors import FailedError
from configs.platform import Platform, Registration, Vertex, with_environment
from models.release import MANIFEST, Manifest
from models.whole_files import is_bucket

REGISTERED = 'registered'
"""Custom property of the output: full name of the model and the number of its version; absent where there is none."""


class ModelRegistrySpec(component_spec.ComponentSpec):
  """A push to the name of a version in the registry."""

  PARAMETERS = parameters('vertex', 'registration')
  INPUTS = channels(pushed_model=standard_artifacts.PushedModel)
  OUTPUTS = channels(registered=standard_artifacts.String)


class ModelRegistryExecutor(base_executor.BaseExecutor):
  """Executor of `ModelRegistry`."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Uploads a version that was pushed; raises `FailedError`, and the next run tries again."""
    pushed = artifact_utils.get_single_instance(input_dict['pushed_model'])
    registered = artifact_utils.get_single_instance(output_dict['registered'])
    path = pushed.get_string_custom_property('pushed_destination')
    # A push out of the cache may be of a version that a rollback or a cleaning has removed; it is made anew then.
    if not pushed.get_int_custom_property('pushed') or not fileio.exists(path):
      registered.write('')
      return
    version = pushed.get_string_custom_property('pushed_version')
    try:
      name = _register(path, version, exec_properties)
    except FailedError as error:
      what = f'Version {version} was pushed and serves, but is not in the Model Registry: {error}'
      raise FailedError(what, 'Run again: finished steps are kept.') from error
    registered.write(name)
    registered.set_string_custom_property(REGISTERED, name)


def _register(path: str, version: str, exec_properties: Properties) -> str:
  from components.model_registry.vertex import upload  # Google's client takes a second, and only an upload needs it.

  registration = Registration.model_validate_json(exec_properties['registration'])
  vertex = _completed(Vertex.model_validate_json(exec_properties['vertex']))
  manifest = os.path.join(path, MANIFEST)
  with fileio.open(manifest) as file:
    facts = Manifest.parse(file.read(), manifest)
  return upload(vertex, registration, _in_a_bucket(path, version, registration), version, facts)


def _completed(vertex: Vertex) -> Vertex:
  """With what the environment says where the step runs."""
  try:
    return with_environment(Platform(vertex=vertex), os.environ).vertex
  except pydantic.ValidationError as error:
    raise FailedError(f'A FARELITE_ variable is not what it should be: {error.errors()[0]["msg"]}.') from None


def _in_a_bucket(path: str, version: str, registration: Registration) -> str:
  """Where Vertex AI reads the version: where it was pushed to, or a copy."""
  if registration.copies is None:
    if is_bucket(path):
      return path
    raise FailedError(
      f'{path} is on this machine, where Vertex AI reads nothing: set platform.vertex.registration.copies to a '
      "bucket's folder."
    )
  copy = f'{registration.copies.rstrip("/")}/{version}'
  io_utils.copy_dir(path, copy)
  return copy


class ModelRegistry(base_component.BaseComponent):
  """Uploads each pushed version to Vertex AI's Model Registry; the container that serves it is the config's.

  A model of the same display name becomes the parent, and the upload a version of it. Output: `registered`, the full
  name of the model with the number of the version, `projects/…/models/…@3`; empty where nothing was pushed. The step
  is kept by no code: it goes by what was pushed, as the push does.

  ```
  registry = ModelRegistry(
      pushed_model=pusher.outputs['pushed_model'],
      vertex=config.platform.vertex)
  ```

  Args:
    pushed_model: of the Pusher.
    vertex: project, region and endpoint; what it leaves open, the environment says where the step runs.
  """

  SPEC_CLASS = ModelRegistrySpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ModelRegistryExecutor)

  def __init__(self, *, pushed_model: channel.BaseChannel, vertex: Vertex) -> None:
    spec = ModelRegistrySpec(
      pushed_model=pushed_model,
      vertex=vertex.model_dump_json(include={'project', 'region', 'endpoint', 'kms_key'}),
      registration=vertex.registration.model_dump_json(),
      **new_outputs(ModelRegistrySpec),
    )
    super().__init__(spec=spec)
