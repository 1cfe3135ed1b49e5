"""Which versions are in a push destination, and which one serves: for a folder on a disk and for a bucket alike.

- A version is a directory that a model server can load: its name is its number, and `saved_model.pb` is in it. A push
  to a bucket copies that file last, so a half-copied version is none yet, nor is an empty directory.
- What serves is the version of the highest number, as model servers have it by default.
- A number is written as the Pusher writes it: `0100`, `12.5`, `v12` and `latest` are no versions, nor are hidden
  directories such as `.staging-7` or files, whatever their names.
- A new number is above all numbers that are there, those of no version too, so that what is pushed serves for sure.

The standard library is enough for a folder; a bucket brings TensorFlow along.
"""

from __future__ import annotations

import os
import pathlib

from models.whole_files import Location, is_bucket, names_in

EXTRA = 'assets.extra'
"""The folder inside it for what is not part of the graph; TensorFlow Serving ignores it."""

SAVED_MODEL = 'saved_model.pb'
"""The file that makes a directory a SavedModel."""


def served_version(base: Location, before: int | None = None) -> int | None:
  """The version that serves; its directory is `str(version)` in the push destination.

  Args:
    base: the push destination; it need not exist.
    before: only lower numbers count: what served before that version was pushed.
  Returns: `None` where nothing serves.
  """
  lower = (number for number in reversed(_numbers(base)) if before is None or number < before)
  return next((number for number in lower if _is_whole(base, number)), None)


def versions(base: Location) -> list[int]:
  """The versions of a push destination, which need not exist, rising: the last one serves."""
  return [number for number in _numbers(base) if _is_whole(base, number)]


def next_version(base: Location, wanted: int) -> int:
  """The wanted version, or one above the highest number that is there, whichever is larger.

  Two pushes in one second, or a clock that was set back, still give rising versions.
  """
  return max([wanted, *(int(name) + 1 for name in names_in(base) if name.isdecimal())])


def version_number(name: str) -> int | None:
  """The version that a directory's name stands for; `None` if that is no version's name."""
  return int(name) if name.isdecimal() and len(name) < _DIGITS and str(int(name)) == name else None


_DIGITS = 1000
"""No file's name is as long; Python reads no number of some thousands of digits."""


def is_saved_model(directory: Location) -> bool:
  """Whether a directory on a disk or in a bucket holds a whole SavedModel, which a model server can load."""
  if not is_bucket(directory):
    return pathlib.Path(directory, SAVED_MODEL).is_file()
  import tensorflow as tf

  return bool(tf.io.gfile.exists(os.path.join(directory, SAVED_MODEL)))


def _is_whole(base: Location, number: int) -> bool:
  return is_saved_model(os.path.join(base, str(number)))


def _numbers(base: Location) -> list[int]:
  """The numbers that are names in a push destination, rising."""
  return sorted(number for name in names_in(base) if (number := version_number(name)) is not None)
