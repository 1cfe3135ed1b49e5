"""Quotation marks in CSV: by RFC 4180, what breaks it loses its own line, and no ride vanishes in a cell."""

import csv
import gzip
import io
import subprocess
import sys

import numpy as np
import pytest

from components.ride_example_gen import csv_records
from components.ride_example_gen.csv_table import CsvTable
from components.ride_example_gen.files import Container, IngestionError

HEADER = 'key,fare,time,company,a,b,c,d,n'
ISSUE = [
  'a,6.1,2012-05-04 08:00:00 UTC,Red Cab,-73.99,40.73,-73.98,40.75,1',
  'b,52,2012-05-04 09:00:00 UTC,"Blue Cab,-73.78,40.64,-73.98,40.75,1',
  'c,7.3,2012-05-04 10:00:00 UTC,Red Cab,-73.99,40.74,-73.98,40.76,1',
  'd,4.9,2012-05-04 11:00:00 UTC,"Blue Cab,-73.98,40.75,-73.98,40.76,1',
]
WHOLE = 'e,5,2012-05-04 12:00:00 UTC,"Blue Cab",-73.98,40.75,-73.98,40.76,1'


def read(folder, content, delimiter=','):
  """The rows' cells by their lines, and the malformed lines as (line, reason, text); numbers are checked here."""
  path = folder / 'rides.csv'
  path.write_bytes(content if isinstance(content, bytes) else content.encode())
  container = Container.GZIP if path.read_bytes()[:2] == b'\x1f\x8b' else Container.PLAIN
  rows, malformed, places = {}, [], {}
  for block in CsvTable(str(path), container, delimiter).blocks():
    cells = [tuple(cell.decode() for cell in row.values()) for row in block.rows.to_pylist()]
    rows |= dict(zip(block.lines.tolist(), cells, strict=True))
    places |= dict(zip(block.numbers.tolist(), block.lines.tolist(), strict=True))
    places |= {line.number: line.line for line in block.malformed}
    malformed += [(line.line, line.reason.value, line.text) for line in block.malformed]
  assert sorted(places) == list(range(1, len(rows) + len(malformed) + 1))
  assert [places[number] for number in sorted(places)] == sorted([*rows, *(line for line, _, _ in malformed)])
  return rows, malformed


def as_lines(*lines, end='\n'):
  return end.join(lines) + end


def test_a_stray_quotation_mark_costs_its_own_line(tmp_path):
  rows, malformed = read(tmp_path, as_lines(HEADER, *ISSUE, WHOLE))
  assert {line: cells[0] for line, cells in rows.items()} == {2: 'a', 4: 'c', 6: 'e'}
  assert malformed == [(3, 'malformed_quotes', ISSUE[1]), (5, 'malformed_quotes', ISSUE[3])]


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_left_open_at_the_end_is_an_error_with_its_line(tmp_path, end):
  """As the lines of the issue are, if they are all: the last quotation mark has no partner."""
  with pytest.raises(IngestionError, match=r"rides.csv' has a quotation mark on line 5 that is left open to the end"):
    read(tmp_path, as_lines(HEADER, *ISSUE, end=end))


STRAY = [
  pytest.param('1,5" pipe,3', id='in_an_unquoted_cell'),
  pytest.param('1,2,3"', id='behind_an_unquoted_cell'),
  pytest.param('1,"2"x,3', id='text_behind_the_closing_one'),
  pytest.param('1,"2" ,3', id='a_blank_behind_the_closing_one'),
  pytest.param('1, "2",3', id='a_blank_before_the_opening_one'),
  pytest.param('1,"2""",3"', id='doubled_then_astray'),
  pytest.param('1,"2,3,4",5"', id='wrong_number_of_fields_as_well'),
  pytest.param('"', id='alone'),
  pytest.param('1,""2"",3', id='doubled_without_quotes'),
  pytest.param('1,\'2",3', id='half_of_each_kind'),
  pytest.param('\ufeff"1",2,3', id='byte_order_mark_before'),
  pytest.param('1,"2\0"\0,3', id='zero_bytes'),
]


@pytest.mark.parametrize('line', STRAY)
def test_what_breaks_the_rules_is_set_aside_and_the_next_line_read(tmp_path, line):
  rows, malformed = read(tmp_path, as_lines('a,b,c', '1,2,3', line, '4,5,6', '7,"8",9'))
  assert rows == {2: ('1', '2', '3'), 4: ('4', '5', '6'), 5: ('7', '8', '9')}
  assert malformed == [(3, 'malformed_quotes', line)]


LEGAL = [
  pytest.param('1,"two\nlines",3', id='a_line_end'),
  pytest.param('1,"two\r\nlines\r\n",3', id='windows_line_ends'),
  pytest.param('1,"say ""two""\n\n\n, or three",3', id='doubled_and_blank_lines_and_a_delimiter'),
  pytest.param('1,2,"the last\none"', id='in_the_last_cell'),
  pytest.param('"the\nfirst",2,"and\nlast"', id='two_cells'),
  pytest.param('"","",""', id='empty'),
  pytest.param('"""","""""",""""""""', id='nothing_but_quotation_marks'),
  pytest.param('1,"a,b;c\td",3', id='delimiters_of_all_kinds'),
  pytest.param('1,"é\n\ufeff\x01",3', id='any_character'),
]


@pytest.mark.parametrize(
  'end', [pytest.param('\n', id='lf'), pytest.param('\r\n', id='crlf'), pytest.param('', id='no')]
)
@pytest.mark.parametrize('packed', [False, True], ids=['plain', 'gzip'])
@pytest.mark.parametrize('record', LEGAL)
def test_legal_cells_are_those_of_pythons_csv_reader(tmp_path, record, packed, end):
  lines = ['a,b,c', '1,2,3', record]
  content = as_lines(*lines, '7,8,9', end=end) if end else '\n'.join(lines)
  expected = [tuple(row) for row in csv.reader(io.StringIO(content, newline=''))][1:]
  rows, malformed = read(tmp_path, gzip.compress(content.encode()) if packed else content)
  assert list(rows.values()) == expected and malformed == []
  assert list(rows) == [2, 3, 4 + record.count('\n')][: len(rows)]


SWALLOWING = [
  pytest.param(['1,"2,3', '4,5,6', '7,8",9'], [2, 4], id='a_whole_line_between'),
  pytest.param(['1,"2,3', '4,5",6'], [2, 3], id='both_lines_are_as_long_as_the_header'),
  pytest.param(['1,"2,3', 'x', '4,5,6', 'x",9,9,9'], [2, 3, 5], id='whatever_the_number_of_fields'),
  pytest.param(['"1,2,3', '4,5,6', '7",8,9'], [2, 4], id='in_the_first_cell'),
  pytest.param(['1,2,"3', '4,5,6', '7,8,9"'], [2, 4], id='in_the_last_cell'),
  pytest.param(['"a\nb","2,3', '4,5,6', '7,8",9'], [2, 3, 5], id='behind_a_legal_one'),
]


@pytest.mark.parametrize('delimiter', [',', ';', '\t', '|', '^'])
@pytest.mark.parametrize(('lines', 'aside'), SWALLOWING)
def test_rides_in_a_cell_that_closes_by_the_rules(tmp_path, lines, aside, delimiter):
  content = as_lines('a,b,c', *lines, '7,8,9').replace(',', delimiter)
  rows, malformed = read(tmp_path, content, delimiter)
  assert [line for line, _, _ in malformed] == aside
  assert ('4', '5', '6') in rows.values() or len(lines) == 2
  assert list(rows.values())[-1] == ('7', '8', '9')


def test_text_of_several_lines_is_no_rides(tmp_path):
  cell = '"Dear driver,\nthank you, again, for the ride,\nwhich was fine,\nyours, A. B."'
  rows, malformed = read(tmp_path, as_lines(HEADER, f'a,6.1,x,{cell},1,2,3,4,5', WHOLE))
  assert list(rows) == [2, 6] and malformed == []


HEADERS = [
  pytest.param('a,b",c\n1,2,3\n', 1, id='astray'),
  pytest.param('\n\na,"b,c\n1,2,3\n', 3, id='left_open'),
  pytest.param('a,"b,c\n1,2,3\n4,5",6\n', 1, id='swallowing_rides'),
  pytest.param('"\n', 1, id='nothing_else'),
  pytest.param('""' * 50_000 + '"', 1, id='only_quotation_marks'),
]


@pytest.mark.parametrize(('content', 'line'), HEADERS)
def test_a_header_with_stray_quotation_marks(tmp_path, content, line):
  with pytest.raises(IngestionError, match=f'has a quotation mark astray, or left open, in its header on line {line}'):
    read(tmp_path, content)


def test_a_header_of_several_lines(tmp_path):
  content = '\ufeff\ufeff"a ""x""","b\n(m)",c\n1,2,3\n'
  (tmp_path / 'rides.csv').write_text(content)
  assert CsvTable(str(tmp_path / 'rides.csv'), Container.PLAIN, ',').columns == ('a "x"', 'b\n(m)', 'c')
  assert list(read(tmp_path, content)[0]) == [3]


def test_blank_lines_are_no_rows_and_no_numbers(tmp_path):
  rows, malformed = read(tmp_path, 'a\tb\tc\n\n1\t2\t3\n  \n\r\n4\t5\t6\r7\t8\t9\n\t\n \v\n\t\t\n', '\t')
  assert list(rows) == [3, 6, 7, 10]
  assert malformed == [(8, 'wrong_number_of_fields', '\t')]


def test_a_byte_order_mark_among_the_rows_stays_where_it_is(tmp_path):
  """As in files that were put together with `cat`; Arrow would drop it at the start of a block."""
  rows, malformed = read(tmp_path, 'a,b\n\ufeff1,2\n\ufeff3,4\n')
  assert rows == {2: ('\ufeff1', '2'), 3: ('\ufeff3', '4')} and malformed == []


LINE = 'k,7.3,2012-05-04 10:00:00 UTC,Red Cab,-73.99,40.74,-73.98,40.76,1\n'
FAR = [pytest.param(2_000, id='over_64_KiB'), pytest.param(100_000, id='over_a_block')]


@pytest.mark.parametrize('packed', [False, True], ids=['plain', 'gzip'])
@pytest.mark.parametrize('rides', FAR)
@pytest.mark.parametrize(
  'between', [pytest.param('', id='no_more'), pytest.param('k,"",1,2,3,4,5,6,""\n', id='doubled')]
)
def test_left_open_however_far_the_end_is(tmp_path, rides, between, packed):
  content = (as_lines(HEADER, ISSUE[0], ISSUE[1]) + LINE * rides + between + LINE * rides).encode()
  with pytest.raises(IngestionError, match=r'has a quotation mark on line 3 that is left open to the end of the file'):
    read(tmp_path, gzip.compress(content) if packed else content)


@pytest.mark.parametrize('rides', FAR)
@pytest.mark.parametrize(
  'closing', [pytest.param(ISSUE[3], id='broken'), pytest.param('d,4,x,Blue",1,2,3,4,5', id='legal')]
)
def test_swallowed_rides_are_read_however_many(tmp_path, rides, closing):
  lines = [ISSUE[1], *[LINE[:-1]] * rides, closing, *[LINE[:-1]] * rides, ISSUE[1], WHOLE, WHOLE]
  rows, malformed = read(tmp_path, as_lines(HEADER, *lines))
  assert len(rows) == 2 * rides + 2
  assert [line for line, _, _ in malformed] == [2, rides + 3, 2 * rides + 4]


@pytest.mark.parametrize(
  ('text', 'what'),
  [
    pytest.param('"' + 'x' * 70_000 + '"', 'cell', id='quoted'),
    pytest.param('x' * 70_000, 'cell', id='unquoted'),
    pytest.param('"' + 'text\n' * 20_000 + '"', 'cell', id='of_many_lines'),
    pytest.param('"' + 'text\n' * 2_000_000 + '"', 'cell', id='over_blocks'),
    pytest.param('x' * 70_000 + ',', 'line', id='a_line_that_is_no_row'),
    pytest.param('x"' * 70_000 + ',', 'line', id='a_line_with_stray_quotation_marks'),
    pytest.param('x' * 10_000_000, 'record', id='a_line_without_end'),
  ],
)
def test_what_is_longer_than_a_ride(tmp_path, text, what):
  with pytest.raises(
    IngestionError, match=f'has a {what} of more than 64 KiB on line 3, which no ride has; take it out'
  ):
    read(tmp_path, f'a,b,c\n1,2,3\n4,{text},6\n')


_PEAK = """
import resource, sys
from components.ride_example_gen.csv_table import CsvTable, Container
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
  print(sum(block.read for block in CsvTable(sys.argv[1], Container.GZIP, ',').blocks()))
except Exception as error:
  print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""

HOSTILE = [
  pytest.param(b'1,"2', b'x' * 50_000 + b'\n', 'left open', id='open_quote'),
  pytest.param(b'1,"2', b'""' * 25_000 + b'\n', 'left open', id='only_quotation_marks'),
  pytest.param(b'1,2', b'x' * 50_000, 'more than 64 KiB', id='a_line_without_end'),
  pytest.param(b'1,2\n', b'"",' * 8_000 + b'\n', '1201', id='many_cells'),
]


@pytest.mark.parametrize(('start', 'repeated', 'said'), HOSTILE)
def test_a_small_file_that_unpacks_to_much_takes_no_large_memory(tmp_path, start, repeated, said):
  """60 MB of text; what is read at once are 4 MiB."""
  path = tmp_path / 'rides.csv.gz'
  with gzip.open(path, 'wb', compresslevel=1) as file:
    file.write(b'a,b\n' + start)
    for _ in range(12):
      file.write(repeated * 100)
  done = subprocess.run([sys.executable, '-c', _PEAK, str(path)], capture_output=True, text=True, timeout=300)
  assert done.returncode == 0, done.stderr[-2000:]
  assert said in done.stdout
  assert int(done.stdout.split()[-1]) < 150_000


_PIECES = [
  b'"',
  b'"',
  b'""',
  b',',
  b',',
  b'\n',
  b'\n',
  b'\r',
  b'\r\n',
  b'a',
  b'1.5',
  b'"x"',
  b'"x y",',
  b'\n"',
  b'"\n',
  b'b,c',
]


def test_texts_whose_quotes_are_whole_cells_are_split_as_all_others(monkeypatch):
  """Oracle: the splitting that goes by the regular expressions, on random texts."""
  generator = np.random.default_rng(0)
  grammar = csv_records.Grammar(',')
  quick = 0
  for _ in range(5_000):
    text = b''.join(_PIECES[piece] for piece in generator.integers(0, len(_PIECES), generator.integers(1, 14)))
    if not grammar._quotes_whole_cells(text) or b'"' not in text:
      continue
    quick += 1
    found = grammar.split(text, 3, 2, lambda position, line: True)
    with monkeypatch.context() as patched:
      patched.setattr(csv_records.Grammar, '_quotes_whole_cells', lambda self, text: False)
      expected = grammar.split(text, 3, 2, lambda position, line: True)
    assert (found.text, found.stray, found.used, found.next_line) == (text, (), len(text), expected.next_line), text
    assert (expected.text, expected.stray, expected.used) == (text, (), len(text)), text
    np.testing.assert_array_equal(found.lines, expected.lines)
  assert quick > 100


@pytest.mark.parametrize(
  ('text', 'whole'),
  [
    pytest.param(b'"a",b\nc,"d"', True, id='cells'),
    pytest.param(b'"",""\r\n', True, id='empty_ones'),
    pytest.param(b'"a""b",c\n', False, id='a_mark_in_a_cell'),
    pytest.param(b'"a\nb",c\n', False, id='a_line_end_in_a_cell'),
    pytest.param(b'a "b",c\n', False, id='opened_within'),
    pytest.param(b'"a" ,b\n', False, id='goes_on_behind'),
    pytest.param(b'"a,b\n', False, id='left_open'),
    pytest.param(b'"a"' + b',' * (1 << 16) + b'\n', False, id='too_many_cells'),
  ],
)
def test_which_quotes_are_whole_cells(text, whole):
  assert csv_records.Grammar(',')._quotes_whole_cells(text) == whole
