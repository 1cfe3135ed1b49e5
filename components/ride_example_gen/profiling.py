"""Profiles the rides of a file block by block, in whole columns."""

from __future__ import annotations

import collections
import dataclasses
import datetime
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from components.ride_example_gen import parsing, spans
from components.ride_example_gen.canonical import CanonicalRides
from components.ride_example_gen.profile import (
  DAY_SECONDS,
  STAMP_SEED,
  ColumnProfile,
  FileProfile,
  Moments,
  Profile,
  TimeProfile,
  profile_times,
)
from components.ride_example_gen.splitting import hash_of
from configs.dataset import COORDINATES, EPOCH, LABEL, TIME, Dataset

_MOST_CHARACTERS = 40
"""Of an example of a value."""


def rides_digest(rides: pa.RecordBatch, hashes: np.ndarray | None = None) -> int:
  """A sum of a hash of each canonical ride, modulo 2^64: the same for rides in any order, division and format.

  Args: hashes: of the time stamps, where they are known.
  """
  mixed = hash_of(rides.column(0).to_numpy(), STAMP_SEED) if hashes is None else hashes
  for place, column in enumerate(rides.columns[1:], 1):
    values = np.asarray(column)
    # A zero has two signs, and NaN many payloads.
    same = np.where(np.isnan(values), np.float32(np.nan), values + np.float32(0))
    mixed = hash_of((mixed ^ same.view(np.uint32).astype(np.uint64)).view(np.int64), place)
  return int(mixed.sum(dtype=np.uint64))


class Profiler:
  """Adds up the profile of a file.

  Args:
    name: of the file, or of another source.
    span: label of the span that the file belongs to.
    dataset: its extras tell which columns are categorical.
  """

  def __init__(self, name: str, span: str, dataset: Dataset) -> None:
    self._name, self._span = name, span
    self._day = spans.day_of(span)
    self._categoricals = {extra.name: len(extra.vocabulary) for extra in dataset.extras if extra.kind == 'categorical'}
    self._sources: Mapping[str, str] = dataset.source_columns()
    self._times = dict.fromkeys(spans.SPLITS, TimeProfile())
    self._columns: dict[str, ColumnProfile] = collections.defaultdict(ColumnProfile)
    self._file = FileProfile(span, 0, None if self._day is None else 0)

  def add(self, rows: pa.RecordBatch, canonical: CanonicalRides, rides: pa.RecordBatch, evaluated: np.ndarray) -> None:
    """Adds a block.

    Args:
      rows: as the source has them.
      canonical: the same rows, judged.
      rides: the valid ones.
      evaluated: bool [valid rides], which of them are in the eval split.
    """
    columns = {name: np.asarray(column) for name, column in zip(rides.schema.names, rides.columns, strict=True)}
    seconds = columns[TIME]
    hashes = hash_of(seconds, STAMP_SEED)
    for split, chosen in ((spans.TRAIN, ~evaluated), (spans.EVAL, evaluated)):
      self._times[split] += profile_times(seconds[chosen], hashes[chosen])
    fares = columns[LABEL].astype(np.float64)
    for name, values in columns.items():
      self._columns[name] += self._column(name, values, fares)
      if self._other_is_unknown(name):
        self._note_other(name, rows, canonical)
    on_day = None if self._day is None else int(_begins_on(seconds, self._day).sum())
    self._file += FileProfile(self._span, len(seconds), on_day, rides_digest(rides, hashes))

  def _column(self, name: str, values: np.ndarray, fares: np.ndarray) -> ColumnProfile:
    present = ~np.isnan(values) if values.dtype.kind == 'f' else np.ones(len(values), bool)
    everywhere = bool(present.all())
    known = values if everywhere else values[present]
    column = ColumnProfile(len(values), len(values) - len(known))
    if not len(known):
      return column
    column = dataclasses.replace(column, smallest=float(known.min()), largest=float(known.max()))
    if name in self._categoricals:
      codes = np.bincount(known.astype(np.int64), minlength=self._categoricals[name] + 1)
      return dataclasses.replace(column, codes=tuple(codes.tolist()))
    if name in (TIME, LABEL, *COORDINATES):
      return column
    x, y = known.astype(np.float64), fares if everywhere else fares[present]
    logs = _moments(_logarithm(x), _logarithm(y))
    return dataclasses.replace(column, with_fare=_moments(x, y), with_fare_log=logs)

  def _other_is_unknown(self, name: str) -> bool:
    column = self._columns[name]
    return name in self._categoricals and column.other is None and bool(column.codes) and column.codes[-1] > 0

  def _note_other(self, name: str, rows: pa.RecordBatch, canonical: CanonicalRides) -> None:
    """Keeps the first value of the block that is none of the vocabulary, of a ride that is kept."""
    codes = canonical.rides.column(canonical.rides.schema.get_field_index(name)).to_numpy()
    places = np.flatnonzero(canonical.valid & (codes == self._categoricals[name]))
    cell = parsing.plain(rows.column(rows.schema.get_field_index(self._sources[name])))[int(places[0])].as_py()
    text = cell.decode('utf-8', 'backslashreplace') if isinstance(cell, bytes) else str(cell)
    self._columns[name] += ColumnProfile(other=text[:_MOST_CHARACTERS])

  def profile(self, read: int, newest: bool) -> Profile:
    """Of all blocks so far.

    Args:
      read: rows of the file, malformed lines included.
      newest: whether the file's span is the eval split.
    """
    columns, file = dict(self._columns), dataclasses.replace(self._file, read=read)
    return Profile(dict(self._times), columns, {self._name: file}, columns if newest else {})


def _begins_on(seconds: np.ndarray, day: datetime.date) -> np.ndarray:
  return seconds // DAY_SECONDS == (day - EPOCH.date()).days


def _moments(x: np.ndarray, y: np.ndarray) -> Moments:
  mean_x, mean_y = float(x.mean()), float(y.mean())
  dx, dy = x - mean_x, y - mean_y
  # Not `@`: BLAS wakes its threads for each block, which takes ten times as long as the sums.
  return Moments(len(x), mean_x, mean_y, float((dx * dx).sum()), float((dy * dy).sum()), float((dx * dy).sum()))


def _logarithm(values: np.ndarray) -> np.ndarray:
  """Of one more than the value; of a negative one with its sign."""
  return np.sign(values) * np.log1p(np.abs(values))
