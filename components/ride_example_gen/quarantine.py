"""The reasons to set rows aside, the rows themselves, whole and with their reason, and how many there are."""

from __future__ import annotations

import dataclasses
import enum
import json
import posixpath
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ride_example_gen import parsing
from components.ride_example_gen.profile import Profile
from components.ride_example_gen.reading import RowBlock
from components.ride_example_gen.spans import SPLITS


class Reason(str, enum.Enum):
  """Stable identifiers; of several reasons the first in this order is given."""

  WRONG_NUMBER_OF_FIELDS = 'wrong_number_of_fields'
  MISSING_TIME = 'missing_time'
  UNPARSABLE_TIME = 'unparsable_time'
  TIME_OUT_OF_RANGE = 'time_out_of_range'
  UNPARSABLE_NUMBER = 'unparsable_number'
  NOT_FINITE = 'not_finite'
  MISSING_FARE = 'missing_fare'
  FARE_OUT_OF_RANGE = 'fare_out_of_range'
  PICKUP_OUTSIDE_BOUNDS = 'pickup_outside_bounds'
  DROPOFF_OUTSIDE_BOUNDS = 'dropoff_outside_bounds'
  PASSENGERS_OUT_OF_RANGE = 'passengers_out_of_range'


SCHEMA = pa.schema(
  {'file': pa.string(), 'row_number': pa.int64(), 'reason': pa.string(), 'column': pa.string(), 'row': pa.string()}
)
"""`row_number` is 1 for the first row after the header, -1 where unknown; `row` is a JSON object of the row's cells as
text, null where the source has null, or the raw text of a line with the wrong number of fields; `column` is the source
column that the reason is about, null for such a line."""

_SHORT_ESCAPES = {'\\': '\\\\', '"': '\\"', '\n': '\\n', '\r': '\\r', '\t': '\\t'}
_CONTROLS = ''.join(map(chr, range(32)))


def quarantined_rows(path: str, block: RowBlock, valid: np.ndarray, reason: pa.Array, column: pa.Array) -> pa.Table:
  """The rows of a block that are not valid, then its malformed lines; see `SCHEMA`.

  Args: valid, reason, column: the verdict on the rows, as `canonical.CanonicalRides` has it.
  """
  chosen = pa.array(np.flatnonzero(~valid))
  rows = rows_as_json(pc.take(block.rows, chosen))
  numbers = pa.array(block.numbers).take(chosen)
  files = pa.array([path] * len(chosen), pa.string())
  invalid = pa.Table.from_arrays([files, numbers, reason.take(chosen), column.take(chosen), rows], schema=SCHEMA)
  same = {'file': path, 'reason': Reason.WRONG_NUMBER_OF_FIELDS.value, 'column': None}
  malformed = [{**same, 'row_number': line.number, 'row': line.text} for line in block.malformed]
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
  column = parsing.plain(column)
  try:
    return column.cast(pa.string())
  except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
    # Nested types and undecodable bytes, of which Arrow makes no text.
    values = column.to_pylist()
    readable = (value.decode('utf-8', 'backslashreplace') if isinstance(value, bytes) else value for value in values)
    return pa.array([None if value is None else str(value) for value in readable], pa.string())


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
    profile: what is known of the kept rides.
  """

  read: int = 0
  kept: int = 0
  quarantined: dict[str, int] = dataclasses.field(default_factory=dict)
  splits: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
  files: tuple[str, ...] = ()
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
    parts = {'files': tuple(values['files']), 'profile': Profile.of(values.get('profile', {}))}
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
    profile=Profile.total(count.profile for count in counts),
  )


def read_counts(uri: str) -> RideCounts:
  """The counts in a quarantine artifact's folder, on a disk or in a bucket."""
  from tfx.dsl.io import fileio  # Brings TensorFlow along, which nothing else here needs.

  with fileio.open(posixpath.join(uri, COUNTS_FILE)) as file:
    return RideCounts.from_json(file.read())
