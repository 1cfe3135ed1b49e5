"""The files of a study: a row per variant, a row per unit, and what is to be told besides."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pyarrow as pa

from components.parquet import pq
from components.study.errors import StudyError
from components.study.results import Results, Row
from models.whole_files import write_whole

STUDY = 'study.parquet'
"""Tidy: one row per variant, one column per figure; what a block has no such figure of is null."""

UNITS = 'units.parquet'
"""Tidy: one row per variant, seed and fold."""

ABOUT = 'study.json'
"""What the study was made of, its notes, and what could not be measured."""


def write(results: Results, directory: pathlib.Path, about: dict[str, Any]) -> None:
  """Writes all three, each whole or not at all.

  What an earlier study of the same rides, config, seeds and folds found in `directory` on other blocks stays; the
  column `code` tells by which code a row was measured.

  Args:
    results: of the study.
    directory: where they go.
    about: what else is to be told, such as the time it was written.
  """
  measured = {block.value for block in results.blocks}
  earlier = _earlier(directory, results.identity)
  rows, units = results.rows(), results.unit_rows()
  told = _about(results) | about
  if earlier is not None:
    old_rows, old_units, old = earlier
    rows += [row for row in old_rows if row['block'] not in measured]
    units += [unit for unit in old_units if unit['block'] not in measured]
    told['lost'] += [lost for lost in old['lost'] if lost['block'] not in measured]
    told['notes'] = list(dict.fromkeys([*told['notes'], *old['notes']]))
    told['cells'] = told['cells'] or old['cells']
  _write_table(rows, directory / STUDY)
  _write_table(units, directory / UNITS)
  told['units'] = len(units)
  write_whole(directory / ABOUT, json.dumps(told, indent=2))


def _about(results: Results) -> dict[str, Any]:
  study = results.config.study
  return {
    'name': results.config.name,
    'currency': results.config.dataset.currency,
    'rides': len(results.fares),
    'seeds': study.seeds,
    'folds': study.folds,
    'notes': list(results.notes),
    'lost': results.lost(),
    'cells': results.cells,
    'identity': results.identity,
    'code': results.code,
  }


def _earlier(directory: pathlib.Path, identity: str) -> tuple[list[Row], list[Row], dict[str, Any]] | None:
  """Rows, units and what is told of an earlier study of the same setting."""
  try:
    rows, about = read(directory)
    units = pq.read_table(directory / UNITS).to_pylist()
  except (StudyError, OSError, pa.ArrowInvalid):
    return None
  return (rows, units, about) if about.get('identity') == identity else None


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
  write_whole(path, sink.getvalue().to_pybytes())


def _column(values: list[Any]) -> pa.Array:
  """One type for a column: text where any value is, else float64 or int64."""
  if any(isinstance(value, str) for value in values):
    return pa.array([None if value is None else str(value) for value in values])
  return pa.array(values, pa.float64() if any(isinstance(value, float) for value in values) else pa.int64())
