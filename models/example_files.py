"""Reads tf.Examples out of gzip TFRecords into memory, all of them or a sample, or onto a disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from models.protocols import E, Terms
from models.samples import RecordSample
from models.streaming import Stream, record_type

Spec = Mapping[str, tf.io.FixedLenFeature]
Columns = dict[str, np.ndarray]

_PARSE_BATCH = 8192

_COPIES = 4
"""Of each example where a whole split is held: as read, joined, as a tensor, and what the allocator keeps of these."""


def count_examples(files: Sequence[str]) -> int:
  """How many examples the files hold."""
  return sum(len(batch) for batch in _records(files))


def read_columns(files: Sequence[str], spec: Spec, sample: RecordSample | None = None, label: str = '') -> Columns:
  """The columns of all examples, or of a sample, in the order of the sorted files.

  Args:
    spec: of what is read.
    sample: a fresh one, which draws among them; all of them where it is left out.
    label: name of the numbers that the sample may go by.
  Returns: [examples, ...] by name; nothing where the files hold no example.
  """
  return _joined(list(column_batches(files, spec))) if sample is None else _sampled(files, spec, sample, label)


def column_batches(files: Sequence[str], spec: Spec) -> Iterator[Columns]:
  """The same, some thousands at a time."""
  parsed = _records(files).map(lambda batch: tf.io.parse_example(batch, spec), num_parallel_calls=tf.data.AUTOTUNE)
  for batch in parsed.prefetch(2).as_numpy_iterator():
    yield {name: batch[name] for name in spec}  # TensorFlow sorts them.


def stream_columns(
  files: Sequence[str],
  spec: Spec,
  make: Callable[[Columns], E],
  terms: Terms,
  memory: int,
  rows: np.ndarray | None = None,
) -> E | Stream[E]:
  """Examples in memory, or on disk where they take more bytes, with their copies, than `memory`.

  Args:
    make: examples from columns; of no column where the files hold none.
    terms: for messages.
    rows: rising positions of the examples to read; all of them where it is left out.
  Raises: FailedError: the disk is full.
  """
  batches = column_batches(files, spec) if rows is None else _chosen(files, spec, rows)
  held, size = [], 0
  for batch in batches:
    held.append(batch)
    size += _COPIES * record_type(batch).itemsize * len(next(iter(batch.values())))
    if size > memory:
      stream = Stream(make, terms, memory)
      while held:
        stream.add(held.pop(0))
      for more in batches:
        stream.add(more)
      return stream
  return make(_joined(held))


def _records(files: Sequence[str]) -> tf.data.Dataset:
  """Serialized examples, some at a time."""
  return tf.data.TFRecordDataset(sorted(files), compression_type='GZIP').batch(_PARSE_BATCH)


def _chosen(files: Sequence[str], spec: Spec, rows: np.ndarray) -> Iterator[Columns]:
  """The columns of the examples at such rising positions alone; no other is parsed."""
  start = 0
  for batch in _records(files).prefetch(2):
    begin, end = np.searchsorted(rows, (start, start + len(batch)))
    if end > begin:
      parsed = tf.io.parse_example(tf.gather(batch, rows[begin:end] - start), spec)
      yield {name: parsed[name].numpy() for name in spec}
    start += len(batch)


def _joined(batches: Sequence[Columns]) -> Columns:
  """The columns of all batches; none where there is no batch."""
  return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]} if batches else {}


def _sampled(files: Sequence[str], spec: Spec, sample: RecordSample, label: str) -> Columns:
  """The columns of what a sample draws, in their order; none where there is no example."""
  for batch in _records(files).prefetch(2):
    # What is not drawn is not parsed; but for the labels, if those decide.
    labels = tf.io.parse_example(batch, {label: spec[label]})[label].numpy().reshape(-1) if sample.by_labels else None
    rows = sample.draw(len(batch), labels)
    if len(rows):
      drawn = batch if len(rows) == len(batch) else tf.gather(batch, rows)
      parsed = tf.io.parse_example(drawn, spec)
      sample.add({name: parsed[name].numpy() for name in spec})
  return sample.columns()
