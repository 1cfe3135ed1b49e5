"""Writes canonical rides as gzip TFRecords of tf.Examples, in whole columns.

TensorFlow writes records one by one, and its gzip is zlib's. The format is a length, its masked CRC-32C, the bytes and
their masked CRC-32C, all little-endian: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
What the forms of writing cost: `python -m benchmarks.records`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import google_crc32c
import numpy as np
import pyarrow as pa
from isal import isal_zlib
from tfx_bsl.coders import example_coder


def frame(records: Sequence[bytes]) -> bytes:
  """The records as one run of TFRecords, in their order."""
  lengths = list(map(len, records))
  heads = {length: _head(length) for length in set(lengths)}
  parts = [b''] * (3 * len(records))
  parts[0::3] = map(heads.__getitem__, lengths)
  parts[1::3] = records
  parts[2::3] = _checksums(records)
  return b''.join(parts)


def _head(length: int) -> bytes:
  data = length.to_bytes(8, 'little')
  return data + _checksums([data])[0]


def _checksums(records: Sequence[bytes]) -> list[bytes]:
  """The masked CRC-32C of each record, little-endian."""
  crc = np.fromiter(map(google_crc32c.value, records), np.uint32, len(records))
  masked = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)
  return masked.astype('<u4').view('V4').tolist()


def encode_examples(rides: pa.RecordBatch) -> list[bytes]:
  """Serialized tf.Examples, one value per feature, NaN written out; the shortest first.

  Args: rides: columns of int64 and float32 without nulls.
  """
  offsets = pa.array(np.arange(rides.num_rows + 1, dtype=np.int64))
  columns = [pa.LargeListArray.from_arrays(offsets, column) for column in rides.columns]
  batch = pa.RecordBatch.from_arrays(columns, rides.schema.names)
  return sorted(example_coder.RecordBatchToExamplesEncoder().encode(batch), key=len)


class TFRecordFile:
  """A gzip TFRecord file that grows by whole batches of records."""

  def __init__(self, file: Any):
    """Writes into an open binary file, which `close` closes."""
    self._file = file
    self._gzip = isal_zlib.compressobj(1, isal_zlib.DEFLATED, isal_zlib.MAX_WBITS | 16)

  def write(self, records: list[bytes]) -> None:
    """Appends records; they are compressed outside Python's lock."""
    self._file.write(self._gzip.compress(frame(records)))

  def close(self) -> None:
    """Completes the file; without a record it is a valid file of none."""
    self._file.write(self._gzip.flush())
    self._file.close()
