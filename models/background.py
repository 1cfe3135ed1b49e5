"""Trainings in a thread of their own, while the caller builds the graphs of the next ones and writes those before."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from models.training import TrainingHistory

_SWITCH_INTERVAL = 2e-4
"""Seconds after which Python hands over to a thread that waits. Its default, 5 ms, is as long as a third of what a
small model computes between two record points, and a training takes the lock several times at each."""


Run = Callable[[Callable[[], bool]], TrainingHistory]
"""A training that is ready to run; takes `stopping`, see `TrainingRun.run`."""

Start = Callable[[Run], 'Future[TrainingHistory]']
"""Starts a training."""


def at_once(run: Run) -> Future[TrainingHistory]:
  """Runs a training in the caller's thread, and returns when it is done; its errors come with the future's result."""
  future: Future[TrainingHistory] = Future()
  try:
    future.set_result(run(lambda: False))
  except BaseException as error:
    future.set_exception(error)
  return future


class Background:
  """One thread that runs trainings in the order in which they are started; use it with `with`.

  A compiled training computes without Python's lock, on one core. The block's end, by an error too, stops what still
  runs at its next record point.
  """

  def __init__(self) -> None:
    self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix='training')
    self._stopping = threading.Event()
    self._switch_interval = sys.getswitchinterval()

  def __enter__(self) -> Background:
    sys.setswitchinterval(min(_SWITCH_INTERVAL, self._switch_interval))
    return self

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
  ) -> None:
    self._stopping.set()
    self._executor.shutdown(cancel_futures=True)
    sys.setswitchinterval(self._switch_interval)

  def start(self, run: Run) -> Future[TrainingHistory]:
    """Queues a training; its errors come with the future's result."""
    return self._executor.submit(run, self._stopping.is_set)
