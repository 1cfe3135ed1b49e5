"""Predicts files of rides by a Beam pipeline, into a folder of files that appears whole or not at all.

A first pass counts the rows of each file: so the second knows where each of its pieces begins, predicts them on as many
workers as there are, and must find the very rows that were counted. Beam may run a bundle twice, at the same time even.
Each attempt writes a file of its own and ends with a note that replaces the note of any other attempt at the same
piece; only what a note names is published. Workers need the rides and the folder; the model travels with the work.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import posixpath
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from components.ride_example_gen.files import open_output
from components.ride_example_gen.hints import hinted
from components.ride_example_gen.quarantine import BrokenExample, first_examples
from components.ride_example_gen.reading import Stretch, read_blocks, stretches
from configs.dataset import Dataset
from configs.errors import FailedError, UserError
from configs.records import Record, RecordPart
from models.whole_files import is_bucket, move_whole, names_in, read_checked, write_checked, write_whole
from pipeline.prediction.scoring import Scorer
from pipeline.prediction.streaming import Blocks, PredictionOutcome, predict_blocks, predictions_writer

COUNTS = 'counts.json'


class PredictedPart(RecordPart):
  """A file of predictions.

  Attributes:
    name: in the folder.
    source: the file of rides, as the user called it.
    first_row: `row` of its first row.
    rows: how many.
  """

  name: str
  source: str
  first_row: int
  rows: int


class PredictedRows(Record):
  """What `counts.json` beside the predictions holds; `rows` is `predicted` plus the sum of `reasons`, and of the parts.

  Attributes:
    rows: all of them, malformed lines included.
    predicted: those with a prediction.
    reasons: those without, by reason.
    model: SHA-256 of the lite file.
    parts: in the order of the rows.
  """

  FIX = 'predict again'

  rows: int
  predicted: int
  reasons: dict[str, int]
  model: str
  parts: tuple[PredictedPart, ...]


class Piece(NamedTuple):
  """Rows for one worker at a time.

  Attributes:
    name: the file, as the user called it.
    path: as any worker finds it.
    first_row: `row` of the file's first row.
    stretch: which of its rows.
  """

  name: str
  path: str
  first_row: int = 0
  stretch: Stretch | None = None


def predict_sharded(
  files: Sequence[str],
  dataset: Dataset,
  lite_file: pathlib.Path,
  output: str,
  suffix: str,
  beam_arguments: Sequence[str] = (),
) -> PredictionOutcome:
  """Predicts files on a Beam engine, with the values that `predict_files` gives.

  Args:
    files: as of `predict_files`, where all workers reach them.
    output: a folder that is not there or empty, on a disk or in a bucket, where all workers reach it. On a disk it
      appears at once; in a bucket its `counts.json` comes last.
    suffix: of the files in it, `.csv` or `.parquet`.
    beam_arguments: `beam_pipeline_args`.
  Raises:
    UserError: a file or the model can't be used, or the folder has something in it; each such file is named.
    FailedError: the engine lost rows or files.
  """
  check_folder(output)
  content = lite_file.read_bytes()
  with _staging(output) as staging:
    work = _Work(staging, beam_arguments)
    sources = [Piece(name, name if is_bucket(name) else str(pathlib.Path(name).absolute())) for name in files]
    counted = work.done_for_each(sources, _CountRows(staging, dataset))
    pieces = _pieces(sources, counted)
    scoring = _PredictPiece(staging, dataset, content, suffix, several_files=len(files) > 1)
    notes = work.done_for_each(pieces, scoring)
    outcome = PredictionOutcome(
      rows=sum(note.rows for note in notes),
      reasons=sum((collections.Counter(note.reasons) for note in notes), collections.Counter()),
      examples=hinted(first_examples(example for note in notes for example in note.examples), dataset),
    )
    _check(pieces, notes, outcome)
    parts = [
      PredictedPart(
        name=f'part-{number:05d}-of-{len(pieces):05d}{suffix}',
        source=piece.name,
        first_row=piece.first_row + _stretch(piece).before,
        rows=_stretch(piece).rows,
      )
      for number, piece in enumerate(pieces)
    ]
    record = PredictedRows(
      rows=outcome.rows,
      predicted=outcome.rows - sum(outcome.reasons.values()),
      reasons=dict(sorted(outcome.reasons.items())),
      model=hashlib.sha256(content).hexdigest(),
      parts=tuple(parts),
    )
    _publish(staging, output, [note.file for note in notes], record)
  return outcome


def check_folder(output: str) -> None:
  """Checks the name of a folder of predictions. Raises `UserError` where it can't be made, or something is in it."""
  if not is_bucket(output):
    place = pathlib.Path(output).absolute()
    if place.exists() and not place.is_dir():
      raise UserError(f"The output '{output}' is a file; name a folder.")
    if not place.parent.is_dir():
      raise UserError(f"The output '{output}' lies in a directory that is not there; make that first.")
  if names_in(output):
    raise UserError(f"The output '{output}' has files in it; name a new folder.")


def _stretch(piece: Piece) -> Stretch:
  return piece.stretch or Stretch(0)


def _pieces(sources: Sequence[Piece], counted: Sequence[_Note]) -> list[Piece]:
  """The pieces of all files, in the order of the rows."""
  pieces, before = [], 0
  for source, note in zip(sources, counted, strict=True):
    pieces += [source._replace(first_row=before, stretch=stretch) for stretch in note.stretches]
    before += sum(stretch.rows for stretch in note.stretches)
  return pieces


def _check(pieces: Sequence[Piece], notes: Sequence[_Note], outcome: PredictionOutcome) -> None:
  """Raises `FailedError` where a piece has not the rows that were counted, or a file not what was written."""
  for piece, note in zip(pieces, notes, strict=True):
    counted, size = _stretch(piece).rows, _size(note.file)
    if note.rows != counted:
      raise FailedError(
        f"'{piece.name}' had {counted:,} rows from row {_stretch(piece).before:,} on when they were counted, and "
        f'{note.rows:,} when they were predicted; did it change? Nothing was written: predict again.'
      )
    if size != note.bytes:
      raise FailedError(
        f"The predictions of '{piece.name}' have {size:,} bytes of {note.bytes:,}; do all workers write to one "
        'folder? Nothing was written: predict again.'
      )
  if outcome.rows != sum(_stretch(piece).rows for piece in pieces):
    raise FailedError(f'{outcome.rows:,} rows were predicted, which are not all; nothing was written: predict again.')


@contextlib.contextmanager
def _staging(output: str) -> Iterator[str]:
  """A folder beside the output, or in it where it is in a bucket; gone at the end."""
  if is_bucket(output):
    from tensorflow.io import gfile

    folder = posixpath.join(output, f'_staging-{uuid.uuid4().hex}')
    gfile.makedirs(folder)
    try:
      yield folder
    finally:
      gfile.rmtree(folder)
    return
  place = pathlib.Path(output).absolute()
  staging = place.with_name(f'.{place.name}.{uuid.uuid4().hex}.tmp')
  try:
    staging.mkdir()
    yield str(staging)
  except OSError as error:
    raise UserError(f"'{output}' can't be written ({error.strerror or error}).") from error
  finally:
    shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: str, output: str, files: Sequence[str], record: PredictedRows) -> None:
  """Gives the files their names, and the counts behind them."""
  folder = output if is_bucket(output) else os.path.join(staging, 'whole')
  if not is_bucket(output):
    pathlib.Path(folder).mkdir()
  for file, part in zip(files, record.parts, strict=True):
    move_whole(file, posixpath.join(folder, part.name))
  write_whole(posixpath.join(folder, COUNTS), record.to_json())
  if not is_bucket(output):
    move_whole(folder, pathlib.Path(output).absolute())


def _size(path: str) -> int:
  """Bytes of a file; 0 where there is none."""
  if not is_bucket(path):
    return pathlib.Path(path).stat().st_size if pathlib.Path(path).is_file() else 0
  from tensorflow.io import gfile

  return gfile.stat(path).length if gfile.exists(path) else 0


class _Note(Record):
  """What a worker says of a piece.

  Attributes:
    error: why the piece can't be done; empty where it was.
    stretches: of a file, when it is counted.
    file, bytes: where the predictions are, and how large.
    rows, reasons, examples: as of `PredictionOutcome`.
  """

  FIX = 'predict again'

  error: str = ''
  stretches: tuple[Stretch, ...] = ()
  file: str = ''
  bytes: int = 0
  rows: int = 0
  reasons: dict[str, int] = {}
  examples: tuple[BrokenExample, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Work:
  """Passes over the pieces on one engine."""

  staging: str
  beam_arguments: Sequence[str]

  def done_for_each(self, pieces: Sequence[Piece], step: _EachPiece) -> list[_Note]:
    """The notes on all pieces. Raises `UserError` with each sentence that a piece left instead."""
    try:
      with beam.Pipeline(options=PipelineOptions([*self.beam_arguments])) as pipeline:
        indexed = pipeline | 'Pieces' >> beam.Create([*enumerate(pieces)], reshuffle=len(pieces) > 1)
        _ = indexed | type(step).__name__.strip('_') >> beam.ParDo(step)
    except Exception as error:
      lines = str(error).strip().splitlines() or ['no reason is given; does its service answer?']
      endpoints = [argument.partition('=')[2] for argument in self.beam_arguments if '_endpoint=' in argument]
      place = f' at {", ".join(endpoints)}' if endpoints else ''
      raise FailedError(
        f'The Beam engine{place} failed ({type(error).__name__}: {lines[-1][:200]}); nothing was written.'
      ) from error
    notes = [self._note(step, number, piece) for number, piece in enumerate(pieces)]
    errors = dict.fromkeys(note.error for note in notes if note.error)
    if errors:
      raise UserError('\n'.join(errors))
    return notes

  def _note(self, step: _EachPiece, number: int, piece: Piece) -> _Note:
    content = read_checked(step.note(number))
    if content is None:
      raise FailedError(
        f"The engine lost '{piece.name}': no worker left a note in '{self.staging}'; do all workers reach that folder? "
        'Nothing was written.'
      )
    return _Note.parse(content, step.note(number))


class _EachPiece(beam.DoFn):
  """Does one piece and leaves a note on it.

  What the user can mend is noted instead of raised, as Beam would try it again and bury the sentence in a trace.
  """

  def __init__(self, staging: str, dataset: Dataset) -> None:
    super().__init__()
    self._staging = staging
    self._dataset = dataset

  def note(self, number: int) -> str:
    """Where the note on a piece is."""
    return posixpath.join(self._staging, f'{type(self).__name__.strip("_")}-{number}')

  def process(self, element: tuple[int, Piece]) -> Iterable[None]:
    number, piece = element
    try:
      note = self._do(piece)
    except UserError as error:
      note = _Note(error=str(error).replace(piece.path, piece.name))
    except OSError as error:
      note = _Note(error=f"The predictions of '{piece.name}' can't be written ({error.strerror or error}).")
    write_checked(self.note(number), note.to_json().encode())
    return ()

  def _do(self, piece: Piece) -> _Note:
    raise NotImplementedError


class _CountRows(_EachPiece):
  """Notes what a file can be divided into."""

  def _do(self, piece: Piece) -> _Note:
    return _Note(stretches=tuple(stretches(piece.path, self._dataset)))


class _PredictPiece(_EachPiece):
  """Writes the predictions of a piece into a file of its own."""

  def __init__(self, staging: str, dataset: Dataset, lite_file: bytes, suffix: str, several_files: bool) -> None:
    super().__init__(staging, dataset)
    self._lite_file = lite_file
    self._suffix = suffix
    self._several_files = several_files

  def setup(self) -> None:
    """Loads the model once for many pieces."""
    self._scorer = Scorer(self._lite_file, self._dataset, 1, self._several_files)

  def _do(self, piece: Piece) -> _Note:
    file = posixpath.join(self._staging, f'{uuid.uuid4().hex}{self._suffix}')
    with open_output(file) as stream, predictions_writer(stream, self._scorer.schema, self._suffix) as write:
      outcome = predict_blocks(self._blocks(piece), self._dataset, self._scorer, 1, write)
    reasons = dict(outcome.reasons)
    return _Note(file=file, bytes=_size(file), rows=outcome.rows, reasons=reasons, examples=outcome.examples)

  def _blocks(self, piece: Piece) -> Blocks:
    for block in read_blocks(piece.path, self._dataset, label_required=False, stretch=piece.stretch):
      yield piece.name, block, piece.first_row
