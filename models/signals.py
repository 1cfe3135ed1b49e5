"""A signal that ends a command waits while something is done that must not be left half way."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def deferred_signals() -> Iterator[None]:
  """What ends a command and is handled in Python, as Ctrl-C is, is answered at the end of the block.

  For the start of a process: between its fork and the moment when somebody knows its id, nobody could end it. The
  kernel's mask is left alone, as a child would inherit it, and as other threads may take the signal.
  """
  if threading.current_thread() is not threading.main_thread():  # No other thread is interrupted by a signal.
    yield
    return
  came: list[tuple[int, FrameType | None]] = []
  handlers = {number: handler for number in _ENDING if callable(handler := signal.getsignal(number))}
  for number in handlers:
    signal.signal(number, lambda number, frame: came.append((number, frame)))
  try:
    yield
  finally:
    for number, handler in handlers.items():
      signal.signal(number, handler)
    for first, frame in came[:1]:
      handlers[signal.Signals(first)](first, frame)
