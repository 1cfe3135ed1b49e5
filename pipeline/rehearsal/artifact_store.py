"""What earlier rehearsals made: the part of a metadata service that Resolvers and caches ask."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from configs.records import Record, RecordError
from pipeline.targets.target import Target

Artifact = dict[str, Any]
"""A `RuntimeArtifact` in its JSON names, and `files`: how many there were at its URI when it was made."""


class Execution(Record):
  """A task that ended well, and its line in the file.

  Attributes:
    run: id of the rehearsal.
    pipeline: name of the pipeline.
    task: name of the task.
    fingerprint: of what it depended on; empty where nothing may be taken from it.
    outputs: artifacts by output key.
    parameters: values by output key.
    cached: whether the outputs are those of an earlier execution.
  """

  run: str
  pipeline: str
  task: str
  fingerprint: str
  outputs: Mapping[str, Sequence[Artifact]]
  parameters: Mapping[str, Any]
  cached: bool


class ArtifactStore:
  """Executions of all rehearsals in one directory, one JSON line each; what a killed one half wrote is skipped.

  Args:
    file: is created with the first execution.
    target: decides what the names of artifacts look like.
  """

  def __init__(self, file: pathlib.Path, target: Target) -> None:
    self._file = file
    self._target = target
    self._lock = threading.Lock()
    self._executions = list(_read(file))
    self._next = 1 + sum(len(values) for execution in self._executions for values in execution.outputs.values())

  def new_name(self) -> str:
    """A name for an artifact that is yet to be made: Vertex's resource name, or a number as KFP's MLMD has it."""
    with self._lock:
      number, self._next = self._next, self._next + 1
    if self._target is Target.KFP:
      return str(number)
    return f'projects/0/locations/rehearsal/metadataStores/default/artifacts/{number}'

  def record(self, execution: Execution) -> None:
    """Adds an execution; a crash right after it loses nothing."""
    with self._lock, self._file.open('a', encoding='utf-8') as file:
      file.write(execution.to_json(indent=None) + '\n')
      self._executions.append(execution)

  def cached(self, pipeline: str, fingerprint: str) -> Execution | None:
    """The newest execution of a pipeline with this fingerprint that made its outputs itself."""
    found = (e for e in reversed(self._executions) if e.pipeline == pipeline and e.fingerprint == fingerprint)
    return next((execution for execution in found if not execution.cached), None)

  def artifacts(self, pipeline: str) -> list[Artifact]:
    """All artifacts of a pipeline, the newest first; what came from the cache counts where it was made."""
    made = [execution for execution in self._executions if execution.pipeline == pipeline and not execution.cached]
    return [artifact for execution in reversed(made) for values in execution.outputs.values() for artifact in values]


def _read(file: pathlib.Path) -> Iterator[Execution]:
  if not file.exists():
    return
  for line in file.read_text(encoding='utf-8').splitlines():
    try:
      yield Execution.parse(line, file)
    except RecordError:
      continue
