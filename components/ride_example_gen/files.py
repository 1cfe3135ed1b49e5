"""Finds source files, on a disk or in a bucket, and tells what they are."""

from __future__ import annotations

import enum
import glob
import gzip
import pathlib
import posixpath
import re
from typing import TYPE_CHECKING, Any

from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.opening import open_source
from configs.dataset import Dataset, FileFormat
from models.whole_files import is_bucket

if TYPE_CHECKING:
  from collections.abc import Sequence

_SPEC = re.compile(r'\{(?:SPAN|VERSION)(?::\d+)?\}|\{YYYY\}|\{MM\}|\{DD\}')


class Container(str, enum.Enum):
  """What the first bytes of a file say it is."""

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


def check_inputs(input_base: str, pattern: str) -> tuple[str, ...]:
  """Files that a pattern matches, span and date specs taken as wildcards.

  Args:
    input_base: a folder, or the prefix of a bucket.
    pattern: a glob below it, with `{SPAN}`, `{VERSION}`, `{YYYY}/{MM}/{DD}` as in TFX.

  Raises:
    IngestionError: no file matches.
  """
  return find_files(input_base, _SPEC.sub('*', pattern))


def find_files(input_base: str, pattern: str) -> tuple[str, ...]:
  """Sorted paths of the files that a glob below `input_base` matches; folders are left out.

  Raises:
    IngestionError: no file matches.
  """
  whole = posixpath.join(input_base, pattern)
  files = tuple(sorted(path for path in _glob(whole) if not _is_folder(path)))
  if not files:
    raise IngestionError(f"No file matches '{whole}'; check the path (dataset.path or --data) and its wildcards.")
  return files


def _glob(pattern: str) -> Sequence[str]:
  if not is_bucket(pattern):
    return glob.glob(pattern)  # noqa: PTH207, a Path has no glob of an absolute pattern
  from tfx.dsl.io import fileio  # Brings TensorFlow along, which local files don't need.

  return fileio.glob(pattern)


def _is_folder(path: str) -> bool:
  if not is_bucket(path):
    return pathlib.Path(path).is_dir()
  from tfx.dsl.io import fileio

  return fileio.isdir(path)


def open_text_bytes(path: str, container: Container) -> Any:
  """Opens the bytes of a text file, unpacked if it is packed by gzip."""
  file = open_source(path)
  return gzip.GzipFile(fileobj=file) if container is Container.GZIP else file


def format_of(path: str, dataset: Dataset) -> tuple[FileFormat, Container]:
  """The format of a file by the config, its name and its first bytes.

  Raises:
    IngestionError: it is empty, or of a kind that is not read, or not of the
      kind that `dataset.format` says.
  """
  with open_source(path) as file:
    start = file.read(4)
  container = _container_of(path, start)
  named_parquet = path.lower().endswith(('.parquet', '.pq'))
  if dataset.format is FileFormat.CSV and container is Container.PARQUET:
    raise IngestionError(f"'{path}' is a Parquet file, but dataset.format is csv; set it to parquet or auto.")
  if dataset.format is FileFormat.PARQUET or (dataset.format is FileFormat.AUTO and named_parquet):
    if container is not Container.PARQUET:
      raise IngestionError(f"'{path}' is not a Parquet file; check the file, or set dataset.format to csv.")
    return FileFormat.PARQUET, container
  return (FileFormat.PARQUET if container is Container.PARQUET else FileFormat.CSV), container


def _container_of(path: str, start: bytes) -> Container:
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
