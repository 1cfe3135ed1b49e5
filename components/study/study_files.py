"""The files of a study: a row per variant, a row per unit, and what is to be told besides."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.study.errors import StudyError
from components.study.results import Results, Row

STUDY = 'study.parquet'
"""Tidy: one row per variant, one column per figure; what a block has no such figure of is null."""

UNITS = 'units.parquet'
"""Tidy: one row per variant, seed and fold."""

ABOUT = 'study.json'
"""What the study was made of, its notes, and what could not be measured."""


def write(results: Results, directory: pathlib.Path, about: dict[str, Any]) -> None:
  """Writes all three, each whole or not at all.

  Args:
    results: of the study.
    directory: where they go.
    about: what else is to be told, such as the seconds it took.
  """
  _write_table(results.rows(), directory / STUDY)
  units = results.unit_rows()
  _write_table(units, directory / UNITS)
  study = results.config.study
  told = {
    'name': results.config.name,
    'currency': results.config.dataset.currency,
    'rides': len(results.fares),
    'seeds': study.seeds,
    'folds': study.folds,
    'epochs': results.config.training.epochs,
    'units': len(units),
    'blocks': [block.value for block in results.blocks],
    'notes': results.notes,
    'lost': results.lost(),
    'cells': results.cells,
    **about,
  }
  _replace(directory / ABOUT, json.dumps(told, indent=2).encode())


def read(directory: pathlib.Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
  """The rows of `study.parquet` and what is told besides.

  Raises:
    StudyError: no study came to its end there.
  """
  try:
    rows = pq.read_table(directory / STUDY).to_pylist()
    about = json.loads((directory / ABOUT).read_text(encoding='utf-8'))
  except (OSError, ValueError, pa.ArrowInvalid):
    raise StudyError(f"'{directory}' holds no finished study; make one with farelite study --output.") from None
  return rows, about


def _write_table(rows: list[Row], path: pathlib.Path) -> None:
  columns = list(dict.fromkeys(name for row in rows for name in row))
  sink = pa.BufferOutputStream()
  pq.write_table(pa.table({name: _column([row.get(name) for row in rows]) for name in columns}), sink)
  _replace(path, sink.getvalue().to_pybytes())


def _column(values: list[Any]) -> pa.Array:
  """One type for a column: text where any value is, else float64 or int64."""
  if any(isinstance(value, str) for value in values):
    return pa.array([None if value is None else str(value) for value in values])
  return pa.array(values, pa.float64() if any(isinstance(value, float) for value in values) else pa.int64())


def _replace(path: pathlib.Path, content: bytes) -> None:
  staged = path.with_name(f'{path.name}.tmp')
  staged.write_bytes(content)
  staged.replace(path)
