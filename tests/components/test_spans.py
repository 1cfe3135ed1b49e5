"""Which spans a source has, and which of them a window takes. Oracle: the folders that the test makes."""

import datetime
import os
import pathlib

import pytest

from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.patterns import excluded_numbers, has_spans, label_of, span_number
from components.ride_example_gen.spans import (
  check_inputs,
  day_of,
  find_spans,
  label_of_input,
  latest_window,
  number_of_input,
)
from pipeline.sources import data_source

DAYS = '{YYYY}/{MM}/{DD}/*.csv'


def _made(folder: pathlib.Path, *names: str) -> str:
  for name in names:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('rides')
  return str(folder)


def _days(folder: pathlib.Path, *days: str) -> str:
  return _made(folder, *(f'{day.replace("-", "/")}/a.csv' for day in days))


@pytest.mark.parametrize(
  ('pattern', 'names', 'expected'),
  [
    pytest.param('s-{SPAN}/*', ['s-2/a', 's-10/b', 's-10/a'], {2: ['s-2/a'], 10: ['s-10/a', 's-10/b']}, id='number'),
    pytest.param('s-{SPAN:3}.csv', ['s-009.csv', 's-010.csv'], {9: ['s-009.csv'], 10: ['s-010.csv']}, id='padded'),
    pytest.param(DAYS, ['2024/02/29/a.csv', '2024/02/30/a.csv'], {19782: ['2024/02/29/a.csv']}, id='leap_day'),
    pytest.param('r-{YYYY}{MM}{DD}.csv', ['r-20240229.csv'], {19782: ['r-20240229.csv']}, id='date_in_the_name'),
    pytest.param('{SPAN}/v{VERSION}/*', ['1/v2/a', '1/v10/a', '1/v9/a'], {1: ['1/v10/a']}, id='newest_version'),
    pytest.param('s-{SPAN}/[ab]?.csv', ['s-1/a1.csv', 's-1/c1.csv'], {1: ['s-1/a1.csv']}, id='wildcards'),
    pytest.param('s-{SPAN}/a(1).csv', ['s-1/a(1).csv'], {1: ['s-1/a(1).csv']}, id='signs_of_a_regex'),
    pytest.param('s-{SPAN}/*', ['s-1/a', 's-x/a'], {1: ['s-1/a']}, id='no_number_is_passed_over'),
  ],
)
def test_finds_spans(tmp_path, pattern, names, expected):
  base = _made(tmp_path, *names)
  found = {
    span.number: [str(pathlib.Path(f).relative_to(base)) for f in span.files] for span in find_spans(base, pattern)
  }
  assert found == expected
  for span in find_spans(base, pattern):
    assert sorted(str(path) for path in tmp_path.glob(span.pattern)) == list(span.files)


_SCANDIR = os.scandir


class _Shuffled(list):
  """As `os.scandir` gives it: with a context."""

  def __enter__(self):
    return self

  def __exit__(self, *_):
    pass


@pytest.mark.parametrize('order', [pytest.param(list, id='sorted'), pytest.param(reversed, id='backwards')])
def test_spans_and_their_files_come_in_order_whatever_the_folder_says(tmp_path, monkeypatch, order):
  """Oracle: the numbers, as numbers, which as text come 10, 2, 9; and the names of the files."""
  base = _made(
    tmp_path, *(f's-{number}/v{version}/{name}' for number in (9, 10, 2) for version in (9, 10) for name in 'ba')
  )
  monkeypatch.setattr(os, 'scandir', lambda folder: _Shuffled(order(sorted(_SCANDIR(folder), key=lambda e: e.name))))
  found = find_spans(base, 's-{SPAN}/v{VERSION}/*')
  assert [span.number for span in found] == [2, 9, 10]
  assert [span.label for span in found] == ['span 2', 'span 9', 'span 10']
  assert [span.pattern for span in found] == [f's-{number}/v10/*' for number in (2, 9, 10)]
  for span in found:
    assert span.files == tuple(f'{base}/s-{span.number}/v10/{name}' for name in 'ab')
  assert check_inputs(base, 's-9/v9/*') == tuple(f'{base}/s-9/v9/{name}' for name in 'ab')


def test_a_window_is_in_order_too(tmp_path):
  base = _made(tmp_path, *(f's-{number}/a' for number in (9, 10, 2, 11)))
  window = latest_window(base, 's-{SPAN}/*', 3)
  assert [span.number for span in window.spans] == [9, 10, 11]
  assert window.newest.number == 11


def test_resolved_spans_are_read_oldest_first():
  """The last input split is the newest span, on which a window evaluates."""
  source = data_source('gs://rides/{SPAN}/*.csv').with_spans({10: '10/*.csv', 9: '9/*.csv', 11: '11/*.csv'})
  assert source.spans == ((9, '9/*.csv'), (10, '10/*.csv'), (11, '11/*.csv'))
  assert list(source.inputs().items()) == [('span-9', '9/*.csv'), ('span-10', '10/*.csv'), ('span-11', '11/*.csv')]


@pytest.mark.parametrize(
  ('pattern', 'names', 'message'),
  [
    pytest.param('*.csv', ['a.csv'], r"'\*\.csv' has no spans; a window needs \{SPAN\} or", id='no_spans'),
    pytest.param('{YYYY}/{MM}/a', ['2024/01/a'], r'has a date without \{DD\}', id='half_a_date'),
    pytest.param('{SPAN}/{YYYY}{MM}{DD}', [], r'has both \{SPAN\} and a date', id='both'),
    pytest.param('s-{SPAN}/*', [], r'No file matches', id='nothing'),
    pytest.param('s-{SPAN}/*', ['s-x/a'], r"passed over: '.*/s-x' \(it does not fit 's-\{SPAN\}'\)", id='no_number'),
    pytest.param(
      's-{SPAN}/*', ['s-1/a', 's-01/a'], r'the same part of the data, span 1: s-01/\* and s-1/\*', id='twice'
    ),
  ],
)
def test_refuses(tmp_path, pattern, names, message):
  with pytest.raises(IngestionError, match=message):
    find_spans(_made(tmp_path, *names), pattern)


def test_days_are_counted_as_by_tfx():
  """Oracle: TFX's own arithmetic."""
  from tfx.components.example_gen import utils

  for day in (datetime.date(1969, 12, 31), datetime.date(2024, 2, 29), datetime.date(2026, 3, 8)):
    assert span_number(day) == utils.date_to_span_number(day.year, day.month, day.day)
    assert label_of(span_number(day), dated=True) == day.isoformat()
  assert has_spans(DAYS)
  assert not has_spans('*.csv')


DAILY = [f'2026-03-{day:02d}' for day in range(1, 11)]


@pytest.mark.parametrize(
  ('days', 'size', 'taken', 'missing'),
  [
    pytest.param(DAILY, 3, DAILY[-3:], [], id='last_three'),
    pytest.param(DAILY[:2], 7, DAILY[:2], [], id='fewer_than_wanted'),
    pytest.param([*DAILY[:5], *DAILY[7:]], 4, [DAILY[4], *DAILY[7:]], DAILY[5:7], id='gap_reaches_further_back'),
    pytest.param([*DAILY[:5], *DAILY[7:]], 3, DAILY[7:], [], id='gap_before_the_window'),
    pytest.param(['2026-03-02', '2026-03-09', '2026-03-16', '2026-03-30'], 2, ['2026-03-16', '2026-03-30'],
                 ['2026-03-23'], id='weekly'),
    pytest.param(['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30'], 4,
                 ['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30'], [], id='monthly'),
  ],
)  # fmt: skip
def test_takes_the_last_spans_and_names_the_missing(tmp_path, days, size, taken, missing):
  window = latest_window(_days(tmp_path, *days), DAYS, size)
  assert [span.label for span in window.spans] == taken
  assert list(window.missing) == missing
  assert window.newest.label == days[-1]
  assert window.files() == tuple(f'{tmp_path}/{day.replace("-", "/")}/a.csv' for day in taken)


def test_late_spans_are_those_older_than_one_that_was_seen(tmp_path):
  base = _days(tmp_path, *DAILY)
  seen = {span_number(datetime.date(2026, 3, day)) for day in (1, 2, 3, 4, 6, 7, 8)}
  window = latest_window(base, DAYS, 10, seen=seen)
  assert window.late == ('2026-03-05',)
  assert window.notes() == ('Spans late, after a newer one had been read: 2026-03-05.',)
  assert latest_window(base, DAYS, 3, seen=seen).late == ()
  assert latest_window(base, DAYS, 10).late == ()


def test_a_broken_span_is_left_out_unless_it_is_the_newest(tmp_path):
  base = _days(tmp_path, *DAILY)
  broken = {span_number(datetime.date(2026, 3, day)) for day in (8, 10)}
  window = latest_window(base, DAYS, 3, leave_out=broken)
  assert [span.label for span in window.spans] == ['2026-03-07', '2026-03-09', '2026-03-10']
  assert window.left_out == ('2026-03-08',)
  assert window.missing == ()


def _numbers(*days):
  return excluded_numbers([datetime.date(2026, 3, day) for day in days])


def test_excluded_spans_are_as_if_they_were_not_there_and_are_named(tmp_path):
  base = _days(tmp_path, *DAILY)
  window = latest_window(base, DAYS, 3, exclude=_numbers(1, 8, 10))
  assert [span.label for span in window.spans] == ['2026-03-06', '2026-03-07', '2026-03-09']
  assert (window.excluded, window.left_out, window.missing) == (('2026-03-08', '2026-03-10'), (), ())
  assert window.notes() == ('Spans left out by name: 2026-03-08, 2026-03-10 (retraining.exclude).',)
  gap = latest_window(_days(tmp_path / 'gap', *DAILY[:5], *DAILY[6:]), DAYS, 3, exclude=_numbers(6, 9))
  assert (gap.missing, gap.excluded) == ((), ('2026-03-09',))
  with pytest.raises(IngestionError, match=r'retraining\.exclude leaves out every span: 2026-03-01, 2026-03-02; take'):
    latest_window(_days(tmp_path / 'two', *DAILY[:2]), DAYS, 3, exclude=_numbers(1, 2))


def test_a_past_window_ends_where_it_was_set(tmp_path):
  base = _days(tmp_path, *DAILY)
  fifth = span_number(datetime.date(2026, 3, 5))
  assert [span.label for span in latest_window(base, DAYS, 2, newest=fifth).spans] == DAILY[3:5]
  with pytest.raises(IngestionError, match=r'There is no span up to 2026-02-01'):
    latest_window(base, DAYS, 2, newest=span_number(datetime.date(2026, 2, 1)))


@pytest.mark.parametrize(
  ('pattern', 'name', 'label', 'day'),
  [
    pytest.param('{YYYY}/{MM}/{DD}/*.csv', 'day-20520', '2026-03-08', datetime.date(2026, 3, 8), id='dated'),
    pytest.param('span-{SPAN}/*.csv', 'span-20520', 'span 20520', None, id='numbered'),
  ],
)
def test_an_input_split_tells_its_span_and_whether_that_is_a_day(pattern, name, label, day):
  """What the executor gets is a plain glob, of which nobody could tell it any more."""
  source = data_source(f'gs://rides/{pattern}').with_spans({20520: 'a.csv'})
  assert source.inputs() == {name: 'a.csv'}
  assert (number_of_input(name), label_of_input(name), day_of(label)) == (20520, label, day)
  assert (number_of_input('rides'), label_of_input('rides'), day_of('rides')) == (None, 'rides', None)
