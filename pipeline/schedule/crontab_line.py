"""A line of a crontab that does what the timer does, for machines without systemd."""

from __future__ import annotations

import datetime
import pathlib
import shlex
import zoneinfo
from collections.abc import Sequence

from pipeline.schedule.cron import Cron, ScheduleError


def crontab_line(cron: Cron, command: Sequence[str], folder: str, lock: str, machine: datetime.tzinfo) -> str:
  """The line; the command never runs beside itself.

  Args:
    cron: when.
    command: absolute program and its arguments.
    folder: where to run it, absolute.
    lock: a file; while one run holds it, another ends at once and well.
    machine: the zone of this machine, which is the only one that Debian's cron knows.

  Raises:
    ScheduleError: the machine's clock is another one at some time of the year.
  """
  zone, start = zoneinfo.ZoneInfo(cron.zone), datetime.datetime.now(datetime.timezone.utc)
  for moment in (start + datetime.timedelta(days=day) for day in range(366)):
    if moment.astimezone(zone).utcoffset() != moment.astimezone(machine).utcoffset():
      raise ScheduleError(
        f"cron looks at this machine's clock, which is not always that of {cron.zone}; systemd's timers know zones "
        '(leave out --crontab).'
      )
  single_flight = ['flock', '--nonblock', '--conflict-exit-code', '0', lock, *command]
  # cron takes an unescaped % for the end of the line.
  return f'{cron.five_fields()} cd {shlex.quote(folder)} && {shlex.join(single_flight)}'.replace('%', r'\%')


def machine_zone() -> datetime.tzinfo:
  """The zone that cron goes by; without a name in /etc/localtime, the offset of now."""
  try:
    with pathlib.Path('/etc/localtime').open('rb') as file:
      return zoneinfo.ZoneInfo.from_file(file)
  except (OSError, ValueError):
    zone = datetime.datetime.now().astimezone().tzinfo
    assert zone is not None
    return zone
