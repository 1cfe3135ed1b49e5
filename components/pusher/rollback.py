"""An earlier version serves again, and old ones go: the bytes, and the journal of the reasons.

An entry is written before its version appears, as what is about to happen, and settled afterwards. A rollback that was
killed in between is settled by whoever writes next: it happened if its version is there. A line that can't be read
hides no other one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

from components.pusher.publishing import STAGING_PREFIX, alone, publish, staging
from configs.errors import UserError
from configs.records import Moment, Record, RecordError
from models.release import MANIFEST, Manifest, ManifestError, verify
from models.served_versions import next_version, versions
from models.whole_files import append_line, delete, set_aside

JOURNAL = 'rollbacks.jsonl'


class _Line(Record):
  """A line of the journal."""

  FIX: ClassVar[str] = 'take that line out of it'


class Rollback(_Line):
  """One rollback.

  Attributes:
    id: its own, also where it was killed and begun again.
    time: when, ISO 8601 in UTC.
    version: under which the earlier bytes serve since.
    restored: the version whose bytes these are.
    replaced: the version that served before.
    withdraws: whether that one may not be pushed again: it is newer than what was restored. One that an operator goes
      forward from, as when a rollback is taken back, is not withdrawn.
    reason: why, in the words of who did it.
    by: who, as user@host.
    restored_manifest, replaced_manifest: SHA-256 of the two versions' manifests.
    restored_model, replaced_model: their models in ML Metadata, where these are known.
  """

  id: str
  time: Moment
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


class RollbackOutcome(_Line):
  """The id of a rollback that was announced, and whether it happened."""

  settled: str
  happened: bool


def rollbacks(base: str | os.PathLike[str]) -> list[Rollback]:
  """The rollbacks that happened, oldest first.

  Args: base: the directory of the versions; in a bucket there are none.
  """
  root = pathlib.Path(base)
  journal = _read(root)
  return [entry for entry in journal.entries if journal.ends.get(entry.id, _happened(root, entry))]


def skipped_lines(base: str | os.PathLike[str]) -> list[str]:
  """A sentence for each line of the journal that is damaged, foreign, or of a newer version."""
  return [f'{sentence} Until then the line is skipped.' for sentence in _read(pathlib.Path(base)).skipped]


def announce(base: str | os.PathLike[str], rollback: Rollback) -> None:
  """Writes what is about to happen; the caller holds the versions' lock."""
  record_outcomes(base)
  _append(pathlib.Path(base), rollback)


def record_outcomes(base: str | os.PathLike[str]) -> None:
  """Writes the outcome of the entries that have none yet; the caller holds the versions' lock."""
  root = pathlib.Path(base)
  journal = _read(root)
  for entry in journal.entries:
    if entry.id not in journal.ends:
      _append(root, RollbackOutcome(settled=entry.id, happened=_happened(root, entry)))


def is_withdrawn(happened: list[Rollback], manifest: str | None, model: int | None) -> Rollback | None:
  """The rollback that withdrew a model and was not taken back since; `None` if it may serve.

  Args:
    happened: from `rollbacks`.
    manifest: SHA-256 of the manifest of the version to be.
    model: its model in ML Metadata. Either is enough to find it.
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


class _Journal(NamedTuple):
  """What was announced, oldest first; by id whether it happened; a sentence on each line that is neither."""

  entries: list[Rollback]
  ends: dict[str, bool]
  skipped: list[str]


def _read(root: pathlib.Path) -> _Journal:
  journal, file = _Journal([], {}, []), root / JOURNAL
  # Bytes, as a text also ends its lines at signs that a reason may hold.
  for number, line in enumerate(file.read_bytes().split(b'\n') if file.is_file() else [], 1):
    if not line:
      continue
    where = f'{file}:{number}'
    try:
      values = json.loads(line)
      if isinstance(values, dict) and 'settled' in values:
        end = RollbackOutcome.of(values, where)
        journal.ends[end.settled] = end.happened
      else:
        journal.entries.append(Rollback.of(values, where))
    except RecordError as error:
      journal.skipped.append(str(error))
    except (ValueError, RecursionError):
      journal.skipped.append(f"'{where}' is broken (no JSON); {_Line.FIX}.")
  return journal


def _append(root: pathlib.Path, record: Record) -> None:
  append_line(root / JOURNAL, record.to_json(indent=None))


class RestoreError(UserError):
  """There is no such version to put back; the message is one sentence."""


def verified_manifest(version: pathlib.Path) -> Manifest:
  """The manifest of a version; raises `RestoreError` where its files are not what was pushed."""
  try:
    return verify(version)
  except ManifestError as error:
    raise RestoreError(str(error)) from None


def restore(base: pathlib.Path, wanted: int | None, entry: Callable[[int, int], Rollback]) -> Rollback:
  """Copies an earlier version, verifies the copy, and makes it appear under a new number, whole or not at all.

  Pushes wait meanwhile. The journal is written first.

  Args:
    wanted: the version to put back; the last one that was pushed before what serves if `None`, other bytes and not
      withdrawn.
    entry: makes the journal's entry, as it stands before the new number is known, of the restored and the replaced
      version.
  Raises: RestoreError: there is nothing to put back, or it is not what was pushed.
  """
  if not versions(base):
    raise RestoreError(f"'{base}' holds no pushed version; name the output directory of a run that pushed.")
  with staging(str(base)) as folder:
    record_outcomes(base)
    served = versions(base)[-1]
    happened = rollbacks(base)
    target = _earlier(base, served, happened) if wanted is None else _present(base, wanted, served)
    number = next_version(str(base), int(time.time()))
    source, copy = base / str(target), pathlib.Path(folder) / str(number)
    verified_manifest(source)
    copy.mkdir()
    for path in sorted(source.rglob('*')):
      place = copy / path.relative_to(source)
      place.mkdir() if path.is_dir() else shutil.copy2(path, place)
    verified_manifest(copy)
    rollback = entry(target, served).model_copy(
      update={
        'id': uuid.uuid4().hex,
        'version': number,
        'restored_manifest': manifest_digest(copy) or '',
        'replaced_manifest': manifest_digest(base / str(served)) or '',
        'withdraws': origin(happened, served) > origin(happened, target),
      }
    )
    announce(base, rollback)
    publish(str(copy), str(base), number)
    with contextlib.suppress(OSError):  # It serves; whoever writes next settles it.
      record_outcomes(base)
  return rollback


def _earlier(base: pathlib.Path, served: int, happened: list[Rollback]) -> int:
  """The last version that was pushed before what serves was, and that no rollback has withdrawn."""

  def pushed_as(version: int) -> int:
    return origin(happened, version)

  now = manifest_digest(base / str(served))
  for version in sorted(versions(base), key=pushed_as, reverse=True):
    digest = manifest_digest(base / str(version))
    is_other = pushed_as(version) < pushed_as(served) and digest not in (now, None)
    if is_other and not is_withdrawn(happened, digest, None):
      return version
  newer = [version for version in versions(base) if pushed_as(version) > pushed_as(served)]
  hint = f'; --to goes forward again, to {" or ".join(map(str, newer))}' if newer else ''
  raise RestoreError(
    f"'{base}' holds no version before {pushed_as(served)} with other bytes, so there is nothing to go back to{hint}."
  )


def _present(base: pathlib.Path, wanted: int, served: int) -> int:
  present = versions(base)
  if wanted not in present:
    names = ', '.join(str(version) for version in present)
    raise RestoreError(f"'{base}' holds no version {wanted}; there are {names}.")
  if manifest_digest(base / str(wanted)) == manifest_digest(base / str(served)):
    raise RestoreError(f'Version {wanted} is what serves now (as {served}); there is nothing to put back.')
  return wanted


def remove_versions(base: pathlib.Path, unwanted: Iterable[int]) -> list[int]:
  """Removes versions; pushes and rollbacks wait meanwhile.

  Each one is renamed out of the server's sight before its first file goes. What a killed removal leaves is cleared away
  by the next push, rollback or removal.

  Args: unwanted: the versions to remove; the one that serves and the one that its bytes come from stay nevertheless.
  """
  wished = set(unwanted)
  if not wished or not base.is_dir():
    return []
  with alone(base):
    with contextlib.suppress(OSError):  # A full disk has no room for it.
      record_outcomes(base)
    journal, present = _read(base), versions(base)
    # Until it is settled, only its version shows that a rollback which was killed did happen.
    untouchable = {entry.version for entry in journal.entries if entry.id not in journal.ends}
    untouchable |= {present[-1], origin(rollbacks(base), present[-1])} if present else set()
    removed = [version for version in present if version in wished - untouchable]
    hidden = [base / f'{STAGING_PREFIX}removed-{version}' for version in removed]
    for version, path in zip(removed, hidden, strict=True):
      set_aside(base / str(version), path)
    for path in hidden:
      delete(path)
  return removed
