"""What is read of a file. Oracle: what was written."""

import gzip
import itertools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ride_example_gen.files import IngestionError
from configs.dataset import FileFormat
from pipeline.starting.sample import guess_delimiter, read_sample


@pytest.mark.parametrize(
  ('text', 'delimiter'),
  [
    pytest.param('a,b\n1,2\n', ',', id='comma'),
    pytest.param('a;b;c\n1,5;2,5;3,5\n2,5;3,5;4,5\n', ';', id='semicolon_and_decimal_commas'),
    pytest.param('a\tb\n1\t2\n', '\t', id='tab'),
    pytest.param('a|b|c\n1|2,3|4\n', '|', id='bar'),
    pytest.param('a,b\n"x;y;z",2\n"p;q",3\n', ',', id='other_ones_inside_of_quotes'),
    pytest.param('a,b\n"1\n2",3\n4,5\n', ',', id='lines_inside_of_quotes'),
    pytest.param('a;b\n1;2\n3;4\n5', ';', id='broken_off'),
    pytest.param('a;b,c;d\n1;2;3\n1;2;3\n', ';', id='a_comma_in_a_name'),
    pytest.param('a\n1\n', ',', id='one_column'),
    pytest.param('', ',', id='empty'),
    pytest.param('\0\0', ',', id='binary'),
  ],
)
def test_the_delimiter_divides_every_line_alike(text, delimiter):
  assert guess_delimiter(text) == delimiter


def test_a_packed_file_is_read(tmp_path):
  path = tmp_path / 'rides.csv.gz'
  path.write_bytes(gzip.compress('\ufefffare; when\n 1,5 ;x\n;y\n'.encode()))
  sample = read_sample(str(path))
  assert (sample.kind, sample.delimiter, sample.rows, sample.whole) == (FileFormat.CSV, ';', 2, True)
  assert {name: column.to_pylist() for name, column in sample.columns.items()} == {
    'fare': ['1,5', None],
    'when': ['x', 'y'],
  }


def test_a_large_file_is_read_in_part_and_spread_evenly(tmp_path):
  path = tmp_path / 'rides.csv'
  path.write_text('number,text\n' + ''.join(f'{number},{"x" * 90}\n' for number in range(150_000)))
  sample = read_sample(str(path))
  numbers = [int(number) for number in sample.columns['number'].to_pylist()]
  assert not sample.whole
  assert 50_000 < sample.rows < 150_000
  assert len(numbers) == 20_000
  assert (numbers[0], numbers[-1]) == (0, sample.rows - 1)
  assert max(second - first for first, second in itertools.pairwise(numbers)) <= sample.rows // 20_000 + 1


def test_a_parquet_file_keeps_its_types(tmp_path):
  path = tmp_path / 'rides.parquet'
  table = pa.table({'fare': [1.5, None], 'who': pa.array(['a', ' ']).dictionary_encode()})
  pq.write_table(table, path)
  sample = read_sample(str(path))
  assert (sample.kind, sample.rows) == (FileFormat.PARQUET, 2)
  assert sample.columns['fare'].type == pa.float64()
  assert sample.columns['who'].to_pylist() == ['a', None]


def test_bytes_of_a_parquet_file_need_not_be_text(tmp_path):
  path = tmp_path / 'rides.parquet'
  pq.write_table(pa.table({'raw': [b'\xff\xfe', b'x', None]}), path)
  assert read_sample(str(path)).columns['raw'].to_pylist() == ['\\xff\\xfe', 'x', None]


def test_of_columns_of_one_name_the_first_is_taken(tmp_path):
  path = tmp_path / 'rides.csv'
  path.write_text('a,b,a\n1,2,3\n')
  sample = read_sample(str(path))
  assert sample.twice == ('a',)
  assert sample.columns['a'].to_pylist() == ['1']


HEADER = 'fare,pickup_datetime,pickup_longitude,pickup_latitude,dropoff_longitude,dropoff_latitude'
BROKEN = {
  'empty': (b'', 'is empty; a CSV file needs at least a header line'),
  'blank': (b'\n \n', 'is empty; a CSV file needs at least a header line'),
  'header_only': (HEADER.encode() + b'\n', 'has no ride, only a header; name a file with rides'),
  'malformed_alone': (
    HEADER.encode() + b'\n1,2\n',
    'has no ride, only a header .and lines with another number of fields: 1.',
  ),
  'binary': (bytes(range(256)) * 10, 'is not CSV text'),
  'zip': (b'PK\x03\x04rest', 'is a zip archive'),
  'utf_16': (HEADER.encode('utf-16'), 'is UTF-16 text'),
  'latin_1_header': ('länge,breite\n1,2\n'.encode('latin-1'), 'is not CSV text'),
  'one_column': (b'fare\n1\n2\n', "has one column, 'fare'"),
  'no_header': (b'7.5,2016-01-01 08:00:00,-73.9,40.7\n' * 2, 'has no header: its first line holds values'),
  'cut_gzip': (gzip.compress(HEADER.encode() * 99)[:30], 'breaks off or is damaged'),
  'cut_parquet': (b'PAR1\0\0', 'is no whole Parquet file'),
}


@pytest.mark.parametrize(('content', 'message'), BROKEN.values(), ids=BROKEN)
def test_what_is_no_file_of_rides_is_one_sentence(content, message, tmp_path):
  path = tmp_path / 'rides.csv'
  path.write_bytes(content)
  with pytest.raises(IngestionError, match=message) as caught:
    read_sample(str(path))
  assert '\n' not in str(caught.value)
