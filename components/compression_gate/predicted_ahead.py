"""What files predict for the examples that the gate judges by, where another process has asked them before.

A file's bytes, the columns and the threads of its interpreter make its predictions. So whoever has run this very file
on these very columns, on this machine and by this code, has what the gate would get. They are kept as long as this
process and no longer: a later one, maybe on another machine, runs the files itself.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping

import numpy as np


class PredictedAhead:
  """Predictions by `key`; for any number of threads."""

  def __init__(self) -> None:
    self._lock = threading.Lock()
    self._kept: dict[str, np.ndarray] = {}

  def keep(self, key: str, predictions: np.ndarray) -> None:
    """Args: predictions: float32 [examples] or [examples, classes]."""
    with self._lock:
      self._kept[key] = predictions

  def find(self, key: str) -> np.ndarray | None:
    """What was kept; `None` where nothing was."""
    with self._lock:
      return self._kept.get(key)

  def forget(self) -> None:
    """Drops all of them."""
    with self._lock:
      self._kept.clear()


PREDICTED_AHEAD = PredictedAhead()
"""Of this process; TFX hands a step what other steps have published, and nothing else."""


def digest_of(columns: Mapping[str, np.ndarray]) -> bytes:
  """Of raw columns [examples, ...] by name, in any order: names, types, shapes and values.

  Returns: 32 bytes.
  """
  digest = hashlib.sha256()
  for name in sorted(columns):
    column = np.ascontiguousarray(columns[name])
    digest.update(repr((name, column.dtype.str, column.shape)).encode() + column.tobytes())
  return digest.digest()


def key(content: bytes, columns: bytes, threads: int) -> str:
  """Whose predictions they are.

  Args:
    content: of a file.
    columns: see `digest_of`.
    threads: of the interpreter, among which kernels share their work out.
  Returns: 64 hexadecimal digits.
  """
  return hashlib.sha256(hashlib.sha256(content).digest() + columns + str(threads).encode()).hexdigest()
