"""The version to push: the chosen recipe's SavedModel with the chosen lite file and golden rides beside it."""

from __future__ import annotations

import math
import pathlib
import tempfile
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tfx.utils import io_utils

from components.compression_gate.budget import Candidate
from components.compression_gate.gate import EvalRides
from configs.dataset import LABEL, Dataset
from models.lite.client import LiteFileError
from models.lite.process import LiteCrashError, LiteProcess
from models.release import LITE_FILE, TOLERANCE, Manifest, VersionMetrics, describe_inputs, write_golden, write_manifest
from models.serving import SERVING_RAW
from transforms import names

_BY_FARE = 6
"""Rides from the cheapest to the dearest."""

_SPECIAL = (names.SLICE_MISSING_DROPOFF, names.SLICE_AIRPORT)
"""One ride of each of these, if there is one."""


def golden_rows(rides: EvalRides, fares: np.ndarray) -> np.ndarray:
  """Picks a few rides that differ.

  Args:
    rides: the eval split, at least one ride.
    fares: predicted ones [rides].
  Returns: int64 [n], rising rows: at even steps through the predicted fares, one with a missing dropoff and one at an
    airport, if there are such.
  """
  ranked = np.argsort(fares, kind='stable')
  rows = [*ranked[np.linspace(0, len(ranked) - 1, _BY_FARE).astype(int)]]
  rows += [np.flatnonzero(rides.codes[name] == 1)[:1] for name in _SPECIAL]
  return np.unique(np.hstack(rows))


def write_version(
  directory: str,
  saved_model: str,
  candidate: Candidate,
  rides: EvalRides,
  baseline: str,
  dataset: Dataset,
  code_version: str,
) -> None:
  """Writes a version as the Pusher copies it.

  Args:
    directory: where to; a bucket is fine.
    saved_model: of the candidate's recipe; a bucket is fine.
    baseline: what the candidate's RMSE ratio refers to.
  """
  with tempfile.TemporaryDirectory() as local:
    version = pathlib.Path(local) / 'version'
    io_utils.copy_dir(saved_model, str(version))
    lite = version / LITE_FILE
    lite.parent.mkdir(exist_ok=True)
    lite.write_bytes(_path(candidate).read_bytes())
    rows = golden_rows(rides, candidate.measured.fares)
    golden = {name: column[rows] for name, column in rides.columns.items()}
    write_golden(
      version, golden, candidate.measured.fares[rows], _saved_model_fares(version, golden), _tolerance(candidate, rides)
    )
    write_manifest(version, _manifest(candidate, rides, baseline, dataset, code_version))
    io_utils.copy_dir(str(version), directory)


def _path(candidate: Candidate) -> pathlib.Path:
  assert candidate.variant.path is not None
  return candidate.variant.path


def _saved_model_fares(version: pathlib.Path, golden: Mapping[str, np.ndarray]) -> np.ndarray:
  # The signatures live as long as the model does.
  model = tf.saved_model.load(str(version))
  fares = model.signatures[SERVING_RAW](**{name: tf.constant(column) for name, column in golden.items()})[LABEL]
  return np.asarray(fares)


def _tolerance(candidate: Candidate, rides: EvalRides) -> float:
  """How far a fare may be off elsewhere: as far as LiteRT's two sets of kernels are apart here, a cent at least.

  Where activations are integers, another rounding of one of them can shift a fare by a whole step.
  """
  try:
    with LiteProcess(_path(candidate), default_delegates=False) as process:
      others = process.predict(rides.columns)
  except (LiteFileError, LiteCrashError):
    return TOLERANCE
  apart = np.abs(others - candidate.measured.fares)
  largest = float(np.max(apart, initial=0.0, where=np.isfinite(apart)))
  return max(TOLERANCE, math.ceil(100 * largest) / 100)


def _manifest(candidate: Candidate, rides: EvalRides, baseline: str, dataset: Dataset, code_version: str) -> Manifest:
  variant, errors, measured = candidate.variant, candidate.errors, candidate.measured
  return Manifest(
    variant=variant.name,
    recipe=variant.recipe,
    scheme=variant.scheme,
    dataset=dataset.name,
    currency=dataset.currency,
    inputs=describe_inputs(dataset),
    metrics=VersionMetrics(
      rides=len(rides),
      rmse=errors.rmse,
      mae=errors.mae,
      rmse_ratio=errors.rmse_ratio,
      rmse_ratio_to=baseline,
      latency_us=measured.latency_us,
      peak_bytes=measured.peak_bytes,
      bytes=candidate.bytes,
      gzip_bytes=candidate.gzip_bytes,
      sparsity=variant.facts.sparsity,
    ),
    code_version=code_version,
  )
