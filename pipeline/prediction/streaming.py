"""Predicts files of rides as a stream, in bounded memory, and writes a file whole or not at all."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.parquet import pq
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.hints import hinted
from components.ride_example_gen.quarantine import BrokenExample, first_examples
from components.ride_example_gen.reading import RowBlock, read_blocks
from configs.dataset import Dataset
from configs.errors import UserError
from models.whole_files import is_bucket, replacing
from pipeline.prediction.scoring import FILE, REASON, Scored, Scorer, count_reasons


@dataclasses.dataclass
class PredictionOutcome:
  """What came of some rides.

  Attributes:
    rows: all of them, malformed lines included.
    reasons: those without a prediction, by reason.
    examples: the first values of a reason, of up to three columns.
  """

  rows: int = 0
  reasons: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
  examples: tuple[BrokenExample, ...] = ()


def predict_files(
  files: Sequence[str],
  dataset: Dataset,
  scorer: Scorer,
  workers: int,
  write: Callable[[pa.RecordBatch], None],
  progress: Callable[[int], None] = lambda rows: None,
) -> PredictionOutcome:
  """Predicts files one after the other; blocks of them at the same time, on several threads.

  Args:
    files: CSV (also gzip) or Parquet, in the dataset's own columns; the fare may be absent.
    scorer: the model, loaded for so many workers.
    workers: threads that judge and predict; one more reads and writes.
    write: gets the predictions, in the order of the rows.
    progress: gets the rows so far, from time to time.

  Raises `UserError` where a file or the model can't be used; what was written until then is incomplete.
  """
  return predict_blocks(_blocks(files, dataset), dataset, scorer, workers, write, progress)


Blocks = Generator[tuple[str, RowBlock, int], None, None]
"""Blocks of rows, each with the name of its file and `row` of that file's first row."""


def predict_blocks(
  blocks: Blocks,
  dataset: Dataset,
  scorer: Scorer,
  workers: int,
  write: Callable[[pa.RecordBatch], None],
  progress: Callable[[int], None] = lambda rows: None,
) -> PredictionOutcome:
  """`predict_files` for blocks of them, which it closes."""
  outcome = PredictionOutcome()
  waiting: collections.deque[concurrent.futures.Future[Scored]] = collections.deque()

  def take() -> None:
    scored, examples = waiting.popleft().result()
    write(scored)
    outcome.rows += scored.num_rows
    outcome.reasons.update(count_reasons(scored))
    outcome.examples = hinted(first_examples((*outcome.examples, *examples)), dataset)
    progress(outcome.rows)

  with concurrent.futures.ThreadPoolExecutor(workers) as pool, contextlib.closing(blocks):
    try:
      for path, block, first_row in blocks:
        waiting.append(pool.submit(_score, scorer, path, block, first_row))
        # One block more than workers, so that none of them waits while this thread reads or writes.
        if len(waiting) > workers:
          take()
      while waiting:
        take()
    except BaseException:
      for future in waiting:
        future.cancel()
      raise
  return outcome


def _score(scorer: Scorer, path: str, block: RowBlock, first_row: int) -> Scored:
  try:
    return scorer.score(path, block, first_row)
  except IngestionError as error:
    raise IngestionError(f"'{path}': {error}") from error


def _blocks(files: Sequence[str], dataset: Dataset) -> Blocks:
  """The blocks of all files."""
  before = 0
  for path in files:
    rows = 0
    for block in read_blocks(path, dataset, label_required=False):
      yield path, block, before
      rows += block.read
    before += rows


Write = Callable[[pa.RecordBatch], None]
"""Takes the next predictions."""

SUFFIXES = ('.csv', '.parquet')

_REPEATED = [FILE, REASON]
"""Columns with few values; a dictionary of the others would only cost time."""


@contextlib.contextmanager
def predictions_file(path: str, schema: pa.Schema) -> Iterator[Write]:
  """A file of predictions, which takes its name when the block ends well.

  It replaces what is there: `*.csv` or `*.parquet`. Raises `UserError` where it can't be written.
  """
  target = pathlib.Path(path)
  check_output(path)
  try:
    with replacing(target) as stream, predictions_writer(stream, schema, target.suffix.lower()) as write:
      yield write
  except OSError as error:
    raise UserError(f"'{path}' can't be written ({error.strerror or error}).") from error


def check_output(path: str) -> None:
  """Checks the name of an output before anything is read.

  Raises `UserError` where no format goes with it, or its folder is not there.
  """
  target = pathlib.Path(path)
  if is_bucket(path) or target.suffix.lower() not in SUFFIXES:
    raise UserError(f"The output '{path}' must be a local file that ends in {' or '.join(SUFFIXES)}.")
  if target.is_dir() or not target.absolute().parent.is_dir():
    what = 'is a directory' if target.is_dir() else 'lies in a directory that is not there'
    raise UserError(f"The output '{path}' {what}; name a file.")


@contextlib.contextmanager
def predictions_stream(stream: IO[bytes], schema: pa.Schema) -> Iterator[Write]:
  """Predictions as CSV on an open stream, which stays open."""
  stream.write((','.join(schema.names) + '\n').encode())

  def write(scored: pa.RecordBatch) -> None:
    stream.write(_csv_lines(scored))

  yield write
  stream.flush()


@contextlib.contextmanager
def predictions_writer(stream: IO[bytes], schema: pa.Schema, suffix: str) -> Iterator[Write]:
  """Predictions on an open stream, which stays open, in the format of a suffix out of `SUFFIXES`."""
  if suffix == '.csv':
    with predictions_stream(stream, schema) as write:
      yield write
  else:
    with pq.ParquetWriter(stream, schema, use_dictionary=_REPEATED) as writer:
      yield writer.write_batch


def _csv_lines(scored: pa.RecordBatch) -> memoryview:
  """The rows as lines of CSV, nulls as empty cells; built in whole columns, text quoted only where it has to be."""
  cells = [_quoted(column) if pa.types.is_string(column.type) else column for column in scored.columns]
  *texts, last = (cell.cast(pa.large_string()) for cell in cells)
  lines = _joined(*texts, _joined(last, '', separator='\n'), separator=',')
  _, offsets, content = lines.buffers()
  # The strings of an array are one behind the other.
  start, end = np.frombuffer(offsets, np.int64)[[lines.offset, lines.offset + len(lines)]]
  return memoryview(content)[start:end]


def _joined(*texts: pa.Array | str, separator: str) -> pa.Array:
  """Texts of each row behind one another, nulls as empty ones."""
  scalars = [pa.scalar(text, pa.large_string()) if isinstance(text, str) else text for text in (*texts, separator)]
  return pc.binary_join_element_wise(*scalars, null_handling='replace', null_replacement='')


def _quoted(text: pa.Array) -> pa.Array:
  special = pc.match_substring_regex(text, '[",\r\n]')
  if not pc.any(special).as_py():
    return text
  doubled = pc.replace_substring(text, '"', '""')
  return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ''), text)
