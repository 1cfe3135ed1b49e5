"""The files of a study: a row per variant, a row per unit, and what is to be told besides."""

from __future__ import annotations

import pathlib
from typing import Any

import pyarrow as pa

from components.parquet import pq
from components.study.results import Results, Row
from components.study.study_record import StudyRecord
from configs.errors import UserError
from models.whole_files import write_whole

STUDY = 'study.parquet'
"""Tidy: one row per variant, one column per figure; what a block has no such figure of is null."""

UNITS = 'units.parquet'
"""Tidy: one row per variant, seed and fold."""

ABOUT = 'study.json'
"""What the study was made of, its notes, and what could not be measured."""


def write(results: Results, directory: pathlib.Path, written: str = '') -> None:
  """Writes all three, each whole or not at all.

  What an earlier study of the same rides, config, seeds and folds found in `directory` on other blocks stays; the
  column `code` tells by which code a row was measured.

  Args:
    results: of the study.
    directory: where they go.
    written: when, for people.
  """
  measured = {block.value for block in results.blocks}
  earlier = _earlier(directory, results.identity)
  rows, units = results.rows(), results.unit_rows()
  notes, lost, cells = tuple(results.notes), results.lost(), results.cells
  if earlier is not None:
    old_rows, old_units, old = earlier
    rows += [row for row in old_rows if row['block'] not in measured]
    units += [unit for unit in old_units if unit['block'] not in measured]
    notes = tuple(dict.fromkeys([*notes, *old.notes]))
    lost += tuple(one for one in old.lost if one.block not in measured)
    cells = cells or old.cells
  _write_table(rows, directory / STUDY)
  _write_table(units, directory / UNITS)
  study = results.config.study
  record = StudyRecord(
    name=results.config.name,
    currency=results.config.dataset.currency,
    rides=len(results.fares),
    seeds=study.seeds,
    folds=study.folds,
    notes=notes,
    lost=lost,
    cells=cells,
    identity=results.identity,
    code=results.code,
    written=written,
    units=len(units),
  )
  write_whole(directory / ABOUT, record.to_json())


def _earlier(directory: pathlib.Path, identity: str) -> tuple[list[Row], list[Row], StudyRecord] | None:
  """Rows, units and what is told of an earlier study of the same setting."""
  try:
    rows, about = read(directory)
    units = pq.read_table(directory / UNITS).to_pylist()
  except (UserError, OSError, pa.ArrowInvalid):
    return None
  return (rows, units, about) if about.identity == identity else None


def read(directory: pathlib.Path) -> tuple[list[dict[str, Any]], StudyRecord]:
  """The rows of `study.parquet` and what is told besides.

  Raises:
    UserError: no study came to its end there.
  """
  try:
    rows = pq.read_table(directory / STUDY).to_pylist()
    about = StudyRecord.read(directory / ABOUT)
  except (OSError, ValueError, pa.ArrowInvalid):
    raise UserError(f"'{directory}' holds no finished study; make one with farelite study --output.") from None
  return rows, about


def _write_table(rows: list[Row], path: pathlib.Path) -> None:
  columns = list(dict.fromkeys(name for row in rows for name in row))
  sink = pa.BufferOutputStream()
  pq.write_table(pa.table({name: _column([row.get(name) for row in rows]) for name in columns}), sink)
  write_whole(path, sink.getvalue().to_pybytes())


def _column(values: list[Any]) -> pa.Array:
  """One type for a column: text where any value is, else float64 or int64."""
  if any(isinstance(value, str) for value in values):
    return pa.array([None if value is None else str(value) for value in values])
  return pa.array(values, pa.float64() if any(isinstance(value, float) for value in values) else pa.int64())
