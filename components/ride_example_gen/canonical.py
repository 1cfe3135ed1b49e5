"""Maps source columns to the canonical ride and judges every row."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from components.ride_example_gen import parsing, zones
from components.ride_example_gen.column_names import check_columns, with_primary_names
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.parsing import PickupSeconds, parse_pickup_time
from components.ride_example_gen.rows import Reason
from configs.base import Interval
from configs.dataset import COORDINATES, EPOCH, LABEL, PASSENGERS, TIME, Dataset
from configs.source import primary


class CanonicalRides(NamedTuple):
  """Canonical rides, aligned row by row with the source rows.

  Attributes:
    rides: one row per source row, in its order: `pickup_seconds` int64, then float32 coordinates, `passenger_count`,
      the extras and, unless it was left out, the label. Missing values are NaN, no value is null. Rows that are not
      valid hold what could be read.
    valid: bool [rows].
    reason: string [rows], a `Reason`; null where valid.
    column: string [rows], the source column that the reason is about; null where valid.
  """

  rides: pa.RecordBatch
  valid: np.ndarray
  reason: pa.Array
  column: pa.Array

  @property
  def valid_rides(self) -> pa.RecordBatch:
    """The rides that break no rule, in their order."""
    return filtered(self.rides, self.valid)

  @property
  def columns(self) -> dict[str, np.ndarray]:
    """The columns of `valid_rides` by name: what features, models and the gate take."""
    rides = self.valid_rides
    return {name: np.asarray(column) for name, column in zip(rides.schema.names, rides.columns, strict=True)}


def filtered(rides: pa.RecordBatch, chosen: np.ndarray) -> pa.RecordBatch:
  """The rides at a mask, bool [rides]."""
  mask = pa.array(chosen)
  return pa.RecordBatch.from_arrays([column.filter(mask) for column in rides.columns], rides.schema.names)


class _BrokenRule(NamedTuple):
  reason: Reason
  column: str
  broken: np.ndarray


def canonicalize(rows: pa.RecordBatch, dataset: Dataset, *, label_required: bool = True) -> CanonicalRides:
  """Maps source rows to canonical rides and judges which of them are valid.

  Args:
    rows: source columns, as text (CSV) or typed (Parquet).
    dataset: the mapping and the rules.
    label_required: false for rides without a fare: the label's column is then neither needed, nor judged, nor part of
      the result.
  Raises: IngestionError: a column is absent or its type can't be what it should be.
  """
  sources = dataset.source_columns()
  notation = dataset.notation_of(sources[TIME])
  time = parse_pickup_time(_column(rows, sources[TIME]), dataset.time, dataset.missing, notation)
  ends = _zone_ends(rows, dataset)
  numbers = _numbers(rows, dataset, label_required, ends)
  codes = {
    extra.name: parsing.as_codes(
      _column(rows, sources[extra.name]), extra.vocabulary, dataset.missing, sources[extra.name]
    )
    for extra in dataset.extras
    if extra.kind == 'categorical'
  }
  names = [*dataset.raw_inputs()[1:], *([LABEL] if label_required else [])]
  with np.errstate(over='ignore'):
    floats = {name: (numbers[name].values if name in numbers else codes[name]).astype(np.float32) for name in names}
  columns = [pa.array(time.seconds), *(pa.array(floats[name]) for name in names)]
  rides = pa.RecordBatch.from_arrays(columns, [TIME, *names])
  checks = time_checks(time, dataset) + _number_checks(numbers, floats, ends, dataset)
  return CanonicalRides(rides, *_first_reasons(checks, rows.num_rows))


def canonical_rides(rows: Any, dataset: Dataset, *, label_required: bool = True) -> CanonicalRides:
  """`canonicalize` for a whole table in memory.

  Args:
    rows: a pandas DataFrame, whose index is left alone, or an Arrow table; in the dataset's own columns, under any of
      their names.
    dataset: the mapping and the rules.
    label_required: false for rides without a fare.
  Raises: IngestionError: a column is absent or its type can't be what it should be.
  """
  try:
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False)
  except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
    raise IngestionError(f'The DataFrame has a column of several types: {error.args[0]}') from error
  batch = pa.RecordBatch.from_arrays([column.combine_chunks() for column in table.columns], table.schema.names)
  renamed = check_columns('The table', table.schema.names, dataset, label_required=label_required)
  return canonicalize(with_primary_names(batch, renamed), dataset, label_required=label_required)


def _column(rows: pa.RecordBatch, name: str) -> pa.Array:
  index = rows.schema.get_field_index(name)
  if index < 0:
    raise IngestionError(f"There is no column '{name}' (there are: {', '.join(rows.schema.names)}).")
  return rows.column(index)


def _zone_ends(rows: pa.RecordBatch, dataset: Dataset) -> dict[str, zones.ZoneCoordinates]:
  """By the source column of the zone ids; none for a dataset that has coordinates."""
  if (places := dataset.places) is None:
    return {}
  columns = [primary(column) for column in (places.pickup, places.dropoff)]
  return {name: zones.look_up(_column(rows, name), places, dataset.missing, name) for name in columns}


def _numbers(
  rows: pa.RecordBatch, dataset: Dataset, label_required: bool, ends: dict[str, zones.ZoneCoordinates]
) -> dict[str, parsing.Numbers]:
  """Numeric columns by canonical name, in the order in which they are judged."""
  sources = dataset.source_columns()
  names = [*([LABEL] if label_required else []), *COORDINATES, PASSENGERS]
  names += [extra.name for extra in dataset.extras if extra.kind == 'numeric']
  none = np.zeros(rows.num_rows, bool)
  found = {name: parsing.Numbers(np.full(rows.num_rows, np.nan), none) for name in names}
  for name in names:
    if name in COORDINATES and ends:
      end = ends[sources[name]]
      found[name] = parsing.Numbers(end.longitude if name.endswith('longitude') else end.latitude, none)
    elif name in sources:
      column = _numeric(rows, sources[name], name)
      found[name] = parsing.as_numbers(column, dataset.missing, sources[name], dataset.notation_of(sources[name]))
  return found


def _numeric(rows: pa.RecordBatch, source: str, name: str) -> pa.Array:
  column = _column(rows, source)
  if pa.types.is_boolean(column.type) and name in (LABEL, *COORDINATES, PASSENGERS):
    raise IngestionError(f"Column '{source}' holds {column.type}, but {name} is a number, no answer to yes or no.")
  return column


def time_checks(time: PickupSeconds, dataset: Dataset) -> list[_BrokenRule]:
  """The rules on the time of pickup, in the order of `Reason`."""
  earliest = datetime.datetime.combine(dataset.rules.earliest, datetime.time()) - EPOCH
  end = datetime.datetime.combine(dataset.rules.latest, datetime.time()) + datetime.timedelta(days=1) - EPOCH
  outside = (time.seconds < earliest.total_seconds()) | (time.seconds >= end.total_seconds())
  column = primary(dataset.time.column)
  return [
    _BrokenRule(Reason.MISSING_TIME, column, time.missing),
    _BrokenRule(Reason.UNPARSABLE_TIME, column, time.unparsable),
    _BrokenRule(Reason.TIME_OUT_OF_RANGE, column, outside),
  ]


def _number_checks(
  numbers: dict[str, parsing.Numbers],
  floats: dict[str, np.ndarray],
  ends: dict[str, zones.ZoneCoordinates],
  dataset: Dataset,
) -> list[_BrokenRule]:
  """The rules in the order of `Reason`; a missing coordinate, passenger count or extra breaks none."""
  sources = {name: source for name, source in dataset.source_columns().items() if name in numbers}
  rules = dataset.rules
  checks = [_BrokenRule(Reason.UNPARSABLE_NUMBER, sources[name], numbers[name].unparsable) for name in sources]
  # Judged in float32, as a number that only float64 holds would reach the model as infinite.
  checks += [_BrokenRule(Reason.NOT_FINITE, sources[name], np.isinf(floats[name])) for name in sources]
  if LABEL in sources:
    fare = numbers[LABEL].values
    checks.append(_BrokenRule(Reason.MISSING_FARE, sources[LABEL], np.isnan(fare)))
    checks.append(_BrokenRule(Reason.FARE_OUT_OF_RANGE, sources[LABEL], _outside(fare, rules.interval(LABEL))))
  checks += [_BrokenRule(Reason.UNKNOWN_ZONE, column, end.unknown) for column, end in ends.items()]
  for name in COORDINATES:
    reason = Reason.PICKUP_OUTSIDE_BOUNDS if name.startswith('pickup') else Reason.DROPOFF_OUTSIDE_BOUNDS
    checks.append(_BrokenRule(reason, sources[name], _outside(numbers[name].values, rules.interval(name))))
  if PASSENGERS in sources:
    outside = _outside(numbers[PASSENGERS].values, rules.interval(PASSENGERS))
    checks.append(_BrokenRule(Reason.PASSENGERS_OUT_OF_RANGE, sources[PASSENGERS], outside))
  for name, interval in rules.extras.items():
    checks.append(_BrokenRule(Reason.EXTRA_OUT_OF_RANGE, sources[name], _outside(numbers[name].values, interval)))
  return checks


def _outside(values: np.ndarray, interval: Interval | None) -> np.ndarray:
  return np.zeros(len(values), bool) if interval is None else (values < interval.min) | (values > interval.max)


def _first_reasons(checks: Sequence[_BrokenRule], rows: int) -> tuple[np.ndarray, pa.Array, pa.Array]:
  first = np.full(rows, len(checks), np.int16)
  for position in reversed(range(len(checks))):
    first[checks[position].broken] = position
  index = pa.array(first)
  reasons = pa.array([*(check.reason.value for check in checks), None], pa.string())
  columns = pa.array([*(check.column for check in checks), None], pa.string())
  return first == len(checks), reasons.take(index), columns.take(index)
