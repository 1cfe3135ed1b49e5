"""Takes old versions away from under a model server: whole or not at all, and never the one that serves."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

from components.pusher.journal import origin, rollbacks, settle
from components.pusher.publishing import STAGING_PREFIX, delete, staging
from models.versions import versions
from models.whole_files import set_aside


def remove_versions(base: pathlib.Path, unwanted: Iterable[int]) -> list[int]:
  """Removes versions; pushes and rollbacks wait meanwhile.

  Each one is renamed out of the server's sight before its first file goes. What a killed removal leaves is cleared
  away by the next push, rollback or removal.

  Args:
    base: the directory of the versions.
    unwanted: the versions to remove; the one that serves and the one that its bytes come from stay nevertheless.

  Returns:
    What was removed.
  """
  wished = set(unwanted)
  if not wished or not base.is_dir():
    return []
  with staging(str(base)):
    # That a rollback which was killed did happen, only its version tells until then.
    settle(base)
    present = versions(base)
    untouchable = {present[-1], origin(rollbacks(base), present[-1])} if present else set()
    removed = [version for version in present if version in wished - untouchable]
    hidden = [base / f'{STAGING_PREFIX}removed-{version}' for version in removed]
    for version, path in zip(removed, hidden, strict=True):
      set_aside(base / str(version), path)
    for path in hidden:
      delete(path)
  return removed
