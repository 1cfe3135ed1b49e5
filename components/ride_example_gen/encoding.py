"""Writes canonical rides as gzip TFRecords of tf.Examples, in whole columns.

TensorFlow writes records one by one, and its gzip is zlib's; tfx_bsl encodes ride by ride, the features of each in an
order of its own. Here the examples of one length are one array of bytes, and equal rides are equal bytes. The format is
a length, its masked CRC-32C, the bytes and their masked CRC-32C, all little-endian:
https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
What the forms of writing cost: `python -m benchmarks.records`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
import pyarrow as pa
from isal import isal_zlib


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
  return _masked(crc).view('V4').tolist()


def _masked(crc: np.ndarray) -> np.ndarray:
  """As TFRecords hold them: little-endian uint32 [records]."""
  return (((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)).astype('<u4')


def encode_examples(rides: pa.RecordBatch) -> list[bytes]:
  """Serialized tf.Examples, one value per feature in the columns' order, NaN written out; the shortest first.

  Args: rides: a column of int64 and others of float32, without nulls.
  """
  return [record.tobytes() for block in _blocks(rides) for record in block.records]


def frame_examples(rides: pa.RecordBatch) -> bytes:
  """What `frame` makes of `encode_examples`, in a fraction of the time: byte by byte of all rides at once."""
  return b''.join(block.framed() for block in _blocks(rides))


_CHECKSUM = 4
"""Bytes behind a record."""


class _EqualLengths(NamedTuple):
  """Rides whose examples are equally long, and differ in the bytes of their values alone.

  Attributes:
    records: uint8 [rides, bytes].
    places: of the bytes that differ.
  """

  records: np.ndarray
  places: tuple[int, ...]

  def framed(self) -> bytes:
    """The records as TFRecords."""
    rides, width = self.records.shape
    head = _head(width)
    framed = np.empty((rides, len(head) + width + _CHECKSUM), np.uint8)
    framed[:, : len(head)] = np.frombuffer(head, np.uint8)
    framed[:, len(head) : -_CHECKSUM] = self.records
    framed[:, -_CHECKSUM:] = _masked(self._checksums()).view(np.uint8).reshape(rides, _CHECKSUM)
    return framed.tobytes()

  def _checksums(self) -> np.ndarray:
    """CRC-32C of each record, uint32 [rides]: that of what all share, and what each byte that differs adds to it."""
    shared = self.records[0].copy()
    shared[[*self.places]] = 0
    found = np.full(len(self.records), google_crc32c.value(shared.tobytes()), np.uint32)
    for place, shares in zip(self.places, _shares(len(shared), self.places), strict=True):
      found ^= shares[self.records[:, place]]
    return found


@functools.lru_cache(maxsize=64)
def _shares(width: int, places: tuple[int, ...]) -> np.ndarray:
  """What each value of the byte at a place adds, by XOR, to the CRC of a record of that width: uint32 [places, 256].

  Of messages of one length, crc(a ^ b) is crc(a) ^ crc(b) ^ crc(0).
  """
  shares = np.zeros((len(places), 256), np.uint32)
  zeros = google_crc32c.value(bytes(width))
  for row, place in zip(shares, places, strict=True):
    for bit in (1 << shift for shift in range(8)):
      record = bytearray(width)
      record[place] = bit
      row[bit : 2 * bit] = row[:bit] ^ np.uint32(google_crc32c.value(bytes(record)) ^ zeros)
  return shares


def _blocks(rides: pa.RecordBatch) -> Iterator[_EqualLengths]:
  """The rides by the length of their examples, the shortest first; those of one length in their order."""
  columns = [np.asarray(column) for column in rides.columns]
  [whole] = [position for position, column in enumerate(columns) if column.dtype == np.int64]
  numbers = columns[whole].view(np.uint64)
  # Seven bits to a byte.
  sizes = 1 + np.searchsorted(np.array([1 << 7 * size for size in range(1, 10)], np.uint64), numbers, side='right')
  for size in np.unique(sizes).tolist():
    chosen = slice(None) if (sizes == size).all() else np.flatnonzero(sizes == size)
    widths = tuple(size if position == whole else 4 for position in range(len(columns)))
    template, starts = _template(tuple(rides.schema.names), widths, whole)
    records = np.tile(np.frombuffer(template, np.uint8), (len(sizes[chosen]), 1))
    for position, (column, start) in enumerate(zip(columns, starts, strict=True)):
      values = _varints(numbers[chosen], size) if position == whole else column[chosen].astype('<f4').view(np.uint8)
      records[:, start : start + widths[position]] = values.reshape(-1, widths[position])
    ends = zip(starts, widths, strict=True)
    yield _EqualLengths(records, tuple(place for start, width in ends for place in range(start, start + width)))


def _varints(numbers: np.ndarray, size: int) -> np.ndarray:
  """Unsigned numbers of so many bytes in the wire format: uint8 [numbers, size]."""
  found = np.empty((len(numbers), size), np.uint8)
  for place in range(size):
    # All but the last byte say that another one follows.
    found[:, place] = (numbers >> np.uint64(7 * place)).astype(np.uint8) & 127 | (128 if place < size - 1 else 0)
  return found


@functools.lru_cache(maxsize=64)
def _template(names: tuple[str, ...], widths: tuple[int, ...], whole: int) -> tuple[bytes, list[int]]:
  """A tf.Example whose values are zeros, and where each begins.

  Source: https://protobuf.dev/programming-guides/encoding and TensorFlow's `example.proto` and `feature.proto`, whose
  lists of numbers are packed.

  Args:
    widths: bytes of each value.
    whole: position of the integers.
  """
  features, starts = b'', []
  for position, (name, width) in enumerate(zip(names, widths, strict=True)):
    feature = _field(3 if position == whole else 2, _field(1, bytes(width)))
    features += _field(1, _field(1, name.encode()) + _field(2, feature))
    starts.append(len(features) - width)
  example = _field(1, features)
  return example, [start + len(example) - len(features) for start in starts]


def _field(number: int, content: bytes) -> bytes:
  """A field of a protocol buffer that has a length."""
  sizes = np.array([len(content)], np.uint64)
  length = _varints(sizes, max(1, -(-len(content).bit_length() // 7)))
  return bytes([number << 3 | 2]) + length.tobytes() + content


class TFRecordFile:
  """A gzip TFRecord file that grows by whole batches of records."""

  def __init__(self, file: Any):
    """Writes into an open binary file, which `close` closes."""
    self._file = file
    self._gzip = isal_zlib.compressobj(1, isal_zlib.DEFLATED, isal_zlib.MAX_WBITS | 16)

  def write(self, records: list[bytes]) -> None:
    """Appends records; they are compressed outside Python's lock."""
    self.write_framed(frame(records))

  def write_framed(self, records: bytes) -> None:
    """Appends records that `frame` or `frame_examples` gave."""
    self._file.write(self._gzip.compress(records))

  def close(self) -> None:
    """Completes the file; without a record it is a valid file of none."""
    self._file.write(self._gzip.flush())
    self._file.close()
