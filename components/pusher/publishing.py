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

from models.whole_files import is_bucket, move_whole

STAGING_PREFIX = '.staging-'
_LAST_FILE = 'saved_model.pb'


@contextlib.contextmanager
def staging(base: str) -> Iterator[str]:
  """A directory to copy a model into; it is gone at the end, however that came.

  Pushes to one local base wait for each other, so whatever other staging directory is there was left by a killed push
  and is removed. For an object store it lies in the machine's temporary directory.

  Args:
    base: the directory of the versions; made if absent.
  """
  if is_bucket(base):
    with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX) as directory:
      yield directory
    return
  root = pathlib.Path(base)
  root.mkdir(parents=True, exist_ok=True)
  with _locked(root):
    for leftover in root.glob(f'{STAGING_PREFIX}*'):
      shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=root) as directory:
      yield directory


@contextlib.contextmanager
def _locked(directory: pathlib.Path) -> Iterator[None]:
  """Locks the directory itself, so that no lock file lies beside the versions."""
  descriptor = os.open(directory, os.O_RDONLY)
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
  finally:
    os.close(descriptor)


def next_version(base: str, wanted: int) -> int:
  """The wanted version, or one above the newest that is there, whichever is larger.

  Two pushes in one second, or a clock that was set back, still give rising versions.
  """
  return max([wanted, *(int(name) + 1 for name in _names(base) if name.isdecimal())])


def _names(base: str) -> list[str]:
  if not is_bucket(base):
    root = pathlib.Path(base)
    return [path.name for path in root.iterdir()] if root.is_dir() else []
  from tfx.dsl.io import fileio  # Brings TensorFlow along, which a rollback can do without.

  return [name.rstrip('/') for name in fileio.listdir(base)] if fileio.exists(base) else []


def publish(staged: str, base: str, version: int) -> str:
  """Makes a staged version directory appear under its version.

  Args:
    staged: the complete version directory inside `staging(base)`.
    base: the directory of the versions.
    version: from `next_version`.

  Returns:
    The path of the version.
  """
  final = os.path.join(base, str(version))
  if is_bucket(base):
    _copy_to_store(staged, final)
    return final
  move_whole(staged, final)
  return final


def _copy_to_store(staged: str, final: str) -> None:
  from tfx.dsl.io import fileio
  from tfx.utils import io_utils

  io_utils.copy_dir(staged, final, deny_regex_patterns=[rf'/{_LAST_FILE}$'])
  marker = os.path.join(staged, _LAST_FILE)
  if fileio.exists(marker):
    io_utils.copy_file(marker, os.path.join(final, _LAST_FILE))
