"""Columns of a file beside those of every ride: which may be inputs, and which words mean missing values."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ride_example_gen import parsing
from configs.columns import COORDINATES, LABEL, PASSENGERS, TIME
from configs.dataset import Dataset
from pipeline.starting import names
from pipeline.starting.limits import Range, numbers_of
from pipeline.starting.number_style import NumberStyle, as_values, missing_texts
from pipeline.starting.sample import Sample

_FEW, _EXTRAS = 20, 12
"""Values of a vocabulary, and columns with one, at most."""

USUAL_WORDS = Dataset.model_fields['missing'].get_default()
"""What means a missing value without a word of the config."""


def missing_words(sample: Sample, columns: Mapping[str, str]) -> tuple[str, ...]:
  """Words in the columns of a ride that stand where numbers would; without the usual ones."""
  numeric = [sample.columns[name] for role, name in columns.items() if role not in (names.KEY, TIME)]
  found = [word for column in numeric for word in missing_texts(column, USUAL_WORDS)]
  return tuple(dict.fromkeys(found))


@dataclasses.dataclass(frozen=True)
class Extra:
  """A further column that may be known before the ride: its name as an input, and its values if they are few words.

  Without a vocabulary it holds numbers.

  Attributes:
    styled: whether these are written as `numbers.columns` has to say of it.
    plausible: of numbers, what is.
  """

  name: str
  column: str
  vocabulary: tuple[str, ...]
  styled: bool = False
  plausible: Range | None = None


def find_extras(
  sample: Sample, numbers: NumberStyle, taken: set[str], missing: set[str]
) -> tuple[tuple[Extra, ...], tuple[str, ...]]:
  """Further columns with few values besides the words for missing ones, and the rest.

  Args: numbers: how the file writes them.
  """
  free = [name for name in sample.columns if name not in taken and name]
  extras: dict[str, Extra] = {}
  for name in free:
    vocabulary = _vocabulary(sample.columns[name], missing) if len(extras) < _EXTRAS else ()
    called = re.sub(r'[^a-z0-9]+', '_', '_'.join(names.tokens(name))).strip('_')
    if vocabulary and re.fullmatch('[a-z][a-z0-9_]*', called) and not _is_taken(called, extras):
      amounts = _amounts(sample.columns[name], numbers.of(name))
      if amounts is None:
        extras[called] = Extra(called, name, vocabulary)
      else:
        extras[called] = Extra(called, name, (), name in numbers.columns, numbers_of(amounts))
  listed = {extra.column for extra in extras.values()}
  return tuple(extras.values()), tuple(name for name in free if name not in listed)


def _amounts(column: pa.Array, style: NumberStyle) -> np.ndarray | None:
  """The values of a column of amounts such as 1.5; `None` of words, and of the numbers of kinds, which are whole."""
  values = as_values(column, style)
  return values if values is not None and np.any(values[np.isfinite(values)] % 1) else None


def _is_taken(called: str, extras: Mapping[str, Extra]) -> bool:
  return called in extras or called in (TIME, LABEL, PASSENGERS, names.KEY, *COORDINATES)


def _vocabulary(column: pa.Array, missing: set[str]) -> tuple[str, ...]:
  """The distinct values of a column as text, the most frequent first; none if they are many, one, or no words."""
  if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
    values = parsing.as_numbers(column, (), '').values
    whole = values[np.isfinite(values)]
    column = pa.array(whole.astype(np.int64) if np.all(whole % 1 == 0) else whole)
  try:
    counted = pc.value_counts(column.drop_null().cast(pa.large_string()))
  except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
    return ()
  if len(counted) > _FEW + len(missing):
    return ()
  ranked = sorted(counted.to_pylist(), key=lambda pair: -pair['counts'])
  words = tuple(pair['values'] for pair in ranked if pair['values'] not in missing)
  return words if 2 <= len(words) <= _FEW else ()
