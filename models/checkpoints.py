"""Where an unfinished training is kept, so that a rerun goes on from there and ends with the same weights.

One file holds everything, a checked `.npz` archive. `tf.train.Checkpoint` was not taken: tfmot's wrappers hold one
variable under several attributes and override `get_weights`, whereas a flat list of variables, compared by name and
shape, is never ambiguous; and one file is replaced at once or not at all.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.io import gfile

from models.whole_files import discard_drafts, read_checked, write_checked

_FILE = 'training.checkpoint'
_DETAILS = 'details'


@dataclasses.dataclass(frozen=True)
class TrainingState:
  """A training at one of its record points.

  Attributes:
    step: optimizer steps taken.
    curves: one value per record point so far, by name.
    values: of all variables, in the order in which they are described.
    best: values of the model's variables after the best epoch; None where early stopping watches nothing.
    best_loss: the watched loss of that epoch.
    stalled: epochs since then.
  """

  step: int
  curves: Mapping[str, Sequence[float]]
  values: Sequence[np.ndarray]
  best: Sequence[np.ndarray] | None = None
  best_loss: float = math.inf
  stalled: int = 0


class Checkpoint:
  """The last saved state of one training, in a folder of its own.

  Args:
    directory: made at the first save; a bucket is fine. Give every training (its config, its examples, where its
      weights start) a folder of its own.
    every_seconds: least time between two saves; shorter trainings are never saved, as doing them again costs no more.
  """

  def __init__(self, directory: str, every_seconds: float = 5.0) -> None:
    self.directory = directory
    self._every_seconds = every_seconds
    self._saved_at = time.monotonic()

  @property
  def due(self) -> bool:
    """Whether the last save, or the beginning, is long enough ago."""
    return time.monotonic() - self._saved_at >= self._every_seconds

  def save(self, state: TrainingState, identity: Sequence[str]) -> None:
    """Replaces what was saved; a process that is killed meanwhile leaves the previous state.

    Args:
      state: only finite values are worth it.
      identity: what `restore` needs to give the state back.
    """
    details = {
      'identity': list(identity),
      'step': state.step,
      'curves': {name: list(curve) for name, curve in state.curves.items()},
      'best_loss': state.best_loss,
      'stalled': state.stalled,
    }
    archive = archived(details, {'value': state.values, 'best': state.best or []})
    gfile.makedirs(self.directory)
    write_checked(os.path.join(self.directory, _FILE), archive)
    self._saved_at = time.monotonic()

  def restore(self, identity: Sequence[str]) -> TrainingState | None:
    """The saved state.

    Args: identity: describes the variables and the training.
    Returns: None where nothing was saved, where the file is damaged, and where it belongs to another training: a fresh
      start is right then.
    """
    self._saved_at = time.monotonic()
    path = os.path.join(self.directory, _FILE)
    discard_drafts(path)
    archive = read_checked(path)
    if archive is None:
      return None
    details, arrays = unarchived(archive)
    if details.pop('identity') != list(identity):
      return None
    return TrainingState(**details, values=arrays['value'], best=arrays.get('best'))


def describe(variables: Sequence[tf.Variable]) -> list[str]:
  """Name, shape and dtype of each variable, in order.

  Numbers after an underscore are left out: Keras counts the layers that have no name of their own through a process
  (`quantize_layer_1_min`), so the same model, built second, would not be recognised.
  """
  return [
    f'{re.sub(r"_[0-9]+(?![0-9a-zA-Z])", "", variable.name)} {variable.shape.as_list()} {variable.dtype.name}'
    for variable in variables
  ]


def archived(details: Mapping[str, Any], lists: Mapping[str, Sequence[np.ndarray]]) -> bytes:
  """An `.npz` archive of what JSON holds and of lists of arrays, each list by its kind."""
  arrays: dict[str, Any] = {
    f'{kind}_{position}': array for kind, found in lists.items() for position, array in enumerate(found)
  }
  content = io.BytesIO()
  np.savez(content, **arrays | {_DETAILS: np.array(json.dumps(details))})
  return content.getvalue()


def unarchived(content: bytes) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
  """What `archived` was given, but for lists that are empty."""
  with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
    lists: dict[str, list[np.ndarray]] = {}
    for name in arrays.files:
      if name != _DETAILS:
        lists.setdefault(name.rpartition('_')[0], []).append(arrays[name])
    return json.loads(str(arrays[_DETAILS])), lists
