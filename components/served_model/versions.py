"""Which version of a push destination serves."""

from __future__ import annotations

import os
from typing import NamedTuple

from tfx.dsl.io import fileio

SAVED_MODEL = 'saved_model.pb'


class ServedVersion(NamedTuple):
  """A version that a model server would load.

  Attributes:
    name: its number, as text.
    path: its directory.
  """

  name: str
  path: str


def served_version(push_destination: str) -> ServedVersion | None:
  """The version that a model server would load: the highest number that is complete.

  Args:
    push_destination: URI of the folder of versions; it need not exist.

  Returns:
    `None` where nothing is served. A version whose `saved_model.pb` is not
    there yet is still being copied.
  """
  names = (name.rstrip('/') for name in fileio.listdir(push_destination)) if fileio.exists(push_destination) else ()
  for name in sorted((name for name in names if name.isdecimal()), key=int, reverse=True):
    path = os.path.join(push_destination, name)
    if fileio.exists(os.path.join(path, SAVED_MODEL)):
      return ServedVersion(name, path)
  return None
