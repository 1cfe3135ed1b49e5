"""Source files, on a disk or in a bucket: opened, and identified by their contents."""

from __future__ import annotations

import enum
import hashlib
import io
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from configs.dataset import Dataset, FileFormat
from configs.errors import UserError
from models.whole_files import is_bucket

if TYPE_CHECKING:
  import pyarrow as pa


class IngestionError(UserError):
  """A source that can't be read; the message is one sentence with the file and the way out."""


AS_UTF_8 = 'Write the file as UTF-8: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW does for most of Europe.'
"""The way out of bytes that are no UTF-8."""


def open_source(path: str) -> BinaryIO:
  """Opens a file for reading bytes. Raises `IngestionError`: it can't be opened."""
  try:
    return io.BufferedReader(_BucketFile(path, 'rb')) if is_bucket(path) else pathlib.Path(path).open('rb')
  except OSError as error:
    raise IngestionError(f"'{path}' can't be opened ({error.strerror or error}).") from error


def open_arrow_source(path: str) -> pa.NativeFile:
  """Opens a file for Arrow's readers, natively where it is on a disk. Raises `IngestionError`: it can't be opened."""
  import pyarrow as pa  # Whoever only lists and compares files does without.

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


class Container(str, enum.Enum):
  """What a file is by its first bytes."""

  PLAIN = 'plain'
  GZIP = 'gzip'
  PARQUET = 'parquet'


_FOREIGN = {
  b'PK\x03\x04': 'a zip archive; unpack it, or pack the CSV with gzip',
  b'BZh': 'compressed with bzip2; pack it with gzip',
  b'\xfd7zX': 'compressed with xz; pack it with gzip',
  b'\x28\xb5\x2f\xfd': 'compressed with zstd; pack it with gzip',
  b'\xff\xfe': 'UTF-16 text; save it as UTF-8',
  b'\xfe\xff': 'UTF-16 text; save it as UTF-8',
}


def format_of(path: str, dataset: Dataset) -> tuple[FileFormat, Container]:
  """The format of a file by the config, its name and its first bytes.

  Raises: IngestionError: it is empty, or of a kind that is not read, or not of the kind that `dataset.format` demands.
  """
  container = _container_of(path)
  named_parquet = path.lower().endswith(('.parquet', '.pq'))
  if dataset.format is FileFormat.CSV and container is Container.PARQUET:
    raise IngestionError(f"'{path}' is a Parquet file, but dataset.format is csv; set it to parquet or auto.")
  if dataset.format is FileFormat.PARQUET or (dataset.format is FileFormat.AUTO and named_parquet):
    if container is not Container.PARQUET:
      raise IngestionError(f"'{path}' is not a Parquet file; check the file, or set dataset.format to csv.")
    return FileFormat.PARQUET, container
  return (FileFormat.PARQUET if container is Container.PARQUET else FileFormat.CSV), container


def _container_of(path: str) -> Container:
  with open_source(path) as file:
    start = file.read(4)
  if not start:
    raise IngestionError(f"'{path}' is empty; a CSV file needs at least a header line.")
  if start == b'PAR1':
    return Container.PARQUET
  if start.startswith(b'\x1f\x8b'):
    return Container.GZIP
  for magic, kind in _FOREIGN.items():
    if start.startswith(magic):
      raise IngestionError(f"'{path}' is {kind}.")
  return Container.PLAIN


def digest(files: Sequence[str]) -> str:
  """One digest of all names and contents, read a megabyte at a time, of files on a disk.

  Raises: IngestionError: one can't be read.
  """
  whole = hashlib.sha256()
  for file in files:
    whole.update(file.encode() + b'\0')
    try:
      with open_source(file) as content:
        while block := content.read(1 << 20):
          whole.update(hashlib.sha256(block).digest())
    except OSError as error:
      raise IngestionError(f"'{file}' can't be read ({error.strerror or error}).") from error
  return f'sha256:{whole.hexdigest()},files:{len(files)}'


def fingerprint(files: Sequence[str]) -> str:
  """`digest` for files on a disk; of files in a bucket, as reading all would cost, by their sizes and times."""
  if not any(map(is_bucket, files)):
    return digest(files)
  from tensorflow.io import gfile  # Local files don't need it.

  status = [(file, gfile.stat(file)) for file in files]
  known = ''.join(f'{file}\0{found.length}\0{found.mtime_nsec}\0' for file, found in status)
  return f'sha256:{hashlib.sha256(known.encode()).hexdigest()},files:{len(files)}'
