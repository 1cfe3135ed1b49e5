"""Tells whether files are the same as before, by their contents."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Sequence

from models.whole_files import is_bucket


def digest(files: Sequence[str]) -> str:
  """One digest of all names and contents, read a megabyte at a time.

  Args:
    files: on a disk; see `fingerprint` for a bucket.
  """
  whole = hashlib.sha256()
  for file in files:
    whole.update(file.encode() + b'\0')
    with pathlib.Path(file).open('rb') as content:
      while block := content.read(1 << 20):
        whole.update(hashlib.sha256(block).digest())
  return f'sha256:{whole.hexdigest()},files:{len(files)}'


def fingerprint(files: Sequence[str]) -> str:
  """`digest` for files on a disk; TFX's for files in a bucket, of sizes and times, as reading all would cost."""
  if not any(map(is_bucket, files)):
    return digest(files)
  from tfx.utils import io_utils  # Brings TensorFlow along, which local files don't need.

  return '\n'.join(io_utils.generate_fingerprint('rides', file) for file in files)
