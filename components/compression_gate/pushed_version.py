"""Versions of a model: the one to push, with the chosen file and golden examples in it, and the one that serves now."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from tfx.utils import io_utils

from components.compression_gate.choice import Candidate
from configs.compression import Scheme
from models.lite.inspection import LiteFile
from models.lite.interpreter import LiteFileError, runtime_name
from models.lite.process import LiteCrashError, LiteProcess, StartedAhead
from models.protocols import EvalExamples, Version
from models.release import (
  LITE_FILE,
  CheckedRuntime,
  Manifest,
  ManifestError,
  VersionMetrics,
  lite_file,
  verify,
  write_manifest,
)
from models.served_versions import EXTRA


class ServedVersion(NamedTuple):
  """The version that serves.

  Attributes:
    version: its name.
    file: the lite file on this machine, as it was pushed; `None` where there is no sound one.
    inputs: names of what the file takes.
    reason: one sentence on why there is none.
  """

  version: str
  file: pathlib.Path | None
  inputs: tuple[str, ...] = ()
  reason: str = ''

  def absent(self, columns: Mapping[str, np.ndarray]) -> list[str]:
    """Names of what the file takes and these columns lack."""
    return [name for name in self.inputs if name not in columns]

  def columns_of(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns that the file can take: what they lack is missing in every row, which is NaN in whatever it takes."""
    rows = len(next(iter(columns.values())))
    return dict(columns) | {name: np.full(rows, np.nan, np.float32) for name in self.absent(columns)}


def fetch_served(directory: str, version: str, folder: pathlib.Path) -> ServedVersion:
  """Copies the version that serves and checks every byte of the copy.

  Args:
    directory: of the version; a bucket is fine.
    version: its name.
    folder: on this machine, for the copy.
  """
  copy = folder / 'served'
  io_utils.copy_dir(directory, str(copy))
  try:
    manifest = verify(copy)
    lite = lite_file(manifest.files)
    if lite is None:
      raise ManifestError(f'it was pushed without {LITE_FILE}.')
  except ManifestError as error:
    reason = str(error).replace(str(copy), directory)
    return ServedVersion(version, None, reason=f'Version {version}, which serves, is not what was pushed: {reason}')
  return ServedVersion(version, copy / lite, tuple(column.name for column in manifest.inputs))


def write_version(
  directory: str,
  saved_model: str,
  candidate: Candidate,
  scheme: Scheme,
  examples: EvalExamples,
  baseline: str,
  version: Version,
  code_version: str,
  drawn_from: int | None = None,
  ahead: StartedAhead | None = None,
) -> list[str]:
  """Writes a version as the Pusher copies it.

  Args:
    directory: where to; a bucket is fine.
    saved_model: of the candidate's recipe; a bucket is fine.
    scheme: the candidate's.
    examples: the eval split, for golden ones.
    baseline: what the candidate's ratio of errors refers to.
    version: what the manifest and the golden examples hold of the model.
    drawn_from: size of the eval split, where the examples are a sample of it.
    ahead: gives the processes that run the file once more.
  Returns: A sentence for each set of kernels here whose golden predictions are beyond the tolerance: a note, as these
    kernels may be the ones that are wrong.
  """
  with tempfile.TemporaryDirectory() as local:
    folder = pathlib.Path(local) / 'version'
    io_utils.copy_dir(saved_model, str(folder))
    lite = folder / LITE_FILE
    (folder / EXTRA).mkdir(exist_ok=True)
    assert candidate.variant.path is not None  # What ran has a file.
    lite.write_bytes(candidate.variant.path.read_bytes())
    predictions = candidate.measured.predictions
    rows = version.golden_rows(predictions)
    golden = {name: column[rows] for name, column in examples.columns.items()}
    tolerance = version.tolerance(spread_elsewhere(lite.read_bytes(), scheme, predictions))
    version.write_golden(folder, golden, predictions[rows], tolerance)
    version.write_warm_up(folder, golden)
    checked = _checked(lite, predictions[rows], golden, examples, tolerance, ahead)
    write_manifest(folder, _manifest(candidate, checked, examples, baseline, version, code_version, drawn_from))
    io_utils.copy_dir(str(folder), directory)
  return [_remark(kernels, tolerance) for kernels in checked if not kernels.within]


_STEPS = 2.5
"""Another rounding of one activation shifts a prediction by a whole step of the output; of the trained models that were
seen none was off by two."""

_DEVIATIONS = 3
"""A single prediction may be off by more than the root mean square that a scheme allows of all: the farthest of 1,804
that was seen was off by two of them, with dynamic range."""

_WIDEST = 0.025
"""What counts of a scheme's tolerance, at most. That allows for what 8 or 4 bits cost, which is the same everywhere;
runtimes differ by their kernels alone, and the farthest that was seen of float outputs after 8-bit layers, 7 % of the
standard deviation, is below three of these."""


def spread_elsewhere(content: bytes, scheme: Scheme, predictions: np.ndarray) -> float:
  """How far a prediction of a good file may be off on another runtime, in the labels' unit.

  It follows from what the file is, and not from the kernels of the runtime here: all runtimes of `docs/runtimes.md`
  stay below it. Where the output has steps, they alone count, or damage of many steps would pass for another rounding.

  Args:
    content: of the file.
    scheme: that it was made by.
    predictions: here, [examples] or [examples, classes].
  """
  if step := LiteFile(content).output_step():
    return _STEPS * step
  return _DEVIATIONS * min(scheme.tolerance, _WIDEST) * float(np.std(predictions, dtype=np.float64))


def _checked(
  file: pathlib.Path,
  predictions: np.ndarray,
  golden: Mapping[str, np.ndarray],
  examples: EvalExamples,
  tolerance: float,
  ahead: StartedAhead | None,
) -> tuple[CheckedRuntime, ...]:
  """How far the golden predictions are off with each of LiteRT's two sets of kernels."""
  found = []
  for delegates in (True, False):
    try:
      with LiteProcess(file, default_delegates=delegates, contract=examples.contract, ahead=ahead) as process:
        apart = float(np.max(np.abs(process.predict(golden) - predictions)))
    except (LiteFileError, LiteCrashError):
      apart = None
    within = apart is not None and apart <= tolerance
    found.append(
      CheckedRuntime(
        runtime=runtime_name(), kernels='default' if delegates else 'builtin', largest=apart, within=within
      )
    )
  return tuple(found)


def _remark(checked: CheckedRuntime, tolerance: float) -> str:
  what = f'{checked.runtime} with its {checked.kernels} kernels'
  if checked.largest is None:
    return f'Golden predictions: {what} does not run the pushed file.'
  return f'Golden predictions: {what} is off by up to {checked.largest:.4g}, beyond the tolerance of {tolerance:g}.'


def _manifest(
  candidate: Candidate,
  checked: tuple[CheckedRuntime, ...],
  examples: EvalExamples,
  baseline: str,
  version: Version,
  code_version: str,
  drawn_from: int | None,
) -> Manifest:
  variant, measured = candidate.variant, candidate.measured
  assert variant.path is not None
  sampled = {} if drawn_from is None else {'drawn_from': drawn_from}
  referring = 'rmse_ratio_to' if examples.metric.key == 'rmse' else 'baseline'
  return Manifest(
    variant=variant.name,
    recipe=variant.facts.recipe,
    scheme=variant.facts.scheme,
    **version.facts,
    metrics=VersionMetrics.model_validate(
      {
        **{'rides': len(examples), **sampled, referring: baseline},
        **examples.metric.figures(candidate.errors),
        **{'latency_us': measured.latency_us, 'peak_bytes': measured.peak_bytes},
        **{'bytes': candidate.bytes, 'gzip_bytes': candidate.gzip_bytes, 'sparsity': variant.facts.sparsity},
      }
    ),
    code_version=code_version,
    min_runtime_version=LiteFile(variant.path.read_bytes()).runtime_version(),
    checked=checked,
  )
