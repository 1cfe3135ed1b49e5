"""Which rides, which code and which config made a version, by ML Metadata's events; no filter queries, which TFX 1.21's
store ignores.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from components.pusher.rollback import RestoreError, verified_manifest
from components.ride_example_gen.quarantine import COUNTS_FILE, RideCounts
from components.ride_example_gen.spans import label_of_input, number_of_input
from configs.run import RunConfig
from models.release import Manifest
from pipeline.local.output import OutputDirectory
from pipeline.operations.registry import AGAIN, RunEntry, pushes, read_runs
from pipeline.operations.store import plain_properties

TO_BEAT = frozenset({'served_push', 'served_model', 'baseline_model'})
"""Inputs by which what served comes in, to be beaten; nothing is made of it."""

COMPARED = TO_BEAT | {'base_model'}
"""Inputs by which another model comes in: to beat or to start from."""

_OUTPUTS = frozenset({mlmd_pb2.Event.OUTPUT, mlmd_pb2.Event.DECLARED_OUTPUT})
_INPUTS = frozenset({mlmd_pb2.Event.INPUT, mlmd_pb2.Event.DECLARED_INPUT})


@dataclasses.dataclass(frozen=True)
class ProducedArtifact:
  """An artifact and how it came to be.

  Attributes:
    type: its type's name, such as `Examples`.
    step: the node that made it.
    key: of the output.
    run: the run that made it, which may be an earlier one than whoever took it from the cache.
  """

  artifact: mlmd_pb2.Artifact
  type: str
  step: str
  key: str
  run: str
  execution: mlmd_pb2.Execution

  def parameter(self, name: str) -> Any:
    """A parameter of the execution; `None` if it has no such one."""
    return plain_properties(self.execution).get(name)


def lineage(
  store: mlmd.MetadataStore, roots: Iterable[int], skip: frozenset[str] = frozenset()
) -> list[ProducedArtifact]:
  """Everything that some artifacts were made of, and what was made along with it.

  Args:
    roots: ids of artifacts.
    skip: keys of inputs that are not followed, such as `COMPARED`.

  Returns the artifacts, in the order of their making; a step's other outputs count, too, such as the counts of
  quarantined rows beside the rides.
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


def _compared(store: mlmd.MetadataStore, own: Sequence[ProducedArtifact]) -> list[ProducedArtifact]:
  """What the steps that made some artifacts compared them with, or started from."""
  steps = list({made.execution.id for made in own})
  events = store.get_events_by_execution_ids(steps) if steps else []
  taken = {event.artifact_id for event in events if event.type in _INPUTS and _key(event) in COMPARED}
  makers = {maker.id: maker for maker in _makers(store, taken)}
  return [made for made in _outputs(store, makers) if made.artifact.id in taken]


def outputs_of_run(store: mlmd.MetadataStore, runs: Iterable[str]) -> list[ProducedArtifact]:
  """What the steps of some runs, by TFX's names, made or took from the cache; each artifact with its first maker."""
  contexts = [store.get_context_by_type_and_name('pipeline_run', run) for run in runs]
  executions = [e for c in contexts if c is not None for e in store.get_executions_by_context(c.id)]
  events = store.get_events_by_execution_ids([e.id for e in executions]) if executions else []
  artifacts = {event.artifact_id for event in events if event.type in _OUTPUTS}
  makers = {maker.id: maker for maker in _makers(store, artifacts)}
  return [made for made in _outputs(store, makers) if made.artifact.id in artifacts]


def _makers(store: mlmd.MetadataStore, artifacts: Iterable[int]) -> list[mlmd_pb2.Execution]:
  """The executions that made some artifacts, not those that took them from the cache."""
  ids = list(artifacts)
  events = store.get_events_by_artifact_ids(ids) if ids else []
  executions = {event.execution_id for event in events if event.type in _OUTPUTS}
  found = store.get_executions_by_id(list(executions)) if executions else []
  return [execution for execution in found if execution.last_known_state == mlmd_pb2.Execution.COMPLETE]


def _outputs(store: mlmd.MetadataStore, executions: Mapping[int, mlmd_pb2.Execution]) -> list[ProducedArtifact]:
  if not executions:
    return []
  events = [e for e in store.get_events_by_execution_ids(list(executions)) if e.type in _OUTPUTS]
  artifacts = {a.id: a for a in store.get_artifacts_by_id(list({event.artifact_id for event in events}))}
  types = {kind.id: kind.name for kind in store.get_artifact_types()}
  makers = {execution: _step_and_run(store, execution) for execution in executions}
  made = [
    ProducedArtifact(artifact, types[artifact.type_id], step, _key(event), run, executions[event.execution_id])
    for event in events
    for artifact, (step, run) in [(artifacts[event.artifact_id], makers[event.execution_id])]
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


_INGESTION = 'RideExampleGen'


@dataclasses.dataclass(frozen=True)
class Provenance:
  """What a run or a version was made of.

  Attributes:
    entry: the run itself, or the rollback.
    rides: one mapping per ingestion: `source`, `files`, `digest`, `span` (TFX's number of the newest one), `spans`
      (their labels, oldest first: days, where the source has such), `read`, `kept`, `quarantined`.
    artifacts: `id`, `type`, `step`, `output`, `run`, `where` and `there`, in the order of their making.
    manifest: of the version; `None` where it can't be read.
    code_version, git_commit: of the run that made it.
    config: the same run's, as YAML.
    config_digest: SHA-256 of that.
    other_models: the models it was compared with or started from, by what for.
    notes: what is not as it should be, such as a file that was altered.
  """

  entry: RunEntry
  output: str
  rides: Sequence[Mapping[str, Any]]
  artifacts: Sequence[Mapping[str, Any]]
  manifest: Manifest | None
  code_version: str | None
  git_commit: str | None
  config: str | None
  config_digest: str | None
  other_models: Mapping[str, str]
  notes: Sequence[str]

  def to_json(self) -> dict[str, Any]:
    """Everything, as JSON knows it."""
    manifest = self.manifest.to_dict() if self.manifest else {}
    return dataclasses.asdict(self) | {'entry': self.entry.model_dump(), 'manifest': manifest}


def provenance(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory, entry: RunEntry) -> Provenance:
  """Follows ML Metadata from a run's push, or from all that it made, to the rides."""
  push = pushes(store, config.name).get(entry.pushed_version or 0)
  if push is not None:
    own = lineage(store, [push.artifact.id], skip=COMPARED)
  else:
    own = outputs_of_run(store, [entry.run, entry.run + AGAIN])
  others = _compared(store, own)
  maker = _maker(read_runs(store, config, output), own, entry)
  manifest, notes = _manifest(output, entry)
  return Provenance(
    entry=entry,
    output=str(output.path),
    rides=[_rides(made, own) for made in own if made.step == _INGESTION and made.key == 'examples'],
    artifacts=[
      {
        'id': made.artifact.id,
        'type': made.type,
        'step': made.step,
        'output': made.key,
        'run': made.run.removesuffix(AGAIN),
        'where': made.artifact.uri,
        'there': made.artifact.state != mlmd_pb2.Artifact.DELETED,
      }
      for made in own
    ],
    manifest=manifest,
    code_version=maker.code_version,
    git_commit=maker.git_commit,
    config=maker.config,
    config_digest=hashlib.sha256(maker.config.encode()).hexdigest() if maker.config else None,
    other_models={'other models': ', '.join(f'{made.artifact.id} of run {made.run}' for made in others)},
    notes=notes,
  )


def _maker(entries: Sequence[RunEntry], own: Sequence[ProducedArtifact], entry: RunEntry) -> RunEntry:
  """The run that trained what is in the version; the entry itself if that is not known."""
  trained = next((made.run for made in own if made.step == 'PruningTrainer'), None)
  pushed = next((made.run for made in own if made.step == 'Pusher'), trained)
  return next((one for one in entries if one.run == (pushed or '').removesuffix(AGAIN)), entry)


def _rides(made: ProducedArtifact, others: Sequence[ProducedArtifact]) -> dict[str, Any]:
  """What an ingestion read; the counts are in the quarantine beside the rides."""
  counts = None
  for other in others:
    file = pathlib.Path(other.artifact.uri, COUNTS_FILE)
    if other.execution.id == made.execution.id and other.key == 'quarantine' and file.is_file():
      counts = RideCounts.from_json(file.read_text(encoding='utf-8'))
  properties, splits = plain_properties(made.artifact), _splits(made)
  return {
    'source': _source(made, splits),
    'files': list(counts.files) if counts else [],
    'digest': properties.get('input_fingerprint') or made.parameter('input_fingerprint'),
    'span': properties.get('span', made.parameter('span')),
    'spans': [label_of_input(name) for split in splits if number_of_input(name := str(split.get('name'))) is not None],
    **{name: getattr(counts, name, None) for name in ('read', 'kept', 'quarantined')},
  }


def _splits(made: ProducedArtifact) -> list[Mapping[str, Any]]:
  """The input splits, spans filled in: `name` and `pattern` of each, oldest first."""
  try:
    return list(json.loads(made.parameter('input_config') or '{}')['splits'])
  except (KeyError, ValueError):
    return []


def _source(made: ProducedArtifact, splits: Sequence[Mapping[str, Any]]) -> str:
  """The base and the patterns."""
  base = str(made.parameter('input_base') or '')
  return ', '.join(f'{base}/{split["pattern"]}' for split in splits if 'pattern' in split) or base


def _manifest(output: OutputDirectory, entry: RunEntry) -> tuple[Manifest | None, list[str]]:
  if entry.pushed_version is None:
    return None, []
  version = output.serving / str(entry.pushed_version)
  if not version.is_dir():
    return None, [f"Version {entry.pushed_version} is not in '{output.serving}' any more."]
  try:
    return verified_manifest(version), []
  except RestoreError as error:
    return None, [str(error)]
