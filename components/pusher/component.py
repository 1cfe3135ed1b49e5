"""TFX's Pusher with an executor that makes a version appear whole or not at all."""

from __future__ import annotations

import os
import tempfile

import tensorflow as tf
from tfx.components.evaluator import constants
from tfx.components.pusher import component as tfx_pusher
from tfx.components.pusher import executor as pusher_executor
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, path_utils, proto_utils

from components.pusher.publishing import publish, staging
from components.pusher.rollback import is_withdrawn, manifest_digest, rollbacks
from components.specs import Artifacts, Properties
from configs.errors import FailedError
from models.release import ManifestError, verify
from models.served_versions import next_version
from models.whole_files import is_bucket

EVALUATED_MODEL_ID = 'evaluated_model_id'
"""Custom property of a pushed model: the Model artifact that was blessed for it."""

WITHDRAWN_MODEL_ID = 'withdrawn_model_id'
"""Custom property of a pushed model that a rollback put back: the model that served until then."""

WITHDRAWN = 'withdrawn'
"""Custom property of a model that was blessed, but not pushed, as a rollback withdrew it: the sentence on that."""


class AlteredModelError(FailedError):
  """The model to push is not the one that was judged."""


class AtomicPusherExecutor(pusher_executor.Executor):
  """Executor of `AtomicPusher`."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Pushes a blessed model; marks the artifact as not pushed otherwise, and where a rollback withdrew that model.

    Raises:
      AlteredModelError: a file of the model is not what its manifest says.
      FailedError: the disk is full, the directory isn't writable, or the like.
    """
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination)
    if destination.WhichOneof('destination') != 'filesystem' or not self.CheckBlessing(input_dict):
      super().Do(input_dict, output_dict, exec_properties)
      return
    base = destination.filesystem.base_directory
    withdrawn = _withdrawn(input_dict, base)
    if withdrawn:
      [pushed] = output_dict[standard_component_specs.PUSHED_MODEL_KEY]
      self._MarkNotPushed(pushed)
      pushed.set_string_custom_property(WITHDRAWN, withdrawn)
      return
    try:
      with staging(base) as directory:
        destination.filesystem.base_directory = directory
        staged = {standard_component_specs.PUSH_DESTINATION_KEY: proto_utils.proto_to_json(destination)}
        super().Do(input_dict, output_dict, {**exec_properties, **staged})
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        copy = pushed.get_string_custom_property('pushed_destination')
        _verify(copy, input_dict, base)
        version = next_version(base, int(pushed.get_string_custom_property('pushed_version')))
        path = publish(copy, base, version)
        self._MarkPushed(pushed, pushed_destination=path, pushed_version=str(version))
        pushed.set_int_custom_property(EVALUATED_MODEL_ID, _evaluated_model(input_dict))
    except (OSError, tf.errors.OpError) as error:
      raise FailedError(
        f'The push to {base} failed while the model was copied ({_reason(error)}): the versions there are untouched; '
        'free some space or fix the rights of the directory, and run again.'
      ) from error


def _verify(copy: str, input_dict: Artifacts, base: str) -> None:
  """Checks every byte that is about to serve; raises `AlteredModelError`, which names the model that was copied."""
  model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
  with tempfile.TemporaryDirectory() as folder:
    # Wherever it is: a bucket's files are no files of this machine.
    local = os.path.join(folder, 'version')
    io_utils.copy_dir(copy, local)
    try:
      verify(local)
      return
    except ManifestError as error:
      reason = str(error).replace(local, path_utils.serving_model_path(model.uri))
  raise AlteredModelError(f'The model to push is not what was judged, and {base} stays as it is: {reason}')


def _evaluated_model(input_dict: Artifacts) -> int:
  """The id of the Trainer's model that was blessed; what is pushed is made of it, or of another recipe's."""
  blessing = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_BLESSING_KEY])
  return int(blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY))


def _withdrawn(input_dict: Artifacts, base: str) -> str | None:
  """Why a model that was pushed before, and rolled back, is not pushed again; `None` if it may be."""
  if is_bucket(base):
    return None
  model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
  manifest = manifest_digest(path_utils.serving_model_path(model.uri))
  by = is_withdrawn(rollbacks(base), manifest, _evaluated_model(input_dict))
  if by is None:
    return None
  return (
    f'This very model was pushed before, as version {by.replaced}, and rolled back on {by.time[:10]} '
    f'({by.reason.rstrip(".")}). It is not pushed again; `farelite rollback --to {by.replaced}` puts it back.'
  )


def _reason(error: OSError | tf.errors.OpError) -> str:
  """The cause without its error number; TFX's own errors may have no text."""
  text = (error.strerror or str(error)) if isinstance(error, OSError) else error.message
  return text or type(error).__name__


class AtomicPusher(tfx_pusher.Pusher):
  """Pushes a blessed model under a version above all that are there.

  Outputs as TFX's Pusher: `pushed_model`, whose custom properties `pushed`, `pushed_destination` and `pushed_version`
  name the final path.

  ```
  filesystem = pusher_pb2.PushDestination.Filesystem(base_directory='out/serving')
  pusher = AtomicPusher(
      model=gate.outputs['model'],
      model_blessing=gate.outputs['blessing'],
      push_destination=pusher_pb2.PushDestination(filesystem=filesystem))
  ```

  Args:
    model: the model to push.
    model_blessing: the Evaluator's.
    infra_blessing: a second one, if there is any; both have to bless.
    push_destination: the directory of the versions.
    custom_config: passed on to the executor.
  """

  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(AtomicPusherExecutor)
