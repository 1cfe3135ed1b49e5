"""A pushed version: its manifest, its golden rides, what its clients need to know, and which one is found where."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import os
import pathlib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from configs.columns import LABEL
from configs.errors import UserError
from configs.records import Figure, Record, RecordError, RecordPart, load_json
from models.lite.columns import InputColumn
from models.served_versions import EXTRA, SAVED_MODEL, served_version
from models.whole_files import is_bucket

if TYPE_CHECKING:  # Whoever only asks what serves waits for no NumPy.
  import numpy as np

MANIFEST = f'{EXTRA}/manifest.json'

LITE_FILE = 'model.tflite'
"""The chosen variant inside a version: where TensorFlow Serving looks for it."""

_EARLIER_LITE_FILE = f'{EXTRA}/{LITE_FILE}'
"""Where earlier pushes put it."""

WARM_UP = f'{EXTRA}/tf_serving_warmup_requests'
"""Requests that TensorFlow Serving answers before it serves a version."""

_AGAIN = 'copy or push the version again'


class ManifestError(UserError):
  """A version that is not what its manifest says; the message is one sentence that names the file."""


class Latency(RecordPart):
  """Microseconds of a caller's call.

  Attributes:
    p50, p99: percentiles of all calls.
    spread: smallest and largest of the rounds' medians: how far another measurement may be from this one.
    whole_call: whether setting the inputs and getting the output are part of a call; older records left them out.
  """

  p50: float
  p99: float
  spread: tuple[float, float]
  whole_call: bool = False


class TaskFigures(RecordPart):
  """What a user's own model is judged by, beside `rmse`, `mae` and `rmse_ratio`; see `configs.task.MetricName`.

  Attributes:
    accuracy, log_loss, auc: of a classification.
    mae_ratio, log_loss_ratio: to the baseline's, example by example.
    accuracy_loss, auc_loss: how much less than the baseline's, example by example; below 0 where it is more.
  """

  accuracy: Figure | None = None
  log_loss: Figure | None = None
  auc: Figure | None = None
  mae_ratio: Figure | None = None
  log_loss_ratio: Figure | None = None
  accuracy_loss: Figure | None = None
  auc_loss: Figure | None = None


class VersionMetrics(TaskFigures):
  """What was measured of the lite file of a version.

  Attributes:
    rides: of the eval split that it was measured on.
    drawn_from: rides of the whole split, where those are a random sample of it.
    rmse, mae: in the city's currency.
    rmse_ratio: to that of `rmse_ratio_to`, ride by ride.
    rmse_ratio_to: name of a variant.
    baseline: the variant that another ratio or a loss refers to.
    peak_bytes: by how much it raised the peak of its process's memory.
    gzip_bytes: of the file as users download it.
    sparsity: share of weights that are zero.
  """

  rides: int | None = None
  drawn_from: int | None = None
  rmse: Figure | None = None
  mae: Figure | None = None
  rmse_ratio: Figure | None = None
  rmse_ratio_to: str | None = None
  baseline: str | None = None
  latency_us: Latency | None = None
  peak_bytes: int | None = None
  bytes: int | None = None
  gzip_bytes: int | None = None
  sparsity: float | None = None


class CheckedRuntime(RecordPart):
  """A runtime that the golden rides were run on before the push.

  Attributes:
    runtime: package and version.
    kernels: `default`, with the delegates that it brings, or `builtin`, without any.
    largest: difference of a prediction from those of the manifest's version, in their unit; `None` where it failed.
    within: whether that is within the golden rides' tolerance.
  """

  runtime: str
  kernels: str
  largest: float | None = None
  within: bool


class VersionFile(RecordPart):
  """A file of a version: its size, and its SHA-256 in hexadecimal."""

  bytes: int
  sha256: str


class Manifest(Record):
  """`assets.extra/manifest.json`: what a pushed version is, and every file of it.

  Attributes:
    format: 1; the version of a manifest before there was `schema_version`.
    created: when, in UTC.
    variant: name of the variant, `<recipe>.<scheme>`.
    currency: ISO 4217 code of the fares.
    inputs: the raw columns, in order.
    metrics: of the lite file.
    code_version: digest of the code that made it.
    min_runtime_version: the oldest TFLite runtime that computes the lite file right; as the file itself says.
    checked: the runtimes that the golden rides were run on here. `docs/runtimes.md` has what others give.
    files: every other file by its relative path.
    manifest_sha256: SHA-256 of the manifest without this key.
  """

  FIX: ClassVar[str] = _AGAIN

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
  min_runtime_version: str | None = None
  checked: tuple[CheckedRuntime, ...] = ()
  files: dict[str, VersionFile] = {}
  manifest_sha256: str = ''


def lite_file(files: Collection[str]) -> str | None:
  """Which file of a version is its lite file, whoever pushed it; `None` where there is none."""
  return next((name for name in (LITE_FILE, _EARLIER_LITE_FILE) if name in files), None)


def write_manifest(version_dir: str | os.PathLike[str], facts: Manifest) -> Manifest:
  """Writes `assets.extra/manifest.json`; call it last, when every other file of the version is there.

  Args:
    version_dir: a directory on a disk, with `saved_model.pb` at its root. A version for a bucket is made on a disk and
      copied.
    facts: what the version is; no NaN. When it was made and its files are not looked at.
  Raises: ValueError: a number is not finite.
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
  """The manifest of a version in a directory on a disk, after checking every byte against it.

  Raises: ManifestError: there is none, or no whole one, or a file was altered, is missing, or does not belong there.
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


def served_alteration(base: pathlib.Path) -> str | None:
  """Why what serves is not what was pushed, in a sentence; `None` where it is, or nothing serves.

  Args: base: the push destination, on a disk.
  """
  served = served_version(base)
  if served is None:
    return None
  try:
    verify(base / str(served))
  except ManifestError as error:
    return f'Version {served}, which serves, is not what was pushed: {error}'
  return None


def _read(version: pathlib.Path) -> Manifest:
  path = version / MANIFEST
  try:
    _refuse_odd(path)
    text = path.read_text(encoding='utf-8')
  except (FileNotFoundError, NotADirectoryError):
    raise ManifestError(f"'{version}' has no {MANIFEST}, so it is no version that this project pushed.") from None
  except (OSError, UnicodeDecodeError) as error:
    raise ManifestError(f"'{path}' can't be read ({error}); {_AGAIN}.") from None
  try:
    manifest = load_json(text, path, _AGAIN)
    files = manifest.get('files') if isinstance(manifest, dict) else None
    if not isinstance(files, dict):
      raise ManifestError(f"'{path}' is broken (it lists no files); {_AGAIN}.")
    if text != _render(manifest) or manifest.get('manifest_sha256') != _digest(manifest):
      raise ManifestError(f"'{path}' was altered: it is not the manifest that was pushed; {_AGAIN}.")
    return Manifest.of(manifest, path)
  except RecordError as error:
    raise ManifestError(str(error)) from None
  except ValueError:
    raise ManifestError(f"'{path}' was altered: it has a number or a sign that no manifest has; {_AGAIN}.") from None


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
    _refuse_odd(path)
    with path.open('rb') as file:
      while chunk := file.read(1 << 20):
        digest.update(chunk)
        size += len(chunk)
  except OSError as error:
    raise ManifestError(f"'{path}' can't be read ({error.strerror or error}); {_AGAIN}.") from error
  return VersionFile(bytes=size, sha256=digest.hexdigest())


def _refuse_odd(path: pathlib.Path) -> None:
  """Raises `ManifestError` where reading would wait for somebody to write, or never end."""
  if path.exists() and not path.is_file() and not path.is_dir():
    raise ManifestError(f"'{path}' is a pipe or a device; put a file in its place.")


def _digest(manifest: Mapping[str, Any]) -> str:
  """SHA-256 of the manifest without this digest."""
  rest = {name: value for name, value in manifest.items() if name != 'manifest_sha256'}
  return hashlib.sha256(_render(rest).encode()).hexdigest()


def _render(values: Mapping[str, Any]) -> str:
  return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + '\n'


GOLDEN = f'{EXTRA}/golden_rides.json'

GOLDEN_EXAMPLES = f'{EXTRA}/golden_examples.json'
"""In place of golden rides, in a version of any other model."""


class _Golden(NamedTuple):
  """A file of golden rows: what they are called, the key of what is predicted for them, and what that is called."""

  file: str
  rows: str
  key: str
  what: str


_RIDES = _Golden(GOLDEN, 'rides', LABEL, 'fare')
_EXAMPLES = _Golden(GOLDEN_EXAMPLES, 'examples', 'predictions', 'prediction')

TOLERANCE = 0.01
"""The city's currency: kernels of another machine may round another way, by less than a cent."""


def write_golden(
  version_dir: str | os.PathLike[str],
  rides: Mapping[str, np.ndarray],
  lite_fares: np.ndarray,
  saved_model_fares: np.ndarray,
  tolerance: float = TOLERANCE,
) -> None:
  """Writes `assets.extra/golden_rides.json`.

  It holds `rides` (columns of equal length, null where missing), `fare_amount` (what the lite file gives for them),
  `saved_model_fare_amount` (what the SavedModel gives) and `tolerance`, the largest difference from `fare_amount` that
  is right, in the city's currency.

  Args:
    version_dir: a directory on a disk.
    rides: the raw columns [rides] by name, NaN where missing; at least one ride.
    lite_fares, saved_model_fares: float32 [rides].
    tolerance: a file whose steps are coarse needs a larger one.
  Raises: ValueError: there is no ride, columns have other lengths, or a fare is no number.
  """
  _write_golden(version_dir, _RIDES, rides, lite_fares, saved_model_fares, tolerance)


def write_golden_examples(
  version_dir: str | os.PathLike[str],
  examples: Mapping[str, np.ndarray],
  predictions: np.ndarray,
  saved_model_predictions: np.ndarray,
  tolerance: float,
) -> None:
  """Writes `assets.extra/golden_examples.json`, which is to any model what `write_golden` writes of a fare model.

  It holds `examples`, `predictions`, `saved_model_predictions` and `tolerance`, each row nested as its shape is.

  Args:
    version_dir: a directory on a disk.
    examples: the lite file's inputs by name, [examples, ...], NaN where missing; at least one example.
    predictions, saved_model_predictions: float32 [examples] or [examples, classes].
    tolerance: the largest difference from `predictions` that is right, in their unit.
  Raises: ValueError: there is no example, columns have other lengths, or a prediction is no number.
  """
  _write_golden(version_dir, _EXAMPLES, examples, predictions, saved_model_predictions, tolerance)


def _write_golden(
  version_dir: str | os.PathLike[str],
  golden: _Golden,
  rows: Mapping[str, np.ndarray],
  lite: np.ndarray,
  saved_model: np.ndarray,
  tolerance: float,
) -> None:
  import numpy as np

  _, called, key, what = golden
  given = {key: np.asarray(lite), f'saved_model_{key}': np.asarray(saved_model)}
  columns = {name: np.asarray(column) for name, column in rows.items()}
  shapes, lengths = {values.shape for values in given.values()}, {len(column) for column in columns.values()}
  if len(shapes) > 1 or lengths != {len(given[key])} or not len(given[key]):
    raise ValueError(f'Golden {called} need at least one {called[:-1]}, and as many {what}s of each kind as {called}.')
  if not all(np.isfinite(values).all() for values in given.values()):
    raise ValueError(f'A {what} of the golden {called} is no number.')
  content = {'tolerance': tolerance, called: {name: _plain(column.tolist()) for name, column in columns.items()}}
  path = pathlib.Path(version_dir) / golden.file
  path.parent.mkdir(exist_ok=True)
  plain = {name: _plain(values.tolist()) for name, values in given.items()}
  path.write_text(json.dumps(content | plain, indent=1, allow_nan=False) + '\n', encoding='utf-8')


def check_golden(version_dir: str | os.PathLike[str]) -> None:
  """Runs the lite file of a version on its golden rides, or golden examples.

  Args: version_dir: a directory on a disk.
  Raises:
    ManifestError: there are none, or a prediction is beyond the tolerance.
    LiteFileError: the lite file can't be used, or not for these rows.
  """
  import numpy as np

  from models.lite.client import LiteModel
  from models.lite.interpreter import LiteRunner

  version = pathlib.Path(version_dir)
  kind = _EXAMPLES if (version / GOLDEN_EXAMPLES).exists() else _RIDES
  golden = read_golden(version / kind.file)
  file = version / (lite_file(_files(version)) or LITE_FILE)
  model = LiteModel(file) if kind is _RIDES else LiteRunner(file)
  columns = {name: np.array(column, model.inputs.get(name, np.float32)) for name, column in golden[kind.rows].items()}
  given, wanted = model.predict(columns), np.array(golden[kind.key], np.float32)
  if given.shape != wanted.shape:
    shapes = f'{kind.what}s of shape {list(given.shape)} instead of {list(wanted.shape)}'
    raise ManifestError(f"The lite file of '{version_dir}' gives the golden {kind.rows} {shapes}.")
  apart = np.abs(given - wanted)
  wrong = np.flatnonzero(~(apart <= golden['tolerance']).reshape(len(wanted), -1).all(axis=1))
  if len(wrong):
    first = wrong[0]
    at = (first, apart[first].argmax()) if wanted.ndim == 2 else first
    raise ManifestError(
      f"{len(wrong)} of {len(wanted)} golden {kind.rows} of '{version_dir}' have another {kind.what}: "
      f'{kind.rows[:-1]} {first} has {given[at]:.4f} instead of {wanted[at]:.4f} '
      f'(tolerance {golden["tolerance"]:g}).'
    )


def read_golden(path: pathlib.Path) -> dict[str, Any]:
  """What was written of golden rides or examples. Raises: ManifestError: it can't be read, or is no longer whole."""
  kind = _EXAMPLES if pathlib.Path(GOLDEN_EXAMPLES).name == path.name else _RIDES
  try:
    golden = load_json(path.read_bytes(), path, 'push the version again')
    counts = {len(column) for column in (*golden[kind.rows].values(), golden[kind.key])}
    if len(counts) != 1 or not min(counts) or not math.isfinite(golden['tolerance']):
      raise ValueError('columns of different lengths')
  except OSError as error:
    raise ManifestError(f"'{path}' can't be read ({error.strerror or error}).") from None
  except RecordError as error:
    raise ManifestError(str(error)) from None
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise ManifestError(f"'{path}' is broken ({type(error).__name__}: {error}); push the version again.") from None
  return golden


def _plain(values: Any) -> Any:
  """Numbers, however nested, as JSON has them; what is missing is null."""
  if isinstance(values, list):
    return [_plain(value) for value in values]
  return None if values != values else values


class PushedModel(NamedTuple):
  """A lite file and the version it belongs to.

  Attributes:
    version: the version's directory, verified; `None` for a file on its own.
    manifest: the version's manifest; `None` for a file on its own.
  """

  file: pathlib.Path
  version: pathlib.Path | None
  manifest: Manifest | None


def is_version(place: str | os.PathLike[str]) -> bool:
  """Whether a folder on a disk is a version, and not the directory of versions."""
  return any(pathlib.Path(place, name).exists() for name in (MANIFEST, LITE_FILE, SAVED_MODEL))


def versions_below(place: pathlib.Path) -> str:
  """A hint for who named a run's folder on a disk: where its versions are; nothing where it has none."""
  below = place / 'serving'
  return '' if served_version(below) is None else f" Did you mean '{below}'?"


def find_pushed(path: str | os.PathLike[str]) -> PushedModel:
  """Finds a lite file and verifies the version around it.

  Args:
    path: a version; or the push destination, of which the version that serves is taken; or a lite file on its own, for
      which there is nothing to verify.
  Raises: ManifestError: there is no such thing, or it is not what was pushed.
  """
  place = pathlib.Path(path)
  if is_bucket(path):
    raise ManifestError(f"'{path}' is in a bucket; copy the version to this machine and name its directory.")
  if not place.exists():
    raise ManifestError(f"There is no '{path}'; name a pushed version, the directory of the versions, or a .tflite.")
  _refuse_odd(place)
  if not place.is_dir():
    return PushedModel(place, None, None)
  version = place
  if not is_version(place):
    served = served_version(place)
    if served is None:
      raise ManifestError(f"'{place}' is neither a pushed version nor a directory of versions.{versions_below(place)}")
    version = place / str(served)
  manifest = verify(version)
  lite = lite_file(manifest.files)
  if lite is None:
    raise ManifestError(f"'{version}' was pushed without {LITE_FILE}; push a run that has a lite variant.")
  return PushedModel(version / lite, version, manifest)
