"""Source columns as text and as numbers, whatever Arrow type they came in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ride_example_gen.errors import IngestionError

_NUMBER = r'^(\d+\.?\d*|\.\d+|-\d+\.?\d*|-\.\d+)([eE][+-]?\d+)?$|^-?(?i:inf|infinity|nan)$'


class Numbers(NamedTuple):
  """A column read as numbers.

  Attributes:
    values: float64 [rows]; NaN where missing or unparsable.
    unparsable: bool [rows]; text that is no number.
  """

  values: np.ndarray
  unparsable: np.ndarray


def is_text(kind: pa.DataType) -> bool:
  """Whether cells of this Arrow type are text (strings or bytes)."""
  tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
  return any(test(kind) for test in tests)


def plain(column: pa.Array) -> pa.Array:
  """The column without a dictionary encoding."""
  return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def as_text(column: pa.Array, missing: Sequence[str]) -> pa.Array:
  """A text column, trimmed; null where it is empty or one of `missing`."""
  # Trimming and comparing are bytewise, so bytes that are no UTF-8 do no harm here.
  text = pc.ascii_trim_whitespace(column.cast(pa.large_binary()).view(pa.large_string()))
  absent = pc.is_in(text, value_set=pa.array(['', *missing], pa.large_string()))
  return pc.if_else(absent, pa.scalar(None, pa.large_string()), text)


def as_numbers(column: pa.Array, missing: Sequence[str], name: str) -> Numbers:
  """Reads a source column as numbers.

  Args:
    column: text, or any Arrow type of numbers.
    missing: texts that mean a missing value, besides the empty one.
    name: the source column's name, for the error message.

  Returns:
    The values, NaN where missing or unparsable, infinite ones as they are.

  Raises:
    IngestionError: the column's type holds no numbers.
  """
  column = plain(column)
  if is_text(column.type):
    return _numbers_of_text(as_text(column, missing))
  if pa.types.is_null(column.type):
    return Numbers(np.full(len(column), np.nan), np.zeros(len(column), bool))
  if pa.types.is_boolean(column.type):
    column = column.cast(pa.int8())
  if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
    raise IngestionError(f"Column '{name}' holds {column.type}, but numbers are expected.")
  return Numbers(_to_numpy(column.cast(pa.float64(), safe=False)), np.zeros(len(column), bool))


def _numbers_of_text(text: pa.Array) -> Numbers:
  try:
    return Numbers(_to_numpy(text.cast(pa.float64())), np.zeros(len(text), bool))
  except pa.ArrowInvalid:
    # Arrow's cast is all or nothing: keep what looks like a number, and try again.
    text = pc.replace_substring_regex(text, r'^\+([\d.])', r'\1')
    number = pc.match_substring_regex(text, _NUMBER)
    unparsable = np.asarray(pc.fill_null(pc.invert(number), False))
    kept = pc.if_else(number, text, pa.scalar(None, text.type))
    return Numbers(_to_numpy(kept.cast(pa.float64())), unparsable)


def _to_numpy(column: pa.Array) -> np.ndarray:
  return np.array(pc.fill_null(column, np.nan), dtype=np.float64)


def as_codes(column: pa.Array, vocabulary: Sequence[str], missing: Sequence[str], name: str) -> np.ndarray:
  """Reads a categorical column.

  Returns:
    float64 [rows]: the position in `vocabulary`, `len(vocabulary)` for any
    other value, NaN where missing.

  Raises:
    IngestionError: the column's type has no text form.
  """
  column = plain(column)
  if pa.types.is_floating(column.type) and np.all(np.mod(column.drop_null(), 1) == 0):
    # Integers with gaps come as floats out of many tools; a vocabulary says '1', not '1.0'.
    column = pc.if_else(pc.is_nan(column), None, column).cast(pa.int64())
  if not is_text(column.type):
    try:
      column = column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
      raise IngestionError(f"Column '{name}' holds {column.type}, but text is expected.") from None
  text = as_text(column, missing)
  codes = pc.index_in(text, value_set=pa.array(vocabulary, pa.large_string()))
  codes = pc.fill_null(codes.cast(pa.float64()), float(len(vocabulary)))
  return _to_numpy(pc.if_else(pc.is_null(text), None, codes))
