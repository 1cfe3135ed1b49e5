"""Reads and writes Examples in whole batches, inside a Beam pipeline for the most part.

TFX's own source and sink hand over one record at a time in Python, which takes more time than the features themselves.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.io import fileio
from tfx_bsl.coders import example_coder

from components.example_batches import read_batches
from components.ride_example_gen.encoding import TFRecordFile
from components.ride_example_gen.files import open_output
from models.whole_files import move_whole


class ReadBatches(beam.DoFn):
  """Turns a path of gzip TFRecords of Examples into record batches of the schema's columns."""

  def __init__(self, schema: schema_pb2.Schema):
    super().__init__()
    self._schema = schema.SerializeToString()

  def setup(self) -> None:
    self._decoder = example_coder.ExamplesToRecordBatchDecoder(self._schema)

  def process(self, path: str) -> Iterator[pa.RecordBatch]:
    yield from read_batches(path, self._decoder)


_SHARD_ROWS = 1_000_000
"""More rides than these are several shards, as a reader can't divide a gzip file."""


def write_shards(batches: Iterable[pa.RecordBatch], uri: str) -> None:
  """Writes transformed record batches as gzip shards of a split, in their order; most splits are a single one."""
  encoder = example_coder.RecordBatchToExamplesEncoder()
  fileio.makedirs(parts_of(uri))
  parts: list[str] = []
  shard, rows = None, _SHARD_ROWS
  for batch in batches:
    if rows >= _SHARD_ROWS:
      if shard is not None:
        shard.close()
      parts.append(posixpath.join(parts_of(uri), f'part-{len(parts):05d}'))
      shard, rows = TFRecordFile(open_output(parts[-1])), 0
    assert shard is not None  # The first batch opens one.
    shard.write(encoder.encode(batch))
    rows += batch.num_rows
  if shard is not None:
    shard.close()
  publish(parts, uri)


class WriteShards(beam.PTransform):
  """Writes transformed record batches as gzip shards of one split.

  Each bundle writes under a name of its own into `parts_of` the split; only what the finished bundles name is moved to
  its final place, so a bundle that Beam runs twice, even at the same time, counts once.
  """

  def __init__(self, uri: str):
    super().__init__()
    self._uri = uri

  def expand(self, pcoll: beam.PCollection) -> beam.PCollection:
    parts = pcoll | 'Write' >> beam.ParDo(_WriteParts(parts_of(self._uri)))
    return parts | 'Parts' >> beam.combiners.ToList() | 'Publish' >> beam.Map(publish, self._uri)


def parts_of(uri: str) -> str:
  """Where the parts of a split are written: beside it, so that a part that nobody names is never read."""
  return posixpath.join(posixpath.dirname(uri), '_parts', posixpath.basename(uri))


class _WriteParts(beam.DoFn):
  def __init__(self, uri: str):
    super().__init__()
    self._uri = uri

  def setup(self) -> None:
    self._encoder = example_coder.RecordBatchToExamplesEncoder()

  def start_bundle(self) -> None:
    self._writer: Any = None

  def process(self, element: tuple[pa.RecordBatch, Any]) -> Iterable[str]:
    if self._writer is None:
      fileio.makedirs(self._uri)
      self._part = posixpath.join(self._uri, f'part-{uuid.uuid4().hex}')
      self._writer = TFRecordFile(open_output(self._part))
    self._writer.write(self._encoder.encode(element[0]))
    return ()

  def finish_bundle(self) -> Iterator[Any]:
    if self._writer is not None:
      self._writer.close()
      yield beam.window.GlobalWindows.windowed_value(self._part)


def publish(parts: Sequence[str], uri: str) -> None:
  """Moves the parts into place; a split without rides gets one file without records.

  Beam may run this again where it broke off: parts that are in place stay there.
  """
  fileio.makedirs(uri)
  for number, part in enumerate(sorted(parts)):
    place = _shard(uri, number, len(parts))
    if fileio.exists(part) or not fileio.exists(place):
      move_whole(part, place)
  if not parts:
    TFRecordFile(open_output(_shard(uri, 0, 1))).close()


def remove_parts(uris: Iterable[str]) -> None:
  """Removes what bundles left that nobody named; once the pipeline is through.

  Args: uris: of all splits of an artifact.
  """
  for folder in {posixpath.dirname(parts_of(uri)) for uri in uris}:
    if fileio.exists(folder):
      fileio.rmtree(folder)


def _shard(uri: str, number: int, total: int) -> str:
  return posixpath.join(uri, f'transformed_examples-{number:05d}-of-{total:05d}.gz')
