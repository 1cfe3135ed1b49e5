"""What the metadata store knows of pushes and rollbacks of a pipeline."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from components.pusher.journal import Rollback, rollbacks
from pipeline import run_registry

ROLLBACK_TYPE = 'farelite_rollback'
"""Execution type of a rollback: the restored push is its input, the push under the new number its output."""

_PUSHED_MODEL = 'PushedModel'


@dataclasses.dataclass(frozen=True)
class Push:
  """A version as the store knows it.

  Attributes:
    artifact: the PushedModel.
    version: its number.
    model: the id of the Model that was blessed for it; `None` if unknown.
  """

  artifact: mlmd_pb2.Artifact
  version: int
  model: int | None


def pushes(store: mlmd.MetadataStore, pipeline: str) -> dict[int, Push]:
  """The versions that were pushed or put back, by number, in the order in which that happened."""
  context = store.get_context_by_type_and_name('pipeline', pipeline)
  types = {kind.id for kind in store.get_artifact_types() if kind.name == _PUSHED_MODEL}
  found = {}
  for artifact in sorted(store.get_artifacts_by_context(context.id) if context else (), key=lambda one: one.id):
    properties = artifact.custom_properties
    if artifact.type_id in types and properties['pushed'].int_value == 1:
      version = int(properties['pushed_version'].string_value)
      found[version] = Push(artifact, version, properties['evaluated_model_id'].int_value or None)
  return found


def record_rollbacks(store: mlmd.MetadataStore, pipeline: str, serving: pathlib.Path) -> list[Rollback]:
  """Enters the journal's rollbacks that the store does not know yet, such as those made while it was down.

  Returns:
    Those that were entered.
  """
  happened = rollbacks(serving)
  if not happened:
    return []
  known = pushes(store, pipeline)
  entered = []
  for rollback in happened:
    if rollback.version not in known:
      _record(store, pipeline, serving, rollback, known)
      known = pushes(store, pipeline)
      entered.append(rollback)
  return entered


def _record(
  store: mlmd.MetadataStore, pipeline: str, serving: pathlib.Path, rollback: Rollback, known: Mapping[int, Push]
) -> None:
  """One transaction: the execution, its input and output, and the entry among the runs."""
  restored, replaced = known.get(rollback.restored), known.get(rollback.replaced)
  model = rollback.restored_model or (restored.model if restored else None)
  withdrawn = rollback.replaced_model or (replaced.model if replaced else None)
  execution = mlmd_pb2.Execution(
    type_id=store.put_execution_type(mlmd_pb2.ExecutionType(name=ROLLBACK_TYPE)),
    last_known_state=mlmd_pb2.Execution.COMPLETE,
  )
  told = {'reason': rollback.reason, 'by': rollback.by, 'time': rollback.time}
  run_registry.set_properties(execution, told)
  pushed = mlmd_pb2.Artifact(
    type_id=_pushed_model_type(store),
    uri=restored.artifact.uri if restored else str(serving / str(rollback.version)),
    state=mlmd_pb2.Artifact.LIVE,
  )
  properties = {
    'pushed': 1,
    'pushed_version': str(rollback.version),
    'pushed_destination': str(serving / str(rollback.version)),
    'evaluated_model_id': model,
    'withdrawn_model_id': withdrawn if rollback.withdraws else None,
    'restored_version': str(rollback.restored),
    'replaced_version': str(rollback.replaced),
  }
  run_registry.set_properties(pushed, properties | told)
  events = [(pushed, _event(mlmd_pb2.Event.OUTPUT))]
  if restored:
    events.insert(0, (restored.artifact, _event(mlmd_pb2.Event.INPUT)))
  store.put_execution(
    execution,
    events,
    [_pipeline_context(store, pipeline), run_registry.rollback_context(store, pipeline, rollback)],
    reuse_context_if_already_exist=True,
    force_reuse_context=True,
  )


def _pushed_model_type(store: mlmd.MetadataStore) -> int:
  """TFX's own type, so that its Resolvers find rollbacks among the pushes."""
  kind = mlmd_pb2.ArtifactType(name=_PUSHED_MODEL)
  return int(store.put_artifact_type(kind, can_add_fields=True, can_omit_fields=True))


def _event(kind: mlmd_pb2.Event.Type) -> mlmd_pb2.Event:
  event = mlmd_pb2.Event(type=kind)
  event.path.steps.add().key = 'pushed_model'
  event.path.steps.add().index = 0
  return event


def _pipeline_context(store: mlmd.MetadataStore, pipeline: str) -> mlmd_pb2.Context:
  """TFX's own context of a pipeline, in which its Resolvers look."""
  known = store.get_context_by_type_and_name('pipeline', pipeline)
  if known is not None:
    return known
  return mlmd_pb2.Context(name=pipeline, type_id=store.put_context_type(mlmd_pb2.ContextType(name='pipeline')))
