"""The runs that a metadata store knows of, as rows of a table."""

from __future__ import annotations

import dataclasses
import pathlib
import socket
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from configs.run import RunConfig
from models.versions import served_version
from pipeline import output_directory, pushes
from pipeline.output_directory import OutputDirectory
from pipeline.run_registry import ROLLED_BACK, RUN_TYPE, RUNNING, get_properties

KILLED = 'killed'
"""State of a run that began and whose process is gone."""


@dataclasses.dataclass(frozen=True)
class RunEntry:
  """A run, or a rollback.

  Attributes:
    run: its id.
    pipeline: the name.
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
    data: the source.
    output: the output directory.
    host: the machine.
    code_version: digest of the code.
    config: the whole config, as YAML.
    pruned: when its artifacts were removed; `None` if they are there.
  """

  run: str
  pipeline: str
  started: str
  ended: str | None
  status: str
  reason: str | None
  rows_read: int | None
  rows_kept: int | None
  rmse: float | None
  rmse_low: float | None
  rmse_high: float | None
  chosen: str | None
  blessed: bool | None
  pushed_version: int | None
  serves: bool
  restored_version: int | None
  replaced_version: int | None
  data: str | None
  output: str | None
  host: str | None
  code_version: str | None
  config: str | None
  pruned: str | None


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
  return entry if newest and (held or not here) else dataclasses.replace(entry, status=KILLED)


def _entry(context: mlmd_pb2.Context, served: int | None) -> RunEntry:
  facts = get_properties(context)
  for name in ('pushed_version', 'restored_version', 'replaced_version'):
    facts[name] = int(facts[name]) if facts.get(name) else None
  blessed = facts.get('blessed')
  facts |= {
    'run': context.name,
    'blessed': None if blessed is None else bool(blessed),
    'serves': served is not None and facts['pushed_version'] == served,
  }
  values: dict[str, Any] = {field.name: facts.get(field.name) for field in dataclasses.fields(RunEntry)}
  return RunEntry(**values)


def _text(context: mlmd_pb2.Context, name: str) -> str:
  return str(context.custom_properties[name].string_value) if name in context.custom_properties else ''
