"""The runs that a metadata store knows of, as rows of a table."""

from __future__ import annotations

import pathlib
import socket

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from configs.run import RunConfig
from models.versions import served_version
from pipeline import output_directory, pushes
from pipeline.output_directory import OutputDirectory
from pipeline.run_registry import ROLLED_BACK, RUN_TYPE, RUNNING, RunEntry, get_properties

KILLED = 'killed'
"""State of a run that began and whose process is gone."""


def read_runs(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory) -> list[RunEntry]:
  """The runs of a pipeline, oldest first.

  Args:
    store: the metadata store.
    config: names the pipeline.
    output: what serves is seen there; where it is not, as on another machine, the store's last push counts.
  """
  served = serving_version(store, config, output)
  contexts = [c for c in store.get_contexts_by_type(RUN_TYPE) if _text(c, 'pipeline') == config.name]
  in_order = sorted(contexts, key=lambda context: (_text(context, 'started'), context.id))
  entries = [_entry(context, served) for context in in_order]
  launched = [entry for entry in entries if entry.status != ROLLED_BACK]
  return [_settled(entry, newest=entry is launched[-1]) if entry.status == RUNNING else entry for entry in entries]


def serving_version(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory) -> int | None:
  """The version that serves, as the push destination has it; the store's last push where that can't be seen."""
  if output.path.is_dir():
    return served_version(output.serving)
  return max(pushes.pushes(store, config.name), default=None)


def _settled(entry: RunEntry, newest: bool) -> RunEntry:
  """A run that began and did not end is killed, unless its process may still be there."""
  here = entry.host == socket.gethostname()
  held = entry.output is not None and output_directory.holder(OutputDirectory(pathlib.Path(entry.output))) is not None
  return entry if newest and (held or not here) else entry.model_copy(update={'status': KILLED})


def _entry(context: mlmd_pb2.Context, served: int | None) -> RunEntry:
  entry = RunEntry.model_validate(get_properties(context) | {'run': context.name})
  return entry.model_copy(update={'serves': served is not None and entry.pushed_version == served})


def _text(context: mlmd_pb2.Context, name: str) -> str:
  return str(context.custom_properties[name].string_value) if name in context.custom_properties else ''
