"""Time settings that have no effect, or half of one, are refused when the config is read, with what would be right."""

import datetime
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs import loading, time_format
from configs.loading import ConfigError

UTC = ['dataset.time.clock=utc', 'dataset.time.time_zone=America/New_York']


def load(*overrides, format_=None):
  formats = [f'dataset.time.format={json.dumps(format_)}'] if format_ else []
  return loading.load('nyc', [*formats, *overrides]).dataset.time


DAY = '%Y-%m-%d'


@pytest.mark.parametrize(
  ('format_', 'message'),
  [
    pytest.param('%Y-%U', r"'%Y-%U' uses %U, which is not supported; the supported directives are %Y %y", id='unknown'),
    pytest.param('%Y %j', 'uses %j, which is not supported', id='day_of_year'),
    pytest.param('%c', 'uses %c, which is not supported', id='of_a_locale'),
    pytest.param('%s', 'uses %s, which is for Unix seconds; set time.encoding to unix_seconds', id='unix_seconds'),
    pytest.param('%Y-%-m-%d', 'uses %-, which is not needed: numbers are read with and without', id='no_padding'),
    pytest.param(f'{DAY} %T %Z', r"uses %Z, which drops the zone's name; write the name itself", id='zone_name'),
    pytest.param('%Y-%m', r'needs a year \(%Y\), a month \(%m\) and a day \(%d\)', id='no_day'),
    pytest.param('YYYY-MM-DD', "is written as Java has it; write '%Y-%m-%d'", id='of_another_language'),
    pytest.param(f'{DAY} %H:%M %p', 'has %p, which has no effect without %I; write %I', id='p_with_H'),
    pytest.param(f'{DAY} %p', 'has %p, which has no effect without %I', id='p_alone'),
    pytest.param(f'{DAY} %I:%M', 'has %I, which counts hours from 1 to 12, without %p', id='I_without_p'),
    pytest.param(f'{DAY} %H %I:%M %p', r'reads the hour twice \(%H and %I\)', id='both_hours'),
    pytest.param('%Y %y-%m-%d', r'reads the year twice \(%Y and %y\)', id='both_years'),
    pytest.param('%Y-%m-%d %b', r'reads the month twice \(%m and %b\)', id='number_and_name_of_month'),
    pytest.param(f'{DAY} %H:%M:%M', r'reads the minute twice \(%M and %M\)', id='the_same_twice'),
    pytest.param('%F %T %d', r'reads the day twice \(%d and %d\)', id='twice_by_a_shorthand'),
    pytest.param(f'%a %A {DAY}', r'reads the weekday twice \(%a and %A\)', id='both_weekdays'),
    pytest.param(f'{DAY} %M:%S', r'has %M without an hour \(%H\)', id='no_hour'),
    pytest.param(f'{DAY} %H:%S', r'has %S without a minute \(%M\)', id='no_minute'),
    pytest.param(f'{DAY} %H:%M.%f', r'has %f without a second \(%S\)', id='no_second'),
    pytest.param(f'{DAY} %', r"ends with a single '%'", id='single_percent'),
    pytest.param(f'{DAY} ', 'begins or ends with white space', id='white_space'),
  ],
)
def test_formats_that_are_refused(format_, message):
  with pytest.raises(ConfigError, match=rf"dataset\.time\.format: '{re.escape(format_)}' ") as error:
    load(format_=format_)
  assert re.search(message, str(error.value))


@pytest.mark.parametrize(
  'format_',
  [
    f'{DAY} %H:%M:%S UTC', f'{DAY} %H:%M:%S EST', f'{DAY}T%H:%M:%S.%f%z', f'{DAY} %H', DAY, '%F %T', '%D %R',
    '%A %d %B %Y %I:%M %p', '%d.%m.%y um %H.%M Uhr', '100%% %Y-%m-%d',
  ],
)  # fmt: skip
def test_formats_of_a_wall_clock(format_):
  assert load(format_=format_).format == format_


@pytest.mark.parametrize('end', ['', ' UTC', 'Z', ' GMT', '%z', '+00:00', '+0000', '+00'])
def test_formats_of_instants(end):
  assert load(*UTC, format_=f'{DAY}T%H:%M:%S{end}').time_zone == 'America/New_York'


@pytest.mark.parametrize('end', [
  ' EST', ' (CEST)', '+01:00', '-0500', ' +05', ' UTC+2', ' GMT-05:00', ' America/New_York', ' [Europe/Berlin]',
  ' US/Eastern', ' (Eastern Daylight Time)',
])  # fmt: skip
def test_an_instant_of_another_zone_is_no_reading_of_utc(end):
  with pytest.raises(ConfigError, match=r'while clock: utc takes the stamps for UTC; write %z .*set clock: local'):
    load(*UTC, format_=f'{DAY} %H:%M:%S{end}')


def test_a_day_alone_is_no_instant():
  with pytest.raises(ConfigError, match=r"'%Y-%m-%d' has no hour \(%H\), and without one clock: utc has no instant"):
    load(*UTC, format_=DAY)


def test_a_zone_without_instants_is_refused():
  with pytest.raises(
    ConfigError, match=r'time_zone has no effect with clock: local, .*set clock: utc .*, else time_zone to null'
  ):
    load('dataset.time.time_zone=America/New_York')
  assert load('dataset.time.time_zone=null').time_zone is None


@pytest.mark.parametrize('encoding', ['unix_seconds', 'unix_milliseconds', 'unix_microseconds', 'timestamp'])
def test_a_format_of_what_is_no_text_is_refused_and_can_be_taken_back(encoding):
  override = f'dataset.time.encoding={encoding}'
  with pytest.raises(ConfigError, match=rf"' has no effect with encoding: {encoding}; .* else format to null"):
    load(override)
  assert load(override, 'dataset.time.format=null').encoding.value == encoding


def test_csv_has_no_type_for_time_stamps():
  timestamps = ['dataset.time.encoding=timestamp', 'dataset.time.format=null']
  for csv in ('dataset.format=csv', 'dataset.path=rides/*.CSV', 'dataset.path=a.csv.gz'):
    with pytest.raises(ConfigError, match=r'dataset\.time\.encoding: time stamps of a type .* and the rides are CSV'):
      load(csv, *timestamps)
  for other in ('dataset.format=auto', 'dataset.format=parquet', 'dataset.path=rides/part-0', 'dataset.path=a.parquet'):
    load(other, *timestamps)


def test_every_mistake_is_said_at_once():
  with pytest.raises(ConfigError) as error:
    load('dataset.time.time_zone=Europe/Berlin', format_='%Y-%m %I:%S')
  assert all(words in str(error.value) for words in ('time_zone has', 'needs a year', 'without %p', 'without a minute'))


@pytest.mark.parametrize(
  ('java', 'meant'),
  [
    ('dd/mm/yyyy hh:mm', '%d/%m/%Y %H:%M'), ('DD/MM/YYYY HH:MM', '%d/%m/%Y %H:%M'),
    ('yyyy-mm-dd HH:MM', '%Y-%m-%d %H:%M'), ('yyyy-mm-dd hh:mm:ss', '%Y-%m-%d %H:%M:%S'),
    ('YYYY-MM-DD HH:MM:SS', '%Y-%m-%d %H:%M:%S'), ('mm/dd/yyyy hh:mm a', '%m/%d/%Y %I:%M %p'),
    ('HH:MM dd.MM.yyyy', '%H:%M %d.%m.%Y'), ('yyyymmddhhmmss', '%Y%m%d%H%M%S'), ('dd-mmm-yyyy HH:mm', '%d-%b-%Y %H:%M'),
    ("yyyy-MM-dd'T'HH:mm:ss.SSS", '%Y-%m-%dT%H:%M:%S.%f'), ("dd.mm.yy 'um' hh.mm 'Uhr'", '%d.%m.%y um %H.%M Uhr'),
  ],
)  # fmt: skip
def test_a_month_and_a_minute_are_told_apart_by_what_is_beside_them(java, meant):
  with pytest.raises(ConfigError, match=re.escape(f"is written as Java has it; write '{meant}'.")):
    load(format_=java)


_SEPARATORS = st.sampled_from(['-', '/', '.', ''])


@given(
  st.permutations(['Y', 'M', 'D']), st.sampled_from(['YYYY', 'yyyy', 'yy']), st.sampled_from(['MM', 'mm', 'M', 'mmm']),
  st.sampled_from(['dd', 'DD', 'd']), st.sampled_from(['', 'HH:mm', 'hh:mm', 'HH:MM', 'hh:mm:ss', 'HH:MM:SS',
  'h:mm a']),
  _SEPARATORS, st.booleans(),
)  # fmt: skip
def test_what_is_proposed_is_accepted(order, year, month, day, clock, sign, clock_first):
  """Oracle: the same check, on what it proposes; and the parts in the order in which they were written."""
  date = sign.join({'Y': year, 'M': month, 'D': day}[part] for part in order)
  both = (clock, date) if clock_first else (date, clock)
  [problem] = time_format.problems(' '.join(filter(None, both)), instants=False)
  meant = problem.rpartition("write '")[2].removesuffix("'")
  assert list(time_format.problems(meant, instants=False)) == []
  directives = [letter for letter in re.findall('%(.)', meant) if letter in 'YymbdHIM']
  parts = [{'y': 'Y', 'm': 'M', 'b': 'M', 'd': 'D'}.get(letter, letter) for letter in directives]
  times = [('I' if 'a' in clock else 'H'), 'M'] if clock else []
  assert parts == ([*times, *order] if clock_first else [*order, *times])


def test_a_translation_that_would_be_refused_is_not_proposed():
  with pytest.raises(ConfigError, match=r"is written as Java has it; as directives, '%Y-%m' needs a year"):
    load(format_='yyyy-mm')


@pytest.mark.parametrize(
  ('text', 'first'),
  [
    ('2012-05-04 08:00:00 UTC', '%Y-%m-%d %H:%M:%S UTC'), ('2012-05-04T08:00:00Z', '%Y-%m-%dT%H:%M:%SZ'),
    ('05/04/2012 08:00:00 PM', '%m/%d/%Y %I:%M:%S %p'), ('4.5.2012 08:00', '%d.%m.%Y %H:%M'),
    ('20120504', '%Y%m%d'), ('2012-05-04 08:00:00.123', '%Y-%m-%d %H:%M:%S.%f'),
    ('04 May 2012 08:00', '%d %b %Y %H:%M'), ('2012-05-04 08:00:00+02:00', '%Y-%m-%d %H:%M:%S%z'),
  ],
)  # fmt: skip
def test_guesses_are_formats_that_read_the_text(text, first):
  """Oracle: `datetime.strptime` reads it, too."""
  assert next(time_format.guesses(text)) == first
  assert datetime.datetime.strptime(text, first)
  assert all(not list(time_format.problems(format_, instants=False)) for format_ in time_format.guesses(text))


def test_words_have_no_guess():
  assert list(time_format.guesses('yesterday')) == []
