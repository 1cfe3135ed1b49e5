"""Finds the lite file of a pushed version, verified."""

from __future__ import annotations

import os
import pathlib
from typing import Any, NamedTuple

from models.lite.client import LiteModel
from models.manifest import EXTRA, MANIFEST, ManifestError, verify
from models.whole_files import is_bucket

LITE_FILE = f'{EXTRA}/model.tflite'
"""The chosen variant inside a version."""

_SAVED_MODEL = 'saved_model.pb'


class PushedModel(NamedTuple):
  """A lite file and the version it belongs to.

  Attributes:
    file: the lite file.
    version: the version's directory, verified; `None` for a file on its own.
    manifest: the version's manifest; empty for a file on its own.
  """

  file: pathlib.Path
  version: pathlib.Path | None
  manifest: dict[str, Any]


def find_pushed(path: str | os.PathLike[str]) -> PushedModel:
  """Finds a lite file and verifies the version around it.

  Args:
    path: a version; or the push destination, whose newest version is taken; or
      a lite file on its own, for which there is nothing to verify.

  Raises:
    ManifestError: there is no such thing, or it is not what was pushed.
  """
  place = pathlib.Path(path)
  if is_bucket(path):
    raise ManifestError(f"'{path}' lies in a bucket; copy the version to this machine and name its directory.")
  if not place.exists():
    raise ManifestError(f"There is no '{path}'; name a pushed version, the directory of the versions, or a .tflite.")
  if not place.is_dir():
    return PushedModel(place, None, {})
  version = place if _is_version(place) else _newest(place)
  manifest = verify(version)
  if LITE_FILE not in manifest['files']:
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
  return any((place / name).exists() for name in (MANIFEST, LITE_FILE, _SAVED_MODEL))


def _newest(place: pathlib.Path) -> pathlib.Path:
  versions = [child for child in place.iterdir() if child.name.isdecimal() and child.is_dir()]
  if not versions:
    raise ManifestError(f"'{place}' is neither a pushed version nor a directory of versions.")
  return max(versions, key=lambda version: int(version.name))
