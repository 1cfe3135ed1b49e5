"""Opens files as Python and Arrow want them, on a disk or in a bucket."""

from __future__ import annotations

import io
import pathlib
from typing import Any, BinaryIO

import pyarrow as pa

from components.ride_example_gen.errors import IngestionError
from models.whole_files import is_bucket


def open_source(path: str) -> BinaryIO:
  """Opens a file for reading bytes.

  Raises:
    IngestionError: it can't be opened.
  """
  try:
    return io.BufferedReader(_BucketFile(path, 'rb')) if is_bucket(path) else pathlib.Path(path).open('rb')
  except OSError as error:
    raise IngestionError(f"'{path}' can't be opened ({error.strerror or error}).") from error


def open_arrow_source(path: str) -> pa.NativeFile:
  """Opens a file for Arrow's readers, natively where it lies on a disk.

  Raises:
    IngestionError: it can't be opened.
  """
  return pa.PythonFile(open_source(path), mode='r') if is_bucket(path) else pa.OSFile(path)


def open_output(path: str) -> BinaryIO:
  """Opens a new file for writing bytes."""
  return io.BufferedWriter(_BucketFile(path, 'wb'), 1 << 20) if is_bucket(path) else pathlib.Path(path).open('wb')


class _BucketFile(io.RawIOBase):
  """A file of TFX's file system with the manners of Python's own, which Arrow insists on."""

  def __init__(self, path: str, mode: str):
    from tfx.dsl.io import fileio  # Brings TensorFlow along, which local files don't need.

    super().__init__()
    self._reads = mode == 'rb'
    self._file: Any = fileio.open(path, mode)
    if self._reads:
      self._attempt(self._file.read, 0)

  def readable(self) -> bool:
    return self._reads

  def writable(self) -> bool:
    return not self._reads

  def seekable(self) -> bool:
    return self._reads

  def readinto(self, buffer: Any) -> int:
    taken = self._attempt(self._file.read, len(buffer))
    buffer[: len(taken)] = taken
    return len(taken)

  def write(self, content: Any) -> int:
    self._attempt(self._file.write, bytes(content))
    return len(content)

  def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
    self._attempt(self._file.seek, offset, whence)
    return self._file.tell()

  def tell(self) -> int:
    return self._file.tell()

  def close(self) -> None:
    if not self.closed:
      self._attempt(self._file.close)
    super().close()

  def _attempt(self, call: Any, *arguments: Any) -> Any:
    import tensorflow as tf

    try:
      return call(*arguments)
    except tf.errors.OpError as error:
      raise OSError(str(error)) from error
