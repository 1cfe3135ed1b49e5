"""What the metadata store knows of whole runs; ML Metadata itself knows only of their steps.

One context of the type `farelite_run` per run, named by the run's id, begins as `running` and ends as what the
summary says. In a store that is shared, one context of the type `farelite_pipeline` per name says which output
directory the name belongs to: two directories under one name would serve each other's cache and compare each other's
models.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import socket
import uuid
from collections.abc import Mapping
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from components.pusher.journal import Rollback
from configs.metadata import StoreKind
from configs.run import RunConfig
from models.whole_files import write_whole
from pipeline.metadata_store import MetadataStoreError, place
from pipeline.output_directory import OutputDirectory

RUN_TYPE = 'farelite_run'
PIPELINE_TYPE = 'farelite_pipeline'

AGAIN = '-again'
"""Ends the id under which the steps of a run are launched a second time, for a push that the cache can't answer."""

RUNNING = 'running'
ROLLED_BACK = 'rolled_back'
"""States of a run's entry besides those of a summary."""


def new_run_id(now: datetime.datetime) -> str:
  """An id that sorts by time and that no other run has, such as `20261127-083215-4f2ab1`."""
  return f'{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}'


def claim(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory) -> None:
  """Makes the pipeline's name, in a shared store, belong to this output directory.

  Raises:
    MetadataStoreError: it belongs to another one, or the directory was filled with another store.
  """
  if config.metadata.kind is StoreKind.SQLITE:
    _refuse_foreign_artifacts(config, output, bool(store.get_contexts_by_type('pipeline')))
    return
  mine = _directory_id(output)
  claims = store.get_contexts_by_type(PIPELINE_TYPE)
  known_directory = any(claim.custom_properties['directory_id'].string_value == mine for claim in claims)
  _refuse_foreign_artifacts(config, output, known_directory)
  known = store.get_context_by_type_and_name(PIPELINE_TYPE, config.name) or _claimed(store, config, output, mine)
  if known is None:  # Another run was faster.
    known = store.get_context_by_type_and_name(PIPELINE_TYPE, config.name)
  told = {name: value.string_value for name, value in known.custom_properties.items()}
  if told['directory_id'] != mine:
    raise MetadataStoreError(
      f"The name '{config.name}' in {place(config.metadata, output.metadata)} belongs to {told['host']}:"
      f'{told["directory"]} since {told["since"]}. Pipelines of one store are told apart by their names: choose '
      f'another one, such as --set name={config.name}-2, or that --output.'
    )


def _refuse_foreign_artifacts(config: RunConfig, output: OutputDirectory, known: bool) -> None:
  """Folders are named by numbers that a store gives: two stores would write into the same ones."""
  if not known and output.artifacts.is_dir() and any(output.artifacts.iterdir()):
    raise MetadataStoreError(
      f"'{output.path}' holds artifacts that {place(config.metadata, output.metadata)} does not know, as they were "
      'made with another metadata store. Go on with that one, or choose another --output.'
    )


def _claimed(
  store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory, directory_id: str
) -> mlmd_pb2.Context | None:
  context = mlmd_pb2.Context(name=config.name, type_id=store.put_context_type(mlmd_pb2.ContextType(name=PIPELINE_TYPE)))
  since = datetime.datetime.now(datetime.timezone.utc)
  set_properties(
    context,
    {
      'directory_id': directory_id,
      'directory': str(output.path),
      'host': socket.gethostname(),
      'since': f'{since:%Y-%m-%d %H:%M} UTC',
    },
  )
  try:
    store.put_contexts([context])
  except mlmd.errors.AlreadyExistsError:
    return None
  return context


def _directory_id(output: OutputDirectory) -> str:
  """A random name that the directory keeps, also when it is moved."""
  file = output.path / '.directory-id'
  if not file.is_file():
    write_whole(file, uuid.uuid4().hex)
  return file.read_text().strip()


def begin(store: mlmd.MetadataStore, run_id: str, facts: Mapping[str, Any]) -> None:
  """Records that a run begins.

  Args:
    store: the metadata store.
    run_id: from `new_run_id`.
    facts: `None` is left out; a mapping or a list is not for MLMD.
  """
  context = mlmd_pb2.Context(name=run_id, type_id=store.put_context_type(mlmd_pb2.ContextType(name=RUN_TYPE)))
  set_properties(context, {'status': RUNNING, 'host': socket.gethostname(), 'process': os.getpid(), **facts})
  store.put_contexts([context])


def update(store: mlmd.MetadataStore, run_id: str, facts: Mapping[str, Any]) -> None:
  """Adds to what is known of a run."""
  context = store.get_context_by_type_and_name(RUN_TYPE, run_id)
  if context is None:
    raise KeyError(f"No run '{run_id}' in the metadata store.")
  set_properties(context, facts)
  store.put_contexts([context])


def outcome(summary: Mapping[str, Any]) -> dict[str, Any]:
  """What `update` keeps of a summary."""
  rows, metrics = summary.get('rows') or {}, summary.get('metrics') or {}
  rmse = metrics.get('rmse') or {}
  return {
    'status': summary['status'],
    'reason': summary['reason'],
    'ended': datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
    'rows_read': rows.get('read'),
    'rows_kept': rows.get('kept'),
    'rmse': rmse.get('value'),
    'rmse_low': rmse.get('low'),
    'rmse_high': rmse.get('high'),
    'chosen': summary.get('chosen'),
    'blessed': summary.get('blessed'),
    'pushed_version': summary.get('pushed_version'),
  }


def rollback_context(store: mlmd.MetadataStore, pipeline: str, rollback: Rollback) -> mlmd_pb2.Context:
  """A rollback's line among the runs, for the caller to write; always the same one for the same rollback."""
  when = datetime.datetime.fromisoformat(rollback.time)
  digest = hashlib.sha256(f'{pipeline}/{rollback.version}'.encode()).hexdigest()
  context = mlmd_pb2.Context(
    name=f'{when:%Y%m%d-%H%M%S}-{digest[:6]}',
    type_id=store.put_context_type(mlmd_pb2.ContextType(name=RUN_TYPE)),
  )
  facts = {
    'status': ROLLED_BACK,
    'pipeline': pipeline,
    'started': rollback.time,
    'ended': rollback.time,
    'reason': rollback.reason,
    'pushed_version': str(rollback.version),
    'restored_version': str(rollback.restored),
    'replaced_version': str(rollback.replaced),
  }
  set_properties(context, facts)
  return context


def set_properties(node: mlmd_pb2.Context | mlmd_pb2.Artifact | mlmd_pb2.Execution, facts: Mapping[str, Any]) -> None:
  """Sets custom properties; `None` takes one away. A long text is cut, see `get_properties`."""
  for name, fact in _cut(facts).items():
    value = node.custom_properties[name]
    if fact is None:
      del node.custom_properties[name]
    elif isinstance(fact, bool | int):
      value.int_value = int(fact)
    elif isinstance(fact, float):
      value.double_value = fact
    else:
      value.string_value = str(fact)


def get_properties(node: mlmd_pb2.Context) -> dict[str, Any]:
  """Custom properties as plain values, long texts put together again."""
  values = node.custom_properties.items()
  plain = {name: getattr(value, value.WhichOneof('value')) for name, value in values if value.WhichOneof('value')}
  whole = {name: value for name, value in plain.items() if _PART not in name}
  for name in sorted(plain.keys() - whole.keys()):
    whole[name.partition(_PART)[0]] += plain[name]
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
