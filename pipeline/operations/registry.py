"""What the metadata store knows of whole runs, pushes and rollbacks; ML Metadata itself knows only of steps.

One context of the type `farelite_run` per run, named by the run's id, begins as `running` and ends with the status of
the summary. In a store that is shared, one context of the type `farelite_pipeline` per name holds the output directory
of that name: two directories under one name would serve each other's cache and compare each other's models.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import math
import os
import pathlib
import socket
import uuid
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2
from pydantic import BeforeValidator, ValidationError

from components.pusher.rollback import Rollback, rollbacks
from configs.errors import UserError
from configs.operations import StoreKind
from configs.records import Moment, RecordPart, first_mistake
from configs.run import RunConfig
from models.served_versions import served_version, version_number
from models.whole_files import write_whole
from pipeline.local import output as local_output
from pipeline.local.output import OutputDirectory, kept_runs
from pipeline.operations.store import MetadataStoreError, place, plain_properties
from pipeline.summary_record import Summary

RUN_TYPE = 'farelite_run'
PIPELINE_TYPE = 'farelite_pipeline'

AGAIN = '-again'
"""Ends the id under which the steps of a run are launched a second time, for a push that the cache can't answer."""

RUNNING = 'running'
ROLLED_BACK = 'rolled_back'
"""States of a run's entry besides those of a summary."""

_VERSIONS = frozenset({'pushed_version', 'restored_version', 'replaced_version'})

Version = Annotated[int | None, BeforeValidator(lambda text: text or None)]
"""A version's number, which the store keeps as text."""


class RunEntry(RecordPart):
  """A run, or a rollback: what is written to the store, and what `farelite runs` shows.

  Attributes:
    started: ISO 8601, UTC.
    ended: the same; `None` unless it came to its end.
    status: of the summary, or `running`, `killed`, `rolled_back`.
    reason: the sentence that belongs to it.
    rows_read: rows of the source.
    rows_kept: valid rides among them.
    rmse: on the eval split, in the city's currency, with its 95 % interval.
    chosen: the lite variant.
    blessed: by the Evaluator and by the CompressionGate; `None` if it did not come to that.
    pushed_version: the version that it pushed, or found pushed already.
    serves: whether that version serves now.
    restored_version: of a rollback: whose bytes these are.
    replaced_version: of a rollback: what served before.
    git_commit: of the checkout that it ran in, with `-dirty` where that was changed; `None` outside of one.
    config: the whole config, as YAML.
    pruned: when its artifacts were removed; `None` if they are there.
  """

  run: str = ''
  pipeline: str = ''
  started: Moment = ''
  ended: str | None = None
  status: str = ''
  reason: str | None = None
  rows_read: int | None = None
  rows_kept: int | None = None
  rmse: float | None = None
  rmse_low: float | None = None
  rmse_high: float | None = None
  chosen: str | None = None
  blessed: bool | None = None
  pushed_version: Version = None
  serves: bool = False
  restored_version: Version = None
  replaced_version: Version = None
  data: str | None = None
  output: str | None = None
  host: str | None = None
  code_version: str | None = None
  git_commit: str | None = None
  config: str | None = None
  pruned: str | None = None

  def properties(self) -> dict[str, Any]:
    """What was set, as the store keeps it: neither the id, which names the context, nor what serves now."""
    facts = self.model_dump(exclude_unset=True, exclude={'run', 'serves'})
    return {name: str(fact) if name in _VERSIONS and fact is not None else fact for name, fact in facts.items()}


def new_run_id(now: datetime.datetime) -> str:
  """An id that sorts by time and that no other run has, such as `20261127-083215-4f2ab1`."""
  return f'{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}'


def claim(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory) -> None:
  """Makes the pipeline's name, in a shared store, belong to this output directory, which has one name alone.

  Raises `MetadataStoreError` where either belongs to another one, or the directory was filled with another store.
  """
  shared = config.metadata.kind is not StoreKind.SQLITE
  mine = _directory_id(output) if shared else ''
  contexts = store.get_contexts_by_type(PIPELINE_TYPE if shared else 'pipeline')
  names = sorted(one.name for one in contexts if one.custom_properties['directory_id'].string_value == mine)
  _refuse_foreign_artifacts(config, output, bool(names))
  if names and config.name not in names:
    raise MetadataStoreError(
      f"'{output.path}' belongs to the pipeline '{names[0]}', whose versions those of '{config.name}' would replace. "
      f'Choose another --output, or go on with it: --set name={names[0]}.'
    )
  if not shared:
    return
  known = store.get_context_by_type_and_name(PIPELINE_TYPE, config.name)
  if known is None:
    claim = {
      'directory_id': mine,
      'directory': str(output.path),
      'host': socket.gethostname(),
      'since': f'{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC',
    }
    with contextlib.suppress(mlmd.errors.AlreadyExistsError):  # Another run was faster.
      store.put_contexts([_new_context(store, PIPELINE_TYPE, config.name, claim)])
    known = store.get_context_by_type_and_name(PIPELINE_TYPE, config.name)
  owner = plain_properties(known)
  if owner['directory_id'] != mine:
    raise MetadataStoreError(
      f"The name '{config.name}' in {place(config.metadata, output.metadata)} belongs to {owner['host']}:"
      f'{owner["directory"]} since {owner["since"]}. Pipelines of one store are told apart by their names: choose '
      f'another one, such as --set name={config.name}-2, or that --output.'
    )


def _refuse_foreign_artifacts(config: RunConfig, output: OutputDirectory, known: bool) -> None:
  """Folders are named by numbers that a store gives: two stores would write into the same ones."""
  if not known and output.artifacts.is_dir() and any(output.artifacts.iterdir()):
    raise MetadataStoreError(
      f"'{output.path}' holds artifacts that {place(config.metadata, output.metadata)} does not know, as they were "
      'made with another metadata store. Go on with that one, or choose another --output.'
    )


def _new_context(store: mlmd.MetadataStore, kind: str, name: str, facts: Mapping[str, Any]) -> mlmd_pb2.Context:
  context = mlmd_pb2.Context(name=name, type_id=store.put_context_type(mlmd_pb2.ContextType(name=kind)))
  set_properties(context, facts)
  return context


def _directory_id(output: OutputDirectory) -> str:
  """A random name that the directory keeps, also when it is moved."""
  file = output.path / '.directory-id'
  if not file.is_file():
    write_whole(file, uuid.uuid4().hex)
  return file.read_text().strip()


def begin(store: mlmd.MetadataStore, run_id: str, facts: RunEntry) -> None:
  """Records that a run begins, under an id of `new_run_id`."""
  begun = {'status': RUNNING, 'host': socket.gethostname(), 'process': os.getpid()}
  store.put_contexts([_new_context(store, RUN_TYPE, run_id, begun | facts.properties())])


def update(store: mlmd.MetadataStore, run_id: str, facts: RunEntry) -> None:
  """Adds to what is known of a run what is set in `facts`."""
  context = store.get_context_by_type_and_name(RUN_TYPE, run_id)
  if context is None:
    raise KeyError(f"No run '{run_id}' in the metadata store.")
  set_properties(context, facts.properties())
  store.put_contexts([context])


def outcome(summary: Summary) -> RunEntry:
  """What `update` keeps of a summary."""
  rows, rmse = summary.rows, summary.metrics and summary.metrics.rmse
  return RunEntry(
    status=summary.status.value,
    reason=summary.reason,
    ended=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
    rows_read=rows.read if rows else None,
    rows_kept=rows.kept if rows else None,
    rmse=rmse.value if rmse else None,
    rmse_low=rmse.low if rmse else None,
    rmse_high=rmse.high if rmse else None,
    chosen=summary.chosen,
    blessed=summary.blessed,
    pushed_version=int(summary.pushed_version) if summary.pushed_version else None,
  )


def rollback_context(store: mlmd.MetadataStore, pipeline: str, rollback: Rollback) -> mlmd_pb2.Context:
  """A rollback's line among the runs, for the caller to write; always the same one for the same rollback."""
  when = datetime.datetime.fromisoformat(rollback.time)
  digest = hashlib.sha256(f'{pipeline}/{rollback.version}'.encode()).hexdigest()
  facts = RunEntry(
    status=ROLLED_BACK,
    pipeline=pipeline,
    started=rollback.time,
    ended=rollback.time,
    reason=rollback.reason,
    pushed_version=rollback.version,
    restored_version=rollback.restored,
    replaced_version=rollback.replaced,
  )
  return _new_context(store, RUN_TYPE, f'{when:%Y%m%d-%H%M%S}-{digest[:6]}', facts.properties())


def set_properties(node: mlmd_pb2.Context | mlmd_pb2.Artifact | mlmd_pb2.Execution, facts: Mapping[str, Any]) -> None:
  """Sets custom properties; `None` takes one away. A long text is cut, see `get_properties`."""
  for name, fact in _cut(facts).items():
    value = node.custom_properties[name]
    if fact is None:
      del node.custom_properties[name]
    elif isinstance(fact, bool | int):
      value.int_value = int(fact)
    elif isinstance(fact, float) and math.isfinite(fact):  # Others are no number of a database's.
      value.double_value = fact
    else:
      value.string_value = str(fact)


def get_properties(node: mlmd_pb2.Context) -> dict[str, Any]:
  """Custom properties as plain values, long texts put together again."""
  plain = plain_properties(node)
  whole = {name: value for name, value in plain.items() if _PART not in name}
  for name in sorted(plain.keys() - whole.keys()):
    first = name.partition(_PART)[0]
    whole[first] = f'{whole.get(first, "")}{plain[name]}'
  return whole


_PART = '#'
_LONGEST = 600
"""Characters. ML Metadata has an index over its texts, and PostgreSQL refuses one of 2,704 bytes in an index."""


def _cut(facts: Mapping[str, Any]) -> dict[str, Any]:
  """The facts, with `config#001` and so on after the first part of a long `config`."""
  cut: dict[str, Any] = {}
  for name, fact in facts.items():
    cut[name] = fact
    if isinstance(fact, str) and len(fact) > _LONGEST:
      parts = [fact[start : start + _LONGEST] for start in range(0, len(fact), _LONGEST)]
      cut |= {name: parts[0]} | {f'{name}{_PART}{number:03d}': part for number, part in enumerate(parts[1:], 1)}
  return cut


ROLLBACK_TYPE = 'farelite_rollback'
"""Execution type of a rollback: the restored push is its input, the push under the new number its output."""

_PUSHED_MODEL = 'PushedModel'


@dataclasses.dataclass(frozen=True)
class Push:
  """A version as the store knows it; `model` is the id of the Model that was blessed for it, if that is known."""

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
    version = version_number(properties['pushed_version'].string_value)
    if artifact.type_id in types and properties['pushed'].int_value == 1 and version is not None:
      found[version] = Push(artifact, version, properties['evaluated_model_id'].int_value or None)
  return found


def record_rollbacks(store: mlmd.MetadataStore, pipeline: str, serving: pathlib.Path) -> list[Rollback]:
  """Enters the journal's rollbacks that the store does not know yet, such as those made while it was down.

  Returns those that were entered.
  """
  happened, entered = rollbacks(serving), []
  known = pushes(store, pipeline) if happened else {}
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
  why = {'reason': rollback.reason, 'by': rollback.by, 'time': rollback.time}
  set_properties(execution, why)
  pushed = mlmd_pb2.Artifact(
    # TFX's own type, so that its Resolvers find rollbacks among the pushes.
    type_id=store.put_artifact_type(
      mlmd_pb2.ArtifactType(name=_PUSHED_MODEL), can_add_fields=True, can_omit_fields=True
    ),
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
  set_properties(pushed, properties | why)
  events = [(restored.artifact, _event(mlmd_pb2.Event.INPUT))] if restored else []
  # TFX's own context of a pipeline, in which its Resolvers look.
  context = store.get_context_by_type_and_name('pipeline', pipeline) or _new_context(store, 'pipeline', pipeline, {})
  store.put_execution(
    execution,
    [*events, (pushed, _event(mlmd_pb2.Event.OUTPUT))],
    [context, rollback_context(store, pipeline, rollback)],
    reuse_context_if_already_exist=True,
    force_reuse_context=True,
  )


def _event(kind: mlmd_pb2.Event.Type) -> mlmd_pb2.Event:
  event = mlmd_pb2.Event(type=kind)
  event.path.steps.add().key = 'pushed_model'
  event.path.steps.add().index = 0
  return event


KILLED = 'killed'
"""State of a run that began and whose process is gone."""


def read_runs(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory) -> list[RunEntry]:
  """The runs of a pipeline, oldest first.

  Args: output: what serves is seen there; where it is not, as on another machine, the store's last push counts.
  Raises: MetadataStoreError: what is there is no run of this project's.
  """
  served = serving_version(store, config, output)
  contexts = sorted(store.get_contexts_by_type(RUN_TYPE), key=lambda context: context.id)
  known = [{**get_properties(context), 'run': context.name} for context in contexts]
  own = [_entry(facts) for facts in known if facts.get('pipeline') == config.name]
  entries = [
    entry.model_copy(update={'serves': served is not None and entry.pushed_version == served})
    for entry in own  # By their ids, as a clock may go back.
  ]
  launched = [entry for entry in entries if entry.status != ROLLED_BACK]
  return [_settled(entry, newest=entry is launched[-1]) if entry.status == RUNNING else entry for entry in entries]


def read_attempts(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory) -> list[RunEntry]:
  """The runs of `read_runs`, and among them by their times those that were refused before the store knew of them.

  Raises as `read_runs` does. A refused run whose folder can't be read is passed over.
  """
  runs = read_runs(store, config, output)
  refused = list(_refused(output, {entry.run for entry in runs}))
  found: list[RunEntry] = []
  for entry in runs:
    while refused and refused[0].started < entry.started:
      found.append(refused.pop(0))
    found.append(entry)
  return [*found, *refused]


def _refused(output: OutputDirectory, known: Collection[str]) -> Iterator[RunEntry]:
  """What only a folder of `OutputDirectory.runs` tells of."""
  for run in kept_runs(output):
    if run.path.name not in known:
      with contextlib.suppress(OSError, UserError):
        summary = Summary.read(run.summary)
        own = {name: getattr(summary, name) or '' for name in ('pipeline', 'started')}
        yield outcome(summary).model_copy(update={**own, 'run': run.path.name, 'git_commit': summary.git_commit})


def _entry(facts: Mapping[str, Any]) -> RunEntry:
  try:
    return RunEntry.model_validate({'started': '', **facts})
  except ValidationError as error:
    raise MetadataStoreError(
      f"What the metadata store holds of the run '{facts['run']}' is broken ({first_mistake(error)}); put back a copy "
      'of the store, or update Farelite where a newer one wrote it.'
    ) from None


def serving_version(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory) -> int | None:
  """The version that serves, as the push destination has it; the store's last push where that can't be seen."""
  if output.path.is_dir():
    return served_version(output.serving)
  return max(pushes(store, config.name), default=None)


def _settled(entry: RunEntry, newest: bool) -> RunEntry:
  """A run that began and did not end is killed, unless its process may still be there."""
  here = entry.host == socket.gethostname()
  held = entry.output is not None and local_output.holder(OutputDirectory(pathlib.Path(entry.output))) is not None
  return entry if newest and (held or not here) else entry.model_copy(update={'status': KILLED})
