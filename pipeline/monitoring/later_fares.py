"""Rides whose fares came in later, each with what was predicted for it and the version that served then."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import pathlib
import zoneinfo
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from components.parquet import pq
from components.ride_example_gen.ingestion import judged_blocks
from components.ride_example_gen.parsing import as_string
from configs.columns import TIME
from configs.dataset import EPOCH, Dataset
from configs.errors import UserError
from models.lite.client import LiteModel
from models.release import find_pushed
from models.served_versions import versions
from pipeline.prediction.scoring import KEY, PREDICTION, ROW
from pipeline.retraining.ledger import Ledger, served_since


@dataclasses.dataclass(frozen=True)
class LaterFares:
  """Rides with a fare and a prediction; arrays [rides].

  Attributes:
    columns: canonical ones by name, the label included.
    predictions: float64, the city's currency.
    versions: int64, the version that served at the pickup.
    left_out: rows that are not among them, by reason.
    before: rides from before the first version that is there; they count as its that serves now.
  """

  columns: Mapping[str, np.ndarray]
  predictions: np.ndarray
  versions: np.ndarray
  left_out: Mapping[str, int]
  before: int


@dataclasses.dataclass(frozen=True)
class _Rides:
  """Valid rides: their columns and their places among all rows, their keys where the dataset has them."""

  columns: dict[str, np.ndarray]
  rows: pa.Array
  keys: pa.Array | None
  read: int
  left_out: dict[str, int]


def read_later_fares(
  files: Sequence[str], dataset: Dataset, serving: pathlib.Path, ledger: Ledger, log: str | None
) -> LaterFares:
  """Reads rides with their fares and finds the prediction for each.

  Args:
    files: in the dataset's own columns.
    serving: the directory of the versions, of which one is there at least.
    ledger: knows when versions were pushed.
    log: predictions as `farelite predict` writes them; the versions are run again where it is left out.
  Raises: UserError: a file can't be read, no ride has a fare and a prediction, or the log does not fit.
  """
  rides = _read_rides(files, dataset)
  if not len(rides.rows):
    raise UserError(f'No ride of the {rides.read:,} rows has a valid fare; check the file and dataset.rules.')
  served, before = _served_at(rides.columns[TIME], serving, ledger, dataset)
  if log is None:
    predictions = _run_again(rides.columns, served, serving)
    found, left_out = np.isfinite(predictions), rides.left_out
  else:
    predictions, unmatched = _logged(pathlib.Path(log), rides)
    found, left_out = np.isfinite(predictions), rides.left_out | unmatched
  if not found.any():
    raise UserError(f"No ride with a fare has a prediction in '{log}'; is it the log of these rides?")
  return LaterFares(
    {name: column[found] for name, column in rides.columns.items()},
    predictions[found],
    served[found],
    left_out,
    int(before[found].sum()),
  )


def _read_rides(files: Sequence[str], dataset: Dataset) -> _Rides:
  columns: dict[str, list[np.ndarray]] = collections.defaultdict(list)
  rows: list[np.ndarray] = []
  keys: list[pa.Array] = []
  key, read, left_out = dataset.source_columns().get('key'), 0, collections.Counter[str]()
  for path in files:
    before = read
    for block, canonical in judged_blocks(path, dataset):
      valid, read = canonical.valid, read + block.read
      for name, column in canonical.columns.items():
        columns[name].append(column)
      rows.append(block.numbers[valid] - 1 + before)
      place = block.rows.schema.get_field_index(key) if key else -1
      if place >= 0:
        keys.append(as_string(block.rows.column(place)).filter(pa.array(valid)))
      left_out.update(canonical.reason.drop_null().to_pylist())
      left_out.update(line.reason.value for line in block.malformed)
  whole = {name: np.concatenate(parts) for name, parts in columns.items()}
  places = pa.array(np.concatenate([np.zeros(0, np.int64), *rows]))
  joined = pa.concat_arrays(keys) if keys and sum(map(len, keys)) == len(places) else None
  return _Rides(whole, places, joined, read, dict(left_out.most_common()))


def _served_at(
  seconds: np.ndarray, serving: pathlib.Path, ledger: Ledger, dataset: Dataset
) -> tuple[np.ndarray, np.ndarray]:
  """The version that served at each pickup, and whether that was before the first one; on the city's wall clock.

  Where the dataset names no time zone the versions' times are taken in UTC.
  """
  there = np.array(versions(serving), np.int64)
  zone = zoneinfo.ZoneInfo(dataset.time.time_zone) if dataset.time.time_zone else datetime.timezone.utc
  pushed = [served_since(int(version), ledger).astimezone(zone).replace(tzinfo=None) for version in there]
  starts = np.array([(moment - EPOCH).total_seconds() for moment in pushed])
  # A rollback's number is newer than what it put back, and no version serves again by itself.
  place = np.searchsorted(np.maximum.accumulate(starts), seconds, side='right') - 1
  return there[place], place < 0  # -1 is the last one, which serves now.


def _run_again(columns: Mapping[str, np.ndarray], served: np.ndarray, serving: pathlib.Path) -> np.ndarray:
  """Predictions of the version that served each ride, by its verified file; an input that the rides lack is NaN."""
  predictions = np.full(len(served), np.nan)
  for version in np.unique(served):
    model, chosen = LiteModel(find_pushed(serving / str(version)).file), served == version
    absent = np.full(int(chosen.sum()), np.nan, np.float32)
    predictions[chosen] = model.predict(
      {name: columns[name][chosen] if name in columns else absent for name in model.inputs}
    )
  return predictions


_TYPES = {ROW: pa.int64(), KEY: pa.string(), PREDICTION: pa.float64()}


def _logged(log: pathlib.Path, rides: _Rides) -> tuple[np.ndarray, dict[str, int]]:
  """The predictions of a log for some rides, NaN where there is none, and the rows of either side without a match."""
  table = _read_log(log)
  by_key = rides.keys is not None and KEY in table.schema.names
  name = KEY if by_key else ROW
  if name not in table.schema.names or PREDICTION not in table.schema.names:
    lacks = PREDICTION if name in table.schema.names else name
    raise UserError(f"'{log}' is no log of predictions: it has no column '{lacks}'; write it by farelite predict.")
  if not by_key and table.num_rows != rides.read:
    raise UserError(
      f"'{log}' has {table.num_rows:,} rows and the fares have {rides.read:,}: without a key rides are found by their "
      'place, so both must have the same ones. Set dataset.columns.key, or give the same files.'
    )
  # Of a ride that was predicted twice the later prediction counts.
  ids = table[name].combine_chunks()[::-1]
  place = pc.index_in(rides.keys if by_key else rides.rows, value_set=ids, skip_nulls=True)
  known = place.is_valid().to_numpy(zero_copy_only=False)
  predicted = table[PREDICTION].to_numpy()[::-1]
  found = np.full(len(known), np.nan)
  found[known] = predicted[place.fill_null(0).to_numpy()[known]]
  unmatched = {
    'not in the log': int((~known).sum()),
    'in the log without a prediction': int(np.isnan(found[known]).sum()),
    'predicted without a valid fare yet': _without_fare(predicted, place) if by_key else 0,
  }
  return found, {reason: count for reason, count in unmatched.items() if count}


def _without_fare(predicted: np.ndarray, place: pa.Array) -> int:
  """Predictions of a log that no valid ride has; a row without a prediction is none."""
  matched = np.zeros(len(predicted), bool)
  matched[place.drop_null().to_numpy()] = True
  return int((~matched & ~np.isnan(predicted)).sum())


def _read_log(log: pathlib.Path) -> pa.Table:
  if not log.is_file():
    raise UserError(f"There is no log of predictions '{log}'; write it by farelite predict --output.")
  try:
    if log.suffix.lower() == '.parquet':
      with pq.ParquetFile(log) as file:
        table = file.read(columns=[name for name in file.schema_arrow.names if name in _TYPES])
      return table.cast(pa.schema([(name, _TYPES[name]) for name in table.schema.names]))
    return csv.read_csv(log, convert_options=csv.ConvertOptions(column_types=_TYPES))
  except (pa.ArrowException, OSError) as error:
    reason = str(error).splitlines()[0]
    raise UserError(f"'{log}' is no log of predictions ({reason}); write it by farelite predict.") from None
