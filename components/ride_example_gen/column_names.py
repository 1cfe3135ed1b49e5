"""The columns that a dataset names, found in a source under whichever of their names it has."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from components.ride_example_gen.files import IngestionError
from configs.base import shortened
from configs.dataset import LABEL, Dataset


def check_columns(
  where: str, columns: Sequence[str], dataset: Dataset, *, label_required: bool = True
) -> dict[str, str]:
  """Checks that each column that the dataset names is there, once and under one of its names.

  Args:
    where: the source as a sentence begins with it, such as `'rides.csv'` in quotation marks.
    columns: its names.
    label_required: false if the label's column may be absent.
  Returns: What to rename: the primary name of each column that has another one.
  Raises: IngestionError: columns are not there, or one twice; the message has all that are absent, those that are there
    and the nearest of these.
  """
  aliases, renamed = dataset.aliases(), {}
  absent: dict[str, str] = {}
  for canonical, column in dataset.source_columns().items():
    names = aliases[column]
    found = [name for name in columns if name in names]
    if canonical != 'key' and (canonical != LABEL or label_required):
      if not found:
        absent.setdefault(column, canonical)
      elif len(found) > 1:
        raise _doubled(where, found, canonical)
    # A key, or a fare that nobody needs, may be there twice: the first one listed is meant.
    named = next((name for name in names if name in found), column)
    if named != column:
      renamed[named] = column
  if absent:
    raise _absent(where, columns, absent, aliases)
  return renamed


def _absent(
  where: str, columns: Sequence[str], absent: Mapping[str, str], aliases: Mapping[str, Sequence[str]]
) -> IngestionError:
  """Args: absent: the canonical name of each column that is not there, by its primary name."""
  (first, canonical), *more = absent.items()
  others = shortened([f'{_any_of(aliases[column])} ({name})' for column, name in more], _MOST)
  and_none = f', and none for {others}' if others else ''
  there = shortened([name[:60] for name in columns], 30)
  used = {name for listed in aliases.values() for name in listed}
  free = [name for name in columns if name not in used]
  hint = _delimiter(columns, used) or ''.join(
    _hint(aliases[column], free, f" for '{column}'" if more else '') for column in absent
  )
  return IngestionError(
    f'{where} has no column {_any_of(aliases[first])}, which dataset maps to {canonical}{and_none}; '
    f'it has: {there}.{hint}'
  )


_MOST = 12
"""So many columns that are not there are named."""


def _any_of(names: Sequence[str]) -> str:
  column, *others = (f"'{name}'" for name in names)
  return f'{column} (nor {" or ".join(others)})' if others else column


_DELIMITERS = {';': "';'", '\t': r"'\t'", '|': "'|'", ',': "','"}
"""How a config, or `--set`, names what may stand between cells."""


def _delimiter(columns: Sequence[str], used: Collection[str]) -> str:
  """The delimiter that divides a header into names of the dataset's, where another one does not."""
  for sign, quoted in _DELIMITERS.items():
    divided = [part.strip().strip('"') for name in columns if sign in name for part in name.split(sign)]
    if len({*divided} & {*used}) > 1:
      shown = 'a tab' if sign == '\t' else quoted
      return f' Its header has {shown} between the names: set dataset.delimiter to {quoted}.'
  return ''


def _hint(names: Sequence[str], free: Sequence[str], of_which: str = '') -> str:
  """The nearest of the columns that are free, if any is near. Args: of_which: ends the question, as one of several."""
  letters = {_letters(name) for name in names}
  if same := [name for name in free if _letters(name) in letters]:
    listed = ', '.join([*names, same[0]])
    return f" Did you mean '{same[0]}'{of_which}? Where files differ in it, list both names: [{listed}]."
  near = [near for name in names for near in difflib.get_close_matches(name, free, n=1, cutoff=0.5)]
  return f" Did you mean '{near[0]}'{of_which}?" if near else ''


def _letters(name: str) -> str:
  """A name without what tools and months disagree about: case, spaces, underscores and the like."""
  return ''.join(filter(str.isalnum, name.casefold())) or name


def _doubled(where: str, found: Sequence[str], canonical: str) -> IngestionError:
  first, second, *_ = found
  if first == second:
    return IngestionError(f"{where} has the column '{first}' twice; rename or drop one of them.")
  return IngestionError(
    f"{where} has the columns '{first}' and '{second}', and dataset maps both names to {canonical}; drop one of them, "
    'or name only the right one in the config.'
  )


def with_primary_names(rows: pa.RecordBatch, renamed: Mapping[str, str]) -> pa.RecordBatch:
  """The rows with columns renamed as `check_columns` says."""
  if not renamed:
    return rows
  return pa.RecordBatch.from_arrays(rows.columns, [renamed.get(name, name) for name in rows.schema.names])
