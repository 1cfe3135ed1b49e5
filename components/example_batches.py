"""Reads Examples in whole batches, with or without Beam."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import tensorflow as tf
from tfx_bsl.coders import example_coder

BATCH_ROWS = 8192
"""Rides in one batch, a few megabytes of features."""


def read_batches(path: str, decoder: example_coder.ExamplesToRecordBatchDecoder) -> Iterator[pa.RecordBatch]:
  """The record batches of a file of TFRecords, in its order.

  Args:
    path: gzip where it ends with `.gz`.
    decoder: of a schema's columns, or of those that there are.
  """
  records = tf.data.TFRecordDataset(path, 'GZIP' if path.endswith('.gz') else '')
  for batch in records.batch(BATCH_ROWS).prefetch(1).as_numpy_iterator():
    yield decoder.DecodeBatch(batch.tolist())
