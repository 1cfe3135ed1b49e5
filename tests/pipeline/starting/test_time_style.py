"""How times are written. Oracles: `datetime.strftime` there, `datetime` with `zoneinfo` for instants."""

import datetime
import zoneinfo

import pyarrow as pa
import pytest

from configs.dataset import Clock
from pipeline.starting.time_style import guess_clock, guess_time, is_time_of_day
from tests.pipeline.starting.made_rides import BERLIN, NEW_YORK, made_rides

TIMES = made_rides(NEW_YORK, 1000)['time']
UTC = datetime.timezone.utc


def _seconds(times):
  return [int(time.replace(tzinfo=UTC).timestamp()) for time in times]


def _text(cells):
  return pa.array(cells, pa.large_string())


FORMATS = [
  '%Y-%m-%d %H:%M:%S', '%Y-%m-%d %H:%M:%S UTC', '%Y-%m-%dT%H:%M:%SZ', '%Y-%m-%dT%H:%M:%S.%f', '%Y/%m/%d %H:%M',
  '%d/%m/%Y %H:%M', '%m/%d/%Y %I:%M:%S %p', '%d.%m.%Y %H:%M:%S', '%d-%m-%Y %H:%M', '%Y%m%d %H:%M:%S', '%d-%b-%Y %H:%M',
  '%d %B %Y %H:%M:%S', '%b %d, %Y, %I:%M %p', '%m/%d/%y %H:%M', '%Y-%m-%d',
  '%Y%m%d %H%M%S', '%Y%m%d%H%M%S', '%Y%m%d%H%M', '%Y%m%dT%H%M%SZ', '%Y-%m-%d %H', '%Y-%m-%d %H:%M:%S,%f', '%Y%m%d',
  '%Y-%b-%d %H:%M', '%a, %d %b %Y %H:%M:%S GMT', '%a %b %d %H:%M:%S %Y', '%A, %B %d, %Y %I:%M %p', '%Y-%m-%d_%H:%M',
  '%Y-%m-%d %H:%M:%S America/New_York', '%H:%M %d/%m/%Y', '%H:%M:%S, %Y-%m-%d',
]  # fmt: skip


@pytest.mark.parametrize('format_', FORMATS)
def test_a_format_is_recognized(format_):
  style = guess_time(_text([time.strftime(format_) for time in TIMES]))
  read = [datetime.datetime.strptime(time.strftime(format_), format_) for time in TIMES]
  assert (style.encoding, list(style.readings)) == ('string', _seconds(read))


@pytest.mark.parametrize('suffix', ['+00', '-05', ' +0300'])
def test_offsets_are_read_as_such(suffix):
  style = guess_time(_text([f'{time:%Y-%m-%d %H:%M:%S}{suffix}' for time in TIMES]))
  assert (style.format, list(style.readings)) == (
    f'%Y-%m-%d %H:%M:%S{" " if suffix[0] == " " else ""}%z',
    _seconds(TIMES),
  )
  assert (style.claims_utc, style.has_offset) == (suffix == '+00', suffix != '+00')


@pytest.mark.parametrize(
  ('column', 'is_clock'),
  [
    pytest.param(_text(['08:15', '9:07:30', '11:00 PM', None]), True, id='texts'),
    pytest.param(pa.array([datetime.time(8, 15)]), True, id='type_of_its_own'),
    pytest.param(_text(['2016-01-01 08:15']), False, id='day_and_time'),
    pytest.param(_text(['6.86', '12.50']), False, id='fares'),
    pytest.param(_text([None]), False, id='missing'),
    pytest.param(pa.array([815]), False, id='numbers'),
  ],
)
def test_times_of_day_are_told_from_stamps(column, is_clock):
  assert is_time_of_day(column) == is_clock


@pytest.mark.parametrize(
  ('encoding', 'ticks'), [('unix_seconds', 1), ('unix_milliseconds', 1000), ('unix_microseconds', 1_000_000)]
)
@pytest.mark.parametrize('kind', [pa.int64(), pa.float64(), pa.large_string()], ids=str)
def test_unix_stamps_are_told_by_their_size(encoding, ticks, kind):
  seconds = _seconds(TIMES)
  style = guess_time(pa.array([second * ticks for second in seconds]).cast(kind))
  assert (style.encoding, list(style.readings), style.claims_utc) == (encoding, seconds, True)


@pytest.mark.parametrize('unit', ['s', 'ms', 'us', 'ns'])
def test_timestamps_of_parquet_are_taken(unit):
  style = guess_time(pa.array(TIMES, pa.timestamp(unit)))
  assert (style.encoding, list(style.readings), style.claims_utc) == ('timestamp', _seconds(TIMES), False)


@pytest.mark.parametrize(
  'column',
  [
    pytest.param(_text(['Red Cab', 'Blue Cab']), id='texts'),
    pytest.param(_text(['7.5', '12']), id='small_numbers'),
    pytest.param(pa.array([True]), id='booleans'),
    pytest.param(_text([None]), id='missing'),
    pytest.param(pa.array([None], pa.float64()), id='no_number'),
    pytest.param(_text(['2016-13-41 08:00:00']), id='no_day'),
  ],
)
def test_other_columns_are_no_times(column):
  assert guess_time(column) is None


@pytest.mark.parametrize(('month_first', 'first'), [(False, '%d/%m'), (True, '%m/%d')], ids=['europe', 'america'])
def test_days_that_may_be_months_are_said(month_first, first):
  style = guess_time(_text(['01/02/2016 08:00', '03/04/2016 08:00']), month_first=month_first)
  other = '%m/%d' if first == '%d/%m' else '%d/%m'
  assert (style.format, style.others) == (f'{first}/%Y %H:%M', (f'{other}/%Y %H:%M',))


def test_the_order_of_the_rides_tells_days_from_months():
  days = [datetime.datetime(2016, 1, 1, 8) + datetime.timedelta(days=day) for day in range(366)]
  cells = [day.strftime('%m/%d/%Y %H:%M') for day in days if day.day <= 12]
  style = guess_time(_text(cells))
  assert (style.format, style.others) == ('%m/%d/%Y %H:%M', ())


@pytest.mark.parametrize(
  'zone', ['America/New_York', 'America/Sao_Paulo', 'Asia/Tokyo', 'Australia/Sydney', 'America/Los_Angeles']
)
@pytest.mark.parametrize('suffix', ['', 'Z', ' UTC'], ids=['none', 'z', 'utc'])
def test_the_hours_of_sleep_tell_the_clock(zone, suffix):
  local = made_rides(NEW_YORK, 8000)['time']
  instants = [time.replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(UTC) for time in local]
  for times, clock in ((local, Clock.LOCAL), (instants, Clock.UTC)):
    style = guess_time(_text([time.strftime('%Y-%m-%d %H:%M:%S') + suffix for time in times]))
    assert guess_clock(style, zone) == (clock, True)


@pytest.mark.parametrize(
  ('cell', 'zone', 'clock'),
  [
    pytest.param('2016-01-01 12:00:00', 'America/New_York', Clock.LOCAL, id='no_claim'),
    pytest.param('2016-01-01T12:00:00Z', 'America/New_York', Clock.UTC, id='utc'),
    pytest.param('2016-01-01T12:00:00Z', None, Clock.LOCAL, id='no_zone'),
  ],
)
def test_without_proof_the_stamps_are_believed(cell, zone, clock):
  assert guess_clock(guess_time(_text([cell] * 10)), zone) == (clock, False)


@pytest.mark.parametrize(
  ('hours', 'zone'),
  [
    pytest.param(range(24), 'America/New_York', id='as_many_at_every_hour'),
    pytest.param(range(16, 20), 'Europe/Berlin', id='only_in_the_evening'),
    pytest.param(range(8, 20), 'America/New_York', id='only_by_day'),
  ],
)
@pytest.mark.parametrize(('suffix', 'clock'), [('', Clock.LOCAL), ('Z', Clock.UTC)], ids=['none', 'z'])
def test_hours_that_show_no_sleep_prove_nothing(hours, zone, suffix, clock):
  cells = [f'2016-01-{1 + day:02} {hour:02}:00:00{suffix}' for day in range(28) for hour in hours for _ in range(20)]
  assert guess_clock(guess_time(_text(cells)), zone) == (clock, False)


def test_two_clocks_that_hardly_differ_are_not_told_apart():
  cells = [time.strftime('%Y-%m-%d %H:%M:%S') for time in made_rides(BERLIN, 8000)['time']]
  assert guess_clock(guess_time(_text(cells)), 'Europe/Berlin') == (Clock.LOCAL, False)


@pytest.mark.parametrize('month_first', [False, True], ids=['europe', 'america'])
def test_rides_in_no_order_leave_it_to_the_country(month_first):
  days = [datetime.datetime(2016, 1 + day % 12, 1 + day * 7 % 12, day % 24) for day in range(600)]
  style = guess_time(_text([day.strftime('%d/%m/%Y %H:%M') for day in days]), month_first=month_first)
  assert style.format == ('%m/%d/%Y %H:%M' if month_first else '%d/%m/%Y %H:%M')
  assert len(style.others) == 1


def test_rides_of_one_day_leave_it_open():
  style = guess_time(_text([f'03/04/2016 {minute // 60:02}:{minute % 60:02}' for minute in range(600)]))
  assert (style.format, style.others) == ('%d/%m/%Y %H:%M', ('%m/%d/%Y %H:%M',))


@pytest.mark.parametrize(
  ('zone', 'claims_utc', 'has_offset'), [(None, False, False), ('UTC', True, False), ('America/New_York', False, True)]
)
def test_timestamps_may_have_a_zone(zone, claims_utc, has_offset):
  style = guess_time(pa.array(TIMES, pa.timestamp('us')).cast(pa.timestamp('us', tz=zone)))
  assert (style.claims_utc, style.has_offset) == (claims_utc, has_offset)


def test_stamps_with_offsets_are_instants():
  style = guess_time(_text(['2016-01-01T12:00:00-05:00', '2016-07-01T12:00:00-04:00']))
  assert (style.format, style.has_offset) == ('%Y-%m-%dT%H:%M:%S%z', True)
  assert guess_clock(style, 'America/New_York') == (Clock.UTC, True)
