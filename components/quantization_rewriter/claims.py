"""Who makes which file, where two processes fill one cache: the first one to claim it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pathlib
import time
from types import TracebackType

from tfx.dsl.io import fileio

from models.whole_files import is_bucket

_FILE = '.claims'
_NOTE = b'Processes that fill the folder of this name lock bytes of this file.\n'
_PAUSE = 0.02
_PATIENCE = 600.0
"""Seconds to wait for a file that another process makes; after them it is made twice, to the same bytes."""


class Claims:
  """Locks of single bytes of one file beside the cache; use it with `with`.

  They end with the process that has them, however it ends. Without the file, as in the cloud, where a step converts
  alone, and on a disk that knows no locks, everybody gets whatever he claims.
  """

  def __init__(self, cache: str, shares: bool = False) -> None:
    """Opens nothing yet. Args: cache: the folder that is filled. shares: makes the file, on this machine."""
    self._cache, self._shares = cache, shares
    self._descriptor: int | None = None

  def __enter__(self) -> Claims:
    name = f'{self._cache.rstrip("/")}{_FILE}'
    if self._shares or (not is_bucket(name) and fileio.exists(name)):
      file = pathlib.Path(name)
      file.parent.mkdir(parents=True, exist_ok=True)
      self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
      os.pwrite(self._descriptor, _NOTE, 0)
    return self

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
  ) -> None:
    if self._descriptor is not None:
      os.close(self._descriptor)  # With all locks.

  def take(self, digest: str) -> bool:
    """Whether nobody else makes this one. Args: digest: any text."""
    return self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB, digest)

  def wait(self, digest: str) -> None:
    """Takes it when who makes it is done, or gone, or has had long enough."""
    late = time.monotonic() + _PATIENCE
    while not self.take(digest) and time.monotonic() < late:
      time.sleep(_PAUSE)

  def release(self, digest: str) -> None:
    """Lets others see what became of it."""
    self._lock(fcntl.LOCK_UN, digest)

  def _lock(self, operation: int, digest: str) -> bool:
    if self._descriptor is None:
      return True
    try:
      fcntl.lockf(self._descriptor, operation, 1, _place(digest))
    except (BlockingIOError, PermissionError):  # POSIX lets a system choose between the two.
      return False
    except OSError:
      return True
    return True


def _place(digest: str) -> int:
  return int.from_bytes(hashlib.sha256(digest.encode()).digest()[:7], 'big')
