"""One file of rides: read, mapped, judged, split, encoded and counted."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from components.parquet import pq
from components.ride_example_gen import splitting
from components.ride_example_gen.canonical import CanonicalRides, canonicalize
from components.ride_example_gen.counts import RideCounts
from components.ride_example_gen.encoding import TFRecordFile, encode_examples
from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.quarantine import SCHEMA, quarantined_rows
from components.ride_example_gen.reading import Block, read_blocks
from components.ride_example_gen.reasons import Reason
from configs.dataset import TIME, Dataset
from configs.split import Split

QUARANTINE = 'quarantine'
"""The name of the quarantined rows among the outputs, beside the splits' names."""

_SHARD_ROWS = 1_000_000
"""A larger file of rides gives several shards, as a reader can't divide a gzip file."""


@dataclasses.dataclass
class FileOutcome:
  """What came of one file.

  Attributes:
    counts: its rows.
    outputs: names of the written files, by split and `QUARANTINE`.
  """

  counts: RideCounts
  outputs: dict[str, list[str]]


OpenOutput = Callable[[str], Any]
"""Opens a named output for writing bytes."""


def ingest_file(
  path: str,
  dataset: Dataset,
  split: Split,
  open_output: OpenOutput,
  threshold: int | None = None,
  called: str | None = None,
) -> FileOutcome:
  """Turns a file of rides into shards of Examples and a part of the quarantine.

  Args:
    path: the CSV or Parquet file.
    dataset: the mapping and the rules.
    split: how kept rides are divided.
    open_output: opens a new output by its name.
    threshold: for a chronological split, its first time stamp in eval.
    called: what counts and quarantine call a source that is no file of the
      user's; its rows have no numbers then.

  Raises:
    IngestionError: the file can't be read; the outputs are then incomplete.
  """
  counter = _Counter(called or path)
  with _Outputs(open_output) as outputs:
    for block, canonical in judged_blocks(path, dataset):
      kept = _filter(canonical.rides, canonical.valid)
      evaluated = splitting.in_eval(kept.column(0).to_numpy(), split, threshold)
      for name, chosen in ((splitting.TRAIN, ~evaluated), (splitting.EVAL, evaluated)):
        outputs.add_rides(name, _filter(kept, chosen))
        counter.splits[name] += int(chosen.sum())
      if called:
        block = block._replace(numbers=np.full_like(block.numbers, -1))
      outputs.add_quarantined(quarantined_rows(called or path, block, canonical))
      counter.add(block, canonical)
  return FileOutcome(counter.counts(), outputs.names)


def judged_blocks(path: str, dataset: Dataset) -> Iterator[tuple[Block, CanonicalRides]]:
  """The blocks of a file with their canonical rides.

  Raises:
    IngestionError: the file can't be read, or its columns are not what the dataset says.
  """
  for block in read_blocks(path, dataset):
    try:
      canonical = canonicalize(block.rows, dataset)
    except IngestionError as error:
      raise IngestionError(f"'{path}': {error}") from error
    yield block, canonical


def count_stamps(path: str, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
  """The distinct `pickup_seconds` of a file's valid rides, ascending, and how many rides have each.

  Raises:
    IngestionError: the file can't be read.
  """
  stamps, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
  for _, canonical in judged_blocks(path, dataset):
    seconds = canonical.rides.column(canonical.rides.schema.get_field_index(TIME)).to_numpy()
    found = np.unique(seconds[canonical.valid], return_counts=True)
    stamps, counts = merge_stamps([(stamps, counts), found])
  return stamps, counts


def merge_stamps(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
  """Adds up the counts of equal stamps; both arrays of each part as `count_stamps` gives them."""
  stamps = np.concatenate([part[0] for part in parts])
  distinct, position = np.unique(stamps, return_inverse=True)
  counts = np.bincount(position, np.concatenate([part[1] for part in parts]), len(distinct))
  return distinct, counts.astype(np.int64)


def _filter(rides: pa.RecordBatch, chosen: np.ndarray) -> pa.RecordBatch:
  mask = pa.array(chosen)
  return pa.RecordBatch.from_arrays([column.filter(mask) for column in rides.columns], rides.schema.names)


class _Counter:
  """Adds up the rows of one file."""

  def __init__(self, path: str):
    self._path = path
    self._read = 0
    self._reasons: Counter[str] = Counter()
    self.splits = dict.fromkeys(splitting.SPLITS, 0)

  def add(self, block: Block, canonical: CanonicalRides) -> None:
    self._read += block.rows.num_rows + len(block.malformed)
    for counted in canonical.reason.drop_null().value_counts().to_pylist():
      self._reasons[counted['values']] += counted['counts']
    if block.malformed:
      self._reasons[Reason.WRONG_NUMBER_OF_FIELDS.value] += len(block.malformed)

  def counts(self) -> RideCounts:
    quarantined = dict(sorted(self._reasons.items()))
    return RideCounts(self._read, sum(self.splits.values()), quarantined, self.splits, (self._path,))


class _Outputs:
  """The files that one file of rides becomes; each exists once it has a row.

  One thread of its own compresses and writes while the next block is read, and
  at most one block waits for it, so memory stays bounded.
  """

  def __init__(self, open_output: OpenOutput):
    self._open_output = open_output
    self._open = contextlib.ExitStack()
    self._thread = self._open.enter_context(concurrent.futures.ThreadPoolExecutor(1))
    self._waiting: dict[str, concurrent.futures.Future[None]] = {}
    self._shards: dict[str, tuple[TFRecordFile, int]] = {}
    self._quarantine: pq.ParquetWriter | None = None
    self.names: dict[str, list[str]] = {name: [] for name in (*splitting.SPLITS, QUARANTINE)}

  def __enter__(self) -> _Outputs:
    return self

  def __exit__(self, *_: object) -> None:
    with self._open:
      for waiting in self._waiting.values():
        waiting.result()
      for shard, _rows in self._shards.values():
        shard.close()
      if self._quarantine:
        self._quarantine.close()

  def add_rides(self, split: str, rides: pa.RecordBatch) -> None:
    if not rides.num_rows:
      return
    examples = encode_examples(rides)
    if split in self._waiting:
      self._waiting[split].result()
    shard, rows = self._shards.get(split) or (self._new_shard(split), 0)
    self._waiting[split] = self._thread.submit(shard.write, examples)
    self._shards[split] = (shard, rows + rides.num_rows)
    if rows + rides.num_rows >= _SHARD_ROWS:
      self._waiting.pop(split).result()
      self._shards.pop(split)[0].close()

  def _new_shard(self, split: str) -> TFRecordFile:
    return TFRecordFile(self._open_output(self._new_name(split, 'gz')))

  def _new_name(self, output: str, suffix: str) -> str:
    self.names[output].append(f'{output}-{len(self.names[output])}.{suffix}')
    return self.names[output][-1]

  def add_quarantined(self, rows: pa.Table) -> None:
    if not rows.num_rows:
      return
    if self._quarantine is None:
      file = self._open.enter_context(self._open_output(self._new_name(QUARANTINE, 'parquet')))
      self._quarantine = pq.ParquetWriter(pa.PythonFile(file, mode='w'), SCHEMA)
    self._quarantine.write_table(rows)
