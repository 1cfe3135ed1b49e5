"""One file of rides: read, mapped, judged, split, encoded and counted; or only looked at."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from components.parquet import pq
from components.ride_example_gen import spans
from components.ride_example_gen.canonical import CanonicalRides, canonicalize, filtered
from components.ride_example_gen.encoding import TFRecordFile, frame_examples
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.hints import hinted
from components.ride_example_gen.profiling import Profiler, rides_digest
from components.ride_example_gen.quarantine import (
  SCHEMA,
  BrokenExample,
  RideCounts,
  broken_examples,
  first_examples,
  quarantined_rows,
  total,
)
from components.ride_example_gen.reading import RowBlock, read_blocks
from components.ride_example_gen.splitting import chronological_threshold, in_eval
from configs.dataset import TIME, Dataset
from configs.split import Split, SplitMethod
from configs.texts import ended

QUARANTINE = 'quarantine'
"""The name of the quarantined rows among the outputs, beside the splits' names."""

_GATHERED_ROWS = 1 << 12
"""What is paid for each block is little beside so many rows."""

_SHARD_ROWS = 1_000_000
"""A larger file of rides gives several shards, as a reader can't divide a gzip file."""


def ingest_file(
  path: str,
  dataset: Dataset,
  split: Split,
  outputs: Outputs,
  threshold: int | None = None,
  called: str | None = None,
  span: str = '',
) -> RideCounts:
  """Adds a file of rides to shards of Examples and to a part of the quarantine.

  Args:
    split: how kept rides are divided.
    threshold: for a chronological split, its first time stamp in eval.
    called: the name, in counts and quarantine, of a source that is no file of the user's; its rows have no numbers.
    span: label of the span that the file belongs to, for the profile.
  Returns: Its rows.
  Raises: IngestionError: the file can't be read; the outputs are then incomplete.
  """
  return _count_file(path, dataset, split, threshold, called, span, outputs)


def _count_file(
  path: str,
  dataset: Dataset,
  split: Split,
  threshold: int | None,
  called: str | None,
  span: str,
  outputs: Outputs | None = None,
) -> RideCounts:
  """Reads a file to its end and counts; writes it to the outputs, if there are any."""
  name = called or path
  read, reasons, kept = 0, Counter[str](), dict.fromkeys(spans.SPLITS, 0)
  examples: tuple[BrokenExample, ...] = ()
  profiler = Profiler(name, span, dataset)
  for block, canonical in judged_blocks(path, dataset):
    rides = canonical.valid_rides
    evaluated = in_eval(rides.column(0).to_numpy(), split, threshold)
    for part, chosen in ((spans.TRAIN, ~evaluated), (spans.EVAL, evaluated)):
      kept[part] += int(chosen.sum())
      if outputs:
        outputs.add_rides(part, filtered(rides, chosen))
    if called:
      block = block._replace(numbers=np.full_like(block.numbers, -1))
    verdict = (canonical.valid, canonical.reason, canonical.column)
    if outputs:
      outputs.add_quarantined(quarantined_rows(name, block, *verdict))
    examples = first_examples((*examples, *broken_examples(name, block, *verdict)))
    profiler.add(block.rows, canonical, rides, evaluated)
    read += block.read
    reasons += _reasons(block, canonical)
  counted = dict(sorted(reasons.items()))
  counts = RideCounts(read, sum(kept.values()), counted, kept, (name,), hinted(examples, dataset))
  return dataclasses.replace(counts, profile=profiler.profile(read, newest=threshold == spans.ALL))


def survey(files: Mapping[str, Sequence[str]], dataset: Dataset, split: Split) -> RideCounts:
  """Reads every file as the ingestion does and counts; writes nothing.

  Args: files: paths by the label of their span, the newest span last; of files without spans any one name.
  Raises: IngestionError: a file can't be read.
  """
  split = spans.of_these_spans(split, len(files))
  thresholds = spans.span_thresholds(files, split)
  if split.method is SplitMethod.CHRONOLOGICAL:
    stamps = merge_stamps([count_stamps(path, dataset) for paths in files.values() for path in paths])
    thresholds = dict.fromkeys(thresholds, chronological_threshold(*stamps, split.eval_share))
  return total(
    [_count_file(path, dataset, split, thresholds[path], None, span) for span, paths in files.items() for path in paths]
  )


def judged_blocks(path: str, dataset: Dataset) -> Iterator[tuple[RowBlock, CanonicalRides]]:
  """The blocks of a file with their canonical rides.

  Raises: IngestionError: the file can't be read, or its columns are not those of the dataset.
  """
  for block in read_blocks(path, dataset):
    try:
      canonical = canonicalize(block.rows, dataset)
    except IngestionError as error:
      raise IngestionError(f"'{path}': {error}") from error
    yield block, canonical


def count_stamps(path: str, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
  """The distinct `pickup_seconds` of a file's valid rides, ascending, and how many rides have each.

  Raises: IngestionError: the file can't be read.
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


def _reasons(block: RowBlock, canonical: CanonicalRides) -> Counter[str]:
  """The rows of a block that are not valid, counted by their reason."""
  counted = canonical.reason.drop_null().value_counts().to_pylist()
  reasons = Counter({reason['values']: reason['counts'] for reason in counted})
  return reasons + Counter(line.reason.value for line in block.malformed)


class Outputs:
  """The files that some files of rides become; each exists once it has a row.

  A thread of its own compresses and writes while the next block is read, and at most one block waits for it, so memory
  stays bounded.

  Attributes: names: of the files, by split and `QUARANTINE`.
  """

  def __init__(self, open_output: Callable[[str], Any], gathers: bool = False):
    """Opens nothing yet.

    Args:
      open_output: opens a new output by its name, for writing bytes.
      gathers: whether small blocks are written together, as those of many small files.
    """
    self._open_output = open_output
    self._enough_rows = _GATHERED_ROWS if gathers else 0
    self._gathered: dict[str, list[pa.RecordBatch | pa.Table]] = {}
    self._gathered_rows = Counter[str]()
    self._open = contextlib.ExitStack()
    self._thread = self._open.enter_context(concurrent.futures.ThreadPoolExecutor(1))
    self._waiting: dict[str, concurrent.futures.Future[None]] = {}
    self._shards: dict[str, tuple[TFRecordFile, int]] = {}
    self._quarantine: pq.ParquetWriter | None = None
    self.names: dict[str, list[str]] = {name: [] for name in (*spans.SPLITS, QUARANTINE)}

  def __enter__(self) -> Outputs:
    return self

  def __exit__(self, *_: object) -> None:
    with self._open:
      for output in list(self._gathered):
        self._flush(output)
      for waiting in self._waiting.values():
        waiting.result()
      for shard, _rows in self._shards.values():
        shard.close()
      if self._quarantine:
        self._quarantine.close()

  def add_rides(self, split: str, rides: pa.RecordBatch) -> None:
    """Adds rides to a split, at its end."""
    self._add(split, rides)

  def add_quarantined(self, rows: pa.Table) -> None:
    """Adds rows to the quarantine, see `quarantine.SCHEMA`."""
    self._add(QUARANTINE, rows)

  def _add(self, output: str, rows: pa.RecordBatch | pa.Table) -> None:
    if not rows.num_rows:
      return
    self._gathered.setdefault(output, []).append(rows)
    self._gathered_rows[output] += rows.num_rows
    if self._gathered_rows[output] >= self._enough_rows:
      self._flush(output)

  def _flush(self, output: str) -> None:
    blocks, self._gathered_rows[output] = self._gathered.pop(output), 0
    if output == QUARANTINE:
      self._write_quarantined(pa.concat_tables(blocks))
    elif len(blocks) == 1:
      self._write_rides(output, blocks[0])
    else:
      [rides] = pa.Table.from_batches(blocks).combine_chunks().to_batches()
      self._write_rides(output, rides)

  def _write_rides(self, split: str, rides: pa.RecordBatch) -> None:
    framed = frame_examples(rides)
    if split in self._waiting:
      self._waiting[split].result()
    shard, rows = self._shards.get(split) or (TFRecordFile(self._new_file(split, 'gz')), 0)
    self._waiting[split] = self._thread.submit(shard.write_framed, framed)
    self._shards[split] = (shard, rows + rides.num_rows)
    if rows + rides.num_rows >= _SHARD_ROWS:
      self._waiting.pop(split).result()
      self._shards.pop(split)[0].close()

  def _new_file(self, output: str, suffix: str) -> Any:
    self.names[output].append(f'{output}-{len(self.names[output])}.{suffix}')
    return self._open_output(self.names[output][-1])

  def _write_quarantined(self, rows: pa.Table) -> None:
    if self._quarantine is None:
      file = self._open.enter_context(self._new_file(QUARANTINE, 'parquet'))
      self._quarantine = pq.ParquetWriter(pa.PythonFile(file, mode='w'), SCHEMA)
    self._quarantine.write_table(rows)


@dataclasses.dataclass(frozen=True)
class SpanInspection:
  """What is in a span.

  Attributes:
    read: all rows, malformed lines included; of the files up to the first one that could not be read.
    kept: valid rides among them.
    broken: why no run can use the span, one sentence; `None` if it can.
    digest: of its valid rides, as `rides_digest`.
  """

  read: int
  kept: int
  broken: str | None = None
  digest: int = 0


def inspect_span(files: Sequence[str], dataset: Dataset) -> SpanInspection:
  """Reads every file of a span, by the same rules as the ingestion.

  Args: dataset: the mapping and the rules; `rules.max_quarantined_share` bounds this span alone.
  """
  read, kept, reasons, digest = 0, 0, Counter[str](), 0
  examples: tuple[BrokenExample, ...] = ()
  try:
    for path in files:
      for block, canonical in judged_blocks(path, dataset):
        read += block.read
        kept += int(canonical.valid.sum())
        digest = (digest + rides_digest(canonical.valid_rides)) % 2**64
        reasons += _reasons(block, canonical)
        found = broken_examples(path, block, canonical.valid, canonical.reason, canonical.column)
        examples = first_examples((*examples, *found))
  except IngestionError as error:
    return SpanInspection(read, kept, str(error))
  if not kept:
    return SpanInspection(read, kept, 'It has no valid ride.' if read else 'It has no ride at all.')
  share, limit = 1 - kept / read, dataset.rules.max_quarantined_share
  if share <= limit:
    return SpanInspection(read, kept, digest=digest)
  [(worst, count)] = reasons.most_common(1)
  [example] = [example for example in hinted(examples, dataset) if example.reason == worst][:1]
  why = (
    f'{100 * share:.3g} % of its {read:,} rows break a rule (rules.max_quarantined_share is {100 * limit:.3g} %), '
    f'most of all {worst} ({count:,}) {example.phrase()}'
  )
  return SpanInspection(read, kept, ended(why))


def valid_rides(files: Sequence[str], dataset: Dataset) -> Iterator[pa.RecordBatch]:
  """The valid canonical rides of some files, as single values a row. Raises `IngestionError`: a file can't be read."""
  for path in files:
    for _, canonical in judged_blocks(path, dataset):
      yield canonical.valid_rides
