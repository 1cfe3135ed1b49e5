"""Versions of a model: the one to push, with the chosen file and golden examples in it, and the one that serves now."""

from __future__ import annotations

import pathlib
import tempfile
from typing import NamedTuple

import numpy as np
from tfx.utils import io_utils

from components.compression_gate.choice import Candidate
from models.lite.interpreter import LiteFileError
from models.lite.process import LiteCrashError, LiteProcess, StartedAhead
from models.protocols import EvalExamples, Version
from models.release import LITE_FILE, Manifest, ManifestError, VersionMetrics, verify, write_manifest


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
    if LITE_FILE not in manifest.files:
      raise ManifestError(f'it was pushed without {LITE_FILE}.')
  except ManifestError as error:
    reason = str(error).replace(str(copy), directory)
    return ServedVersion(version, None, reason=f'Version {version}, which serves, is not what was pushed: {reason}')
  return ServedVersion(version, copy / LITE_FILE, tuple(column.name for column in manifest.inputs))


def write_version(
  directory: str,
  saved_model: str,
  candidate: Candidate,
  examples: EvalExamples,
  baseline: str,
  version: Version,
  code_version: str,
  drawn_from: int | None = None,
  ahead: StartedAhead | None = None,
) -> None:
  """Writes a version as the Pusher copies it.

  Args:
    directory: where to; a bucket is fine.
    saved_model: of the candidate's recipe; a bucket is fine.
    examples: the eval split, for golden ones.
    baseline: what the candidate's ratio of errors refers to.
    version: what the manifest and the golden examples hold of the model.
    drawn_from: size of the eval split, where the examples are a sample of it.
    ahead: gives the process that runs the file once more.
  """
  with tempfile.TemporaryDirectory() as local:
    folder = pathlib.Path(local) / 'version'
    io_utils.copy_dir(saved_model, str(folder))
    lite = folder / LITE_FILE
    lite.parent.mkdir(exist_ok=True)
    assert candidate.variant.path is not None  # What ran has a file.
    lite.write_bytes(candidate.variant.path.read_bytes())
    predictions = candidate.measured.predictions
    rows = version.golden_rows(predictions)
    golden = {name: column[rows] for name, column in examples.columns.items()}
    apart = _apart(lite, predictions, examples, ahead)
    version.write_golden(folder, golden, predictions[rows], version.tolerance(apart))
    write_manifest(folder, _manifest(candidate, examples, baseline, version, code_version, drawn_from))
    io_utils.copy_dir(str(folder), directory)


def _apart(file: pathlib.Path, predictions: np.ndarray, examples: EvalExamples, ahead: StartedAhead | None) -> float:
  """How far LiteRT's two sets of kernels are apart here, in the labels' unit.

  Where activations are integers, another rounding of one of them can shift a prediction by a whole step.
  """
  try:
    with LiteProcess(file, default_delegates=False, contract=examples.contract, ahead=ahead) as process:
      others = process.predict(examples.columns)
  except (LiteFileError, LiteCrashError):
    return 0.0
  apart = np.abs(others - predictions)
  return float(np.max(apart, initial=0.0, where=np.isfinite(apart)))


def _manifest(
  candidate: Candidate,
  examples: EvalExamples,
  baseline: str,
  version: Version,
  code_version: str,
  drawn_from: int | None,
) -> Manifest:
  variant, measured = candidate.variant, candidate.measured
  sampled = {} if drawn_from is None else {'drawn_from': drawn_from}
  return Manifest(
    variant=variant.name,
    recipe=variant.facts.recipe,
    scheme=variant.facts.scheme,
    **version.facts,
    metrics=VersionMetrics.model_validate(
      {
        **{'rides': len(examples), **sampled, 'rmse_ratio_to': baseline},
        **examples.metric.figures(candidate.errors),
        **{'latency_us': measured.latency_us, 'peak_bytes': measured.peak_bytes},
        **{'bytes': candidate.bytes, 'gzip_bytes': candidate.gzip_bytes, 'sparsity': variant.facts.sparsity},
      }
    ),
    code_version=code_version,
  )
