"""Named arrays through a pipe: eight bytes of length, then an npz. Nothing is pickled."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import IO

import numpy as np

_LENGTH = struct.Struct('<Q')


def write_message(stream: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
  """Writes arrays of numbers or text, and flushes.

  Raises:
    OSError: the other end is gone.
  """
  content = io.BytesIO()
  np.savez(content, **arrays)  # type: ignore[arg-type]
  stream.write(_LENGTH.pack(content.tell()))
  stream.write(content.getbuffer())
  stream.flush()


def read_message(stream: IO[bytes]) -> dict[str, np.ndarray] | None:
  """Reads what `write_message` wrote; `None` where the stream ended, be it in the middle of a message."""
  prefix = stream.read(_LENGTH.size)
  if len(prefix) < _LENGTH.size:
    return None
  [length] = _LENGTH.unpack(prefix)
  content = stream.read(length)
  if len(content) < length:
    return None
  with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
    return {name: arrays[name] for name in arrays.files}
