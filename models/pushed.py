"""Finds the lite file of a pushed version, verified."""

from __future__ import annotations

import os
import pathlib
from typing import NamedTuple

from models.lite.client import LiteModel
from models.manifest import LITE_FILE, MANIFEST, Manifest, ManifestError, verify
from models.versions import SAVED_MODEL, served_version
from models.whole_files import is_bucket


class PushedModel(NamedTuple):
  """A lite file and the version it belongs to.

  Attributes:
    file: the lite file.
    version: the version's directory, verified; `None` for a file on its own.
    manifest: the version's manifest; `None` for a file on its own.
  """

  file: pathlib.Path
  version: pathlib.Path | None
  manifest: Manifest | None


def find_pushed(path: str | os.PathLike[str]) -> PushedModel:
  """Finds a lite file and verifies the version around it.

  Args:
    path: a version; or the push destination, of which the version that serves
      is taken; or a lite file on its own, for which there is nothing to verify.

  Raises:
    ManifestError: there is no such thing, or it is not what was pushed.
  """
  place = pathlib.Path(path)
  if is_bucket(path):
    raise ManifestError(f"'{path}' lies in a bucket; copy the version to this machine and name its directory.")
  if not place.exists():
    raise ManifestError(f"There is no '{path}'; name a pushed version, the directory of the versions, or a .tflite.")
  if not place.is_dir():
    return PushedModel(place, None, None)
  version = place if _is_version(place) else _served(place)
  manifest = verify(version)
  if LITE_FILE not in manifest.files:
    raise ManifestError(f"'{version}' was pushed without {LITE_FILE}; push a run that has a lite variant.")
  return PushedModel(version / LITE_FILE, version, manifest)


def load_pushed(path: str | os.PathLike[str], threads: int = 1) -> LiteModel:
  """Verifies what `find_pushed` finds, and loads it.

  Raises:
    ManifestError: see `find_pushed`.
    LiteFileError: see `LiteModel`.
  """
  return LiteModel(find_pushed(path).file, threads)


def _is_version(place: pathlib.Path) -> bool:
  return any((place / name).exists() for name in (MANIFEST, LITE_FILE, SAVED_MODEL))


def _served(place: pathlib.Path) -> pathlib.Path:
  version = served_version(place)
  if version is None:
    raise ManifestError(f"'{place}' is neither a pushed version nor a directory of versions.")
  return place / str(version)
