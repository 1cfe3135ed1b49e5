"""Writes canonical rides as gzip TFRecords of tf.Examples, in whole columns.

TensorFlow writes records one by one, from a Python loop or from a dataset that is slower still. The format is a length,
its masked CRC-32C, the bytes and their masked CRC-32C, all little-endian:
https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

from __future__ import annotations

import functools
import zlib
from typing import Any

import numpy as np
import pyarrow as pa
from tfx_bsl.coders import example_coder

_POLYNOMIAL = 0x82F63B78
"""CRC-32C (Castagnoli), reflected; RFC 3720, appendix B.4."""

_AROUND = 16
"""Bytes of a frame besides its record: the length and the two checksums."""


def frame(records: list[bytes]) -> bytes:
  """The records as one run of TFRecords, in their order.

  Each length is framed as one matrix; that is fastest where records of one length stand together.
  """
  lengths = np.fromiter(map(len, records), np.int64, len(records))
  data = np.frombuffer(b''.join(records), np.uint8)
  starts = np.cumsum(lengths) - lengths
  places = starts + _AROUND * np.arange(len(records))
  framed = np.empty(len(data) + _AROUND * len(records), np.uint8)
  for length in np.unique(lengths):
    rows = np.flatnonzero(lengths == length)
    whole = length + _AROUND
    if rows[-1] - rows[0] + 1 == len(rows):
      start, place = starts[rows[0]], places[rows[0]]
      matrix = data[start : start + len(rows) * length].reshape(len(rows), length)
      framed[place : place + len(rows) * whole] = _frame_matrix(matrix).reshape(-1)
    else:
      matrix = data[starts[rows][:, None] + np.arange(length)]
      framed[places[rows][:, None] + np.arange(whole)] = _frame_matrix(matrix)
  return framed.tobytes()


def _frame_matrix(records: np.ndarray) -> np.ndarray:
  count, length = records.shape
  head = np.frombuffer(np.uint64(length).tobytes(), np.uint8)
  framed = np.empty((count, length + _AROUND), np.uint8)
  framed[:, :8] = head
  framed[:, 8:12] = _masked_crc(head[None, :]).view(np.uint8).reshape(1, 4)
  framed[:, 12:-4] = records
  framed[:, -4:] = _masked_crc(records).view(np.uint8).reshape(count, 4)
  return framed


def _masked_crc(records: np.ndarray) -> np.ndarray:
  """Masked CRC-32C of each row of a uint8 matrix, as little-endian uint32 [rows]."""
  table, wide = _tables()
  crc = np.full(len(records), 0xFFFFFFFF, np.uint32)
  # Two bytes at a time by a table of 65,536 entries, all rows at once.
  even = records.shape[1] // 2 * 2
  pairs = np.ascontiguousarray(records[:, :even]).view('<u2')
  for pair in np.ascontiguousarray(pairs.T):
    crc = (crc >> np.uint32(16)) ^ wide[(crc & np.uint32(0xFFFF)) ^ pair]
  if even < records.shape[1]:
    crc = (crc >> np.uint32(8)) ^ table[(crc ^ records[:, -1]) & np.uint32(0xFF)]
  crc = ~crc
  return (((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)).astype('<u4')


@functools.lru_cache(maxsize=1)
def _tables() -> tuple[np.ndarray, np.ndarray]:
  table = np.arange(256, dtype=np.uint32)
  for _ in range(8):
    table = np.where(table & 1, (table >> np.uint32(1)) ^ np.uint32(_POLYNOMIAL), table >> np.uint32(1))
  pairs = np.arange(65536, dtype=np.uint32)
  for _ in range(2):
    pairs = (pairs >> np.uint32(8)) ^ table[pairs & np.uint32(0xFF)]
  return table, pairs


_LEVEL = 1
"""zlib level: the next ones take twice the time and save a tenth."""


def encode_examples(rides: pa.RecordBatch) -> list[bytes]:
  """Serialized tf.Examples, one value per feature, NaN written out; the shortest first, for a faster framing.

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
    self._gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)

  def write(self, records: list[bytes]) -> None:
    """Appends records; zlib and most of the framing run outside Python's lock."""
    self._file.write(self._gzip.compress(frame(records)))

  def close(self) -> None:
    """Completes the file; without a record it is a valid file of none."""
    self._file.write(self._gzip.flush())
    self._file.close()
