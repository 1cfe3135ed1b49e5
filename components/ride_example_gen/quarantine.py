"""Rows that broke a rule, whole and with the reason, as Arrow tables."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ride_example_gen import cells
from components.ride_example_gen.canonical import CanonicalRides
from components.ride_example_gen.reading import Block, MalformedLine
from components.ride_example_gen.reasons import Reason

SCHEMA = pa.schema(
  [
    ('file', pa.string()),
    ('row_number', pa.int64()),
    ('reason', pa.string()),
    ('column', pa.string()),
    ('row', pa.string()),
  ]
)
"""`row_number` is 1 for the first row after the header, -1 where unknown; `row`
is a JSON object of the row's cells as text, null where the source has null, or
the raw text of a line with the wrong number of fields; `column` is the source
column that the reason is about, null for such a line."""

_SHORT_ESCAPES = {'\\': '\\\\', '"': '\\"', '\n': '\\n', '\r': '\\r', '\t': '\\t'}
_CONTROLS = ''.join(map(chr, range(32)))


def quarantined_rows(path: str, block: Block, canonical: CanonicalRides) -> pa.Table:
  """The rows of a block that are not valid, its malformed lines included; see `SCHEMA`."""
  chosen = pa.array(np.flatnonzero(~canonical.valid))
  rows = pc.take(block.rows, chosen)
  columns = [
    pa.array([path] * len(chosen), pa.string()),
    pa.array(block.numbers).take(chosen),
    canonical.reason.take(chosen),
    canonical.column.take(chosen),
    rows_as_json(rows),
  ]
  invalid = pa.Table.from_arrays(columns, schema=SCHEMA)
  return pa.concat_tables([invalid, _malformed(path, block.malformed)])


def _malformed(path: str, lines: Sequence[MalformedLine]) -> pa.Table:
  columns = {
    'file': [path] * len(lines),
    'row_number': [line.number for line in lines],
    'reason': [Reason.WRONG_NUMBER_OF_FIELDS.value] * len(lines),
    'column': [None] * len(lines),
    'row': [line.text for line in lines],
  }
  return pa.table(columns, schema=SCHEMA)


def rows_as_json(rows: pa.RecordBatch) -> pa.Array:
  """Each row as a JSON object of its cells as text, built in whole columns; string [rows]."""
  if not rows.num_rows:
    return pa.array([], pa.string())
  pieces = []
  for position, (name, column) in enumerate(zip(rows.schema.names, rows.columns, strict=True)):
    key = json.dumps(name, ensure_ascii=False)
    pieces += [pa.scalar(f'{", " if position else "{"}{key}: '), _json_texts(column)]
  return pc.binary_join_element_wise(*pieces, '}', '')


def _json_texts(column: pa.Array) -> pa.Array:
  text = _as_string(column)
  for character, escape in _SHORT_ESCAPES.items():
    text = pc.replace_substring(text, character, escape)
  if pc.any(pc.match_substring_regex(text, f'[{re.escape(_CONTROLS)}]')).as_py():
    for character in _CONTROLS:
      text = pc.replace_substring(text, character, f'\\u{ord(character):04x}')
  quoted = pc.binary_join_element_wise('"', text, '"', '')
  return pc.fill_null(quoted, 'null')


def _as_string(column: pa.Array) -> pa.Array:
  """Any column as strings; the reader has already seen to it that text is UTF-8."""
  column = cells.plain(column)
  try:
    return column.cast(pa.string())
  except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
    # Nested types and undecodable bytes, of which Arrow makes no text.
    return pa.array([None if value is None else _describe(value) for value in column.to_pylist()], pa.string())


def _describe(value: object) -> str:
  return value.decode('utf-8', 'backslashreplace') if isinstance(value, bytes) else str(value)
