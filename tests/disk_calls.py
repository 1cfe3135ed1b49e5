"""Records what a writer asks of the disk, in order: which file is flushed when, and what is renamed to what."""

from __future__ import annotations

import os
import pathlib

import pytest


class DiskCalls:
  """Calls on paths below a folder, in order.

  Attributes:
    calls: `('fsync', path, size)` with the size that the file had then, and `('rename', path, to)`; paths are relative
      to the folder. A folder's size is None.
  """

  def __init__(self, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    self.calls: list[tuple[str, str, str | int | None]] = []
    self._folder = folder
    fsync = os.fsync

    def recorded_fsync(descriptor: int) -> None:
      fsync(descriptor)
      path = pathlib.Path(f'/proc/self/fd/{descriptor}').readlink()
      self.calls.append(('fsync', self._name(path), None if path.is_dir() else os.fstat(descriptor).st_size))

    monkeypatch.setattr(os, 'fsync', recorded_fsync)
    for name in ('rename', 'replace'):
      monkeypatch.setattr(pathlib.Path, name, self._recorded(getattr(pathlib.Path, name)))

  def _recorded(self, original):
    def moved(path: pathlib.Path, target):
      self.calls.append(('rename', self._name(path), self._name(pathlib.Path(target))))
      return original(path, target)

    return moved

  def _name(self, path: pathlib.Path) -> str:
    return path.relative_to(self._folder).as_posix()
