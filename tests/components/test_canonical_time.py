"""Pickup times: formats against `datetime`, wall clocks against `zoneinfo`."""

import datetime
import random
import zoneinfo

import numpy as np
import pyarrow as pa
import pytest

from components.parquet import pq
from components.ride_example_gen import parsing
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.parsing import parse_pickup_time, parse_stamps, wall_clock_of
from components.ride_example_gen.reading import read_blocks
from configs import loading
from configs.dataset import EPOCH, PickupTime
from configs.numbers import Notation

UTC = datetime.timezone.utc


def seconds_of(stamp: datetime.datetime) -> int:
  return int((stamp.replace(tzinfo=None, microsecond=0) - EPOCH).total_seconds())


def parse(values, **time):
  column = values if isinstance(values, pa.Array) else pa.array([value.encode() for value in values])
  return parse_pickup_time(column, PickupTime(column='t', **time), ('nan', 'NaN'))


@pytest.mark.parametrize(
  ('format_', 'text'),
  [
    pytest.param('%Y-%m-%d %H:%M:%S UTC', '2011-01-28 20:42:59 UTC', id='literal_suffix'),
    pytest.param('%Y-%m-%d %H:%M:%S', '2012-02-29 23:59:59', id='leap_day'),
    pytest.param('%Y-%m-%d %H:%M:%S', '2000-02-29 00:00:00', id='leap_century'),
    pytest.param('%Y-%m-%d %H:%M:%S', '2014-12-31 23:59:59', id='year_end'),
    pytest.param('%m/%d/%Y %I:%M:%S %p', '07/04/2015 12:05:00 AM', id='midnight_by_12_hours'),
    pytest.param('%m/%d/%Y %I:%M:%S %p', '7/4/2015 12:05:00 pm', id='noon_unpadded_lower_case'),
    pytest.param('%d %b %Y %H:%M', '03 sep 2012 07:30', id='month_abbreviated'),
    pytest.param('%A %d %B %Y', 'Tuesday 04 September 2012', id='names_no_clock'),
    pytest.param('%y%m%d%H%M%S', '150704120000', id='two_digit_year_packed'),
    pytest.param('%y-%m-%d', '70-07-04', id='two_digit_year_of_last_century'),
    pytest.param('%Y-%m-%dT%H:%M:%S.%f', '2011-01-28T20:42:59.999999', id='fraction_dropped'),
    pytest.param('%F %T', '2011-01-28 20:42:59', id='shorthands'),
  ],
)
def test_formats_agree_with_datetime(format_, text):
  python_format = format_.replace('%F', '%Y-%m-%d').replace('%T', '%H:%M:%S')
  parsed = parse([text], format=format_)
  assert not parsed.unparsable[0] and not parsed.missing[0]
  assert parsed.seconds[0] == seconds_of(datetime.datetime.strptime(text, python_format))


def test_every_day_of_400_years_agrees_with_datetime():
  first = datetime.date(1900, 1, 1)
  days = [first + datetime.timedelta(days) for days in range(0, 146_097)]
  stamps = parse_stamps(pa.array([str(day) for day in days], pa.large_string()), '%Y-%m-%d')
  assert stamps.valid.all()
  np.testing.assert_array_equal(stamps.seconds // 86400, [day.toordinal() - 719163 for day in days])


@pytest.mark.parametrize(
  'text',
  [
    pytest.param('2011-02-30 00:00:00', id='february_30'),
    pytest.param('2011-02-29 00:00:00', id='leap_day_in_a_common_year'),
    pytest.param('1900-02-29 00:00:00', id='leap_day_in_1900'),
    pytest.param('2011-04-31 00:00:00', id='april_31'),
    pytest.param('2011-13-01 00:00:00', id='month_13'),
    pytest.param('2011-00-01 00:00:00', id='month_0'),
    pytest.param('2011-01-00 00:00:00', id='day_0'),
    pytest.param('2011-01-01 24:00:00', id='hour_24'),
    pytest.param('2011-01-01 00:60:00', id='minute_60'),
    pytest.param('2011-01-01 00:00:60', id='second_60'),
    pytest.param('2011-01-01 00:00:00 UTC', id='trailing_text'),
    pytest.param('2011-01-01', id='no_clock'),
    pytest.param('yesterday', id='words'),
    pytest.param('２011-01-01 00:00:00', id='wide_digit'),
  ],
)
def test_what_does_not_exist_is_refused_and_never_rolled_over(text):
  parsed = parse([text, '2011-01-01 00:00:00'])
  assert parsed.unparsable.tolist() == [True, False]
  assert parsed.seconds.tolist() == [0, 730 * 86400]


@pytest.mark.parametrize(
  'encoding', [pytest.param('string', id='string'), pytest.param('unix_seconds', id='unix_seconds')]
)
def test_empty_and_nan_texts_are_missing(encoding):
  parsed = parse(['', '  ', 'nan', 'NaN'], encoding=encoding)
  assert parsed.missing.all() and not parsed.unparsable.any()


def test_unix_seconds_and_fractions_of_the_past():
  texts = ['1230768000', '1230768000.9', '1230767999.5', '1e9', '+1230768001', 'inf', 'abc']
  parsed = parse(texts, encoding='unix_seconds')
  # Oracle: 1230768000 is 2009-01-01 00:00:00 UTC (`date -u -d @1230768000`).
  assert parsed.seconds[:5].tolist() == [0, 0, -1, 1_000_000_000 - 1_230_768_000, 1]
  assert parsed.unparsable.tolist() == [False] * 5 + [True, True]


@pytest.mark.parametrize(('encoding', 'ticks'), [('unix_milliseconds', 1_000), ('unix_microseconds', 1_000_000)])
@pytest.mark.parametrize('kind', [pa.string(), pa.int64(), pa.float64(), pa.decimal128(20, 0)], ids=str)
def test_unix_stamps_of_smaller_units(encoding, ticks, kind):
  """Oracle: whole division of Python's integers."""
  seconds = [1296247379, 1230768000, 1230767999, 3_000_000_000]
  whole = [second * ticks + rest for second in seconds for rest in (0, 1, ticks - 1)]
  column = pa.array([str(value) for value in whole], kind) if kind == pa.string() else pa.array(whole).cast(kind)
  parsed = parse(column, encoding=encoding)
  assert parsed.seconds.tolist() == [value // ticks - 1_230_768_000 for value in whole]


def test_instants_of_smaller_units_are_shown_on_the_citys_clock():
  shown = parse(['1320559199999'], encoding='unix_milliseconds', clock='utc', time_zone='America/New_York')
  expected = datetime.datetime(2011, 11, 6, 5, 59, 59, tzinfo=UTC).astimezone(zoneinfo.ZoneInfo('America/New_York'))
  assert shown.seconds[0] == seconds_of(expected)


def test_unix_stamps_are_written_as_the_numbers_are():
  column = pa.array(['1.296.247.379.000', '1296247379000,5'])
  time = PickupTime(column='t', encoding='unix_milliseconds')
  parsed = parse_pickup_time(column, time, (), Notation(decimal=',', thousands='.'))
  assert parsed.seconds.tolist() == [1296247379 - 1_230_768_000] * 2


def test_int96_of_a_far_year_keeps_its_place(tmp_path):
  """Arrow's nanoseconds end in 2262, and wrap."""
  stamps = [
    datetime.datetime(2011, 1, 28, 20, 42, 59, 999000),
    datetime.datetime(2600, 1, 1),
    datetime.datetime(1500, 1, 1),
  ]
  dataset = loading.load('nyc', ['dataset.time.encoding=timestamp', 'dataset.time.format=null']).dataset
  columns = {name: pa.array([1.0] * 3) for name in dataset.source_columns().values()}
  table = pa.table(columns | {'pickup_datetime': pa.array(stamps, pa.timestamp('us'))})
  pq.write_table(table, tmp_path / 'rides.parquet', use_deprecated_int96_timestamps=True)
  [block] = read_blocks(str(tmp_path / 'rides.parquet'), dataset)
  parsed = parse(block.rows.column(block.rows.schema.get_field_index('pickup_datetime')), encoding='timestamp')
  assert parsed.seconds.tolist() == [seconds_of(stamp) for stamp in stamps]


FAR = 2**40
"""Seconds, as docs say of what is out of every range."""


@pytest.mark.parametrize(
  ('kind', 'per_second'),
  [
    pytest.param(pa.timestamp('s'), 1, id='timestamp_s'),
    pytest.param(pa.timestamp('ms'), 1_000, id='timestamp_ms'),
    pytest.param(pa.timestamp('us'), 1_000_000, id='timestamp_us'),
    pytest.param(pa.timestamp('ns'), 1_000_000_000, id='timestamp_ns'),
    pytest.param(pa.timestamp('s', tz='UTC'), 1, id='timestamp_s_utc'),
    pytest.param(pa.date32(), 1 / 86_400, id='date32'),
    pytest.param(pa.date64(), 1_000, id='date64'),
  ],
)
def test_stamps_of_a_type_never_wrap_to_another_year(kind, per_second):
  """Oracle: Python's integers, which have no end."""
  width = 31 if kind == pa.date32() else 63
  largest = 2**width - 1
  ticks = [largest, -largest, largest // 3, -(largest // 3), largest // 1_000, int(1_300_000_000 * per_second)]
  ticks = [tick // 100 // 86_400_000 * 86_400_000 for tick in ticks] if kind == pa.date64() else ticks
  column = pa.array(ticks, pa.int32() if width == 31 else pa.int64()).cast(kind)
  for clock in ({}, {'clock': 'utc', 'time_zone': 'America/New_York'}):
    parsed = parse(column, encoding='timestamp', **clock)
    exact = [tick * 86_400 if kind == pa.date32() else tick // per_second for tick in ticks]
    expected = [max(-FAR, min(FAR, second)) - 1_230_768_000 for second in exact]
    np.testing.assert_allclose(parsed.seconds, expected, rtol=0, atol=86_400 / 4)


@pytest.mark.parametrize('encoding', ['unix_seconds', 'unix_milliseconds', 'unix_microseconds'])
@pytest.mark.parametrize(
  'column',
  [
    pytest.param(pa.array([2**64 - 1], pa.uint64()), id='uint64'),
    pytest.param(pa.array([1e300]), id='float64'),
    pytest.param(pa.array([2**63 - 1]), id='int64'),
    pytest.param(pa.array([str(10**30)]), id='text'),
  ],
)
def test_unix_stamps_of_no_year_are_far_away(column, encoding):
  parsed = parse(column, encoding=encoding)
  assert parsed.seconds[0] > 2**33 and not parsed.unparsable[0]


@pytest.mark.parametrize(('text', 'year'), [('0000-01-01', 0), ('0001-01-01', 1), ('9999-12-31', 9999)])
def test_the_first_and_last_years_of_text_keep_their_place(text, year):
  [seconds] = parse([f'{text} 00:00:00']).seconds
  assert round(seconds / (365.2425 * 86_400)) == year - 2009 + (text[5:7] == '12')


@pytest.mark.parametrize(('offset', 'hours'), [('+01', 1), ('-05', -5), ('+00', 0), ('+1200', 12)])
def test_an_offset_may_be_whole_hours(offset, hours):
  shown = parse([f'2012-07-01 12:00:00{offset}'], format='%Y-%m-%d %H:%M:%S%z', clock='utc', time_zone='UTC')
  assert shown.seconds.tolist() == [seconds_of(datetime.datetime(2012, 7, 1, 12) - datetime.timedelta(hours=hours))]


@pytest.mark.parametrize('offset', ['+9900', '-2400', '+05:60', '+24', '+1', '+01:'])
def test_an_offset_that_does_not_exist_is_no_time(offset):
  parsed = parse([f'2012-07-01 12:00:00 {offset}'], format='%Y-%m-%d %H:%M:%S %z')
  assert parsed.unparsable.tolist() == [True]


def test_a_zone_that_nobody_knows_is_an_error():
  column = pa.array([0], pa.timestamp('us', tz='Mars/Base'))
  with pytest.raises(IngestionError, match=r"'t' holds timestamp\[us, tz=Mars/Base\], whose zone is unknown here"):
    parse(column, encoding='timestamp')


ZONES = [
  'America/New_York',
  'America/Chicago',
  'Europe/London',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'America/Sao_Paulo',
  'Africa/Casablanca',
  'Pacific/Apia',
]


@pytest.mark.parametrize('zone', ZONES)
def test_wall_clock_agrees_with_zoneinfo(zone):
  tz = zoneinfo.ZoneInfo(zone)
  generator = random.Random(0)
  last = int(datetime.datetime(2076, 12, 31, tzinfo=UTC).timestamp())
  instants = [generator.randrange(-900_000_000, last) for _ in range(20_000)]
  expected = [datetime.datetime.fromtimestamp(instant, tz).replace(tzinfo=UTC).timestamp() for instant in instants]
  np.testing.assert_array_equal(wall_clock_of(np.array(instants), zone), expected)


@pytest.mark.parametrize(
  'start',
  [
    pytest.param('2011-11-06 03:00', id='ambiguous_hour'),
    pytest.param('2012-03-11 05:00', id='nonexistent_hour'),
    pytest.param('2055-03-14 05:00', id='after_2037'),
  ],
)
def test_every_second_around_a_change_of_daylight_saving_time(start):
  first = int(datetime.datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp())
  instants = range(first, first + 4 * 3600)
  tz = zoneinfo.ZoneInfo('America/New_York')
  expected = [seconds_of(datetime.datetime.fromtimestamp(instant, tz)) for instant in instants]
  texts = [datetime.datetime.fromtimestamp(instant, UTC).strftime('%Y-%m-%d %H:%M:%S') for instant in instants]
  parsed = parse(texts, clock='utc', time_zone='America/New_York')
  np.testing.assert_array_equal(parsed.seconds, expected)
  assert max(np.abs(np.diff(expected))) == 3601 or max(np.abs(np.diff(expected))) == 3599


def test_local_clock_keeps_an_hour_that_the_citys_zone_leaves_out():
  parsed = parse(['2012-03-11 02:30:00'], clock='local')
  assert parsed.seconds[0] == seconds_of(datetime.datetime(2012, 3, 11, 2, 30))


def test_an_offset_in_the_text_is_an_instant_for_utc_and_a_claim_for_local():
  texts = ['2012-07-01 12:00:00 +0530', '2012-07-01 12:00:00 -03:30', '2012-07-01 12:00:00 Z']
  local = parse(texts, format='%Y-%m-%d %H:%M:%S %z')
  assert set(local.seconds.tolist()) == {seconds_of(datetime.datetime(2012, 7, 1, 12))}
  instants = [datetime.datetime.strptime(text, '%Y-%m-%d %H:%M:%S %z') for text in texts]
  expected = [seconds_of(instant.astimezone(zoneinfo.ZoneInfo('America/New_York'))) for instant in instants]
  shown = parse(texts, format='%Y-%m-%d %H:%M:%S %z', clock='utc', time_zone='America/New_York')
  assert shown.seconds.tolist() == expected


STAMPS = [datetime.datetime(2011, 11, 6, 5, 59, 59), datetime.datetime(2011, 11, 6, 6, 0), None]


@pytest.mark.parametrize('unit', ['s', 'ms', 'us', 'ns'])
def test_naive_timestamps_of_any_unit(unit):
  column = pa.array(STAMPS, pa.timestamp(unit))
  local = parse(column, encoding='timestamp')
  assert local.seconds[:2].tolist() == [seconds_of(stamp) for stamp in STAMPS[:2]]
  assert local.missing.tolist() == [False, False, True]
  utc = parse(column, encoding='timestamp', clock='utc', time_zone='America/New_York')
  tz = zoneinfo.ZoneInfo('America/New_York')
  assert utc.seconds[:2].tolist() == [seconds_of(stamp.replace(tzinfo=UTC).astimezone(tz)) for stamp in STAMPS[:2]]


@pytest.mark.parametrize('zone', ['UTC', 'America/New_York', '+05:30'])
def test_zoned_timestamps_show_their_own_clock_unless_asked_for_the_citys(zone):
  column = pa.array(STAMPS[:2], pa.timestamp('us', tz=zone))
  offset = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
  tz = offset if zone == '+05:30' else zoneinfo.ZoneInfo(zone)
  instants = [stamp.replace(tzinfo=UTC) for stamp in STAMPS[:2]]
  local = parse(column, encoding='timestamp')
  assert local.seconds.tolist() == [seconds_of(instant.astimezone(tz)) for instant in instants]
  chicago = parse(column, encoding='timestamp', clock='utc', time_zone='America/Chicago')
  expected = [seconds_of(instant.astimezone(zoneinfo.ZoneInfo('America/Chicago'))) for instant in instants]
  assert chicago.seconds.tolist() == expected


def test_dates_are_midnight():
  column = pa.array([datetime.date(2012, 2, 29)])
  assert parse(column, encoding='timestamp').seconds[0] == seconds_of(datetime.datetime(2012, 2, 29))


def test_timestamp_encoding_on_text_says_what_to_use():
  with pytest.raises(IngestionError, match=r"Column 't' holds binary, .*'timestamp'; use 'string' for text"):
    parse(['2011-01-01'], encoding='timestamp')


@pytest.mark.parametrize('format_', ['%Y-%m-%d %H:%M:%S UTC', '%y%m%d', '%d.%m.%Y um %H:%M Ühr', '%m/%d/%Y %H'])
def test_stamps_with_all_their_digits_are_read_as_by_the_regular_expression(format_, monkeypatch):
  """Oracle: the way that all other stamps take; days and hours that do not exist are among them."""
  generator = np.random.default_rng(0)
  numbers = {'Y': 10_000, 'y': 100, 'm': 15, 'd': 34, 'H': 27, 'M': 64, 'S': 64}
  stamps = []
  for _ in range(2_000):
    stamp = format_
    for directive, limit in numbers.items():
      digits = 4 if directive == 'Y' else 2
      stamp = stamp.replace(f'%{directive}', f'{generator.integers(0, limit):0{digits}d}')
    stamps.append(stamp)
  text = pa.array(['', *stamps], pa.large_string()).slice(1)
  assert parsing._laid_out(text, format_) is not None
  found = parse_stamps(text, format_)
  monkeypatch.setattr(parsing, '_laid_out', lambda text, format_: None)
  expected = parse_stamps(text, format_)
  for ours, theirs in zip(found, expected, strict=True):
    np.testing.assert_array_equal(ours, theirs)
  assert 0 < found.valid.sum() < len(stamps)


@pytest.mark.parametrize(
  ('stamps', 'format_'),
  [
    pytest.param(['2014-12-15', '2014-1-15'], '%Y-%m-%d', id='a_digit_less'),
    pytest.param(['2014-12-15', None], '%Y-%m-%d', id='missing'),
    pytest.param(['2014-12-15', '2014/12/15'], '%Y-%m-%d', id='another_literal'),
    pytest.param(['2014-12-15', '2014-1x-15'], '%Y-%m-%d', id='no_digit'),
    pytest.param(['2014-1-1x', '2014-11-1'], '%Y-%m-%d', id='shifted'),
    pytest.param(['15 Dec 2014'], '%d %b %Y', id='a_name'),
    pytest.param([], '%Y-%m-%d', id='none'),
  ],
)
def test_other_stamps_are_left_to_the_regular_expression(stamps, format_):
  text = pa.array(stamps, pa.large_string())
  assert parsing._laid_out(text, format_) is None
  right = ('2014-12-15', '15 Dec 2014', '2014-11-1', '2014-1-15')
  assert parse_stamps(text, format_).valid.tolist() == [stamp in right for stamp in stamps]
