"""Pickup times: formats against `datetime`, wall clocks against `zoneinfo`."""

import datetime
import random
import zoneinfo

import numpy as np
import pyarrow as pa
import pytest

from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.parsing import parse_pickup_time, parse_stamps, wall_clock_of
from configs.dataset import EPOCH, PickupTime

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


def test_unknown_directive_names_what_is_supported():
  with pytest.raises(IngestionError, match=r'uses %U, which is not supported; the supported directives are %Y %y'):
    parse(['x'], format='%Y-%U')


def test_format_without_a_day_is_refused():
  with pytest.raises(IngestionError, match=r'needs a year \(%Y\), a month \(%m\) and a day'):
    parse(['2011-01'], format='%Y-%m')


def test_unix_seconds_and_fractions_of_the_past():
  texts = ['1230768000', '1230768000.9', '1230767999.5', '1e9', '+1230768001', 'inf', 'abc']
  parsed = parse(texts, encoding='unix_seconds')
  # Oracle: 1230768000 is 2009-01-01 00:00:00 UTC (`date -u -d @1230768000`).
  assert parsed.seconds[:5].tolist() == [0, 0, -1, 1_000_000_000 - 1_230_768_000, 1]
  assert parsed.unparsable.tolist() == [False] * 5 + [True, True]


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


def test_local_clock_keeps_an_hour_that_the_zone_leaves_out():
  parsed = parse(['2012-03-11 02:30:00'], clock='local', time_zone='America/New_York')
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
