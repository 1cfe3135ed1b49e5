"""Shards are written in a staging folder, and moved into place once every file is through.

Beam may run a bundle twice, at the same time even. Each attempt writes under
names of its own and ends with a note that replaces the note of any other
attempt at the same file; only what a note names is published.
"""

from __future__ import annotations

import dataclasses
import json
import posixpath
import uuid
from typing import Any

import numpy as np
from tfx.dsl.io import fileio

from components.ride_example_gen import splitting
from components.ride_example_gen.counts import COUNTS_FILE, RideCounts, total
from components.ride_example_gen.encoding import TFRecordFile
from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.ingestion import QUARANTINE, FileOutcome, merge_stamps
from components.ride_example_gen.opening import open_output
from models.whole_files import move_whole, write_whole


@dataclasses.dataclass(frozen=True)
class Staging:
  """The staging folder of one execution.

  Attributes:
    uri: the folder, on a disk or in a bucket that all workers reach.
  """

  uri: str

  def attempt(self) -> Attempt:
    """A fresh place for one attempt at one file."""
    return Attempt(self, uuid.uuid4().hex)

  def note(self, index: int, kind: str) -> dict[str, Any]:
    """The note of the last whole attempt at the file of this index."""
    with fileio.open(self._note_path(index, kind)) as file:
      return json.loads(file.read())

  def path(self, *parts: str) -> str:
    return posixpath.join(self.uri, *parts)

  def _note_path(self, index: int, kind: str) -> str:
    return self.path(f'{kind}-{index:05d}.json')


@dataclasses.dataclass(frozen=True)
class Attempt:
  """One attempt at one file."""

  staging: Staging
  name: str

  def open(self, output: str) -> Any:
    """Opens a new output of this attempt for writing bytes."""
    fileio.makedirs(self.staging.path(self.name))
    return open_output(self.staging.path(self.name, output))

  def leave_note(self, index: int, kind: str, **values: Any) -> None:
    """Declares this attempt at the file of this index to be whole; the last one counts."""
    fileio.makedirs(self.staging.uri)
    write_whole(self.staging._note_path(index, kind), json.dumps({'attempt': self.name, **values}))


def outcome_values(outcome: FileOutcome) -> dict[str, Any]:
  """A file's outcome as values of a note."""
  return {'counts': outcome.counts.to_json(), 'outputs': outcome.outputs}


def raise_errors(notes: list[dict[str, Any]]) -> None:
  """Raises one `IngestionError` of all files that could not be read."""
  errors = [note['error'] for note in notes if note.get('error')]
  if errors:
    raise IngestionError('\n'.join(errors))


def publish(
  notes: list[dict[str, Any]], staging: Staging, split_uris: dict[str, str], quarantine_uri: str
) -> RideCounts:
  """Moves what the notes name into place and writes `counts.json`, the last of all.

  Args:
    notes: of every file, in the files' order.
    staging: where the outputs lie.
    split_uris: the folder of each split.
    quarantine_uri: the folder of the quarantine artifact.

  Returns:
    The counts over all files.
  """
  for split, uri in split_uris.items():
    fileio.makedirs(uri)
    shards = _outputs(notes, staging, split) or [_empty_shard(staging, split)]
    for number, shard in enumerate(shards):
      move_whole(shard, posixpath.join(uri, f'data_tfrecord-{number:05d}-of-{len(shards):05d}.gz'))
  fileio.makedirs(quarantine_uri)
  parts = _outputs(notes, staging, QUARANTINE)
  for number, part in enumerate(parts):
    move_whole(part, posixpath.join(quarantine_uri, f'rows-{number:05d}-of-{len(parts):05d}.parquet'))
  counts = total([RideCounts.from_json(note['counts']) for note in notes])
  write_whole(posixpath.join(quarantine_uri, COUNTS_FILE), counts.to_json())
  fileio.rmtree(staging.uri)
  return counts


def _outputs(notes: list[dict[str, Any]], staging: Staging, output: str) -> list[str]:
  return [staging.path(note['attempt'], name) for note in notes for name in note['outputs'][output]]


def _empty_shard(staging: Staging, split: str) -> str:
  """A shard without rides, as the steps after this one refuse a split without a file."""
  name = f'empty-{split}.gz'
  TFRecordFile(open_output(staging.path(name))).close()
  return staging.path(name)


def save_stamps(attempt: Attempt, index: int, stamps: np.ndarray, counts: np.ndarray) -> None:
  """Keeps the stamps of a file for the threshold of a chronological split."""
  with attempt.open('stamps.npy') as file:
    file.write(np.stack([stamps, counts]).astype('<i8').tobytes())
  attempt.leave_note(index, 'stamps', outputs={'stamps': ['stamps.npy']})


def load_threshold(notes: list[dict[str, Any]], staging: Staging, eval_share: float) -> int:
  """The threshold over the stamps of all files."""
  parts = []
  for path in _outputs(notes, staging, 'stamps'):
    with fileio.open(path, 'rb') as file:
      stamps, counts = np.frombuffer(file.read(), '<i8').reshape(2, -1)
    parts.append((stamps, counts))
  return splitting.chronological_threshold(*merge_stamps(parts), eval_share)
