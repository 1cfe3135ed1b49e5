"""Parquet files that claim what is not so, or that are small and large at once: a sentence, and bounded memory.

Oracle: what was written, and the kernel's own figure of a process's largest resident memory. The lies are edits of
Thrift's structs, `tests.thrift_compact`.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pytest

from components.parquet import pq
from components.ride_example_gen import reading
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.reading import read_blocks
from configs import loading
from tests import thrift_compact as thrift
from tests.thrift_compact import Struct

ROWS = 1000
DIFFERENCES = pytest.mark.skipif(pa.__version__.startswith('10.'), reason='pyarrow 10 reads them and writes none')


def _rides(rows: int, key: Callable[[int], str] = str, **more: pa.Array) -> pa.Table:
  places = {
    'pickup_longitude': -73.98,
    'pickup_latitude': 40.75,
    'dropoff_longitude': -73.95,
    'dropoff_latitude': 40.78,
  }
  columns = {name: np.full(rows, value) for name, value in {**places, 'passenger_count': 1.0}.items()}
  fares, times = np.random.default_rng(1).uniform(3, 50, rows), ['2012-01-01 10:00:00 UTC'] * rows
  return pa.table(
    {**columns, 'fare_amount': fares, 'pickup_datetime': times, 'key': [key(row) for row in range(rows)], **more}
  )


@pytest.fixture
def rides(tmp_path: pathlib.Path) -> pathlib.Path:
  """A file of 1,000 rides that tells the truth."""
  path = tmp_path / 'rides.parquet'
  pq.write_table(_rides(ROWS), path)
  return path


def _read(path: pathlib.Path) -> int:
  return sum(block.rows.num_rows for block in read_blocks(str(path), loading.load('nyc').dataset))


def _groups(footer: Struct) -> list[Struct]:
  return footer[thrift.ROW_GROUPS][1][1]


def _chunks(footer: Struct) -> Iterator[Struct]:
  for group in _groups(footer):
    for chunk in group[thrift.COLUMNS][1][1]:
      yield chunk[thrift.META_DATA][1]


def _set(fields: Struct, number: int, value: object) -> None:
  fields[number] = fields[number][0], value


def _all_rows(value: int) -> Callable[[Struct], None]:
  def change(footer: Struct) -> None:
    _set(footer, thrift.NUM_ROWS, value)
    for group in _groups(footer):
      _set(group, thrift.GROUP_ROWS, value)

  return change


def _all_chunks(number: int, value: int) -> Callable[[Struct], None]:
  def change(footer: Struct) -> None:
    for chunk in _chunks(footer):
      if number in chunk:
        _set(chunk, number, value)

  return change


def _all(*changes: Callable[[Struct], None]) -> Callable[[Struct], None]:
  return lambda footer: [change(footer) for change in changes] and None


LIES = {
  'rows_of_the_file': (lambda footer: _set(footer, thrift.NUM_ROWS, 10**12), 'no whole Parquet file .its row groups'),
  'many_rows': (_all_rows(10**12), 'a row group has 1,000,000,000,000 rows, and 1,000 values of a column'),
  'few_rows': (_all_rows(3), 'a row group has 3 rows, and 1,000 values of a column'),
  'rows_below_zero': (_all_rows(-5), 'no whole Parquet file'),
  'few_rows_and_values': (_all(_all_rows(3), _all_chunks(thrift.NUM_VALUES, 3)), 'no whole Parquet file'),
  'many_rows_and_values': (_all(_all_rows(10**9), _all_chunks(thrift.NUM_VALUES, 10**9)), 'no whole Parquet file'),
  'values_below_zero': (_all_chunks(thrift.NUM_VALUES, -3), 'no whole Parquet file'),
  'no_packed_bytes': (_all_chunks(thrift.COMPRESSED, 0), 'a row group has 1,000 rows, and 0 values of a column'),
  'many_packed_bytes': (_all_chunks(thrift.COMPRESSED, 2**62), 'no whole Parquet file'),
  'first_page_at_the_start': (_all_chunks(thrift.DATA_PAGE, 0), 'no whole Parquet file'),
  'first_page_before_the_start': (_all_chunks(thrift.DATA_PAGE, -1), 'no whole Parquet file'),
  'dictionary_inside_another': (_all_chunks(thrift.DICTIONARY_PAGE, 100), 'no whole Parquet file'),
}


@pytest.mark.parametrize('lie', LIES)
def test_a_footer_that_lies_loses_no_ride_in_silence(rides: pathlib.Path, lie: str):
  change, message = LIES[lie]
  assert _read(rides) == ROWS
  thrift.edit_footer(rides, change)
  with pytest.raises(IngestionError, match=message):
    _read(rides)


@pytest.mark.parametrize('value', [0, 1, -1, 2**62])
def test_unpacked_sizes_of_the_footer_are_not_believed(rides: pathlib.Path, value: int):
  def change(footer: Struct) -> None:
    _all_chunks(thrift.UNCOMPRESSED, value)(footer)
    for group in _groups(footer):
      _set(group, thrift.TOTAL_BYTE_SIZE, value)

  thrift.edit_footer(rides, change)
  assert _read(rides) == ROWS


def _page(path: pathlib.Path, is_dictionary: bool) -> int:
  """Where a page of the column of keys begins."""
  chunk = pq.ParquetFile(path).metadata.row_group(0).column(7)
  return chunk.dictionary_page_offset if is_dictionary else chunk.data_page_offset


def _double(header: int) -> Callable[[Struct], None]:
  return lambda page: _set(page[header][1], 1, page[header][1][1][1] + 1)


PAGES = {
  'values': (False, _double(thrift.DATA_HEADER), 'a row group has 1,000 rows, and 1,001 values of a column'),
  'below_zero': (False, lambda page: _set(page, thrift.PAGE_COMPRESSED, -page[thrift.PAGE_COMPRESSED][1]), 'cannot be'),
  'unpacked_less': (True, lambda page: _set(page, thrift.PAGE_UNCOMPRESSED, 70), 'no whole Parquet file'),
}


@pytest.mark.parametrize('lie', PAGES)
def test_a_page_that_lies(rides: pathlib.Path, lie: str):
  is_dictionary, change, message = PAGES[lie]
  place = _page(rides, is_dictionary)
  header, end = thrift.read_struct(rides.read_bytes(), place)
  change(header)
  _replace(rides, place, end, thrift.written(header))
  with pytest.raises(IngestionError, match=message):
    _read(rides)


def _replace(path: pathlib.Path, start: int, end: int, made: bytes) -> None:
  """Puts a page's header in the place of another one; the footer's places move along."""
  data = path.read_bytes()
  path.write_bytes(data[:start] + made + data[end:])
  step = len(made) - (end - start)

  def moved(footer: Struct) -> None:
    for chunk in _chunks(footer):
      for number in (thrift.DATA_PAGE, thrift.DICTIONARY_PAGE):
        if number in chunk and chunk[number][1] > start:
          _set(chunk, number, chunk[number][1] + step)
      if start in (chunk[thrift.DATA_PAGE][1], chunk.get(thrift.DICTIONARY_PAGE, (0, -1))[1]):
        _set(chunk, thrift.COMPRESSED, chunk[thrift.COMPRESSED][1] + step)

  thrift.edit_footer(path, moved)


@pytest.mark.parametrize(
  'options',
  [
    pytest.param({'data_page_version': '2.0'}, id='newer_pages'),
    pytest.param({'use_dictionary': False}, id='plain'),
    pytest.param({'data_page_size': 100, 'write_batch_size': 10}, id='many_pages'),
    pytest.param({'row_group_size': 7}, id='many_row_groups'),
    pytest.param({'compression': 'none'}, id='not_packed'),
    pytest.param(
      {'column_encoding': {'row': 'DELTA_BINARY_PACKED'}, 'use_dictionary': False}, id='differences', marks=DIFFERENCES
    ),
    pytest.param({'write_statistics': False}, id='no_statistics'),
  ],
)
def test_whatever_a_writer_chooses_is_read(tmp_path: pathlib.Path, options: dict):
  more = {
    'row': pa.array(range(ROWS)),
    'nothing': pa.nulls(ROWS, pa.int32()),
    'lists': pa.array([[1, 2, 3]] * ROWS),
    'parts': pa.array([{'a': 1, 'b': 'x'}] * ROWS),
    'bits': pa.array([True, False] * (ROWS // 2)),
    'long': pa.array(['k' * 3000] * ROWS),  # Of which a page's header has the smallest and the largest.
  }
  path = tmp_path / 'rides.parquet'
  pq.write_table(_rides(ROWS, **more), path, **options)
  assert _read(path) == ROWS


@DIFFERENCES
def test_texts_packed_by_their_differences_are_refused(tmp_path: pathlib.Path):
  path = tmp_path / 'rides.parquet'
  pq.write_table(_rides(ROWS), path, use_dictionary=False, column_encoding={'key': 'DELTA_BYTE_ARRAY'})
  with pytest.raises(IngestionError, match='texts that are packed by what they differ in'):
    _read(path)


def _repeated(path: pathlib.Path, rows: int, key: str) -> None:
  """A file of some kilobytes: dictionaries of one value, and one run of indices."""
  place = pa.array(np.zeros(rows, np.int8))
  table = _rides(1, lambda _: key)
  columns = {name: pa.DictionaryArray.from_arrays(place, table[name].combine_chunks()) for name in table.column_names}
  # pyarrow 10 always keeps the types that it was given.
  options = {} if pa.__version__.startswith('10.') else {'store_schema': False}
  pq.write_table(pa.table(columns), path, compression='zstd', row_group_size=rows, **options)
  assert path.stat().st_size < 10_000


def _modest(footer: Struct) -> None:
  """A footer that tells of small sizes."""
  for group in _groups(footer):
    _set(group, thrift.TOTAL_BYTE_SIZE, 1000)
  _all_chunks(thrift.UNCOMPRESSED, 1000)(footer)


def _long_texts(path: pathlib.Path, **options: int) -> None:
  """480 MB of text in 150 kB, none of it in the first row."""
  table = _rides(8000, lambda row: 'k' * 60_000 if row else 'k')
  pq.write_table(table, path, compression='zstd', use_dictionary=False, **options)
  thrift.edit_footer(path, _modest)


def _fixed(path: pathlib.Path) -> None:
  """A column whose values are said to have 2 GiB each."""
  table = _rides(ROWS, fixed=pa.array([b'abcde'] * ROWS, pa.binary(5)))
  pq.write_table(table, path)
  thrift.edit_footer(path, lambda footer: _set(footer[2][1][1][-1], 2, 2**31 - 1))


def _many_lengths(path: pathlib.Path) -> None:
  """A page that announces 268 million lengths of nothing, 1 GB, in blocks of a million each."""
  options = {'column_encoding': {'key': 'DELTA_LENGTH_BYTE_ARRAY'}, 'compression': 'none'}
  pq.write_table(_rides(ROWS), path, use_dictionary=False, **options)
  data, start = path.read_bytes(), _page(path, is_dictionary=False)
  header, place = thrift.read_struct(data, start)
  end = place + header[thrift.PAGE_COMPRESSED][1]
  place += 4 + int.from_bytes(data[place : place + 4], 'little')
  numbers = (thrift.unsigned(number) for number in (2**20, 4, 2**28, 0))
  content = b''.join(numbers) + bytes(5 * 257)
  path.write_bytes(data[:place] + content + bytes(end - place - len(content)) + data[end:])


def _many_groups(path: pathlib.Path) -> None:
  """20,000 row groups of a ride each, 18 MB of footer, for which Arrow takes 270 MB."""
  pq.write_table(_rides(20_000), path, row_group_size=1)


BOMBS = {
  'many_rows': (lambda path: _repeated(path, 3_000_000, 'k'), 'has 3,000,000 rows'),
  'long_texts': (lambda path: _repeated(path, 20_000, 'k' * 100_000), 'a cell of more than 64 KiB'),
  'texts_as_long_as_may_be': (lambda path: _repeated(path, 20_000, 'k' * 60_000), 'rows 20000'),
  'modest_footer': (_long_texts, 'unpacks to 48'),
  'one_page': (lambda path: _long_texts(path, data_page_size=2**30, write_batch_size=10**6), 'unpacks to 48'),
  'fixed_length': (_fixed, 'a cell of more than 64 KiB'),
  'many_row_groups': (_many_groups, 'has a footer of 1'),
  'many_lengths': (_many_lengths, 'texts that are packed by what they differ in'),
}
_READ = """
import re, sys
from components.ride_example_gen.reading import read_blocks
from configs import loading
from configs.errors import FareliteError
def peak():
  return int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])
dataset = loading.load('nyc').dataset
before = peak()
try:
  print('rows', sum(block.rows.num_rows for block in read_blocks(sys.argv[1], dataset)))
except FareliteError as error:
  print('sentence', error)
print('kilobytes', peak() - before)
"""


@pytest.mark.parametrize(
  'kind', [pytest.param(kind, marks=DIFFERENCES if kind == 'many_lengths' else ()) for kind in BOMBS]
)
def test_a_small_file_takes_no_large_memory(tmp_path: pathlib.Path, kind: str):
  """A block of rows may take 400 MB, and rows that are no rides none."""
  make, said = BOMBS[kind]
  make(tmp_path / 'rides.parquet')
  found, kilobytes = _in_a_process(tmp_path / 'rides.parquet')
  assert said in found
  assert kilobytes < (400_000 if said.startswith('rows') else 60_000)


def _in_a_process(path: pathlib.Path) -> tuple[str, int]:
  """What is said of a file, and by how many kilobytes reading it raised the peak of a process's memory."""
  done = subprocess.run([sys.executable, '-c', _READ, str(path)], capture_output=True, text=True, timeout=300)
  assert done.returncode == 0, done.stderr[-2000:]
  return done.stdout, int(done.stdout.split()[-1])


def test_a_single_row_group_is_not_held_whole(tmp_path: pathlib.Path):
  """Of 250 MB, as a writer leaves that was never told to close a group; honest, so all of it is read."""
  rows, path = 3_000_000, tmp_path / 'rides.parquet'
  table = _rides(1, lambda _: 'k' * 10)
  columns = {
    name: pa.chunked_array([table[name].chunk(0).take(pa.array(np.zeros(rows, np.int64)))])
    for name in table.column_names
  }
  options = {} if pa.__version__.startswith('10.') else {'store_schema': False}
  pq.write_table(pa.table(columns), path, compression='none', use_dictionary=False, row_group_size=rows, **options)
  size = path.stat().st_size // 1024
  found, kilobytes = _in_a_process(path)
  assert f'rows {rows}' in found
  assert size > 240_000 and kilobytes < 160_000


def test_pages_that_fill_the_memory_at_once_are_refused(rides: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
  """Eight pages and their dictionaries of no more than 8 kB each, and a limit that is as small."""
  monkeypatch.setattr(reading, '_PAGES_BYTES', 1 << 14)
  with pytest.raises(IngestionError, match=r'has pages of 0 MiB, which are unpacked at once'):
    _read(rides)
