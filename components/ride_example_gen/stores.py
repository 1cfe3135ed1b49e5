"""Folders, on a disk or in a bucket, as a pattern goes through them."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import stat
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from components.ride_example_gen.files import IngestionError
from models.whole_files import is_bucket


class FolderEntry(NamedTuple):
  """Something in a folder.

  Attributes:
    name: without its folder.
    is_folder: asks whether it is one, also by way of a link.
    is_link: whether it is a symbolic link.
  """

  name: str
  is_folder: Callable[[], bool]
  is_link: bool = False


class Disk:
  """Folders of this machine."""

  @contextlib.contextmanager
  def listing(self, base: str) -> Iterator[None]:
    """Around all calls: what a store can't do is an `IngestionError`."""
    yield

  def entries(self, folder: str) -> list[FolderEntry]:
    """What is in a folder, by name; nothing where it is not there. Raises `IngestionError`: it can't be listed."""
    try:
      with os.scandir(folder) as found:
        entries = [FolderEntry(entry.name, functools.partial(_is_folder, entry), entry.is_symlink()) for entry in found]
    except (FileNotFoundError, NotADirectoryError):
      return []
    except (OSError, ValueError) as error:
      raise IngestionError(f"'{folder}' can't be listed ({_reason(error)}).") from error
    return sorted(entries, key=lambda entry: entry.name)

  def is_folder(self, path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112, which takes a name of any length

  def exists(self, path: str) -> bool:
    """Whether there is a file or a link of this name."""
    return os.path.lexists(path)

  def size(self, path: str) -> int:
    """Bytes. Raises `IngestionError`: it is no file."""
    try:
      status = pathlib.Path(path).stat()
    except OSError as error:
      if pathlib.Path(path).is_symlink():
        raise IngestionError(f"'{path}' is a link that leads to no file ({_reason(error)}); remove it.") from error
      raise IngestionError(f"'{path}' can't be opened ({_reason(error)}).") from error
    if not stat.S_ISREG(status.st_mode):
      raise IngestionError(f"'{path}' is a pipe or a device, and rides are read more than once; name a file.")
    return status.st_size

  def identity(self, folder: str) -> object:
    """What a folder has in common with every link to it."""
    with contextlib.suppress(OSError, ValueError):
      status = pathlib.Path(folder).stat()
      return status.st_dev, status.st_ino
    return folder


def _is_folder(entry: os.DirEntry[str]) -> bool:
  try:
    return entry.is_dir()
  except OSError:  # Links in a circle.
    return False


def _reason(error: Exception) -> str:
  return getattr(error, 'strerror', None) or str(error)


class Bucket:
  """Folders of TensorFlow's file systems; each call asks over the network."""

  @contextlib.contextmanager
  def listing(self, base: str) -> Iterator[None]:
    import tensorflow as tf

    try:
      yield
    except tf.errors.OpError as error:
      reason = str(error.message).splitlines()[0]
      raise IngestionError(f"The files below '{base}' can't be listed from here: {reason}") from None

  def entries(self, folder: str) -> list[FolderEntry]:
    names = [name for name in self._asked(lambda gfile: gfile.listdir(folder), []) if name.strip('/')]
    # Stores mark a folder by a slash at its end.
    entries = (FolderEntry(name.rstrip('/'), functools.partial(self._is_folder, folder, name)) for name in names)
    return sorted(entries, key=lambda entry: entry.name)

  def _is_folder(self, folder: str, name: str) -> bool:
    return name.endswith('/') or self.is_folder(f'{folder}/{name}')

  def is_folder(self, path: str) -> bool:
    return self._asked(lambda gfile: gfile.isdir(path), False)

  def exists(self, path: str) -> bool:
    return self._asked(lambda gfile: gfile.exists(path), False)

  def size(self, path: str) -> int:
    return self._asked(lambda gfile: gfile.stat(path).length, 0)

  def identity(self, folder: str) -> object:
    return folder

  def _asked(self, question: Callable[[Any], Any], absent: Any) -> Any:
    """An answer, or `absent` where there is nothing of that name."""
    import tensorflow as tf  # Not for files of this machine.

    try:
      return question(tf.io.gfile)
    except tf.errors.NotFoundError:
      return absent


Store = Disk | Bucket


def store_of(base: str) -> Store:
  """Where a folder or the prefix of a bucket is."""
  return Bucket() if is_bucket(base) else Disk()
