"""When Python looks for garbage: not among what stays, which is nearly all that a command loads.

The collector follows every reference between the objects that might be garbage. TFX and TensorFlow are a million of
them, all there until the process ends. Passes over them, while they were imported, later, and three times when Python
ended, took an eighth of the CPU of the default run.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def none_expected() -> Iterator[None]:
  """A block that makes what stays, as imports do: nothing is collected in it, nor what it made in later passes."""
  was_enabled = gc.isenabled()
  gc.disable()
  try:
    yield
  finally:
    gc.freeze()
    if was_enabled:
      gc.enable()


def left_at_exit() -> None:
  """Lets the end of the process take cycles of objects with it, instead of taking each apart.

  What has to happen at the end is in a `with` or an exit handler; those run as ever.
  """
  atexit.unregister(gc.freeze)  # Once, however many commands a process invokes.
  atexit.register(gc.freeze)
