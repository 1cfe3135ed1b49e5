"""The rides of the eval split with what was predicted for them."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from components.fare_evaluator.records import SliceCode
from components.parquet import pq
from configs.dataset import COORDINATES, EPOCH, LABEL, TIME
from configs.records import Estimate
from models.error_intervals import ratio_interval, slice_intervals
from pipeline.report.record import GATE, RunRecord

PREDICTION = 'prediction'
"""The column of predictions where none is named after a variant."""

_SLICING = 'slice_'
"""How the columns of slice codes begin."""


@dataclasses.dataclass(frozen=True)
class PredictedRides:
  """Rides in arrays of shape [rides].

  Attributes:
    variant: whose predictions these are; empty where the file does not say.
    seconds: int64, of the pickup since 2009-01-01, the city's wall clock.
    coordinates: float64 degrees by canonical column, NaN where missing.
    fares: float64, the city's currency.
    predictions: float64, the city's currency.
    codes: the slice of each ride, by the name of the slicing; integers.
  """

  variant: str
  seconds: np.ndarray
  coordinates: dict[str, np.ndarray]
  fares: np.ndarray
  predictions: np.ndarray
  codes: dict[str, np.ndarray]

  @property
  def errors(self) -> np.ndarray:
    """Prediction minus fare: positive where too much was predicted."""
    return self.predictions - self.fares

  @property
  def hours(self) -> np.ndarray:
    """The hour of the pickup, 0 to 23, as integers [rides]."""
    return self.seconds // 3600 % 24

  def times(self, indices: Sequence[int]) -> list[str]:
    """Pickup times of some rides, for people."""
    return [str(EPOCH + datetime.timedelta(seconds=int(self.seconds[index])))[:16] for index in indices]


def read_rides(record: RunRecord) -> PredictedRides | None:
  """Reads the gate's `predictions.parquet`, which holds raw columns, fares and predictions of a variant or several.

  The chosen variant's are taken, else the baseline's, else the column `prediction`. Rides without a prediction are left
  out. Returns `None` where there is no such file or column, or no ride.
  """
  path = record.file(GATE, 'report', 'predictions.parquet')
  if path is None:
    return None
  # Not `pq.read_table`, whose datasets load pandas.
  with pq.ParquetFile(path) as file:
    held = file.schema_arrow.names
    variants = record.variants
    wanted = [name for name in (variants.chosen, variants.baseline) if name] if variants else []
    column = next((name for name in (*wanted, PREDICTION) if name in held), None)
    if column is None:
      return None
    slicings = [name for name in held if name.startswith(_SLICING)]
    table = file.read(columns=[TIME, *COORDINATES, LABEL, column, *slicings])
  predictions = _numbers(table[column]).astype(np.float64)
  known = np.isfinite(predictions)
  if not known.any():
    return None
  return PredictedRides(
    variant=(wanted[0] if wanted else '') if column == PREDICTION else column,
    seconds=_numbers(table[TIME]).astype(np.int64)[known],
    coordinates={name: _numbers(table[name]).astype(np.float64)[known] for name in COORDINATES},
    fares=_numbers(table[LABEL]).astype(np.float64)[known],
    predictions=predictions[known],
    codes={name: _numbers(table[name])[known] for name in slicings},
  )


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
  """A column as an array [rows]; pyarrow's `to_numpy` loads pandas, a fifth of the command's time."""
  kind = column.type
  if column.null_count or not len(column) or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
    return column.to_numpy()
  letter = 'f' if pa.types.is_floating(kind) else 'i' if pa.types.is_signed_integer(kind) else 'u'
  dtype = np.dtype(f'{letter}{kind.bit_width // 8}')
  parts = (
    np.frombuffer(part.buffers()[1], dtype, len(part) + part.offset)[part.offset :]
    for part in column.chunks
    if len(part)
  )
  return np.concatenate([*parts])


def slice_rmse(rides: PredictedRides, slices: Mapping[str, Sequence[SliceCode]], resamples: int) -> dict[str, Estimate]:
  """The RMSE of the slices whose codes are known and that have a ride, with 95 % intervals, as the gate computes them.

  Args: slices: by name: `feature` and `value` of what the rides of a slice share.
  """
  all_rides, masks = np.ones(len(rides.fares), bool), {}
  for name, codes in slices.items():
    if all(code.feature in rides.codes for code in codes):
      masks[name] = np.all([all_rides, *(rides.codes[code.feature] == code.value for code in codes)], axis=0)
  return slice_intervals(rides.fares, rides.predictions, rides.seconds, masks, resamples)


def paired_ratio(rides: PredictedRides, others: PredictedRides, resamples: int) -> Estimate | None:
  """The ratio of two RMSEs on the same rides with its 95 % interval, as the gate computes it.

  The interval takes `resamples` draws. Returns `None` where they are not the same rides in the same order, or the other
  model makes no error.
  """
  columns = (
    (found.seconds, found.fares, *(found.coordinates[name] for name in COORDINATES)) for found in (rides, others)
  )
  same = all(np.array_equal(first, second, equal_nan=True) for first, second in zip(*columns, strict=True))
  if not (same and others.errors.any()):
    return None
  return ratio_interval(rides.fares, rides.predictions, others.predictions, rides.seconds, resamples)
