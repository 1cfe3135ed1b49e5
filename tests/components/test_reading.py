"""Reading: rows against Python's own csv module, and a sentence for every file that can't be read."""

import csv
import gzip
import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ride_example_gen import csv_table
from components.ride_example_gen.csv_table import CsvTable
from components.ride_example_gen.files import Container, IngestionError
from components.ride_example_gen.reading import read_blocks
from components.ride_example_gen.spans import check_inputs
from configs.loading import load

HEADER = (
  'key,fare_amount,pickup_datetime,pickup_longitude,pickup_latitude,dropoff_longitude,dropoff_latitude,passenger_count'
)
RIDE = '1,11.3,2011-01-28 20:42:59 UTC,-73.99,40.73,-73.99,40.71,1'


@pytest.fixture(scope='module')
def dataset():
  return load('nyc').dataset


def write(folder, content, name='rides.csv'):
  path = folder / name
  path.write_bytes(content.encode() if isinstance(content, str) else content)
  return str(path)


def read(path, dataset, **options):
  """All rows as dicts of text, their numbers, and the malformed lines."""
  rows, numbers, malformed = [], [], []
  for block in read_blocks(path, dataset, **options):
    rows += [{name: cell.decode() for name, cell in row.items()} for row in block.rows.to_pylist()]
    numbers += block.numbers.tolist()
    malformed += block.malformed
  return rows, numbers, malformed


def test_rows_are_those_of_pythons_csv_reader(tmp_path, dataset):
  lines = [HEADER, RIDE, '"2, or ""so""",1,"two\nlines",,, ,"",', RIDE]
  content = '\n'.join(lines) + '\n'
  rows, numbers, malformed = read(write(tmp_path, content), dataset)
  assert rows == list(csv.DictReader(io.StringIO(content, newline='')))
  assert numbers == [1, 2, 3] and malformed == []


@pytest.mark.parametrize(
  'content',
  [
    pytest.param(f'\ufeff{HEADER}\n{RIDE}\n', id='byte_order_mark'),
    pytest.param(f'{HEADER}\r\n{RIDE}\r\n', id='windows_line_ends'),
    pytest.param(f'{HEADER}\r{RIDE}\r', id='old_mac_line_ends'),
    pytest.param(f'{HEADER}\n{RIDE}', id='no_last_line_end'),
    pytest.param(f'\n\n{HEADER}\n\n\n{RIDE}\n\n', id='blank_lines'),
    pytest.param(f'{HEADER}\n   \n{RIDE}\n \t \n', id='lines_of_blanks'),
    pytest.param(f'"{HEADER.replace(",", chr(34) + "," + chr(34))}"\n{RIDE}\n', id='quoted_header'),
    pytest.param(f'{HEADER.replace(",", " , ")}\n{RIDE}\n', id='blanks_in_the_header'),
    pytest.param(gzip.compress(f'{HEADER}\n{RIDE}\n'.encode()), id='gzip_whatever_its_name'),
    pytest.param(gzip.compress(HEADER.encode() + b'\n') + gzip.compress(RIDE.encode()), id='gzip_of_two_members'),
  ],
)
def test_ways_to_write_the_same_ride(tmp_path, dataset, content):
  rows, _, malformed = read(write(tmp_path, content), dataset)
  assert [','.join(row.values()) for row in rows] == [RIDE] and malformed == []


def test_lines_with_the_wrong_number_of_fields_are_set_aside_with_text_and_number(tmp_path, dataset):
  lines = [HEADER, RIDE, '1,2', '', f'{RIDE},9', RIDE, 'caf\xe9']
  rows, numbers, malformed = read(write(tmp_path, '\n'.join(lines).encode('latin-1')), dataset)
  assert numbers == [1, 4] and len(rows) == 2
  assert [(line.number, line.line, line.text, line.detail) for line in malformed] == [
    (2, 3, '1,2', '2 fields where the header has 8'),
    (3, 5, f'{RIDE},9', '9 fields where the header has 8'),
    (5, 7, 'caf\\xe9', '1 field where the header has 8'),
  ]


def test_only_malformed_lines(tmp_path, dataset):
  rows, _, malformed = read(write(tmp_path, f'{HEADER}\n1,2\n3,4\n'), dataset)
  assert rows == [] and [line.text for line in malformed] == ['1,2', '3,4']


def test_bytes_that_are_no_utf8_spoil_their_own_cell_only(tmp_path, dataset):
  odd = RIDE.replace('1,', 'caf\xe9,', 1).encode('latin-1')
  rows, _, malformed = read(write(tmp_path, b'\n'.join([HEADER.encode(), odd, 'ü'.encode() + RIDE.encode()])), dataset)
  assert [row['key'] for row in rows] == ['caf\\xe9', 'ü1'] and malformed == []


@pytest.mark.parametrize('block', [64, 100, 257, 4096])
def test_blocks_of_any_size_lose_and_double_nothing(tmp_path, dataset, monkeypatch, block):
  """Oracle: the numbers 1 to n, each once, as key of a row or as a malformed line."""
  monkeypatch.setattr(csv_table, '_BLOCK_BYTES', block)
  monkeypatch.setattr(csv_table, '_HEADER_BYTES', block)
  generator = np.random.default_rng(block)
  texts = {number: f'{number},{"é" * int(generator.integers(0, 9))}\n' for number in range(1, 301)}
  malformed_numbers = set(generator.choice(300, 90, replace=False) + 1)
  lines = [text.replace(',', ',x,') if number in malformed_numbers else text for number, text in texts.items()]
  table = CsvTable(write(tmp_path, 'a,b\n' + ''.join(lines)), Container.PLAIN, ',')
  seen, refused = {}, {}
  for rows, numbers, malformed, lines in table.blocks():
    np.testing.assert_array_equal(lines, numbers + 1)
    cells = [tuple(row.values()) for row in rows.to_pylist()]
    seen |= {number: f'{a.decode()},{b.decode()}\n' for number, (a, b) in zip(numbers.tolist(), cells, strict=True)}
    refused |= {line.number: line.text for line in malformed}
  assert refused.keys() == malformed_numbers
  assert seen == {number: text for number, text in texts.items() if number not in malformed_numbers}


@pytest.mark.parametrize(
  'rows', [pytest.param('', id='nothing'), pytest.param('\n', id='line_end'), pytest.param('\n\n \n', id='blank')]
)
def test_header_only_is_no_rows(tmp_path, dataset, rows):
  assert read(write(tmp_path, HEADER + rows), dataset) == ([], [], [])


def garbage(seed):
  return np.random.default_rng(seed).bytes(5000)


UNREADABLE = [
  pytest.param('rides.csv', b'', r"rides.csv' is empty; a CSV file needs at least a header line", id='empty_file'),
  pytest.param('rides.csv', b'\n \n', r"rides.csv' is empty", id='blank_file'),
  pytest.param('r.csv.gz', gzip.compress(b''), r"r.csv.gz' is empty", id='empty_gzip'),
  pytest.param('rides.parquet', b'', r"rides.parquet' is empty", id='empty_parquet'),
  pytest.param('rides.csv', garbage(0), r'rides.csv. (is not CSV text|has no column)', id='binary_garbage'),
  pytest.param('rides.csv', b'\0' * 5000, r"rides.csv' is not CSV text", id='zero_bytes'),
  pytest.param('rides.parquet', garbage(1), r"rides.parquet' is not a Parquet file", id='garbage_parquet'),
  pytest.param('rides.csv', b'PK\x03\x04' + garbage(2), r'is a zip archive; unpack it', id='zip'),
  pytest.param('rides.csv', HEADER.encode('utf-16'), r'is UTF-16 text; save it as UTF-8', id='utf16'),
  pytest.param(
    'rides.csv',
    HEADER.replace('fare_amount', 'fare'),
    r"has no column 'fare_amount', which dataset maps to "
    r"fare_amount; it has: key, fare, .*passenger_count. Did you mean 'fare'\?",
    id='renamed_label',
  ),
  pytest.param('rides.csv', HEADER.replace(',fare_amount', ''), r"has no column 'fare_amount'", id='missing_label'),
  pytest.param(
    'rides.csv',
    HEADER.replace('pickup_latitude', 'Pickup_Latitude'),
    r"no column 'pickup_latitude'.* Did you mean 'Pickup_Latitude'\?",
    id='renamed_column',
  ),
  pytest.param('rides.csv', HEADER.replace(',', ';'), r"has no column 'pickup_datetime'", id='wrong_delimiter'),
  pytest.param('rides.csv', HEADER.replace('key', 'fare_amount'), r"has the column 'fare_amount' twice", id='twice'),
  pytest.param(
    'r.csv.gz',
    gzip.compress(f'{HEADER}\n{RIDE}\n'.encode() + garbage(3))[:-1000],
    r"r.csv.gz' breaks off or is damaged .* copy or write it again",
    id='truncated_gzip',
  ),
  pytest.param(
    'r.csv.gz',
    gzip.compress(f'{HEADER}\n{RIDE}\n'.encode())[:12],
    r"r.csv.gz' breaks off or is damaged",
    id='gzip_truncated_in_the_header',
  ),
  pytest.param(
    'r.csv.gz',
    gzip.compress(f'{HEADER}\n{RIDE}\n'.encode())[:-8] + b'\0' * 8,
    r"r.csv.gz' breaks off or is damaged",
    id='gzip_with_a_wrong_checksum',
  ),
]


@pytest.mark.parametrize(('name', 'content', 'message'), UNREADABLE)
def test_what_cannot_be_read_is_reported_in_a_sentence(tmp_path, dataset, name, content, message):
  with pytest.raises(IngestionError, match=message) as raised:
    read(write(tmp_path, content, name), dataset)
  assert '\n' not in str(raised.value)


def test_a_reader_that_is_given_up_in_the_middle_never_hangs(tmp_path, dataset):
  """Arrow's streaming reader waits for its own reading thread while it holds the lock that this one needs."""
  path = write(tmp_path, f'{HEADER}\n' + f'{RIDE}\n' * 300_000)
  for _ in range(20):
    blocks = read_blocks(path, dataset)
    assert next(blocks).rows.num_rows
    blocks.close()


def parquet(folder, name='rides.parquet', **options):
  rows = [dict(zip(HEADER.split(','), RIDE.split(','), strict=True))] * 1000
  table = pa.Table.from_pylist([row | {'key': str(number)} for number, row in enumerate(rows)])
  pq.write_table(table, folder / name, **options)
  return folder / name


@pytest.mark.parametrize(
  'options', [pytest.param({}, id='one_row_group'), pytest.param({'row_group_size': 7}, id='many')]
)
@pytest.mark.parametrize('name', ['rides.parquet', 'rides.data'])
def test_parquet(tmp_path, dataset, name, options):
  blocks = list(read_blocks(str(parquet(tmp_path, name, **options)), dataset))
  keys = pa.concat_arrays([block.rows.column(0) for block in blocks]).to_pylist()
  assert keys == [str(number) for number in range(1000)]
  assert np.concatenate([block.numbers for block in blocks]).tolist() == list(range(1, 1001))


@pytest.mark.parametrize('kept', [pytest.param(0.5, id='half'), pytest.param(0.999, id='all_but_the_end')])
def test_truncated_parquet(tmp_path, dataset, kept):
  path = parquet(tmp_path)
  path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
  with pytest.raises(IngestionError, match=r"rides.parquet' is no whole Parquet file \(.*copy or write it again"):
    list(read_blocks(str(path), dataset))


def test_parquet_damaged_in_the_middle(tmp_path, dataset):
  path = parquet(tmp_path)
  content = bytearray(path.read_bytes())
  content[4:400] = garbage(4)[:396]
  path.write_bytes(content)
  with pytest.raises(IngestionError, match=r'is no whole Parquet file'):
    list(read_blocks(str(path), dataset))


def test_parquet_without_a_column(tmp_path, dataset):
  pq.write_table(pa.table({'fare': [1.0]}), tmp_path / 'rides.parquet')
  with pytest.raises(IngestionError, match=r"rides.parquet' has no column 'pickup_datetime'.*it has: fare\."):
    list(read_blocks(str(tmp_path / 'rides.parquet'), dataset))


def test_parquet_declared_as_csv(tmp_path):
  dataset = load('nyc', ['dataset.format=csv']).dataset
  with pytest.raises(IngestionError, match=r'is a Parquet file, but dataset.format is csv'):
    list(read_blocks(str(parquet(tmp_path)), dataset))


def test_the_label_may_be_absent_where_it_is_not_required(tmp_path, dataset):
  path = write(tmp_path, f'{HEADER}\n{RIDE}\n'.replace('fare_amount,', '').replace('11.3,', ''))
  assert len(read(path, dataset, label_required=False)[0]) == 1


def test_the_key_need_not_be_there(tmp_path, dataset):
  assert len(read(write(tmp_path, f'{HEADER[4:]}\n{RIDE[2:]}\n'), dataset)[0]) == 1


def test_other_delimiters(tmp_path):
  dataset = load('nyc', ['dataset.delimiter=;']).dataset
  rows, _, _ = read(write(tmp_path, f'{HEADER}\n{RIDE}\n'.replace(',', ';')), dataset)
  assert ','.join(rows[0].values()) == RIDE


@pytest.mark.parametrize('pattern', ['*.parquet', 'none/*.csv', '{SPAN}/*.csv', '{YYYY}-{MM}-{DD}.csv'])
def test_no_file_matches(tmp_path, pattern):
  write(tmp_path, HEADER)
  with pytest.raises(IngestionError, match=r"No file matches '.*'; check the path and its wildcards"):
    check_inputs(str(tmp_path), pattern)


def test_a_folder_is_no_file(tmp_path):
  (tmp_path / 'a.csv').mkdir()
  path = write(tmp_path, HEADER, 'b.csv')
  assert check_inputs(str(tmp_path), '*.csv') == (path,)


@pytest.mark.parametrize('kind', ['pipe', 'device'])
def test_what_never_ends_is_no_file(tmp_path, kind):
  os.mkfifo(tmp_path / 'zero')
  with pytest.raises(IngestionError, match=r"' is a pipe or a device, and rides are read more than once; name a file"):
    check_inputs('/dev' if kind == 'device' else str(tmp_path), 'zero')


def test_span_patterns_match(tmp_path):
  (tmp_path / 'span-7' / '2024').mkdir(parents=True)
  path = write(tmp_path / 'span-7' / '2024', HEADER, '02-29.csv')
  assert check_inputs(str(tmp_path), 'span-{SPAN}/2024/*.csv') == (path,)
  assert check_inputs(str(tmp_path), 'span-7/{YYYY}/{MM}-{DD}.csv') == (path,)
