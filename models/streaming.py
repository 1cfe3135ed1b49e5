"""Examples on disk instead of in memory: drawn in seeded, shuffled windows, so that memory does not grow with them.

A window is a sample of the whole split: the examples lie in blocks of neighbours, each epoch draws the blocks in
another order, and a window takes as many of them as fit and shuffles their examples. A shard that is sorted by time, or
by label, is mixed so, too. Each example is in one window per epoch.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

import numpy as np
import tensorflow as tf

from configs.errors import FailedError
from models.protocols import Examples, Terms

E = TypeVar('E', bound=Examples)

_LARGEST_BLOCK = 1024
"""Most neighbours that are drawn together: to read fewer at once costs time."""

_BLOCKS = 256
"""Of a window, at least: sorted shards would leave fewer too unlike the whole split."""

COPIES = 2
"""Of each example in memory while a split or a window is brought into TensorFlow: an array and a tensor."""

_AT_ONCE = 8192


class Stream(Generic[E]):
  """A split in a scratch file, one packed record per example, in the order in which they were added.

  The file has no name and goes with the process, however that ends; it lies where `TMPDIR` says.

  Attributes:
    terms: for messages.
    crc: CRC-32 of all records; equal for equal splits.
  """

  def __init__(self, make: Callable[[dict[str, np.ndarray]], E], terms: Terms, memory: int) -> None:
    """Makes an empty one.

    Args:
      make: examples from columns as they are added.
      memory: bytes that a window may take with its copies.
    """
    self.terms, self.crc = terms, 0
    self._make, self._memory = make, memory
    self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open for as long as the split is used
    self._dtype = np.dtype([])
    self._count = 0
    self._median: tuple[int, float] | None = None

  def add(self, columns: Mapping[str, np.ndarray]) -> None:
    """Appends examples, given by columns [examples, ...]; all calls give the same columns.

    Raises: FailedError: the disk is full.
    """
    if not self._count:
      self._dtype = record_type(columns)
    records = np.empty(len(next(iter(columns.values()))), self._dtype)
    for name, column in columns.items():
      records[name] = column
    raw = records.tobytes()
    content = memoryview(raw)
    try:
      while content:
        content = content[self._file.write(content) :]
    except OSError as error:
      raise FailedError(
        f'{self._count:,} {self.terms.examples} fill the disk of {tempfile.gettempdir()} ({error.strerror}): set '
        'TMPDIR to a folder with more room, or raise training.memory_mb.'
      ) from None
    self.crc = zlib.crc32(raw, self.crc)
    self._count += len(records)

  def __len__(self) -> int:
    return self._count

  def __enter__(self) -> Stream[E]:
    return self

  def __exit__(self, *_: object) -> None:
    self._file.close()

  @property
  def most(self) -> int:
    """Examples that fit in memory."""
    return max(1, self._memory // (COPIES * self._dtype.itemsize))

  def pieces(self) -> Iterator[E]:
    """All examples in their order, a few at a time."""
    for start in range(0, self._count, _AT_ONCE):
      yield self._examples([(start, min(start + _AT_ONCE, self._count))])

  def median_label(self) -> float:
    """As `np.median` of all labels, in a bounded memory: found by halves of their bits."""
    # Each training on the split asks for it.
    if self._median is None or self._median[0] != self._count:
      middle = [(self._count - 1) // 2, self._count // 2]
      self._median = self._count, float(np.mean([self._label_of_rank(rank) for rank in middle], dtype=np.float32))
    return self._median[1]

  def sample(self, most: int, seed: int, highest: int = 0) -> E:
    """A seeded sample without replacement, in the order of the split; with the examples of the highest labels in it.

    Args:
      most: examples of the sample; all where there are no more.
      highest: how many of them are there for their labels.
    """
    generator = np.random.default_rng(seed)
    drawn, top = _Lowest(most), _Lowest(highest)
    at = 0
    for piece in self.pieces():
      rows = np.arange(at, at + len(piece))
      drawn.add(generator.random(len(piece)), rows)
      top.add(-piece.labels.astype(np.float64), rows)
      at += len(piece)
    of_labels, others = top.rows(), drawn.rows()
    others = others[~np.isin(others, of_labels)][: most - len(of_labels)]
    rows = np.sort(np.concatenate([of_labels, others]))
    return self._examples([(row, row + 1) for row in rows.tolist()])

  def windows(self, batch: int, steps: int, seed: int) -> Windows[E]:
    """What draws the batches of epochs of so many steps."""
    return Windows(self, self._examples([(0, min(1, self._count))]), batch, steps, seed)

  def _label_of_rank(self, rank: int) -> np.float32:
    """The label at a place in rising order."""
    high = 0
    for shift in (16, 0):
      counts = np.zeros(2**16, np.int64)
      for piece in self.pieces():
        keys = _rising(piece.labels)
        counts += np.bincount((keys if shift else keys[keys >> 16 == high]) >> shift & 0xFFFF, minlength=2**16)
      place = int(np.searchsorted(np.cumsum(counts), rank, side='right'))
      rank -= int(counts[:place].sum())
      high, low = (place, 0) if shift else (high, place)
    key = np.uint32(high << 16 | low)
    return (key ^ np.uint32(2**31) if key >> 31 else ~key).view(np.float32)

  def _examples(self, ranges: list[tuple[int, int]]) -> E:
    """The examples of row ranges, one range after the other; may be called in several threads."""
    total = sum(stop - start for start, stop in ranges)
    names = self._dtype.names or ()
    columns = {name: np.empty([total, *self._dtype[name].shape], self._dtype[name].base) for name in names}
    at = 0
    for start, stop in ranges:
      size = self._dtype.itemsize
      records = np.frombuffer(os.pread(self._file.fileno(), (stop - start) * size, start * size), self._dtype)
      for name, column in columns.items():
        column[at : at + len(records)] = records[name]
      at += len(records)
    return self._make(columns)


def record_type(columns: Mapping[str, np.ndarray]) -> np.dtype:
  """Of one example of these columns, packed."""
  return np.dtype([(name, column.dtype, column.shape[1:]) for name, column in columns.items()])


def pieces(examples: E | Stream[E]) -> Iterator[E]:
  """All examples in their order: at once, or a few at a time where they are on disk."""
  return examples.pieces() if isinstance(examples, Stream) else iter([examples])


def median_label(examples: Examples | Stream[E]) -> float:
  """The median of all labels that are numbers."""
  return examples.median_label() if isinstance(examples, Stream) else float(np.nanmedian(examples.labels))


def _rising(labels: np.ndarray) -> np.ndarray:
  """uint32 keys of float32 labels, in the same order."""
  bits = labels.astype(np.float32).view(np.uint32)
  return np.where(bits >> 31, ~bits, bits | np.uint32(2**31)).astype(np.uint32)


class _Lowest:
  """The rows of the lowest keys of all that are added."""

  def __init__(self, most: int) -> None:
    self._most = most
    self._keys, self._rows, self._bound = [np.zeros(0)], [np.zeros(0, np.int64)], np.inf

  def add(self, keys: np.ndarray, rows: np.ndarray) -> None:
    lower = keys < self._bound
    self._keys.append(keys[lower])
    self._rows.append(rows[lower])
    # Sorted now and then: each time costs as much as all that are kept.
    if sum(map(len, self._rows)) > 2 * self._most:
      self.rows()

  def rows(self) -> np.ndarray:
    """In the order of their keys; of equal ones those that came first: int64 [at most `most`]."""
    keys, rows = np.concatenate(self._keys), np.concatenate(self._rows)
    kept = np.argsort(keys, kind='stable')[: self._most]
    self._keys, self._rows = [keys[kept]], [rows[kept]]
    if len(kept) == self._most:
      self._bound = keys[kept][-1] if self._most else -np.inf
    return rows[kept]


class Windows(Generic[E]):
  """The batches of a stream, a window of it in variables at a time.

  Attributes: tensors: as `Examples.tensors`, in variables: the window that `segments` has just come to.
  """

  def __init__(self, stream: Stream[E], example: E, batch: int, steps: int, seed: int) -> None:
    """Args: example: a single one, for the columns' shapes and types."""
    self._stream, self._batch, self._steps, self._seed = stream, batch, steps, seed
    columns, labels = example.tensors
    self.tensors = {name: _exchangeable(column) for name, column in columns.items()}, _exchangeable(labels)
    # Even ones: a short last window would be less of a sample.
    count = -(-steps * batch // max(batch, stream.most))
    self._window_steps = -(-steps // count)
    self._block = min(_LARGEST_BLOCK, max(1, self._window_steps * batch // _BLOCKS))
    self._loaded: tuple[int, int] | None = None
    self._rows = np.zeros([0, batch], np.int32)

  def rows(self, epoch: int, first: int, last: int) -> Iterator[np.ndarray]:
    """Rows int32 [steps, batch] from one step of an epoch to another; loads what they refer to, just before each."""
    while first < last:
      number = first // self._window_steps
      begin = number * self._window_steps
      if self._loaded != (epoch, number):
        self._load(epoch, number)
      end = min(last, begin + self._window_steps)
      yield self._rows[first - begin : end - begin]
      first = end

  def release(self) -> None:
    """Frees the memory of the window."""
    columns, labels = self.tensors
    for variable in (*columns.values(), labels):
      variable.assign(tf.zeros([0, *variable.shape[1:]], variable.dtype))
    self._loaded = None

  def _load(self, epoch: int, number: int) -> None:
    # Before the next one is read, so that there are never two.
    self.release()
    window = self._window_steps * self._batch
    first, last = number * window, min((number + 1) * window, self._steps * self._batch)
    examples = self._stream._examples(drawn(len(self._stream), self._block, first, last, [self._seed, epoch]))
    columns, labels = self.tensors
    for name, variable in columns.items():
      variable.assign(examples.inputs[name])
    labels.assign(examples.labels.reshape(-1, 1))
    order = np.random.default_rng([self._seed, epoch, number]).permutation(last - first)
    self._rows = order.astype(np.int32).reshape(-1, self._batch)
    self._loaded = epoch, number


def drawn(count: int, block: int, first: int, last: int, seed: list[int]) -> list[tuple[int, int]]:
  """Ranges of rows [start, stop) that stand at the places from `first` to `last` where the blocks are shuffled.

  Args:
    count: of all rows; the ranges of all places have each row once.
    block: rows of a block; the last one may have fewer.
  """
  starts = np.random.default_rng(seed).permutation(-(-count // block)) * block
  sizes = np.minimum(block, count - starts)
  ends = np.cumsum(sizes)
  places = ends - sizes
  begin, end = np.searchsorted(ends, first, 'right'), np.searchsorted(places, last, 'left')
  return [
    (int(starts[at] + max(0, first - places[at])), int(starts[at] + min(sizes[at], last - places[at])))
    for at in range(begin, end)
  ]


def _exchangeable(column: tf.Tensor) -> tf.Variable:
  """A variable that takes any number of examples."""
  return tf.Variable(column[:0], trainable=False, shape=tf.TensorShape([None, *column.shape[1:]]))
