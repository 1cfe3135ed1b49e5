"""Canonical rides as they came in, for what judges finished files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from configs.dataset import LABEL, TIME, Dataset
from models.signatures import raw_example_spec

_PARSE_BATCH = 8192


@dataclasses.dataclass(frozen=True)
class RawRides:
  """One split of canonical rides.

  Attributes:
    columns: inputs of a lite file by name: int32 `pickup_seconds`, float32 the
      rest, NaN where missing; each [rides].
    fares: float32 [rides], the city's currency.
  """

  columns: Mapping[str, np.ndarray]
  fares: np.ndarray

  @property
  def seconds(self) -> np.ndarray:
    """The pickup time; rides of one stamp are one group."""
    return self.columns[TIME]

  def __len__(self) -> int:
    return len(self.fares)


def read_raw_rides(files: Sequence[str], dataset: Dataset) -> RawRides:
  """Reads gzip TFRecords of raw tf.Examples into memory, in the order of the sorted files.

  Raises:
    ValueError: the files hold no ride.
  """
  spec = raw_example_spec(dataset, with_label=True)
  records = tf.data.TFRecordDataset(sorted(files), compression_type='GZIP').batch(_PARSE_BATCH)
  batches = list(records.map(lambda batch: tf.io.parse_example(batch, spec)).as_numpy_iterator())
  if not batches:
    raise ValueError(f'No rides in {len(files)} files; the split is empty, so there is nothing to judge by.')
  columns = {name: np.concatenate([batch[name] for batch in batches]) for name in spec}
  fares = columns.pop(LABEL)
  return RawRides(columns | {TIME: columns[TIME].astype(np.int32)}, fares)
