"""What a technique leaves behind, in memory and in a folder from which a killed run goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.io import gfile

from models.compression.ranges import Range
from models.training import Course
from models.whole_files import write_whole

_FILE = 'finished.npz'
_DETAILS = 'details'
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, tf.errors.OpError)


@dataclasses.dataclass(frozen=True)
class Finished:
  """A technique's result.

  Attributes:
    weights: of the plain fare model, in the order of its `get_weights()`.
    course: of the fine-tuning.
    ranges: of the activations, where the technique is quantization.
  """

  weights: list[np.ndarray]
  course: Course
  ranges: dict[str, Range] = dataclasses.field(default_factory=dict)


def digest(description: str, weights: Sequence[np.ndarray]) -> str:
  """Name of a stage's folder: SHA-256 over what it is and where it starts, in hexadecimal, shortened."""
  sha = hashlib.sha256(description.encode())
  for array in weights:
    sha.update(f'{array.dtype.str} {array.shape}'.encode())
    sha.update(np.ascontiguousarray(array).tobytes())
  return sha.hexdigest()[:24]


def save(finished: Finished, directory: str) -> None:
  """Writes a result; the file appears whole or not at all.

  Args:
    finished: to keep.
    directory: made if need be; a bucket is fine.
  """
  details = json.dumps({'course': dataclasses.asdict(finished.course), 'ranges': finished.ranges})
  content = io.BytesIO()
  arrays: dict[str, Any] = {f'weight_{position}': array for position, array in enumerate(finished.weights)}
  np.savez(content, **arrays | {_DETAILS: np.array(details)})
  gfile.makedirs(directory)
  write_whole(os.path.join(directory, _FILE), content.getvalue())


def load(directory: str) -> Finished | None:
  """Reads a result; None where there is none, or where the file is damaged: the technique trains again then."""
  try:
    with gfile.GFile(os.path.join(directory, _FILE), 'rb') as file:
      content = file.read()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
      details = json.loads(str(arrays[_DETAILS]))
      weights = [arrays[f'weight_{position}'] for position in range(len(arrays.files) - 1)]
    ranges = {name: (low, high) for name, (low, high) in details['ranges'].items()}
    return Finished(weights, Course(**details['course']), ranges)
  except _UNREADABLE:
    return None
