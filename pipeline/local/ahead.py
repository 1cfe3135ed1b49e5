"""Converts the models of recipes that are done, and runs their files, while others are still trained.

TFX begins a step when those that it waits for have ended, and publishes what a step makes when it ends. This stays so.
But the rewriter keeps finished files by a digest of all that makes their bytes, and takes from there what is there
already; so a process that fills this cache while the trainer runs changes nothing but the time. Where both convert,
they share the files out by claims. What those files predict for the rides that the gate judges by goes to the gate, by
digests of both.

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
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import IO

import pipeline
from models.signals import deferred_signals
from pipeline.local import ahead_worker
from pipeline.local.ahead_worker import KEY, PREDICTED

MOST_BYTES = 25_000_000
"""Of transformed examples, some 150,000 rides. Of more, training takes most of the time, and the memory of a second
process, 0.87 GB and its sample of the rides, is better saved."""

_ROOT = pathlib.Path(pipeline.__file__).resolve().parent.parent


def cores() -> int:
  """That this process may use."""
  return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


class WorkAhead:
  """The process, until the block ends; use it with `with`. With one core alone there is none.

  Attributes:
    began: when the first part of a step's work was there, by `time.monotonic`, by the step's id.
  """

  def __init__(self) -> None:
    """Starts nothing yet."""
    self.began: dict[str, float] = {}
    self._process: subprocess.Popen[bytes] | None = None

  def __enter__(self) -> WorkAhead:
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
    if self.began:
      from components.compression_gate.predicted_ahead import PREDICTED_AHEAD

      PREDICTED_AHEAD.forget()
    process, self._process = self._process, None
    if process is None:
      return
    process.kill()
    process.wait()
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(OSError):
      process.stdin.close()

  def give(self, job: str, steps: Mapping[str, str], begun: Callable[[str], None]) -> None:
    """Hands the process what it waits for.

    Args:
      job: one line, see `pipeline.local.ahead_worker`.
      steps: ids, by the key of the answer that is a part of their work.
      begun: is called with a step's id, in a thread of its own, when the first part of its work is there.
    """
    process = self._process
    if process is None:
      return
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(OSError):  # It died; the rewriter does without.
      process.stdin.write(job.encode() + b'\n')
      process.stdin.flush()
    arguments = process.stdout, steps, begun
    threading.Thread(target=self._listen, args=arguments, name='work done ahead', daemon=True).start()

  def _listen(self, answers: IO[bytes], steps: Mapping[str, str], begun: Callable[[str], None]) -> None:
    # A command with nothing to do needs no NumPy.
    from components.compression_gate.predicted_ahead import PREDICTED_AHEAD
    from models.lite.messages import read_message

    with answers:
      while (answer := read_message(answers)) is not None:
        if PREDICTED in answer:
          PREDICTED_AHEAD.keep(str(answer[KEY]), answer[PREDICTED])
        [step] = [step for key, step in steps.items() if key in answer]
        if step not in self.began:
          self.began[step] = time.monotonic()
          begun(step)
