"""Every line of a CSV file is a row, set aside, blank or an error: random files against a reader of this file's own."""

import dataclasses
import gzip
import pathlib
import re
import tempfile
from collections import Counter

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ride_example_gen import csv_records, csv_table, csv_text
from components.ride_example_gen.csv_table import CsvTable
from components.ride_example_gen.files import Container, IngestionError
from components.ride_example_gen.quarantine import total
from configs.loading import load
from tests.components.ingested import ingested

WRONG_NUMBER, QUOTES = 'wrong_number_of_fields', 'malformed_quotes'


@dataclasses.dataclass
class Account:
  """What became of a file.

  Attributes:
    rows: cells by the line on which they begin.
    aside: reason and text by line.
    open_at: line of a quotation mark that is left open; the file is then an error.
  """

  rows: dict[int, tuple[str, ...]] = dataclasses.field(default_factory=dict)
  aside: dict[int, tuple[str, str]] = dataclasses.field(default_factory=dict)
  open_at: int | None = None


class LineByLine:
  """The oracle: character by character through the lines, a broken record's first line aside, on with the next."""

  def __init__(self, text: str, delimiter: str):
    self.delimiter = delimiter
    self.lines = re.split('\r\n|\r|\n', text)
    self.ends = re.findall('\r\n|\r|\n', text)
    self.longest = 0

  def account(self, fields: int) -> Account:
    found, number = Account(), 1
    while number < len(self.lines):
      line = self.lines[number]
      self.longest = max(self.longest, len(line.encode()))
      if not line.strip(' \t\v\f'.replace(self.delimiter, '')):
        number += 1
        continue
      try:
        cells, places, following = self.record(number)
        self.longest = max(self.longest, len(self.joined(number, following).encode()))
      except EOFError as error:
        found.open_at = error.args[0] + 1
        return found
      except ValueError:
        cells = None
      if cells is None or self.swallows(places, len(cells), fields):
        found.aside[number + 1] = (QUOTES, line)
        number += 1
        continue
      if len(cells) == fields:
        found.rows[number + 1] = tuple(cells)
      else:
        found.aside[number + 1] = (WRONG_NUMBER, self.joined(number, following))
      number = following
    return found

  def joined(self, first: int, behind: int) -> str:
    between = [*self.ends[first : behind - 1], '']
    return ''.join(line + end for line, end in zip(self.lines[first:behind], between, strict=True))

  def record(self, number: int):
    """Cells, their starts and ends (line, column), the line behind; ValueError: broken, EOFError: left open."""
    cells, places, column = [], [], 0
    while True:
      start = number, column
      if self.lines[number][column : column + 1] == '"':
        cell, number, column = self.quoted(number, column + 1)
      else:
        rest = self.lines[number][column:]
        cell = rest.split(self.delimiter)[0]
        if '"' in cell:
          raise ValueError('a quotation mark in an unquoted cell')
        column += len(cell)
      cells.append(cell)
      places.append((start, (number, column)))
      if column == len(self.lines[number]):
        return cells, places, number + 1
      if self.lines[number][column] != self.delimiter:
        raise ValueError('something behind the closing quotation mark')
      column += 1

  def quoted(self, number: int, column: int):
    opened, cell = number, ''
    # Also of a record that something behind this cell breaks.
    rest = '"' + self.joined(number, len(self.lines))[column:]
    self.longest = max(self.longest, len(re.match('(?:"[^"]*")+|"', rest)[0].encode()))
    while True:
      line = self.lines[number]
      if column == len(line):
        if number + 1 == len(self.lines):
          raise EOFError(opened)
        cell += self.ends[number]
        number, column = number + 1, 0
      elif line[column] != '"':
        cell += line[column]
        column += 1
      elif line[column + 1 : column + 2] == '"':
        cell += '"'
        column += 2
      else:
        return cell, number, column + 1

  def swallows(self, places, cells: int, fields: int) -> bool:
    for before, ((opens, start), (closes, end)) in enumerate(places):
      if closes > opens:
        inner = [self.lines[number].count(self.delimiter) + 1 for number in range(opens + 1, closes)]
        first = before + 1 + self.lines[opens][start:].count(self.delimiter)
        last = self.lines[closes][:end].count(self.delimiter) + 1 + cells - before - 1
        if fields in inner or first == last == fields:
          return True
    return False


DELIMITERS = [',', ',', ';', '\t', ' ', '|', '.', '^', '\\', '-', ']']
SIGNS = ['"', '""', 'D', 'D', 'a', '7', ' ', "'", '\n', '\n', '\r\n', '\r', 'é', '\ufeff', '\0', '\\']
LEGAL = ['', 'a', '1.5', '"a"', '""', '"aDb"', '"say ""a"""', '"two\nlines"', '"two\r\nlinesD"', '"\r"']
CELLS = [*LEGAL, 'a"b', '"a', 'a"']


@st.composite
def contents(draw, fields):
  """A delimiter and what stands below a header, as bytes: lines of cells, most of them legal, and any signs."""
  delimiter = draw(st.sampled_from(DELIMITERS))
  cell = st.one_of(*[st.sampled_from(LEGAL)] * 4, st.sampled_from(CELLS))
  line = st.tuples(
    st.one_of(st.just(fields), st.just(fields), st.just(fields), st.integers(1, fields + 1)).flatmap(
      lambda count: st.lists(cell, min_size=count, max_size=count).map('D'.join)
    ),
    st.sampled_from(['\n', '\n', '\r\n', '\r', '\n\n', '\n \n']),
  ).map(''.join)
  signs = st.lists(st.sampled_from(SIGNS), max_size=6).map(''.join)
  text = ''.join(draw(st.lists(st.one_of(line, line, line, signs), max_size=12)))
  text += draw(st.sampled_from(['', '', '1D2', '"']))
  return delimiter, text.replace('D', delimiter).encode(draw(st.sampled_from(['utf-8', 'utf-8', 'latin-1'])), 'replace')


def read(path: pathlib.Path, packed: bool, delimiter: str) -> Account:
  """The account of the reader that is tested."""
  found, places = Account(), {}
  for block in CsvTable(str(path), Container.GZIP if packed else Container.PLAIN, delimiter).blocks():
    cells = [tuple(cell.decode() for cell in row.values()) for row in block.rows.to_pylist()]
    found.rows |= dict(zip(block.lines.tolist(), cells, strict=True))
    found.aside |= {line.line: (line.reason.value, line.text) for line in block.malformed}
    places |= dict(zip(block.numbers.tolist(), block.lines.tolist(), strict=True))
    places |= {line.number: line.line for line in block.malformed}
  assert [places[number] for number in range(1, len(places) + 1)] == sorted([*found.rows, *found.aside])
  return found


def account(content: bytes, delimiter: str, *, packed: bool = False, block: int = 1 << 22, longest: int = 1 << 16):
  """The account of the reader and the oracle's; the reader's message in place of the first where it is an error."""
  expected = LineByLine(content.decode('utf-8', 'backslashreplace'), delimiter)
  with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
    patch.setattr(csv_table, '_BLOCK_BYTES', block)
    patch.setattr(csv_table, '_HEADER_BYTES', block)
    patch.setattr(csv_table, 'LONGEST_CELL', longest)
    patch.setattr(csv_records, 'LONGEST_CELL', longest)
    path = pathlib.Path(folder) / 'rides.csv'
    path.write_bytes(gzip.compress(content) if packed else content)
    try:
      return read(path, packed, delimiter), expected
    except IngestionError as error:
      return str(error), expected


@settings(max_examples=200, deadline=None)
@given(contents(3), st.booleans(), st.sampled_from([8, 9, 10, 16, 33, 1 << 22]))
def test_every_line_is_accounted_for(made, packed, block):
  delimiter, content = made
  content = delimiter.join(['a', 'b', 'c']).encode() + b'\n' + content
  found, oracle = account(content, delimiter, packed=packed, block=block)
  expected = oracle.account(3)
  if expected.open_at:
    assert f'has a quotation mark on line {expected.open_at} that is left open to the end' in found
  else:
    assert (found.rows, found.aside) == (expected.rows, expected.aside)


@settings(max_examples=200, deadline=None)
@given(contents(3), st.integers(8, 40))
def test_the_end_of_a_cell_is_found_however_far_it_is(made, block):
  """With 12 bytes for 64 KiB; what is longer and no ride may be an error, but nothing else may differ."""
  delimiter, content = made
  content = delimiter.join(['a', 'b', 'c']).encode() + b'\n' + content
  found, oracle = account(content, delimiter, block=block, longest=12)
  expected = oracle.account(3)
  if isinstance(found, str) and 'more than' in found:
    assert oracle.longest > 12 or 'record' in found
  elif expected.open_at:
    assert f'has a quotation mark on line {expected.open_at} that is left open to the end' in found
  else:
    assert (found.rows, found.aside) == (expected.rows, expected.aside)


@settings(max_examples=200, deadline=None)
@given(st.text('""x,', max_size=30), st.integers(1, 5))
def test_the_scout_finds_what_closes_a_cell(text, chunk):
  """Oracle: pairs of quotation marks taken out by Python's `re`; the looks go on behind what the last one found."""
  with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
    patch.setattr(csv_text, '_CHUNK_BYTES', chunk)
    path = pathlib.Path(folder) / 'rides.csv'
    path.write_text(text)
    with csv_text.Utf8Text(str(path), Container.PLAIN) as whole:
      scout, position = csv_text.Scout(whole), 0
      while closing := re.compile('(?:[^"]|"")*"(?!")').match(text, position):
        assert scout.behind_cell(position) == text[closing.end() : closing.end() + 1].encode()
        # The next cell may open with the first one of these quotation marks.
        position += len(closing[0].rstrip('"')) + 1
      assert scout.behind_cell(position) is None


NAMES = (
  'key,fare_amount,pickup_datetime,pickup_longitude,pickup_latitude,dropoff_longitude,dropoff_latitude,passenger_count'
)
RIDE = '11.3,2011-01-28 20:42:59 UTC,-73.99,40.73,-73.99,40.71,1'
KEYS = [*CELLS, '"a\n1,2,3\nb"', f'"a,{RIDE}\nb"', '7,8', '\n']


@st.composite
def parts(draw):
  """Files of New York rides with any keys, some with stray quotation marks elsewhere."""
  tail = st.sampled_from(
    [RIDE, RIDE, RIDE, RIDE.replace('11.3', '"11.3"'), RIDE.replace('UTC', '"UTC'), f'{RIDE}"', '-1']
  )
  ride = st.tuples(st.sampled_from(KEYS), tail).map(','.join)
  ends = st.sampled_from(['\n', '\n', '\r\n'])
  lines = st.lists(st.tuples(ride, ends).map(''.join), max_size=8).map(''.join)
  return [f'{NAMES}\n{part}\n' for part in draw(st.lists(lines, min_size=1, max_size=3))]


@settings(max_examples=60, deadline=None)
@given(parts(), st.sampled_from([64, 300, 1 << 22]))
def test_the_counts_of_several_files_are_those_of_their_lines(contents, block):
  dataset = load('nyc').dataset
  accounts = [LineByLine(content, ',').account(8) for content in contents]
  with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
    patch.setattr(csv_table, '_BLOCK_BYTES', block)
    folder, counts, aside = pathlib.Path(name), [], []
    for number, (content, expected) in enumerate(zip(contents, accounts, strict=True)):
      path, outputs = folder / f'{number}.csv', folder / str(number)
      path.write_bytes(content.encode())
      outputs.mkdir()
      if expected.open_at:
        with pytest.raises(IngestionError, match=f'on line {expected.open_at} that is left open'):
          ingested(str(path), outputs, dataset)
        continue
      count, written = ingested(str(path), outputs, dataset)
      counts.append(count)
      aside += [row for part in written['quarantine'] for row in pq.read_table(outputs / part).to_pylist()]
  whole = [account for account in accounts if not account.open_at]
  summed = total(counts)
  assert summed.read == sum(len(account.rows) + len(account.aside) for account in whole)
  reasons = Counter(reason for account in whole for reason, _ in account.aside.values())
  assert {name: count for name, count in summed.quarantined.items() if name in (WRONG_NUMBER, QUOTES)} == reasons
  assert len(aside) == sum(summed.quarantined.values())
  malformed = {(pathlib.Path(row['file']).stem, row['line']): row['row'] for row in aside if row['column'] is None}
  assert malformed == {
    (str(number), line): text
    for number, account in enumerate(accounts)
    if not account.open_at
    for line, (_, text) in account.aside.items()
  }
