"""Converts the models of recipes that are done while others are still trained, in a process of its own.

TFX begins a step when those that it waits for have ended, and publishes what a step makes when it ends. This stays so.
But the rewriter keeps finished files by a digest of all that makes their bytes, and takes from there what is there
already; so a process that fills this cache while the trainer runs changes nothing but the time. Where both convert,
they share the files out by claims.

The process loads TensorFlow while this one loads TFX, and then waits for a job. Needs neither.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO

import pipeline
from models.signals import deferred_signals
from pipeline.local import ahead_worker

MOST_BYTES = 25_000_000
"""Of transformed examples, some 150,000 rides. Of more, training takes most of the time, and the memory of a second
process, 0.84 GB and its sample of the rides, is better saved."""

_ROOT = pathlib.Path(pipeline.__file__).resolve().parent.parent


def cores() -> int:
  """That this process may use."""
  return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


class RewritingAhead:
  """The process, until the block ends; use it with `with`. With one core alone there is none.

  Attributes:
    began: when its first file was there, by `time.monotonic`; `None` before.
  """

  def __init__(self) -> None:
    """Starts nothing yet."""
    self.began: float | None = None
    self._first: Callable[[], None] = lambda: None
    self._process: subprocess.Popen[bytes] | None = None

  def __enter__(self) -> RewritingAhead:
    if cores() > 1:
      with deferred_signals():
        # In a session of its own: Ctrl-C is for who started it, who ends it then.
        self._process = subprocess.Popen(
          [sys.executable, '-m', ahead_worker.__name__],
          cwd=_ROOT,
          stdin=subprocess.PIPE,
          stdout=subprocess.PIPE,
          start_new_session=True,
        )
    return self

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
  ) -> None:
    self.stop()

  def stop(self) -> None:
    """Ends the process; what it had not finished is lost."""
    process, self._process = self._process, None
    if process is None:
      return
    process.kill()
    process.wait()
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(OSError):
      process.stdin.close()

  def give(self, job: str, first: Callable[[], None]) -> None:
    """Hands the process what it waits for.

    Args:
      job: one line, see `pipeline.local.ahead_worker`.
      first: is called, in a thread of its own, when its first file is there.
    """
    process = self._process
    if process is None:
      return
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(OSError):  # It died; the rewriter does without.
      process.stdin.write(job.encode() + b'\n')
      process.stdin.flush()
    arguments = process.stdout, first
    threading.Thread(target=self._listen, args=arguments, name='files made ahead', daemon=True).start()

  def _listen(self, names: IO[bytes], first: Callable[[], None]) -> None:
    with names:
      for _ in names:
        if self.began is None:
          self.began = time.monotonic()
          first()
