"""What a version was made of, by ML Metadata's own events; no filter queries, which TFX 1.21's store ignores."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

COMPARED = frozenset({'baseline_model', 'base_model'})
"""Inputs by which another model comes in: the one that was served, to beat or to start from."""

_OUTPUTS = frozenset({mlmd_pb2.Event.OUTPUT, mlmd_pb2.Event.DECLARED_OUTPUT})
_INPUTS = frozenset({mlmd_pb2.Event.INPUT, mlmd_pb2.Event.DECLARED_INPUT})


@dataclasses.dataclass(frozen=True)
class Made:
  """An artifact and how it came to be.

  Attributes:
    artifact: as the store has it.
    type: its type's name, such as `Examples`.
    step: the node that made it.
    key: of the output.
    run: the run that made it, which may be an earlier one than whoever took it from the cache.
    execution: the execution that made it.
  """

  artifact: mlmd_pb2.Artifact
  type: str
  step: str
  key: str
  run: str
  execution: mlmd_pb2.Execution

  @property
  def live(self) -> bool:
    """Whether its files were not removed by retention."""
    return bool(self.artifact.state != mlmd_pb2.Artifact.DELETED)

  def parameter(self, name: str) -> Any:
    """A parameter of the execution; `None` if it has no such one."""
    return properties(self.execution).get(name)


def lineage(store: mlmd.MetadataStore, roots: Iterable[int], skip: frozenset[str] = frozenset()) -> list[Made]:
  """Everything that some artifacts were made of, and what was made along with it.

  Args:
    store: the metadata store.
    roots: ids of artifacts.
    skip: keys of inputs that are not followed, such as `COMPARED`.

  Returns:
    The artifacts, in the order of their making; a step's other outputs count, too, such as the counts of quarantined
    rows beside the rides.
  """
  executions: dict[int, mlmd_pb2.Execution] = {}
  open_artifacts, seen = set(roots), set()
  while open_artifacts:
    seen |= open_artifacts
    makers = _makers(store, open_artifacts)
    fresh = {maker.id: maker for maker in makers if maker.id not in executions}
    executions |= fresh
    events = store.get_events_by_execution_ids(list(fresh)) if fresh else []
    taken = {event.artifact_id for event in events if event.type in _INPUTS and _key(event) not in skip}
    open_artifacts = taken - seen
  return _outputs(store, executions)


def outputs_of_run(store: mlmd.MetadataStore, runs: Iterable[str]) -> list[Made]:
  """What the steps of some runs made or took from the cache; each artifact is told with its first maker.

  Args:
    store: the metadata store.
    runs: names of TFX's run contexts.
  """
  contexts = [store.get_context_by_type_and_name('pipeline_run', run) for run in runs]
  executions = [e for c in contexts if c is not None for e in store.get_executions_by_context(c.id)]
  events = store.get_events_by_execution_ids([e.id for e in executions]) if executions else []
  artifacts = {event.artifact_id for event in events if event.type in _OUTPUTS}
  makers = {maker.id: maker for maker in _makers(store, artifacts)}
  return [made for made in _outputs(store, makers) if made.artifact.id in artifacts]


def properties(node: mlmd_pb2.Execution | mlmd_pb2.Artifact) -> Mapping[str, Any]:
  """Custom properties as plain values."""
  values = node.custom_properties.items()
  return {name: getattr(value, value.WhichOneof('value')) for name, value in values if value.WhichOneof('value')}


def _makers(store: mlmd.MetadataStore, artifacts: Iterable[int]) -> list[mlmd_pb2.Execution]:
  """The executions that made some artifacts, not those that took them from the cache."""
  ids = list(artifacts)
  events = store.get_events_by_artifact_ids(ids) if ids else []
  executions = {event.execution_id for event in events if event.type in _OUTPUTS}
  found = store.get_executions_by_id(list(executions)) if executions else []
  return [execution for execution in found if execution.last_known_state == mlmd_pb2.Execution.COMPLETE]


def _outputs(store: mlmd.MetadataStore, executions: Mapping[int, mlmd_pb2.Execution]) -> list[Made]:
  if not executions:
    return []
  events = [e for e in store.get_events_by_execution_ids(list(executions)) if e.type in _OUTPUTS]
  artifacts = {a.id: a for a in store.get_artifacts_by_id(list({event.artifact_id for event in events}))}
  types = {kind.id: kind.name for kind in store.get_artifact_types()}
  makers = {execution: _step_and_run(store, execution) for execution in executions}
  made = [
    Made(
      artifact=artifacts[event.artifact_id],
      type=types[artifacts[event.artifact_id].type_id],
      step=makers[event.execution_id][0],
      key=_key(event),
      run=makers[event.execution_id][1],
      execution=executions[event.execution_id],
    )
    for event in events
  ]
  return sorted(made, key=lambda one: (one.execution.id, one.key))


def _step_and_run(store: mlmd.MetadataStore, execution: int) -> tuple[str, str]:
  """Names of the node and of the run, out of the contexts that TFX keeps."""
  types = {kind.id: kind.name for kind in store.get_context_types()}
  names = {types[c.type_id]: c.name for c in store.get_contexts_by_execution(execution)}
  step = names.get('node', '').partition('.')[2] or 'rollback'
  return step, names.get('pipeline_run') or names.get('farelite_run', '')


def _key(event: mlmd_pb2.Event) -> str:
  return next((step.key for step in event.path.steps if step.WhichOneof('value') == 'key'), '')
