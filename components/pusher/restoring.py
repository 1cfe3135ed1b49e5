"""Puts an earlier version's bytes back, as a new version above all others: model servers take the highest number."""

from __future__ import annotations

import pathlib
import shutil
import time
import uuid
from collections.abc import Callable

from components.pusher.journal import Rollback, announce, is_withdrawn, manifest_digest, origin, rollbacks, settle
from components.pusher.publishing import publish, staging
from configs.errors import UserError
from models.manifest import Manifest, ManifestError, verify
from models.versions import next_version, versions


class RestoreError(UserError):
  """There is no such version to put back; the message is one sentence."""


def verified_manifest(version: pathlib.Path) -> Manifest:
  """The manifest of a version, after every file was checked against it.

  Raises:
    RestoreError: the version is not what was pushed.
  """
  try:
    return verify(version)
  except ManifestError as error:
    raise RestoreError(str(error)) from None


def restore(base: pathlib.Path, wanted: int | None, entry: Callable[[int, int], Rollback]) -> Rollback:
  """Copies an earlier version, verifies the copy, and makes it appear under a new number, whole or not at all.

  Pushes wait meanwhile. The journal is written first.

  Args:
    base: the directory of the versions.
    wanted: the version to put back; the last one that was pushed before what serves if `None`, other bytes and not
      withdrawn.
    entry: makes the journal's entry, as it stands before the new number is known, of the restored and the replaced
      version.

  Returns:
    The entry as it was written.

  Raises:
    RestoreError: there is nothing to put back, or it is not what was pushed.
  """
  if not versions(base):
    raise RestoreError(f"'{base}' holds no pushed version; name the output directory of a run that pushed.")
  with staging(str(base)) as folder:
    settle(base)
    served = versions(base)[-1]
    happened = rollbacks(base)
    target = _earlier(base, served, happened) if wanted is None else _present(base, wanted, served)
    number = next_version(str(base), int(time.time()))
    copy = pathlib.Path(folder) / str(number)
    shutil.copytree(base / str(target), copy)
    for version in (base / str(target), copy):
      verified_manifest(version)
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
    settle(base)
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
