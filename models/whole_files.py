"""Files and folders that appear whole or not at all, on this machine or in a bucket.

No other module flushes, renames, or decides whether a path is in a bucket. On this machine everything is on the disk
before it takes its name, and the name before anybody goes on: a power cut leaves the old or the new. That costs some
milliseconds a file, too little for exceptions. A bucket knows no such order; there a rename replaces. Needs no
TensorFlow for files of this machine.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import pathlib
import shutil
import uuid
from collections.abc import Iterator
from typing import IO

Location = str | os.PathLike[str]
"""A path of this machine, or a URL."""

_STAGED = '.tmp'
_DIGEST_BYTES = 32


def is_bucket(path: Location) -> bool:
  """Whether a path is a URL such as `gs://bucket/models`, which this machine's own file calls can't open."""
  return '://' in os.fspath(path)


@contextlib.contextmanager
def replacing(path: Location) -> Iterator[IO[bytes]]:
  """A file for writing bytes that takes its name when the block ends well; until then, the old one stays.

  Args: path: in a folder that is there.
  Raises: OSError, tf.errors.OpError: it can't be written; nothing is left beside the old file.
  """
  staged = f'{_prefix(path)}{uuid.uuid4().hex}{_STAGED}'
  try:
    with _opened(staged, 'wb') as file:
      yield file
    move_whole(staged, path)
  except BaseException:
    with contextlib.suppress(Exception):
      _remove(staged)
    raise


def write_whole(path: Location, content: str | bytes) -> None:
  """Replaces a file by a new content; see `replacing`.

  Args:
    path: in a folder that is there.
    content: text goes as UTF-8.
  """
  with replacing(path) as file:
    file.write(content.encode() if isinstance(content, str) else content)


def write_checked(path: Location, content: bytes) -> None:
  """`write_whole` for what only `read_checked` reads: the SHA-256 of the content comes first."""
  write_whole(path, hashlib.sha256(content).digest() + content)


def read_checked(path: Location) -> bytes | None:
  """What `write_checked` wrote; `None` where nothing is there, or a bit of it is not as written: make it anew then."""
  if not _is_file(path):
    return None
  try:
    with _opened(path, 'rb') as file:
      written = file.read()
  except OSError:
    return None
  content = written[_DIGEST_BYTES:]
  return content if hashlib.sha256(content).digest() == written[:_DIGEST_BYTES] else None


def move_whole(source: Location, target: Location) -> None:
  """Gives a finished file or folder its name, in place of the file that has it.

  Args:
    source: written and closed; a folder only on this machine.
    target: in the same file system, in a folder that is there.
  """
  if is_bucket(target):
    from tensorflow.io import gfile

    gfile.rename(os.fspath(source), os.fspath(target), overwrite=True)
    return
  path = pathlib.Path(source)
  for inner in (*path.rglob('*'), path) if path.is_dir() else (path,):
    _flush(inner)
  set_aside(path, pathlib.Path(target))


def set_aside(source: pathlib.Path, target: pathlib.Path) -> None:
  """Renames what is there already, or is to be removed: at once, and on the disk when this returns."""
  source.replace(target)
  _flush(target.parent)


def delete(path: pathlib.Path) -> None:
  """Deletes a file, or a folder with all that is in it; of a link, what it points to stays."""
  if path.is_dir() and not path.is_symlink():
    shutil.rmtree(path)
  else:
    path.unlink(missing_ok=True)


def append_line(path: pathlib.Path, line: str) -> None:
  """Adds a line, on the disk when this returns; one that was cut short before it stays apart.

  Args:
    path: made if need be.
    line: without its end.
  Raises: OSError: it can't be written, as where the disk is full; nothing of it is left.
  """
  descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
  size = os.fstat(descriptor).st_size
  try:
    cut = size > 0 and os.pread(descriptor, 1, size - 1) != b'\n'
    rest = b'\n' * cut + line.encode() + b'\n'
    while rest:  # A disk that fills up takes a part.
      rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)
  except OSError:
    os.ftruncate(descriptor, size)
    raise
  finally:
    os.close(descriptor)
  _flush(path.parent)


def discard_drafts(path: Location) -> None:
  """Removes what killed writers left of a file; only for a file with a single writer."""
  folder, start = os.path.split(_prefix(path))
  for name in names_in(folder):
    if name.startswith(start) and name.endswith(_STAGED):
      _remove(os.path.join(folder, name))


def _prefix(path: Location) -> str:
  """What the names of a file's drafts begin with: hidden, as they may be in a folder of the user's."""
  folder, name = os.path.split(path)
  return os.path.join(folder, f'.{name}.')


def _opened(path: Location, mode: str) -> contextlib.AbstractContextManager[IO[bytes]]:
  if not is_bucket(path):
    return pathlib.Path(path).open(mode)  # type: ignore[return-value]
  from tensorflow.io import gfile

  return gfile.GFile(path, mode)


def _is_file(path: Location) -> bool:
  if not is_bucket(path):
    return pathlib.Path(path).is_file()
  from tensorflow.io import gfile

  return gfile.exists(path)


def names_in(folder: Location) -> list[str]:
  """The names of the files and folders in a folder; none where it is not there."""
  if not is_bucket(folder):
    root = pathlib.Path(folder)
    return [path.name for path in root.iterdir()] if root.is_dir() else []
  from tensorflow.io import gfile

  # Stores mark a folder by a slash at its end.
  return [name.rstrip('/') for name in gfile.listdir(folder)] if gfile.exists(folder) else []


def _remove(path: str) -> None:
  if not is_bucket(path):
    pathlib.Path(path).unlink(missing_ok=True)
    return
  from tensorflow.io import gfile

  gfile.remove(path)


def _flush(path: pathlib.Path) -> None:
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  except OSError as error:
    # Some network file systems refuse to flush a folder, as they do it by themselves.
    if error.errno != errno.EINVAL or not path.is_dir():
      raise
  finally:
    os.close(descriptor)
