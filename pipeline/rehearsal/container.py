"""One container: a process that has what a pod has, and nothing else of this machine."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence

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


def run(command: Sequence[str], variables: Mapping[str, str], work: pathlib.Path, log: pathlib.Path) -> int:
  """Runs a command in a process group of its own, which ends with it.

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
      process = subprocess.Popen(
        command,
        cwd=work,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=file,
        stderr=subprocess.STDOUT,
        start_new_session=True,
      )
    except OSError as error:
      file.write(f'{command[0]}: {error.strerror}\n'.encode())
      return 127
    try:
      return process.wait()
    finally:
      _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
  """Nothing outlives its pod: kills what is left of the group."""
  try:
    os.killpg(process.pid, signal.SIGKILL)
  except ProcessLookupError:
    return
  process.wait()
