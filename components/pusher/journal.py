"""The journal of rollbacks, `rollbacks.jsonl`, beside the versions; no model server looks at it.

An entry is written before its version appears, as what is about to happen, and settled afterwards. A rollback that was
killed in between is settled by whoever writes next: it happened if its version is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any, ClassVar

from configs.records import Record
from models.manifest import MANIFEST
from models.whole_files import append_line

JOURNAL = 'rollbacks.jsonl'


_MEND = 'take that line out of it'


class Rollback(Record):
  """One rollback, a line of the journal.

  Attributes:
    id: tells it from one that was killed and begun again.
    time: when, ISO 8601 in UTC.
    version: under which the earlier bytes serve since.
    restored: the version whose bytes these are.
    replaced: the version that served before.
    withdraws: whether that one may not be pushed again: it is newer than what was restored. One that an operator goes
      forward from, as when a rollback is taken back, is not withdrawn.
    reason: why, in the words of who did it.
    by: who, as user@host.
    restored_manifest: SHA-256 of the restored version's manifest.
    replaced_manifest: the same of the replaced one.
    restored_model: the restored version's model in ML Metadata, where that is known.
    replaced_model: the same of the replaced one.
  """

  MEND: ClassVar[str] = _MEND

  id: str
  time: str
  version: int
  restored: int
  replaced: int
  withdraws: bool
  reason: str
  by: str
  restored_manifest: str
  replaced_manifest: str
  restored_model: int | None = None
  replaced_model: int | None = None


class Settlement(Record):
  """What became of a rollback, a line of the journal: its id, and whether it happened."""

  MEND: ClassVar[str] = _MEND

  settled: str
  happened: bool


def rollbacks(base: str | os.PathLike[str]) -> list[Rollback]:
  """The rollbacks that happened, oldest first.

  Args:
    base: the directory of the versions; in a bucket there are none.

  Raises:
    RecordError: a line of the journal is whole and is none of its records.
  """
  root = pathlib.Path(base)
  entries, ends = _entries(root)
  return [entry for entry in entries if ends.get(entry.id, _happened(root, entry))]


def announce(base: str | os.PathLike[str], rollback: Rollback) -> None:
  """Writes what is about to happen; the caller holds the versions' lock."""
  settle(base)
  _append(pathlib.Path(base), rollback)


def settle(base: str | os.PathLike[str]) -> None:
  """Writes what became of the entries that nothing was said about yet; the caller holds the versions' lock."""
  root = pathlib.Path(base)
  entries, ends = _entries(root)
  for entry in entries:
    if entry.id not in ends:
      _append(root, Settlement(settled=entry.id, happened=_happened(root, entry)))


def is_withdrawn(happened: list[Rollback], manifest: str | None, model: int | None) -> Rollback | None:
  """The rollback that withdrew a model and was not taken back since; `None` if it may serve.

  Args:
    happened: from `rollbacks`.
    manifest: SHA-256 of the manifest of the version to be.
    model: its model in ML Metadata. Either is enough to tell it.
  """
  by = None
  for entry in happened:
    if entry.withdraws and (_same(manifest, entry.replaced_manifest) or _same(model, entry.replaced_model)):
      by = entry
    if _same(manifest, entry.restored_manifest) or _same(model, entry.restored_model):
      by = None
  return by


def origin(happened: list[Rollback], version: int) -> int:
  """The version that was pushed with these bytes, before rollbacks gave them other numbers."""
  for entry in reversed(happened):
    if entry.version == version:
      version = entry.restored
  return version


def manifest_digest(version: str | os.PathLike[str]) -> str | None:
  """SHA-256 of a version's manifest, which holds the digests of all its files; `None` if it has none."""
  try:
    return hashlib.sha256((pathlib.Path(version) / MANIFEST).read_bytes()).hexdigest()
  except OSError:
    return None


def _same(one: Any, other: Any) -> bool:
  return one is not None and one == other


def _happened(root: pathlib.Path, entry: Rollback) -> bool:
  return manifest_digest(root / str(entry.version)) == entry.restored_manifest


def _entries(root: pathlib.Path) -> tuple[list[Rollback], dict[str, bool]]:
  """The rollbacks that were announced, oldest first, and by id whether they happened, of those that were settled."""
  entries: list[Rollback] = []
  ends: dict[str, bool] = {}
  for number, values in _lines(root):
    where = f'{root / JOURNAL}:{number}'
    if isinstance(values, dict) and 'settled' in values:
      end = Settlement.of(values, where)
      ends[end.settled] = end.happened
    else:
      entries.append(Rollback.of(values, where))
  return entries, ends


def _lines(root: pathlib.Path) -> Iterator[tuple[int, Any]]:
  file = root / JOURNAL
  if not file.is_file():
    return
  for number, line in enumerate(file.read_text(encoding='utf-8').splitlines(), 1):
    try:
      yield number, json.loads(line)
    except json.JSONDecodeError:  # A process that was killed while it wrote this line; nothing followed from it.
      continue


def _append(root: pathlib.Path, record: Record) -> None:
  append_line(root / JOURNAL, record.to_json(indent=None))
