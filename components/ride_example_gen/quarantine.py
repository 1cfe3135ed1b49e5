"""The rows that are set aside, whole and with their reason, and how many there are."""

from __future__ import annotations

import dataclasses
import itertools
import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ride_example_gen import parsing
from components.ride_example_gen.profile import Profile
from components.ride_example_gen.rows import Reason, RowBlock
from components.ride_example_gen.spans import SPLITS
from configs.texts import ended, quoted, visible

SCHEMA = pa.schema(
  {
    'file': pa.string(),
    'row_number': pa.int64(),
    'line': pa.int64(),
    'reason': pa.string(),
    'column': pa.string(),
    'row': pa.string(),
  }
)
"""`row_number` is 1 for the first row after the header, -1 where unknown; `line` is the one on which the row begins, 1
for the first one of a CSV file, null for other sources; `row` is a JSON object of the row's cells as text, null where
the source has null, or the raw text of a malformed line; `column` is the source column that the reason is about, null
for such a line."""

_SHORT_ESCAPES = {'\\': '\\\\', '"': '\\"', '\n': '\\n', '\r': '\\r', '\t': '\\t'}
_CONTROLS = ''.join(map(chr, range(32)))


def quarantined_rows(path: str, block: RowBlock, valid: np.ndarray, reason: pa.Array, column: pa.Array) -> pa.Table:
  """The rows of a block that are not valid, then its malformed lines; see `SCHEMA`.

  Args: valid, reason, column: the verdict on the rows, as `canonical.CanonicalRides` has it.
  """
  chosen = pa.array(np.flatnonzero(~valid))
  columns = {
    'file': pa.array([path] * len(chosen), pa.string()),
    'row_number': pa.array(block.numbers).take(chosen),
    'line': pa.nulls(len(chosen), pa.int64()) if block.lines is None else pa.array(block.lines).take(chosen),
    'reason': reason.take(chosen),
    'column': column.take(chosen),
    'row': rows_as_json(pc.take(block.rows, chosen)),
  }
  invalid = pa.Table.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)
  malformed = [
    {'file': path, 'row_number': line.number, 'line': line.line, 'reason': line.reason.value, 'row': line.text}
    for line in block.malformed
  ]
  return pa.concat_tables([invalid, pa.Table.from_pylist(malformed, schema=SCHEMA)])


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
  text = parsing.as_string(column)
  for character, escape in _SHORT_ESCAPES.items():
    text = pc.replace_substring(text, character, escape)
  if pc.any(pc.match_substring_regex(text, f'[{re.escape(_CONTROLS)}]')).as_py():
    for character in _CONTROLS:
      text = pc.replace_substring(text, character, f'\\u{ord(character):04x}')
  quoted = pc.binary_join_element_wise('"', text, '"', '')
  return pc.fill_null(quoted, 'null')


_EXAMPLES = 3
"""Of each reason."""
_WHITE_SPACE = ' \t\n\v\f\r'
"""Of which cells are trimmed, see `parsing.as_text`."""
_VALUE = 80
"""Characters of a broken value that are kept."""


@dataclasses.dataclass(frozen=True)
class BrokenExample:
  """The first value of a column that broke a rule.

  Attributes:
    reason: a `Reason`.
    column: the source column; empty of a line that is no row.
    value: the cell, or the line, as text, with an ellipsis where it is cut; empty where it is missing.
    file: where it is.
    line: on which it begins, 1 for the first one of a CSV file; elsewhere the row's number, as in the quarantine.
    hint: the setting that makes such a value readable, or what is wrong with the line, as the end of a sentence; may be
      empty.
  """

  reason: str
  column: str
  value: str
  file: str
  line: int
  hint: str = ''

  def phrase(self) -> str:
    """Column and value as they go on after the reason: `in fare_amount, such as '$11.3': set …`."""
    where = f'in {visible(self.column)}' if self.column else ''
    such = f'such as {quoted(self.value)}' if self.value else ''
    return f'{", ".join(filter(None, (where, such)))}{": " if self.hint else ""}{self.hint}'

  def sentence(self) -> str:
    """Reason, column, value and hint, with a full stop where the hint is no question."""
    return ended(f'{self.reason} {self.phrase()}'.rstrip())


def broken_examples(
  path: str, block: RowBlock, valid: np.ndarray, reason: pa.Array, column: pa.Array
) -> Iterator[BrokenExample]:
  """The first example of each reason and column of a block, without hints, the reasons in their order.

  Args: valid, reason, column: the verdict on the rows, as `canonical.CanonicalRides` has it.
  """
  for line in {line.reason: line for line in reversed(block.malformed)}.values():
    yield BrokenExample(line.reason.value, '', _cut(line.text), path, line.line, hint=line.detail)
  places = block.numbers if block.lines is None else block.lines
  rows = np.flatnonzero(~valid)
  verdicts = [verdict.take(pa.array(rows)).dictionary_encode() for verdict in (reason, column)]
  codes = [np.asarray(verdict.indices) for verdict in verdicts]
  names = [verdict.dictionary.to_pylist() for verdict in verdicts]
  _, firsts = np.unique(codes[0] * (len(names[1]) + 1) + codes[1], return_index=True)
  for first in np.sort(firsts).tolist():
    source = names[1][codes[1][first]]
    [value] = parsing.as_string(block.rows.column(source).slice(rows[first], 1)).to_pylist()
    where = names[0][codes[0][first]], source, _cut((value or '').strip(_WHITE_SPACE))
    yield BrokenExample(*where, path, int(places[rows[first]]))


def _cut(text: str) -> str:
  return text if len(text) <= _VALUE else f'{text[:_VALUE]}…'


def first_examples(examples: Iterable[BrokenExample]) -> tuple[BrokenExample, ...]:
  """The first one of each reason and column, at most three of a reason, in the order of `Reason`."""
  order = [reason.value for reason in Reason]
  firsts: dict[tuple[str, str], BrokenExample] = {}
  for example in examples:
    firsts.setdefault((example.reason, example.column), example)
  ranked = sorted(firsts.values(), key=lambda example: order.index(example.reason))
  groups = itertools.groupby(ranked, key=lambda example: example.reason)
  return tuple(example for _, group in groups for example in itertools.islice(group, _EXAMPLES))


COUNTS_FILE = 'counts.json'


@dataclasses.dataclass(frozen=True)
class RideCounts:
  """The rows of some files; `read` is always `kept` plus the sum of `quarantined`.

  Attributes:
    read: all rows, malformed lines included, blank lines not.
    kept: valid rows.
    quarantined: rows by `Reason`, those that occurred.
    splits: valid rows by split, every split named.
    files: the files that were read, in order.
    examples: the first broken values of a reason, of up to three columns.
    passed_over: why it was not read, by path, of what the source's pattern finds besides.
    profile: what is known of the kept rides.
  """

  read: int = 0
  kept: int = 0
  quarantined: dict[str, int] = dataclasses.field(default_factory=dict)
  splits: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
  files: tuple[str, ...] = ()
  examples: tuple[BrokenExample, ...] = ()
  passed_over: dict[str, str] = dataclasses.field(default_factory=dict)
  profile: Profile = dataclasses.field(default_factory=Profile)

  def __post_init__(self) -> None:
    if self.read != self.kept + sum(self.quarantined.values()) or self.kept != sum(self.splits.values()):
      raise ValueError(f'rows were lost or counted twice: {self}.')

  def to_json(self) -> str:
    """The content of `counts.json`."""
    return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True)

  @classmethod
  def from_json(cls, text: str) -> RideCounts:
    """Reads what `to_json` wrote."""
    values = json.loads(text)
    examples = tuple(BrokenExample(**example) for example in values.get('examples', ()))
    parts = {'files': tuple(values['files']), 'examples': examples, 'profile': Profile.of(values.get('profile', {}))}
    return cls(**(values | parts))


def total(counts: Sequence[RideCounts]) -> RideCounts:
  """The sum over files, in their order."""
  quarantined = sum((Counter(count.quarantined) for count in counts), Counter())
  return RideCounts(
    read=sum(count.read for count in counts),
    kept=sum(count.kept for count in counts),
    quarantined=dict(sorted(quarantined.items())),
    splits={split: sum(count.splits[split] for count in counts) for split in SPLITS},
    files=tuple(dict.fromkeys(file for count in counts for file in count.files)),
    examples=first_examples(example for count in counts for example in count.examples),
    passed_over={path: why for count in counts for path, why in count.passed_over.items()},
    profile=Profile.total(count.profile for count in counts),
  )


def read_counts(uri: str) -> RideCounts:
  """The counts in a quarantine artifact's folder, on a disk or in a bucket."""
  from tfx.dsl.io import fileio  # Brings TensorFlow along, which nothing else here needs.

  with fileio.open(posixpath.join(uri, COUNTS_FILE)) as file:
    return RideCounts.from_json(file.read())
