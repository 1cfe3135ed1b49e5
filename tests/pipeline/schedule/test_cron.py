"""When a schedule fires. Oracles: known days of clock changes, expressions rewritten, and systemd itself."""

import datetime
import itertools
import re
import shutil
import subprocess
import zoneinfo

import pytest

from pipeline.schedule.cron import Cron, ScheduleError

UTC = datetime.timezone.utc
NEW_YORK = zoneinfo.ZoneInfo('America/New_York')


def _first(cron: Cron, start: str, count: int) -> list[str]:
  moment = datetime.datetime.fromisoformat(start)
  return [time.astimezone(UTC).strftime('%m-%d %H:%M') for time in itertools.islice(cron.times(moment), count)]


def test_three_in_the_morning_stays_three_on_the_wall_clock_over_both_changes():
  """Oracle: New York went to UTC-4 on 8 March 2026 and back to UTC-5 on 1 November 2026, at 2 o'clock."""
  cron = Cron.parse('0 3 * * *', 'America/New_York')
  assert _first(cron, '2026-03-06T12:00+00:00', 3) == ['03-07 08:00', '03-08 07:00', '03-09 07:00']
  assert _first(cron, '2026-10-30T12:00+00:00', 3) == ['10-31 07:00', '11-01 08:00', '11-02 08:00']


def test_each_day_has_one_firing_even_in_the_hours_that_are_skipped_or_come_twice():
  for hour, start in ((2, '2026-03-01T12:00+00:00'), (1, '2026-10-25T12:00+00:00')):
    cron = Cron.parse(f'30 {hour} * * *', 'America/New_York')
    times = list(itertools.islice(cron.times(datetime.datetime.fromisoformat(start)), 14))
    days = [time.date() for time in times]
    assert days == [days[0] + datetime.timedelta(number) for number in range(14)]


@pytest.mark.parametrize(
  ('expression', 'said'),
  [
    pytest.param('30 2 * * *', ['02:30 does not exist on 2026-03-08'], id='skipped'),
    pytest.param('30 1 * * *', ['01:30 comes twice on 2026-11-01'], id='doubled'),
    pytest.param('0 3 * * *', [], id='neither'),
    pytest.param('30 2 * * 1', [], id='mondays_never_change'),
  ],
)
def test_says_where_the_clock_change_matters(expression, said):
  cron = Cron.parse(expression, 'America/New_York')
  sentences = cron.skipped_or_doubled(datetime.datetime(2026, 1, 1, tzinfo=UTC))
  assert len(sentences) == len(said)
  for sentence, expected in zip(sentences, said, strict=True):
    assert sentence.startswith(expected)


@pytest.mark.parametrize(
  ('expression', 'zone', 'message'),
  [
    pytest.param('0 3 * *', 'UTC', r'five fields .* got 4 in', id='four_fields'),
    pytest.param('0 0 3 * * *', 'UTC', r'five fields .* got 6 in', id='seconds'),
    pytest.param('61 3 * * *', 'UTC', r"'61 3 \* \* \*' is no cron expression: bad minute", id='minute_61'),
    pytest.param('0 3 32 2 *', 'UTC', r'is no cron expression: bad day-of-month', id='day_32'),
    pytest.param('0 3 31 13 *', 'UTC', r'is no cron expression: bad month', id='month_13'),
    pytest.param('0 3 30 2 *', 'UTC', r"^'0 3 30 2 \*' never fires: no month of '2' has a day '30'", id='30_february'),
    pytest.param('0 3 31 feb,4-4 */2', 'UTC', r"never fires: no month of 'feb,4-4' has a day '31'", id='never_both'),
    pytest.param('0 3 30 2 1', 'UTC', r"has a day '30'; write \* for it .* by the day of week", id='or_a_weekday'),
    pytest.param('0 3 L * *', 'UTC', r"day of month 'L' is an extension", id='last_day'),
    pytest.param('0 3 * * 1#2', 'UTC', r"day of week '1#2' is an extension", id='second_monday'),
    pytest.param('0 3 * * *', 'New York', r"Unknown time zone 'New York'. Use an IANA name", id='zone'),
  ],
)
def test_refuses(expression, zone, message):
  with pytest.raises(ScheduleError, match=message):
    Cron.parse(expression, zone)


CASES = [
  pytest.param('0 3 * * *', '0 3 * * *', ('*-*-* 03:00:00 America/New_York',), id='nightly'),
  pytest.param('*/15 9-17 * * MON-FRI', '*/15 9,10,11,12,13,14,15,16,17 * * 1,2,3,4,5',
               ('Mon,Tue,Wed,Thu,Fri *-*-* 09,10,11,12,13,14,15,16,17:00,15,30,45:00 America/New_York',), id='office'),
  pytest.param('30 4 1,15 * 5', '30 4 1,15 * 5',
               ('*-*-01,15 04:30:00 America/New_York', 'Fri *-*-* 04:30:00 America/New_York'), id='either_day'),
  pytest.param('0 0 */2 * 1', '0 0 */2 * 1',
               ('Mon *-*-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 00:00:00 America/New_York',), id='both_days'),
  pytest.param('5 0 * JAN,jul 7', '5 0 * 1,7 0', ('Sun *-01,07-* 00:05:00 America/New_York',), id='names_and_7'),
]  # fmt: skip


@pytest.mark.parametrize(('expression', 'fields', 'events'), CASES)
def test_is_written_as_each_scheduler_takes_it(expression, fields, events):
  cron = Cron.parse(expression, 'America/New_York')
  assert cron.five_fields() == fields
  assert cron.calendar_events() == events
  start = datetime.datetime(2026, 1, 5, 12, 1, tzinfo=UTC)
  rewritten = Cron.parse(fields, 'America/New_York')
  assert list(itertools.islice(rewritten.times(start), 30)) == list(itertools.islice(cron.times(start), 30))


@pytest.mark.parametrize(('expression', 'fields', 'events'), CASES)
def test_systemd_fires_at_the_same_times(expression, fields, events):
  """Oracle: systemd's own calendar, over the clock changes of 2026."""
  if shutil.which('systemd-analyze') is None:
    pytest.skip('needs systemd-analyze (apt-get install systemd)')
  cron = Cron.parse(expression, 'America/New_York')
  start = datetime.datetime(2026, 3, 6, 12, tzinfo=UTC)
  theirs = set()
  for event in events:
    command = ['systemd-analyze', 'calendar', '--iterations=20', '--base-time=2026-03-06 12:00:00 UTC', event]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={'TZ': 'UTC', 'LC_ALL': 'C'}).stdout
    found = re.findall(r'(?:\(in UTC\)|Next elapse|Iter\. #\d+|Iteration #\d+): +(\w{3} [\d-]+ [\d:]+ UTC)', shown)
    theirs |= {datetime.datetime.strptime(text, '%a %Y-%m-%d %H:%M:%S UTC').replace(tzinfo=UTC) for text in found}
  ours = [time.astimezone(UTC) for time in itertools.islice(cron.times(start), 12)]
  assert sorted(theirs)[:12] == ours
