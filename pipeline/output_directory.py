"""The output directory of local runs: its layout, and one run at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import os
import pathlib
import shutil
from collections.abc import Iterator

import portalocker

MINIMUM_FREE_BYTES = 50_000_000
"""What a small run writes; below it a run would die half way."""


class OutputError(ValueError):
  """The output directory can't be used."""


@dataclasses.dataclass(frozen=True)
class OutputDirectory:
  """Where a local run keeps what.

  Attributes:
    path: an absolute directory.
  """

  path: pathlib.Path

  @property
  def config(self) -> pathlib.Path:
    """The resolved config of the last run."""
    return self.path / 'config.yaml'

  @property
  def summary(self) -> pathlib.Path:
    """What the last run came to."""
    return self.path / 'summary.json'

  @property
  def metadata(self) -> pathlib.Path:
    """ML Metadata, on SQLite."""
    return self.path / 'metadata.sqlite'

  @property
  def artifacts(self) -> pathlib.Path:
    """TFX's pipeline root."""
    return self.path / 'artifacts'

  @property
  def checkpoints(self) -> pathlib.Path:
    """Unfinished trainings; the next run goes on from there."""
    return self.path / 'checkpoints'

  @property
  def variants(self) -> pathlib.Path:
    """Finished lite files; a run converts only what is not there."""
    return self.path / 'variants'

  @property
  def serving(self) -> pathlib.Path:
    """The push destination: one directory per version."""
    return self.path / 'serving'

  @property
  def logs(self) -> pathlib.Path:
    """One log file per run."""
    return self.path / 'logs'


def prepare(path: str) -> OutputDirectory:
  """Creates the directory and checks that it can be written and has room.

  Raises:
    OutputError: it is a file, not writable, or full.
  """
  directory = OutputDirectory(pathlib.Path(path).expanduser().absolute())
  try:
    directory.logs.mkdir(parents=True, exist_ok=True)
    probe = directory.path / '.writable'
    probe.write_bytes(b'\0' * 4096)
    probe.unlink()
  except (FileExistsError, NotADirectoryError):
    raise OutputError(f"The output '{path}' is a file, not a directory; choose another --output.") from None
  except OSError as error:
    raise OutputError(_unusable(path, error)) from None
  free = shutil.disk_usage(directory.path).free
  if free < MINIMUM_FREE_BYTES:
    raise OutputError(
      f"The disk of '{path}' is full: {free / 1e6:.0f} MB free, a run needs {MINIMUM_FREE_BYTES / 1e6:.0f} MB. "
      'Free some, or choose another --output.'
    )
  return directory


@contextlib.contextmanager
def locked(directory: OutputDirectory) -> Iterator[None]:
  """Holds the directory for one run; the lock dies with the process, however that ends.

  Raises:
    OutputError: another run holds it; says which process, since when.
  """
  file = directory.path / '.lock'
  with file.open('a+') as handle:
    try:
      portalocker.lock(handle, portalocker.LOCK_EX | portalocker.LOCK_NB)
    except (portalocker.LockException, portalocker.AlreadyLocked):
      holder = file.read_text().strip() or 'another process'
      raise OutputError(
        f"'{directory.path}' is in use by {holder}. Wait until that run ends, or choose another --output."
      ) from None
    handle.truncate(0)
    handle.write(f'process {os.getpid()}, started {datetime.datetime.now():%Y-%m-%d %H:%M:%S}')
    handle.flush()
    try:
      yield
    finally:
      handle.truncate(0)


def _unusable(path: str, error: OSError) -> str:
  if error.errno == errno.ENOSPC:
    return f"The disk of '{path}' is full. Free some space, or choose another --output."
  if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
    return f"'{path}' is not writable for this user; choose another --output or change its permissions."
  return f"The output '{path}' can't be used: {error.strerror}."
