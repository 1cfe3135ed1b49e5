"""How a version directory gets into the directory that a model server watches: whole or not at all.

A model is copied into a hidden directory beside the versions and renamed when it is complete, which a POSIX file
system does at once. An object store has no rename: there `saved_model.pb`, without which no server loads a version,
comes last.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import pathlib
import tempfile
from collections.abc import Iterator

from models.served_versions import SAVED_MODEL
from models.whole_files import delete, is_bucket, move_whole

STAGING_PREFIX = '.staging-'


@contextlib.contextmanager
def alone(base: str | os.PathLike[str]) -> Iterator[None]:
  """Whoever changes the versions of a folder of this machine waits here for all others.

  So whatever staging directory is there was left by a killed one, and is removed.

  Args: base: the directory of the versions; made if absent.
  """
  root = pathlib.Path(base)
  root.mkdir(parents=True, exist_ok=True)
  lock = os.open(root, os.O_RDONLY)  # The directory itself, so that there is no lock file beside the versions.
  try:
    fcntl.flock(lock, fcntl.LOCK_EX)
    for leftover in root.glob(f'{STAGING_PREFIX}*'):
      delete(leftover)
    yield
  finally:
    os.close(lock)


def remove_leftovers(base: str | os.PathLike[str]) -> None:
  """Removes what killed pushes left beside the versions of a folder of this machine, as far as it can be removed."""
  if any(pathlib.Path(base).glob(f'{STAGING_PREFIX}*')):
    with contextlib.suppress(OSError), alone(base):
      pass


@contextlib.contextmanager
def staging(base: str) -> Iterator[str]:
  """A directory to copy a model into, `alone`; it is gone at the end, however that came.

  Args: base: the directory of the versions; for an object store it is in the machine's temporary directory.
  """
  with contextlib.ExitStack() as stack:
    if not is_bucket(base):
      stack.enter_context(alone(base))
    place = None if is_bucket(base) else base
    # What can't be removed is a leftover, and no reason to call a push that happened a failed one.
    yield stack.enter_context(tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=place, ignore_cleanup_errors=True))


def publish(staged: str, base: str, version: int) -> str:
  """Makes a staged version directory appear under its version.

  Args:
    staged: the complete version directory inside `staging(base)`.
    base: the directory of the versions.
    version: from `models.served_versions.next_version`.
  """
  final = os.path.join(base, str(version))
  if not is_bucket(base):
    try:
      move_whole(staged, final)
    except OSError as error:
      if pathlib.Path(staged).exists():
        raise
      logging.getLogger(__name__).warning('%s serves, but may not outlast a power cut: %s.', final, error.strerror)
    return final
  from tfx.dsl.io import fileio  # Brings TensorFlow along, which local versions don't need.
  from tfx.utils import io_utils

  io_utils.copy_dir(staged, final, deny_regex_patterns=[rf'/{SAVED_MODEL}$'])
  marker = os.path.join(staged, SAVED_MODEL)
  if fileio.exists(marker):
    io_utils.copy_file(marker, os.path.join(final, SAVED_MODEL))
  return final
