"""Predictions for a block of source rows, each row in its place, by the lite file that a user means."""

from __future__ import annotations

import pathlib
import queue
import tempfile
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from components.ride_example_gen import parsing
from components.ride_example_gen.canonical import canonicalize
from components.ride_example_gen.quarantine import BrokenExample, broken_examples
from components.ride_example_gen.reading import RowBlock
from configs import loading
from configs.dataset import Dataset
from configs.errors import UserError
from configs.presets import read_mapping
from configs.run import RunConfig
from models.lite.client import LiteModel
from models.release import EXTRA, find_pushed

ROW, FILE, LINE, KEY, PREDICTION, REASON = 'row', 'file', 'line', 'key', 'prediction', 'reason'
"""Columns of the output."""


class Scored(NamedTuple):
  """What came of a block.

  Attributes:
    rows: the predictions.
    examples: the first value of each reason and column for which there is none, without hints.
  """

  rows: pa.RecordBatch
  examples: tuple[BrokenExample, ...]


class Scorer:
  """A lite file and the dataset whose rows it gets; any number of threads may call it.

  Attributes:
    schema: of the predictions. `row` counts from 0 over all files; `file` is there for several files, `key` where the
      dataset has one; `line` is the row's first line in its CSV file, from 1, and null for Parquet; `prediction` is
      null for a row that is not valid, `reason` (a `Reason`) for one that is.
  """

  def __init__(self, lite_file: pathlib.Path | bytes, dataset: Dataset, workers: int, several_files: bool) -> None:
    """Loads the file once for each of the threads that may work at the same time.

    Args: lite_file: its path, or its content where only that is at hand.
    Raises `LiteFileError` where it is no lite file; `UserError` where it is one for rides with other columns.
    """
    self._dataset = dataset
    self._key = dataset.source_columns().get('key')
    self._models: queue.SimpleQueue[LiteModel] = queue.SimpleQueue()
    for _ in range(workers):
      model = LiteModel(lite_file)
      self._models.put(model)
    self._check_inputs('The lite model' if isinstance(lite_file, bytes) else f"'{lite_file}'", model.inputs)
    place = [(ROW, pa.int64()), (FILE, pa.string()), (LINE, pa.int64())]
    fields = [*place, (KEY, pa.string()), (PREDICTION, pa.float32())]
    left_out = {*([] if several_files else [FILE]), *([] if self._key else [KEY])}
    self.schema = pa.schema([field for field in [*fields, (REASON, pa.string())] if field[0] not in left_out])

  def score(self, path: str, block: RowBlock, first_row: int) -> Scored:
    """Predictions for the rows of a block and for its malformed lines, in the order in which they stand in the file.

    Args: first_row: `row` of the file's first row.

    Raises `IngestionError` where a column's type can't be what it should be; `LiteFileError` where the model fails on
    the rides.
    """
    canonical = canonicalize(block.rows, self._dataset, label_required=False)
    fares = self._fares(canonical.rides, canonical.valid)
    numbers = np.concatenate([block.numbers, [line.number for line in block.malformed]]).astype(np.int64)
    lines = pa.nulls(block.rows.num_rows, pa.int64()) if block.lines is None else pa.array(block.lines)
    columns = {
      ROW: pa.array(numbers - 1 + first_row),
      FILE: pa.array([path]).take(pa.array(np.zeros(len(numbers), np.int64))),
      LINE: pa.concat_arrays([lines, pa.array([line.line for line in block.malformed], pa.int64())]),
      KEY: _with_nulls(self._keys(block.rows), len(block.malformed)),
      PREDICTION: _with_nulls(pa.array(fares, mask=~canonical.valid), len(block.malformed)),
      REASON: pa.concat_arrays(
        [canonical.reason, pa.array([line.reason.value for line in block.malformed], pa.string())]
      ),
    }
    scored = pa.RecordBatch.from_arrays([columns[name] for name in self.schema.names], schema=self.schema)
    examples = tuple(broken_examples(path, block, canonical.valid, canonical.reason, canonical.column))
    if not block.malformed:
      return Scored(scored, examples)
    order = pa.array(np.argsort(numbers))
    return Scored(
      pa.RecordBatch.from_arrays([column.take(order) for column in scored.columns], schema=self.schema), examples
    )

  def _fares(self, rides: pa.RecordBatch, valid: np.ndarray) -> np.ndarray:
    """float32 [rows]; 0 where a row is not valid."""
    columns = {name: column.to_numpy() for name, column in zip(rides.schema.names, rides.columns, strict=True)}
    model = self._models.get()
    try:
      if valid.all():
        return model.predict(columns)
      fares = np.zeros(len(valid), np.float32)
      fares[valid] = model.predict({name: column[valid] for name, column in columns.items()})
      return fares
    finally:
      self._models.put(model)

  def _keys(self, rows: pa.RecordBatch) -> pa.Array:
    index = rows.schema.get_field_index(self._key) if self._key else -1
    return parsing.as_string(rows.column(index)) if index >= 0 else pa.nulls(rows.num_rows, pa.string())

  def _check_inputs(self, lite_file: str, inputs: Collection[str]) -> None:
    for name in sorted({*inputs} ^ {*self._dataset.raw_inputs()}):
      which = 'the model takes but the dataset does not have' if name in inputs else 'the dataset has but the model not'
      raise UserError(
        f"{lite_file} does not fit the dataset '{self._dataset.name}': '{name}' is an input that {which}; "
        'is it the config of another dataset?'
      )


def _with_nulls(column: pa.Array, count: int) -> pa.Array:
  return pa.concat_arrays([column, pa.nulls(count, column.type)]) if count else column


def count_reasons(scored: pa.RecordBatch) -> dict[str, int]:
  """How often each reason occurs in some predictions."""
  reasons = scored.column(scored.schema.get_field_index(REASON)).drop_null()
  return {found['values']: found['counts'] for found in pc.value_counts(reasons).to_pylist()}


def of_kept_dataset(dataset: Any, overrides: Sequence[str] = ()) -> RunConfig:
  """A config with a dataset that was kept beside a model.

  Only the dataset: later versions of the project may know other training settings.
  """
  with tempfile.NamedTemporaryFile('w', suffix='.yaml', encoding='utf-8') as file:
    yaml.safe_dump({'name': 'predict', 'dataset': dataset}, file, allow_unicode=True)
    file.flush()
    return loading.load(file.name, overrides, kept=True)


def kept_dataset(version: pathlib.Path) -> Dataset | None:
  """The dataset of a version's config; `None` where it was pushed without one. Raises `UserError`: it is broken."""
  path = version / CONFIG
  if not path.is_file():
    return None
  try:
    kept = read_mapping(path, f"'{path}'", 'dataset:')
  except ValueError as error:
    raise UserError(f'{error}') from None
  return of_kept_dataset(kept['dataset']).dataset if 'dataset' in kept else None


CONFIG = f'{EXTRA}/config.yaml'
"""The config of a version inside it."""


class ModelFiles(NamedTuple):
  """What predictions need of a model.

  Attributes:
    config: the config that the model was trained by; `None` for a lite file on its own.
    dataset: name of the dataset that it was trained on; '' where unknown.
  """

  lite: pathlib.Path
  config: pathlib.Path | None
  dataset: str


def find_model(path: str) -> ModelFiles:
  """Finds and verifies the model of a path: a pushed version, the directory of the versions, or a `.tflite`.

  Raises `ManifestError` where there is none, or it is not what was pushed.
  """
  pushed = find_pushed(path)
  config = pushed.version / CONFIG if pushed.version else None
  known = config if config is not None and config.is_file() else None
  return ModelFiles(pushed.file, known, pushed.manifest.dataset if pushed.manifest else '')
