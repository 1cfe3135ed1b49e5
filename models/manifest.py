"""The manifest of a pushed version: what the model is, and the SHA-256 of every file, so that none changes unseen."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any, ClassVar

from configs.errors import UserError
from configs.records import Figure, Record, RecordError, RecordPart
from models.inputs import InputColumn

EXTRA = 'assets.extra'
"""Folder of a version for what is not part of its graph; TensorFlow Serving ignores it."""

MANIFEST = f'{EXTRA}/manifest.json'

LITE_FILE = f'{EXTRA}/model.tflite'
"""The chosen variant inside a version."""

_AGAIN = 'copy or push the version again'


class ManifestError(UserError):
  """A version that is not what its manifest says; the message is one sentence that names the file."""


class Latency(RecordPart):
  """Microseconds of one call, input and output left out.

  Attributes:
    p50: median of all calls.
    p99: of all calls.
    spread: smallest and largest of the rounds' medians: how far another measurement may lie from this one.
  """

  p50: float
  p99: float
  spread: tuple[float, float]


class VersionMetrics(RecordPart):
  """What was measured of the lite file of a version.

  Attributes:
    rides: that it was measured on.
    rmse: in the city's currency.
    mae: the same.
    rmse_ratio: to that of `rmse_ratio_to`, ride by ride.
    rmse_ratio_to: name of a variant.
    latency_us: of one ride.
    peak_bytes: by how much it raised the peak of its process's memory.
    bytes: of the file.
    gzip_bytes: of the file as users download it.
    sparsity: share of weights that are zero.
  """

  rides: int | None = None
  rmse: Figure | None = None
  mae: Figure | None = None
  rmse_ratio: Figure | None = None
  rmse_ratio_to: str | None = None
  latency_us: Latency | None = None
  peak_bytes: int | None = None
  bytes: int | None = None
  gzip_bytes: int | None = None
  sparsity: float | None = None


class VersionFile(RecordPart):
  """A file of a version: its size, and its SHA-256 in hexadecimal."""

  bytes: int
  sha256: str


class Manifest(Record):
  """`assets.extra/manifest.json`: what a pushed version is, and every file of it.

  Attributes:
    format: 1; what told the version of a manifest before `schema_version` did.
    created: when, in UTC.
    variant: name of the variant, `<recipe>.<scheme>`.
    recipe: name of the training recipe.
    scheme: name of the conversion scheme.
    dataset: its name.
    currency: ISO 4217 code of the fares.
    inputs: the raw columns, in order.
    metrics: of the lite file.
    code_version: digest of the code that made it.
    files: every other file by its relative path.
    manifest_sha256: SHA-256 of the manifest without this key.
  """

  MEND: ClassVar[str] = _AGAIN

  format: int = 1
  created: str = ''
  variant: str | None = None
  recipe: str
  scheme: str
  dataset: str
  currency: str | None = None
  inputs: tuple[InputColumn, ...]
  metrics: VersionMetrics
  code_version: str
  files: dict[str, VersionFile] = {}
  manifest_sha256: str = ''


def write_manifest(version_dir: str | os.PathLike[str], facts: Manifest) -> Manifest:
  """Writes `assets.extra/manifest.json`; call it last, when every other file of the version is there.

  Args:
    version_dir: a directory on a disk, with `saved_model.pb` at its root. A
      version for a bucket is made on a disk and copied.
    facts: what the version is; no NaN. When it was made and its files are not
      looked at.

  Returns:
    What was written.

  Raises:
    ValueError: a number is not finite.
  """
  version = pathlib.Path(version_dir)
  created = datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')
  files = {name: _facts_of(version / name) for name in _files(version) if name != MANIFEST}
  manifest = facts.model_copy(update={'format': 1, 'created': created, 'files': files})
  manifest = manifest.model_copy(update={'manifest_sha256': _digest(manifest.to_dict())})
  path = version / MANIFEST
  path.parent.mkdir(exist_ok=True)
  path.write_text(_render(manifest.to_dict()), encoding='utf-8')
  return manifest


def verify(version_dir: str | os.PathLike[str]) -> Manifest:
  """Checks a version, byte by byte, against its manifest.

  Args:
    version_dir: a directory on a disk.

  Returns:
    The manifest.

  Raises:
    ManifestError: there is no manifest, or no whole one, or a file was
      altered, is missing, or does not belong there.
  """
  version = pathlib.Path(version_dir)
  manifest = _read(version)
  listed, found = manifest.files, _files(version)
  for name in listed:
    if name not in found:
      raise ManifestError(f"'{name}' is missing from '{version}'; {_AGAIN}.")
  for name in found:
    if name != MANIFEST and name not in listed:
      raise ManifestError(f"'{name}' in '{version}' does not belong to that version; take it away, or {_AGAIN}.")
  for name, facts in listed.items():
    if _facts_of(version / name) != facts:
      raise ManifestError(f"'{name}' in '{version}' was altered: it is not the file that was pushed; {_AGAIN}.")
  return manifest


def _read(version: pathlib.Path) -> Manifest:
  path = version / MANIFEST
  try:
    text = path.read_text(encoding='utf-8')
  except (FileNotFoundError, NotADirectoryError):
    raise ManifestError(f"'{version}' has no {MANIFEST}, so it is no version that this project pushed.") from None
  except (OSError, UnicodeDecodeError) as error:
    raise ManifestError(f"'{path}' can't be read ({error}); {_AGAIN}.") from None
  try:
    manifest = json.loads(text)
  except json.JSONDecodeError as error:
    raise ManifestError(f"'{path}' is broken (line {error.lineno}: {error.msg}); {_AGAIN}.") from None
  files = manifest.get('files') if isinstance(manifest, dict) else None
  if not isinstance(files, dict):
    raise ManifestError(f"'{path}' is broken (it lists no files); {_AGAIN}.")
  if text != _render(manifest) or manifest.get('manifest_sha256') != _digest(manifest):
    raise ManifestError(f"'{path}' was altered: it is not the manifest that was pushed; {_AGAIN}.")
  try:
    return Manifest.of(manifest, path)
  except RecordError as error:
    raise ManifestError(str(error)) from None


def _files(version: pathlib.Path) -> list[str]:
  """Every file below a version by its relative path, links to folders included, sorted."""
  found = []
  for folder, folders, names in os.walk(version):
    # A link to a folder is not walked into, so it can't hide files.
    names += [name for name in folders if pathlib.Path(folder, name).is_symlink()]
    found += [pathlib.Path(folder, name).relative_to(version).as_posix() for name in names]
  return sorted(found)


def _facts_of(path: pathlib.Path) -> VersionFile:
  digest = hashlib.sha256()
  size = 0
  try:
    with path.open('rb') as file:
      while chunk := file.read(1 << 20):
        digest.update(chunk)
        size += len(chunk)
  except OSError as error:
    raise ManifestError(f"'{path}' can't be read ({error.strerror or error}); {_AGAIN}.") from error
  return VersionFile(bytes=size, sha256=digest.hexdigest())


def _digest(manifest: Mapping[str, Any]) -> str:
  """SHA-256 of the manifest without this digest."""
  rest = {name: value for name, value in manifest.items() if name != 'manifest_sha256'}
  return hashlib.sha256(_render(rest).encode()).hexdigest()


def _render(values: Mapping[str, Any]) -> str:
  return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + '\n'
