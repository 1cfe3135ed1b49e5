"""One container: a process that has what a pod has, and nothing else of this machine."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import BinaryIO

SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'


@dataclasses.dataclass(frozen=True)
class Scratch:
  """What goes with a pod when it ends.

  Attributes:
    path: holds everything below.
  """

  path: pathlib.Path

  @property
  def work(self) -> pathlib.Path:
    """The working directory; empty at the start."""
    return self.path / 'work'

  @property
  def home(self) -> pathlib.Path:
    """The home directory; empty at the start."""
    return self.path / 'home'

  @property
  def temporary(self) -> pathlib.Path:
    """What `/tmp` is in a pod."""
    return self.path / 'tmp'

  def fresh(self) -> Scratch:
    """Empties everything."""
    shutil.rmtree(self.path, ignore_errors=True)
    for directory in (self.work, self.home, self.temporary):
      directory.mkdir(parents=True)
    return self


def environment(scratch: Scratch, binaries: pathlib.Path, of_image: Mapping[str, str]) -> dict[str, str]:
  """All variables that a step sees.

  Args:
    scratch: its directories.
    binaries: where the image's `python` is.
    of_image: what the image and the spec set.
  """
  return {
    'PATH': f'{binaries}:{SYSTEM_PATH}',
    'HOME': str(scratch.home),
    'TMPDIR': str(scratch.temporary),
    'LANG': 'C.UTF-8',
    'HOSTNAME': 'rehearsal',
    **of_image,
  }


class Containers:
  """The containers of one rehearsal, each in a process group of its own that ends with it."""

  def __init__(self) -> None:
    self._lock = threading.Lock()
    self._running: set[subprocess.Popen[bytes]] = set()
    self._ended = False

  def run(self, command: Sequence[str], variables: Mapping[str, str], work: pathlib.Path, log: pathlib.Path) -> int:
    """Runs a command and waits for its end.

    Args:
      command: without placeholders.
      variables: the whole environment.
      work: the working directory.
      log: standard output and error are appended to it.

    Returns:
      The exit code; negative for a signal, 127 where there is no such program.
    """
    with log.open('ab') as file:
      try:
        process = self._started(command, variables, work, file)
      except OSError as error:
        file.write(f'{command[0]}: {error.strerror}\n'.encode())
        return 127
      if process is None:
        return -signal.SIGTERM
      try:
        return process.wait()
      finally:
        _end(process)
        self._running.discard(process)

  def _started(
    self, command: Sequence[str], variables: Mapping[str, str], work: pathlib.Path, log: BinaryIO
  ) -> subprocess.Popen[bytes] | None:
    """The process, or `None` once `end` was called; in between there is no moment in which one is missed."""
    with self._lock:
      if self._ended:
        return None
      process = subprocess.Popen(
        command,
        cwd=work,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
      )
      self._running.add(process)
      return process

  def end(self) -> None:
    """Ends every container that runs now, in whatever thread, and begins no further one."""
    with self._lock:
      self._ended = True
      for process in tuple(self._running):
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
  """Nothing outlives its pod: kills what is left of the group."""
  try:
    os.killpg(process.pid, signal.SIGKILL)
  except ProcessLookupError:
    return
  process.wait()
