"""What a pattern finds, and what is passed over by name. Oracle: the files that each test makes, and Python's glob."""

import glob
import gzip
import os
import pathlib
import subprocess
import sys

import pytest
from tensorflow.io import gfile

from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.listing import find_files, passed_over_sentence
from components.ride_example_gen.patterns import segments_of
from components.ride_example_gen.spans import check_inputs, find_spans, latest_window, list_inputs

RIDES = b'fare_amount\n1\n' * 20


def make(base, *names, content=RIDES):
  """Files below a folder or a bucket."""
  for name in names:
    path = f'{base}/{name}'
    if '://' in path:
      gfile.makedirs(path.rpartition('/')[0])
      with gfile.GFile(path, 'wb') as file:
        file.write(content)
    else:
      pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
      pathlib.Path(path).write_bytes(content)


@pytest.fixture(params=['disk', 'bucket'])
def base(request, tmp_path):
  """A folder of this machine, and TensorFlow's in-memory file system in place of a bucket."""
  return str(tmp_path / 'in') if request.param == 'disk' else f'ram://{tmp_path.name}-{os.getpid()}'


def listed(base, pattern):
  """Names below the base: those of the files, and why by name of what is passed over."""
  found = list_inputs(base, pattern)
  return [path.removeprefix(f'{base}/') for path in found.files], {
    path.removeprefix(f'{base}/'): why for path, why in found.passed_over.items()
  }


DEEP = ('a.csv', 'one/a.csv', 'one/two/a.csv', 'one/two/three/a.csv', 'one/two/three/b.txt', 'two/three/c.csv')


@pytest.mark.parametrize(
  ('pattern', 'expected'),
  [
    pytest.param('**/*.csv', {0, 1, 2, 3, 5}, id='any_depth'),
    pytest.param('**/a.csv', {0, 1, 2, 3}, id='a_name_at_any_depth'),
    pytest.param('one/**/*.csv', {1, 2, 3}, id='below_a_folder'),
    pytest.param('**/three/*', {3, 4, 5}, id='folder_at_any_depth'),
    pytest.param('**/two/**/*.csv', {2, 3, 5}, id='twice'),
    pytest.param('**', {0, 1, 2, 3, 4, 5}, id='alone'),
    pytest.param('one/**', {1, 2, 3, 4}, id='at_the_end'),
    pytest.param('**/**/*.txt', {4}, id='doubled'),
    pytest.param('*/a.csv', {1}, id='one_level'),
    pytest.param('*/*/*.csv', {2, 5}, id='two_levels'),
  ],
)
def test_two_stars_stand_for_folders_at_any_depth(base, pattern, expected):
  make(base, *DEEP)
  files, _ = listed(base, pattern)
  assert set(files) == {DEEP[number] for number in expected}
  assert files == sorted(files)


@pytest.mark.parametrize(
  'pattern', ['**/*.csv', '**', '*', 'one/*', '*/*/[abc].???', '[!o]*/**/*.csv', '**/t*/*', 'o?e/**']
)
def test_finds_what_pythons_glob_finds(tmp_path, pattern):
  make(tmp_path, *DEEP)
  found = glob.glob(pattern, root_dir=tmp_path, recursive=True)  # noqa: PTH207, the oracle
  expected = {f'{tmp_path}/{name}' for name in found if (tmp_path / name).is_file()}
  assert set(find_files(str(tmp_path), pattern).files) == expected


def test_two_stars_in_the_pattern_of_spans(base):
  make(base, 'x/2026/03/08/a.csv', 'y/z/2026/03/08/b.csv', '2026/03/09/deep/down/c.csv')
  assert [len(span.files) for span in find_spans(base, '**/{YYYY}/{MM}/{DD}/*.csv')] == [2]
  [_, newest] = find_spans(base, '**/{YYYY}/{MM}/{DD}/**/*.csv')
  assert newest.label == '2026-03-09'
  assert find_files(base, newest.pattern).files == newest.files == (f'{base}/2026/03/09/deep/down/c.csv',)


def test_a_file_in_two_spans_is_refused(base):
  make(base, '7/8/a.csv')
  with pytest.raises(IngestionError, match=r"7/8/a.csv' fits '\*\*/\{SPAN\}/\*\*/\*.csv' in two ways"):
    find_spans(base, '**/{SPAN}/**/*.csv')


@pytest.mark.parametrize(
  ('pattern', 'message'),
  [
    pytest.param('**.csv', r"'\*\*.csv' in the pattern .* alone between two slashes", id='two_stars_in_a_name'),
    pytest.param('a**/x.csv', r"'a\*\*' in the pattern", id='two_stars_in_a_folder'),
    pytest.param('[z-a].csv', r"'\[z-a\].csv' is no pattern: its brackets hold no range", id='range_backwards'),
    pytest.param('{VERSION}/*.csv', r'has \{VERSION\} without \{SPAN\} or a date', id='version_of_nothing'),
    pytest.param('{YYYY}/*.csv', r'has a date without \{MM\}, \{DD\}', id='half_a_date'),
  ],
)
def test_patterns_that_are_refused(tmp_path, pattern, message):
  with pytest.raises(IngestionError, match=message):
    check_inputs(str(tmp_path), pattern)


UNDERSCORE, DOT, SUM = 'its name begins with an underscore', 'its name begins with a dot', 'it is a checksum'


@pytest.mark.parametrize(
  ('name', 'content', 'why'),
  [
    pytest.param('_SUCCESS', b'', UNDERSCORE, id='marker'),
    pytest.param('_metadata', RIDES, UNDERSCORE, id='underscore'),
    pytest.param('.part-0.csv.crc', RIDES, DOT, id='hidden_checksum'),
    pytest.param('part-0.csv.crc', RIDES, SUM, id='checksum'),
    pytest.param('part-0.csv.MD5', RIDES, SUM, id='other_checksum'),
    pytest.param('.DS_Store', RIDES, DOT, id='hidden'),
    pytest.param('part-1.csv', b'', 'it is empty', id='no_bytes'),
    pytest.param('part-1.csv', b'\xef\xbb\xbf\r\n', 'it is empty', id='blank'),
    pytest.param('part-1.csv.gz', gzip.compress(b''), 'it is empty', id='empty_inside'),
    pytest.param('part-1.csv/x.csv', RIDES, 'it is a folder', id='folder'),
  ],
)
def test_what_no_ride_can_be_in_is_passed_over_by_name(base, name, content, why):
  make(base, 'part-0.csv')
  make(base, name, content=content)
  assert listed(base, '*') == (['part-0.csv'], {name.split('/')[0]: why})


@pytest.mark.parametrize('pattern', ['_x.csv', '_*.csv', '.x.csv', '.*', 'x.crc', '*.crc', '_*/a.csv'])
def test_what_the_pattern_itself_names_is_read(base, pattern):
  make(base, '_x.csv', '.x.csv', 'x.crc', '_y/a.csv')
  files, _ = listed(base, pattern)
  assert len(files) == 1


@pytest.mark.parametrize(
  ('pattern', 'names'),
  [
    pytest.param('a.csv', ['a.csv'], id='named'),
    pytest.param('*.csv', ['a.csv', 'b.csv'], id='all_of_them'),
    pytest.param('s-{SPAN}.csv', ['s-1.csv'], id='a_whole_span'),
  ],
)
def test_a_file_with_nothing_in_it_is_read_where_nothing_else_would_be(base, pattern, names):
  """And so it is an error, which the reader has."""
  make(base, *names, content=b'')
  assert listed(base, pattern) == (names, {})


def test_a_newest_day_with_nothing_in_it_stays_the_newest(base):
  make(base, '2026/03/08/a.csv', '2026/03/09/b.csv')
  make(base, '2026/03/08/empty.csv', '2026/03/10/a.csv', content=b'')
  window = latest_window(base, '{YYYY}/{MM}/{DD}/*.csv', 3)
  assert [span.files for span in window.spans] == [
    (f'{base}/2026/03/08/a.csv',), (f'{base}/2026/03/09/b.csv',), (f'{base}/2026/03/10/a.csv',)
  ]  # fmt: skip
  assert find_files(base, window.spans[0].pattern).passed_over == {f'{base}/2026/03/08/empty.csv': 'it is empty'}


def test_nothing_but_what_is_passed_over(base):
  make(base, '_SUCCESS', '_metadata', '.x', 'f/a.csv')
  with pytest.raises(
    IngestionError, match=r"No file matches .*4 paths were passed over: .*_SUCCESS', '.*_metadata' \(its"
  ):
    find_files(base, '*')


def test_the_sentence_is_short_whatever_there_is():
  text = passed_over_sentence({f'/d/{number}': f'reason {number % 6}' for number in range(9_999)})
  assert text.startswith("9,999 paths were passed over: '/d/0', '/d/6', '/d/12' and 1664 more (reason 0), ")
  assert text.endswith('(reason 3) and 2 more.') and len(text) < 300
  assert passed_over_sentence({}) == ''


DAYS = '{YYYY}/{MM}/{DD}/*.csv'


@pytest.mark.parametrize(
  ('pattern', 'names', 'labels', 'outside'),
  [
    pytest.param(DAYS, ['2026/3/3/a.csv', '2026/03/10/a.csv'], ['2026-03-03', '2026-03-10'], {}, id='no_zeros'),
    pytest.param('r-{YYYY}-{MM}-{DD}.csv', ['r-2026-3-3.csv'], ['2026-03-03'], {}, id='no_zeros_in_a_name'),
    pytest.param('{YYYY}{MM}{DD}/*', ['20260303/a', '2026111/a'], ['2026-03-03'],
                 {'2026111': "it does not fit '{YYYY}{MM}{DD}'"}, id='side_by_side_needs_the_zeros'),
    pytest.param(DAYS, ['2026/03/03/a.csv', '2026/13/03/a.csv', '2026/02/30/b.csv'], ['2026-03-03'],
                 {'2026/13/03/a.csv': 'it is of no day', '2026/02/30/b.csv': 'it is of no day'}, id='no_days'),
    pytest.param(DAYS, ['2026/03/03/a.csv', '2026/03/latest/a.csv', 'old/1/1/a.csv'], ['2026-03-03'],
                 {'2026/03/latest': "it does not fit '{DD}'", 'old': "it does not fit '{YYYY}'"}, id='no_numbers'),
    pytest.param(DAYS, ['2026/03/03/a.csv', '2026/03/04/a.parquet'], ['2026-03-03'],
                 {'2026/03/04': "nothing in it fits '*.csv'"}, id='another_suffix'),
    pytest.param('{YYYY}/{MM}/{DD}/r.csv', ['2026/03/03/r.csv', '2026/03/04/rides.csv'], ['2026-03-03'],
                 {'2026/03/04': "nothing in it fits 'r.csv'"}, id='another_name'),
    pytest.param(DAYS, ['2026/03/03/a.csv', '2026/03/04/_SUCCESS.csv'], ['2026-03-03'],
                 {'2026/03/04/_SUCCESS.csv': UNDERSCORE}, id='a_day_of_nothing_but_a_marker'),
    pytest.param('{YYYY}/{YYYY}-{MM}-{DD}.csv', ['2026/2026-03-03.csv', '2025/2026-03-04.csv'], ['2026-03-03'],
                 {'2025/2026-03-04.csv': 'its numbers are not those of its folder'}, id='year_twice'),
    pytest.param('s-{SPAN}/*', ['s-007/a', f's-{"9" * 30}/a'], ['span 7'],
                 {f's-{"9" * 30}/a': 'its number is too large'}, id='thirty_digits'),
    pytest.param('s-{SPAN}/*', ['s-7/a', 's-٣/a'], ['span 7'],
                 {'s-٣': "it does not fit 's-{SPAN}'"}, id='arabic_digits'),
  ],
)  # fmt: skip
def test_what_is_no_span_is_named(base, pattern, names, labels, outside):
  make(base, *names)
  window = latest_window(base, pattern, 9)
  assert [span.label for span in window.spans] == labels
  assert {path.removeprefix(f'{base}/'): why for path, why in window.outside.items()} == outside
  assert bool(outside) == bool(window.notes())
  for span in window.spans:
    assert find_files(base, span.pattern).files == span.files


def test_one_day_with_and_without_zeros(base):
  make(base, '2026/03/03/a.csv', '2026/3/3/a.csv')
  with pytest.raises(IngestionError, match=r'same part of the data, 2026-03-03: 2026/03/03/\*.csv and 2026/3/3/\*.csv'):
    find_spans(base, DAYS)


def test_days_and_nothing_else(base):
  make(base, '2026/03/latest/a.csv')
  with pytest.raises(IngestionError, match=r"No file matches .*/latest' \(it does not fit '\{DD\}'\)"):
    find_spans(base, DAYS)


@pytest.mark.parametrize(
  ('names', 'pattern', 'expected'),
  [
    pytest.param(['rides [2024].csv'], 'rides [2024].csv', ['rides [2024].csv'], id='file'),
    pytest.param(['rides [2024]/a.csv', 'rides 2/b.csv'], 'rides [2024]/*.csv', ['rides [2024]/a.csv'], id='folder'),
    pytest.param(['a*.csv', 'ab.csv'], 'a*.csv', ['a*.csv'], id='star'),
    pytest.param(['a?.csv', 'ab.csv'], 'a?.csv', ['a?.csv'], id='question_mark'),
    pytest.param(['*', 'ab.csv'], '*', ['*', 'ab.csv'], id='a_lone_star_is_a_wildcard'),
    pytest.param(['[ab].txt', 'a.csv'], '[ab].csv', ['a.csv'], id='wildcard'),
    pytest.param(['a[1.csv'], 'a[1.csv', ['a[1.csv'], id='left_bracket'),
    pytest.param(['a]1.csv'], 'a]1.c*', ['a]1.csv'], id='right_bracket'),
    pytest.param(['[x]/2026/03/03/a.csv'], '[x]/{YYYY}/{MM}/{DD}/*.csv', ['[x]/2026/03/03/a.csv'], id='above_spans'),
  ],
)
def test_a_name_that_is_there_as_it_stands(base, names, pattern, expected):
  make(base, *names)
  files, passed_over = listed(base, pattern)
  assert files == expected
  assert set(passed_over.values()) <= {
    f"'{pattern}' is there by this very name",
    "'rides [2024]' is there by this very name",
  }


def test_links(tmp_path):
  """A file by two ways is read once, and a link upwards is no way to go round for ever."""
  make(tmp_path, 'in/a/x.csv', 'elsewhere/y.csv')
  (tmp_path / 'in/b').symlink_to('a')
  (tmp_path / 'in/a/up').symlink_to('..')
  (tmp_path / 'in/c').symlink_to('../elsewhere')
  (tmp_path / 'in/z.csv').symlink_to('a/x.csv')
  files, passed_over = listed(str(tmp_path / 'in'), '**/*.csv')
  assert files == ['a/x.csv', 'c/y.csv']
  link = f"it is a link to '{tmp_path}/in/a/x.csv'"
  up = 'it is a link back to a folder above it'
  assert passed_over == {'a/up': up, 'b/up': up, 'b/x.csv': link, 'z.csv': link}


def test_spans_are_whole_in_themselves(tmp_path):
  """A span that is a link to another one is the same rides delivered twice: that is for others to say."""
  make(tmp_path, 's-7/a.csv')
  (tmp_path / 's-8').symlink_to('s-7')
  assert [span.number for span in find_spans(str(tmp_path), 's-{SPAN}/*.csv')] == [7, 8]


@pytest.mark.parametrize(
  ('target', 'message'),
  [
    pytest.param(
      'nowhere.csv', r"b.csv' is a link that leads to no file \(No such file or directory\); remove it", id='no'
    ),
    pytest.param('b.csv', r"b.csv' is a link that leads to no file \(Too many levels", id='circle'),
  ],
)
def test_links_to_nothing(tmp_path, target, message):
  make(tmp_path, 'a.csv')
  (tmp_path / 'b.csv').symlink_to(target)
  with pytest.raises(IngestionError, match=message):
    find_files(str(tmp_path), '*.csv')


def test_pipes_are_refused(tmp_path):
  make(tmp_path, 'a.csv')
  os.mkfifo(tmp_path / 'b.csv')
  with pytest.raises(IngestionError, match=r"b.csv' is a pipe or a device"):
    find_files(str(tmp_path), '*.csv')


def test_a_name_that_is_no_utf8(tmp_path):
  with pathlib.Path(os.fsdecode(bytes(tmp_path) + b'/a\xff.csv')).open('wb') as file:
    file.write(RIDES)
  with pytest.raises(IngestionError, match=r"The name of '.*/a\\xff.csv' is no UTF-8; rename it"):
    find_files(str(tmp_path), '*.csv')


def test_a_name_with_a_line_break(base):
  make(base, 'a\nb.csv')
  assert listed(base, '*.csv') == (['a\nb.csv'], {})


def test_a_folder_that_may_not_be_listed(tmp_path):
  """As another user where root runs the tests, whom nothing is forbidden."""
  make(tmp_path, 'open/a.csv', 'shut/b.csv')
  (tmp_path / 'shut').chmod(0)
  for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
    folder.chmod(folder.stat().st_mode | 0o055)
  code = (
    'import os, sys; from components.ride_example_gen.listing import find_files; '
    'os.getuid() or os.setuid(65534)\n'
    f"try: print(find_files({str(tmp_path)!r}, '**/*.csv'))\n"
    'except Exception as error: print(type(error).__name__, error)'
  )
  result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
  (tmp_path / 'shut').chmod(0o755)
  assert result.stdout == f"IngestionError '{tmp_path}/shut' can't be listed (Permission denied).\n"


def test_segments():
  assert [segment.text for segment in segments_of('a//b/**/**')] == ['a', 'b', '**', '*']
