"""The manifest of a pushed version: what the model is, and the SHA-256 of every file, so that none changes unseen."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from configs.errors import UserError

EXTRA = 'assets.extra'
"""Folder of a version for what is not part of its graph; TensorFlow Serving ignores it."""

MANIFEST = f'{EXTRA}/manifest.json'

REQUIRED = ('dataset', 'inputs', 'metrics', 'recipe', 'scheme', 'code_version')
"""Facts that every manifest has."""

_FORMAT = 1
_OWN = ('format', 'created', 'files', 'manifest_sha256')
_AGAIN = 'copy or push the version again'


class ManifestError(UserError):
  """A version that is not what its manifest says; the message is one sentence that names the file."""


def write_manifest(version_dir: str | os.PathLike[str], facts: Mapping[str, Any]) -> dict[str, Any]:
  """Writes `assets.extra/manifest.json`; call it last, when every other file of the version is there.

  Args:
    version_dir: a directory on a disk, with `saved_model.pb` at its root. A
      version for a bucket is made on a disk and copied.
    facts: at least `REQUIRED`, as JSON knows it: `dataset` is a name, `inputs`
      what `models.inputs.describe_inputs` gives; no NaN.

  Returns:
    What was written: the facts, `created` (UTC) and, for each file, its
    `bytes` and `sha256`.

  Raises:
    ValueError: a fact is missing, has a reserved name, or is not for JSON.
  """
  missing = [name for name in REQUIRED if name not in facts]
  reserved = [name for name in _OWN if name in facts]
  if missing or reserved:
    what = f"lacks '{missing[0]}'" if missing else f"may not set '{reserved[0]}'"
    raise ValueError(f'A manifest {what}; it needs {", ".join(REQUIRED)}, and sets {", ".join(_OWN)} itself.')
  version = pathlib.Path(version_dir)
  created = datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')
  files = {name: _facts_of(version / name) for name in _files(version) if name != MANIFEST}
  manifest = {'format': _FORMAT, 'created': created} | dict(facts) | {'files': files}
  # As it will be read back: tuples are lists in JSON, and keys are text.
  manifest = json.loads(_render(manifest))
  manifest['manifest_sha256'] = _digest(manifest)
  path = version / MANIFEST
  path.parent.mkdir(exist_ok=True)
  path.write_text(_render(manifest), encoding='utf-8')
  return manifest


def verify(version_dir: str | os.PathLike[str]) -> dict[str, Any]:
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
  listed, found = manifest['files'], _files(version)
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


def _read(version: pathlib.Path) -> dict[str, Any]:
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
  return manifest


def _files(version: pathlib.Path) -> list[str]:
  """Every file below a version by its relative path, links to folders included, sorted."""
  found = []
  for folder, folders, names in os.walk(version):
    # A link to a folder is not walked into, so it can't hide files.
    names += [name for name in folders if pathlib.Path(folder, name).is_symlink()]
    found += [pathlib.Path(folder, name).relative_to(version).as_posix() for name in names]
  return sorted(found)


def _facts_of(path: pathlib.Path) -> dict[str, Any]:
  digest = hashlib.sha256()
  size = 0
  try:
    with path.open('rb') as file:
      while chunk := file.read(1 << 20):
        digest.update(chunk)
        size += len(chunk)
  except OSError as error:
    raise ManifestError(f"'{path}' can't be read ({error.strerror or error}); {_AGAIN}.") from error
  return {'bytes': size, 'sha256': digest.hexdigest()}


def _digest(manifest: Mapping[str, Any]) -> str:
  """SHA-256 of the manifest without this digest."""
  rest = {name: value for name, value in manifest.items() if name != 'manifest_sha256'}
  return hashlib.sha256(_render(rest).encode()).hexdigest()


def _render(values: Mapping[str, Any]) -> str:
  return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + '\n'
