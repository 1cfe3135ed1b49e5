"""Rides in memory: transformed ones, as the trainer takes them, and canonical ones, for what judges finished files."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf

from configs.columns import TERMS
from configs.dataset import LABEL, TIME, Dataset
from models.example_files import column_batches, read_columns, stream_columns
from models.protocols import Terms
from models.samples import RecordSample
from models.serving import raw_example_spec
from models.streaming import Stream
from transforms import names


@dataclasses.dataclass(frozen=True)
class Rides:
  """One split of transformed rides.

  Attributes:
    inputs: model inputs by name: `numeric` float32 [rides, features], each categorical int64 [rides].
    fares: float32 [rides], the city's currency.
    seconds: int64 [rides], the pickup time; rides of one stamp are one group.
  """

  inputs: Mapping[str, np.ndarray]
  fares: np.ndarray
  seconds: np.ndarray
  terms: ClassVar[Terms] = Terms(*TERMS)
  classifies: ClassVar[bool] = False

  @property
  def labels(self) -> np.ndarray:
    """The fares."""
    return self.fares

  @property
  def groups(self) -> np.ndarray:
    """The time stamps."""
    return self.seconds

  @functools.cached_property
  def tensors(self) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """The inputs by name, and the fares as float32 [rides, 1]: one copy for all that is compiled for these rides."""
    return {name: tf.constant(column) for name, column in self.inputs.items()}, tf.constant(self.fares.reshape(-1, 1))

  def __len__(self) -> int:
    return len(self.fares)

  def __getitem__(self, rows: np.ndarray) -> Rides:
    """The rides at a boolean mask or integer index of shape [n]."""
    return Rides({k: v[rows] for k, v in self.inputs.items()}, self.fares[rows], self.seconds[rows])


def read_rides(
  files: Sequence[str],
  spec: Mapping[str, tf.io.FixedLenFeature],
  categoricals: Sequence[str],
  sample: RecordSample | None = None,
) -> Rides:
  """Reads gzip TFRecords of transformed examples into memory.

  Args:
    files: TFRecord files; their rides are concatenated in the order of their names.
    spec: of what they hold.
    categoricals: names of the columns to embed; a reduction may have taken some of them.
    sample: a fresh one, which draws among them; all of them where it is left out.
  Raises: ValueError: the files hold no ride.
  """
  return _rides(read_columns(files, _spec(spec, categoricals), sample, LABEL), len(files))


def stream_rides(
  files: Sequence[str],
  spec: Mapping[str, tf.io.FixedLenFeature],
  categoricals: Sequence[str],
  memory: int,
  rows: np.ndarray | None = None,
) -> Rides | Stream[Rides]:
  """The same rides as `read_rides`: in memory, or on disk where they take more bytes, with their copies, than `memory`.

  Args: rows: rising positions of the rides to read; all of them where it is left out.
  Raises:
    ValueError: the files hold no ride.
    FailedError: the disk is full.
  """
  make = functools.partial(_rides, files=len(files))
  return stream_columns(files, _spec(spec, categoricals), make, Rides.terms, memory, rows)


def _spec(spec: Mapping[str, tf.io.FixedLenFeature], categoricals: Sequence[str]) -> dict[str, tf.io.FixedLenFeature]:
  """Of the columns that a model takes, the fare and the time."""
  columns = [name for name in (names.NUMERIC, *categoricals) if name in spec]
  return {name: spec[name] for name in (*columns, LABEL, TIME)}


def _rides(columns: Mapping[str, np.ndarray], files: int = 0) -> Rides:
  """Rides of such columns, of so many files."""
  if not columns:
    raise ValueError(f'No transformed rides in {files} files; the split is empty.')
  inputs = {name: column for name, column in columns.items() if name not in (LABEL, TIME)}
  return Rides(inputs, columns[LABEL].reshape(-1), columns[TIME].reshape(-1))


@dataclasses.dataclass(frozen=True)
class RawRides:
  """One split of canonical rides.

  Attributes:
    columns: inputs of a lite file by name: int32 `pickup_seconds`, float32 the rest, NaN where missing; each [rides].
    fares: float32 [rides], the city's currency.
  """

  columns: Mapping[str, np.ndarray]
  fares: np.ndarray

  @property
  def labels(self) -> np.ndarray:
    """The fares."""
    return self.fares

  @property
  def seconds(self) -> np.ndarray:
    """The pickup time; rides of one stamp are one group."""
    return self.columns[TIME]

  @property
  def groups(self) -> np.ndarray:
    """The time stamps."""
    return self.seconds

  def __len__(self) -> int:
    return len(self.fares)


def read_raw_rides(files: Sequence[str], dataset: Dataset, sample: RecordSample | None = None) -> RawRides:
  """Reads gzip TFRecords of raw tf.Examples into memory, in the order of the sorted files.

  Args: sample: a fresh one, which draws among them; all of them where it is left out.
  Raises: ValueError: the files hold no ride.
  """
  spec = raw_example_spec(dataset, with_label=True)
  columns = read_columns(files, spec, sample, LABEL)
  if not columns:
    raise ValueError(f'No rides in {len(files)} files; the split is empty, so there is nothing to judge by.')
  return _raw(columns)


def raw_ride_batches(files: Sequence[str], dataset: Dataset) -> Iterator[RawRides]:
  """The same rides, some thousands at a time; none where the files hold no ride."""
  return map(_raw, column_batches(files, raw_example_spec(dataset, with_label=True)))


def _raw(columns: Mapping[str, np.ndarray]) -> RawRides:
  inputs = {name: column for name, column in columns.items() if name != LABEL}
  return RawRides(inputs | {TIME: columns[TIME].astype(np.int32)}, columns[LABEL])
