"""Golden rides: a few raw rides beside a model, with the fares that it must give wherever it runs."""

from __future__ import annotations

import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from configs.columns import LABEL
from models.lite.client import LiteModel
from models.manifest import EXTRA, LITE_FILE, ManifestError

GOLDEN = f'{EXTRA}/golden_rides.json'

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
    rides: the raw columns [rides] by name, NaN where missing; at least one
      ride.
    lite_fares: float32 [rides].
    saved_model_fares: float32 [rides].
    tolerance: a scheme whose steps are coarse may need a larger one.

  Raises:
    ValueError: there is no ride, columns have other lengths, or a fare is no
      number.
  """
  fares = {LABEL: np.asarray(lite_fares), f'saved_model_{LABEL}': np.asarray(saved_model_fares)}
  columns = {name: np.asarray(column) for name, column in rides.items()}
  if {column.shape for column in (*columns.values(), *fares.values())} != {(len(fares[LABEL]),)} or not len(
    fares[LABEL]
  ):
    raise ValueError('Golden rides need at least one ride, and as many fares of each kind as rides.')
  if not all(np.isfinite(values).all() for values in fares.values()):
    raise ValueError('A fare of the golden rides is no number.')
  content = {'tolerance': tolerance, 'rides': {name: _plain(column) for name, column in columns.items()}}
  path = pathlib.Path(version_dir) / GOLDEN
  path.parent.mkdir(exist_ok=True)
  text = json.dumps(content | {name: _plain(values) for name, values in fares.items()}, indent=1, allow_nan=False)
  path.write_text(text + '\n', encoding='utf-8')


def check_golden(version_dir: str | os.PathLike[str]) -> None:
  """Runs the lite file of a version on its golden rides.

  Args:
    version_dir: a directory on a disk.

  Raises:
    ManifestError: there are none, or a fare is beyond the tolerance.
    LiteFileError: the lite file can't be used, or not for these rides.
  """
  path = pathlib.Path(version_dir) / GOLDEN
  golden = _read(path)
  model = LiteModel(pathlib.Path(version_dir) / LITE_FILE)
  rides = {name: np.array(column, model.inputs.get(name, np.float32)) for name, column in golden['rides'].items()}
  given, wanted = model.predict(rides), np.array(golden[LABEL], np.float32)
  wrong = np.flatnonzero(~(np.abs(given - wanted) <= golden['tolerance']))
  if len(wrong):
    first = wrong[0]
    raise ManifestError(
      f"{len(wrong)} of {len(wanted)} golden rides of '{version_dir}' have another fare: ride {first} has "
      f'{given[first]:.4f} instead of {wanted[first]:.4f} (tolerance {golden["tolerance"]:g}).'
    )


def _read(path: pathlib.Path) -> dict[str, Any]:
  try:
    golden = json.loads(path.read_text(encoding='utf-8'))
    counts = {len(column) for column in (*golden['rides'].values(), golden[LABEL])}
    if len(counts) != 1 or not min(counts) or not math.isfinite(golden['tolerance']):
      raise ValueError('columns of different lengths')
  except OSError as error:
    raise ManifestError(f"'{path}' can't be read ({error.strerror or error}).") from None
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise ManifestError(f"'{path}' is broken ({type(error).__name__}: {error}); push the version again.") from None
  return golden


def _plain(column: np.ndarray) -> list[float | int | None]:
  """Numbers as JSON has them; what is missing is null."""
  return [None if value != value else value for value in column.tolist()]
