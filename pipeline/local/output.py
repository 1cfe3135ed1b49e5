"""The output directory of local runs: its layout, and one run at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import getpass
import os
import pathlib
import re
import shlex
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

import click
import portalocker

from configs.errors import UserError
from configs.texts import visible
from models.whole_files import is_bucket, names_in

MINIMUM_FREE_BYTES = 50_000_000
"""What a small run writes; below it a run would die half way."""


class OutputError(UserError):
  """The output directory can't be used."""


class BusyError(OutputError):
  """Another run holds the output directory."""


class Below:
  """An attribute that is a place below the `path` of its owner, by its name there."""

  def __init__(self, name: str) -> None:
    self._name = name

  def __get__(self, owner: Any, kind: type) -> pathlib.Path:
    return pathlib.Path(owner.path, self._name)


@dataclasses.dataclass(frozen=True)
class OutputDirectory:
  """Where a local run keeps what, below an absolute `path` without links; made by `at`."""

  path: pathlib.Path

  config = Below('config.yaml')
  """The resolved config of the last run."""
  summary = Below('summary.json')
  """What the last run came to."""
  page = Below('report.html')
  """The same as a page."""
  failed_start = Below('failed_start.json')
  """Why a run ended before it had read its rides; the other files are of the run before it."""
  metadata = Below('metadata.sqlite')
  """ML Metadata, where it is on SQLite."""
  ledger = Below('retraining.json')
  """What runs on windows of spans have read so far."""
  notified = Below('notified.json')
  """What of notifications is to be remembered, where the config asks for some."""
  artifacts = Below('artifacts')
  """TFX's pipeline root."""
  checkpoints = Below('checkpoints')
  """Unfinished trainings; the next run goes on from there."""
  variants = Below('variants')
  """Finished lite files; a run converts only what is not there."""
  serving = Below('serving')
  """The push destination: one directory per version."""
  logs = Below('logs')
  """One log file per run."""
  runs = Below('runs')
  """Of each run a folder by its id: summary, config and page, also of runs that others have come after."""
  history = Below('history.html')
  """All runs on a page."""
  monitoring = Below('monitoring.json')
  """What fares that came in later said of the version that serves."""


class KeptRun(OutputDirectory):
  """A folder of `OutputDirectory.runs`: summary, config and page of one run, whose artifacts lie where all do."""

  artifacts = Below('../../artifacts')
  serving = Below('../../serving')


_RUN_ID = re.compile(r'\d{8}-\d{6}-[0-9a-f]{6}')

SETTING_ASIDE = '.removed-'
"""Begins the name of a folder that is on its way out; whoever looked for it misses it at once."""


def kept_runs(output: OutputDirectory) -> list[KeptRun]:
  """What is kept of the runs of an output directory, oldest first."""
  found = (KeptRun(output.runs / name) for name in sorted(names_in(output.runs)) if _RUN_ID.fullmatch(name))
  return [run for run in found if run.summary.is_file()]


def as_kept(output: OutputDirectory) -> OutputDirectory:
  """The directory as a `KeptRun`, where it is a folder of another one's `runs`; else as it is."""
  path = output.path
  is_kept = path.parent.name == 'runs' and not output.artifacts.exists() and (path.parent.parent / 'logs').is_dir()
  return KeptRun(path) if is_kept else output


def at(path: str) -> OutputDirectory:
  """The directory of this path, be it there or not. Raises `OutputError` where it is no path of this machine."""
  if is_bucket(path):
    raise OutputError(
      f"The output '{path}' is not on this machine, and this command works in a folder; name one. Runs in the "
      'cloud go to platform.pipeline_root and platform.serving (farelite submit).'
    )
  try:
    return OutputDirectory(pathlib.Path(path).expanduser().resolve())
  except RuntimeError:  # Python below 3.13, where links go in a circle; or a home that is none.
    raise OutputError(f"The output '{path}' leads nowhere; choose another --output.") from None


def prepare(path: str) -> OutputDirectory:
  """Creates the directory and checks that it can be written and has room.

  Raises `OutputError` where it is a bucket or a file, not writable, or full.
  """
  directory = at(path)
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


def _announce(holder: str) -> None:
  click.echo(visible(f'Waiting for {holder} …'), err=True)


@contextlib.contextmanager
def locked(
  directory: OutputDirectory,
  wait: bool | None = None,
  waiting: Callable[[str], None] = _announce,
  elsewhere: bool = True,
) -> Iterator[None]:
  """Holds the directory for one run; the lock dies with the process, however that ends.

  Args:
    wait: whether to wait for another run to end, instead of being refused; `None` of a command that can't.
    waiting: takes the holder, once, before the waiting begins; prints it by default.
    elsewhere: whether the command may as well have another output.

  Raises `BusyError` where another run holds it, with its process and since when.
  """
  with _lock_file(directory, os.O_RDWR | os.O_CREAT) as handle:
    # Whoever only looks for the holder has the lock for an instant.
    if not any(_taken(handle, after) for after in (0, 0.05, 0.05, 0.05)):
      holder = _holder(handle)
      if not wait:
        fix = f'Wait until that run ends{"" if wait is None else " (--wait does)"}'
        other = ', or choose another --output' if elsewhere else ''
        raise BusyError(f"'{directory.path}' is in use by {holder}. {fix}{other}.")
      waiting(holder)
      portalocker.lock(handle, portalocker.LOCK_EX)
    handle.truncate(0)
    me = f'process {os.getpid()}, started {datetime.datetime.now():%Y-%m-%d %H:%M:%S}, by {person()}: {_command()}'
    with contextlib.suppress(OSError):  # A full disk has no room for a name, and the lock holds without.
      os.pwrite(handle.fileno(), me.encode(errors='surrogateescape'), 0)
    try:
      yield
    finally:
      handle.truncate(0)


def holder(directory: OutputDirectory) -> str | None:
  """Who holds the directory, in the words of `locked`; `None` if nobody does."""
  try:
    with _lock_file(directory, os.O_RDONLY) as handle:
      return None if _taken(handle) else _holder(handle)
  except (OSError, OutputError):
    return None


def _lock_file(directory: OutputDirectory, flags: int) -> IO[str]:
  """Raises `OutputError` where the name is another thing's, such as a link to a file that would be emptied."""
  file = directory.path / '.lock'
  if file.is_symlink() or (file.exists() and not file.is_file()):
    raise OutputError(f"'{file}' is no file, so it can't be the lock of a run; take it away.")
  descriptor = os.open(file, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
  return os.fdopen(descriptor, 'r+' if flags & os.O_RDWR else 'r', errors='replace')


def person() -> str:
  """Who runs this process, as user@host; a container may run as a number that has no name."""
  try:
    user = getpass.getuser()
  except (KeyError, OSError):
    user = f'user {os.getuid()}'
  return f'{user}@{socket.gethostname()}'


def _taken(handle: IO[str], after: float = 0) -> bool:
  """Takes the lock, after some seconds, unless another one has it; it goes when the handle is closed."""
  time.sleep(after)
  try:
    portalocker.lock(handle, portalocker.LOCK_EX | portalocker.LOCK_NB)
  except (portalocker.LockException, portalocker.AlreadyLocked):
    return False
  return True


def _holder(handle: IO[str]) -> str:
  handle.seek(0)
  return handle.read().strip() or 'another process'


def _command() -> str:
  """What this process was called as, short."""
  return shlex.join(['farelite', *sys.argv[1:]])[:200] if len(sys.argv) > 1 else pathlib.Path(sys.argv[0]).name


def _unusable(path: str, error: OSError) -> str:
  if error.errno == errno.ENOSPC:
    return f"The disk of '{path}' is full. Free some space, or choose another --output."
  if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
    return f"'{path}' is not writable for this user; choose another --output or change its permissions."
  return f"The output '{path}' can't be used: {error.strerror}."
