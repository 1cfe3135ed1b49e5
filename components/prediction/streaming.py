"""Predicts files of rides as a stream: bounded memory, every row in its place."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
from collections.abc import Callable, Generator, Iterator, Sequence

import pyarrow as pa

from components.prediction.scoring import Scorer, count_reasons
from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.reading import Block, MalformedLine, read_blocks
from configs.dataset import Dataset


@dataclasses.dataclass
class PredictionOutcome:
  """What came of some rides.

  Attributes:
    rows: all of them, malformed lines included.
    reasons: those without a prediction, by reason.
  """

  rows: int = 0
  reasons: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


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
    files: CSV (also gzip) or Parquet, in the dataset's own columns; the fare
      may be absent.
    dataset: the mapping and the rules.
    scorer: the model, loaded for so many workers.
    workers: threads that judge and predict; one more reads and writes.
    write: gets the predictions, in the order of the rows.
    progress: is told the rows so far, from time to time.

  Raises:
    UserError: a file or the model can't be used; what was written until
      then is incomplete.
  """
  outcome = PredictionOutcome()
  waiting: collections.deque[concurrent.futures.Future[pa.RecordBatch]] = collections.deque()

  def take() -> None:
    scored = waiting.popleft().result()
    write(scored)
    outcome.rows += scored.num_rows
    outcome.reasons.update(count_reasons(scored))
    progress(outcome.rows)

  with concurrent.futures.ThreadPoolExecutor(workers) as pool, contextlib.closing(_blocks(files, dataset)) as blocks:
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


def _score(scorer: Scorer, path: str, block: Block, first_row: int) -> pa.RecordBatch:
  try:
    return scorer.score(path, block, first_row)
  except IngestionError as error:
    raise IngestionError(f"'{path}': {error}") from error


def _blocks(files: Sequence[str], dataset: Dataset) -> Generator[tuple[str, Block, int], None, None]:
  """The blocks of all files, each with its file and the number of rows in the files before."""
  before = 0
  for path in files:
    rows = 0
    for block in _in_order(read_blocks(path, dataset, label_required=False)):
      rows = max([rows, *block.numbers[-1:].tolist(), *(line.number for line in block.malformed)])
      yield path, block, before
    before += rows


def _in_order(blocks: Iterator[Block]) -> Iterator[Block]:
  """The blocks with every malformed line among the rows where it stands; the reader tells some of them early."""
  waiting: list[MalformedLine] = []
  empty = None
  for block in blocks:
    waiting += block.malformed
    last = int(block.numbers[-1]) if len(block.numbers) else 0
    empty = block._replace(rows=block.rows.slice(0, 0), numbers=block.numbers[:0])
    yield block._replace(malformed=tuple(line for line in waiting if line.number < last))
    waiting = [line for line in waiting if line.number > last]
  if waiting and empty is not None:
    yield empty._replace(malformed=tuple(waiting))
