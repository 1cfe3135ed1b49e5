"""How a version directory gets into the directory that a model server watches: whole or not at all.

A model is copied into a hidden directory beside the versions and renamed when it is complete, which a POSIX file
system does at once. An object store has no rename: there `saved_model.pb`, without which no server loads a version,
comes last.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from models.served_versions import SAVED_MODEL
from models.whole_files import is_bucket, move_whole

STAGING_PREFIX = '.staging-'


@contextlib.contextmanager
def staging(base: str) -> Iterator[str]:
  """A directory to copy a model into; it is gone at the end, however that came.

  Pushes to one local base wait for each other, so whatever other staging directory is there was left by a killed push
  and is removed. For an object store it is in the machine's temporary directory.

  Args: base: the directory of the versions; made if absent.
  """
  if is_bucket(base):
    with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX) as directory:
      yield directory
    return
  root = pathlib.Path(base)
  root.mkdir(parents=True, exist_ok=True)
  lock = os.open(root, os.O_RDONLY)  # The directory itself, so that there is no lock file beside the versions.
  try:
    fcntl.flock(lock, fcntl.LOCK_EX)
    for leftover in root.glob(f'{STAGING_PREFIX}*'):
      delete(leftover)
    with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=root) as directory:
      yield directory
  finally:
    os.close(lock)


def delete(path: pathlib.Path) -> None:
  """Deletes a folder with all that is in it; of a link, what it points to stays."""
  if path.is_symlink():
    path.unlink()
  else:
    shutil.rmtree(path)


def publish(staged: str, base: str, version: int) -> str:
  """Makes a staged version directory appear under its version.

  Args:
    staged: the complete version directory inside `staging(base)`.
    base: the directory of the versions.
    version: from `models.served_versions.next_version`.
  """
  final = os.path.join(base, str(version))
  if not is_bucket(base):
    move_whole(staged, final)
    return final
  from tfx.dsl.io import fileio  # Brings TensorFlow along, which local versions don't need.
  from tfx.utils import io_utils

  io_utils.copy_dir(staged, final, deny_regex_patterns=[rf'/{SAVED_MODEL}$'])
  marker = os.path.join(staged, SAVED_MODEL)
  if fileio.exists(marker):
    io_utils.copy_file(marker, os.path.join(final, SAVED_MODEL))
  return final
