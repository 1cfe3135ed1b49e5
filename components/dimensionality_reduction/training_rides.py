"""Reads what a reduction is fitted on, in bounded memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from configs.dataset import LABEL
from transforms import names

_BATCH = 8192


@dataclasses.dataclass(frozen=True)
class TrainingRides:
  """Some or all of the training rides.

  Attributes:
    numeric: float32 [rides, n].
    fares: float32 [rides].
    categories: int64 [rides] by categorical column.
    read: rides that they were drawn from.
  """

  numeric: np.ndarray
  fares: np.ndarray
  categories: Mapping[str, np.ndarray]
  read: int


def read_training_rides(
  files: Sequence[str],
  spec: Mapping[str, tf.io.FixedLenFeature],
  categoricals: Sequence[str],
  sample: int,
  seed: int,
) -> TrainingRides:
  """Draws at most `sample` rides, each with the same chance; no more than that and a batch is ever in memory.

  Args:
    files: gzip TFRecords of transformed Examples.
    spec: their feature spec.
    categoricals: columns to read beside the vector and the fare.
    sample: how many at most.
    seed: of the draw.

  Raises:
    ValueError: there is no ride, or no numeric vector.
  """
  if names.NUMERIC not in spec:
    raise ValueError('There is no numeric feature to reduce; switch a block on under features.')
  generator = np.random.default_rng(seed)
  kept: dict[str, np.ndarray] = {}
  keys = np.zeros(0)
  read = 0
  for batch in batches(files, spec, (names.NUMERIC, LABEL, *categoricals)):
    read += len(batch[LABEL])
    keys = np.concatenate([keys, generator.random(len(batch[LABEL]))])
    kept = {name: np.concatenate([kept[name], rows]) if kept else rows for name, rows in batch.items()}
    if len(keys) > sample:
      # The smallest random keys so far; in their order, so that a sample of all rides is all rides.
      rows = np.sort(np.argpartition(keys, sample)[:sample])
      keys, kept = keys[rows], {name: column[rows] for name, column in kept.items()}
  if not read:
    raise ValueError(f'No transformed rides in {len(files)} files; the train split is empty.')
  return TrainingRides(
    kept[names.NUMERIC], kept[LABEL].reshape(-1), {name: kept[name].reshape(-1) for name in categoricals}, read
  )


def batches(
  files: Sequence[str], spec: Mapping[str, tf.io.FixedLenFeature], wanted: Sequence[str]
) -> Iterator[dict[str, np.ndarray]]:
  """Some columns of transformed Examples, batch by batch, files in order of their names."""
  parsed = {name: spec[name] for name in wanted}
  records = tf.data.TFRecordDataset(sorted(files), compression_type='GZIP').batch(_BATCH)
  yield from records.map(lambda batch: tf.io.parse_example(batch, parsed)).prefetch(1).as_numpy_iterator()
