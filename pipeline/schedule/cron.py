"""Schedules: cron expressions with a time zone, checked, told in advance, and written as each scheduler takes them."""

from __future__ import annotations

import abc
import dataclasses
import datetime
import enum
import itertools
import zoneinfo
from collections.abc import Iterator

import cronsim

from configs.errors import UserError

_NAMES = ('minute', 'hour', 'day of month', 'month', 'day of week')
_WEEKDAYS = ('Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat')
_WHOLE = (range(60), range(24), range(1, 32), range(1, 13), range(7))
_LOOK_AHEAD = datetime.timedelta(days=400)


class ScheduleError(UserError):
  """A schedule that can't be; the message is one sentence with the way out."""


@dataclasses.dataclass(frozen=True)
class Cron:
  """A five-field cron expression on the wall clock of a zone.

  Attributes:
    expression: as the user wrote it, blanks aside.
    zone: an IANA name.
  """

  expression: str
  zone: str

  @classmethod
  def parse(cls, expression: str, zone: str) -> Cron:
    """Checks both. Raises `ScheduleError` for no five fields, an impossible value, or an unknown zone."""
    fields = expression.split()
    if len(fields) != 5:
      raise ScheduleError(
        f"A cron expression has five fields ({', '.join(_NAMES)}), got {len(fields)} in '{expression}'. "
        "For 3 o'clock each night write '0 3 * * *'."
      )
    for name, field in zip(_NAMES, fields, strict=True):
      if 'L' in field.upper().replace('JUL', '') or '#' in field:
        raise ScheduleError(
          f"The {name} '{field}' is an extension that not every scheduler knows; write plain numbers."
        )
    try:
      zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
      raise ScheduleError(f"Unknown time zone '{zone}'. Use an IANA name such as America/New_York.") from None
    try:
      cronsim.CronSim(expression, datetime.datetime(2026, 1, 1))
    except cronsim.CronSimError as error:
      raise ScheduleError(_refusal(expression, error)) from None
    return cls(' '.join(fields), zone)

  def times(self, after: datetime.datetime) -> Iterator[datetime.datetime]:
    """When it fires after a moment, on the wall clock of the zone, as Debian's cron does.

    A job of a fixed time that falls into the hour that summer time skips fires as that hour is skipped; one in the
    hour that comes twice fires once.

    Args: after: a time with a zone.
    """
    return iter(cronsim.CronSim(self.expression, after.astimezone(zoneinfo.ZoneInfo(self.zone))))

  def skipped_or_doubled(self, after: datetime.datetime) -> tuple[str, ...]:
    """Sentences about firings within 400 days that fall where the clock is changed."""
    zone = zoneinfo.ZoneInfo(self.zone)
    wall = after.astimezone(zone).replace(tzinfo=None)
    found = []
    try:
      for time in itertools.takewhile(lambda t: t < wall + _LOOK_AHEAD, cronsim.CronSim(self.expression, wall)):
        first, second = (time.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
        if first == second:
          continue
        exists = time.replace(tzinfo=zone).astimezone(datetime.timezone.utc).astimezone(zone).replace(tzinfo=None)
        words = 'comes twice' if exists == time else 'does not exist'
        found.append(f'{time:%H:%M} {words} on {time:%Y-%m-%d} in {self.zone}; schedulers differ in what they do then.')
        if len(found) == 2:
          break
    except cronsim.CronSimError:
      pass  # No firing within the next fifty years.
    return tuple(found)

  def agrees_with(self, clock: datetime.tzinfo) -> bool:
    """Whether a clock shows what that of the zone shows, on every day of the coming year."""
    zone, start = zoneinfo.ZoneInfo(self.zone), datetime.datetime.now(datetime.timezone.utc)
    moments = (start + datetime.timedelta(days=day) for day in range(366))
    return all(moment.astimezone(zone).utcoffset() == moment.astimezone(clock).utcoffset() for moment in moments)

  def five_fields(self) -> str:
    """Plain numbers: no names, and Sunday as 0."""
    return ' '.join(self._written(place) for place in range(5))

  def six_fields(self) -> str:
    """With the seconds first, as Kubeflow Pipelines takes it."""
    return f'0 {self.five_fields()}'

  def calendar_events(self) -> tuple[str, ...]:
    """What systemd's OnCalendar takes; two events where cron fires on either of a day of the month and of the week."""
    minutes, hours, days, months, weekdays = (self._values(place) for place in range(5))
    time = f'{_field(hours, 1)}:{_field(minutes, 0)}:00 {self.zone}'
    of_month = f'*-{_field(months, 3)}-{_field(days, 2)} {time}'
    of_week = f'{",".join(_WEEKDAYS[day] for day in sorted(weekdays, key=lambda day: (day - 1) % 7))} '
    restricted = [set(self._values(place)) != set(_WHOLE[place]) for place in (2, 4)]
    if all(restricted) and not any(self.expression.split()[place].startswith('*') for place in (2, 4)):
      return (of_month, f'{of_week}*-{_field(months, 3)}-* {time}')
    return (f'{of_week if restricted[1] else ""}{of_month}',)

  def _written(self, place: int) -> str:
    field = self.expression.split()[place]
    if field.startswith('*'):  # Also */2: the star decides whether the two day fields are joined by and or by or.
      return field
    return ','.join(str(value) for value in self._values(place))

  def _values(self, place: int) -> list[int]:
    simulated = cronsim.CronSim(self.expression, datetime.datetime(2026, 1, 1))
    fields = (simulated.minutes, simulated.hours, simulated.days, simulated.months, simulated.weekdays)
    values = {int(value) for value in fields[place]}  # type: ignore[arg-type]
    return sorted({value % 7 for value in values} if place == 4 else values)


def _refusal(expression: str, error: cronsim.CronSimError) -> str:
  """Why an expression of five fields can't be; cronsim calls also a good day bad where no month has it."""
  minute, hour, day, month, weekday = expression.split()
  try:
    cronsim.CronSim(f'{minute} {hour} {day} * {weekday}', datetime.datetime(2026, 1, 1))
    cronsim.CronSim(f'{minute} {hour} * {month} {weekday}', datetime.datetime(2026, 1, 1))
  except cronsim.CronSimError:
    return f"'{expression}' is no cron expression: {str(error).lower()}."
  if day.startswith('*') or weekday.startswith('*'):
    return f"'{expression}' never fires: no month of '{month}' has a day '{day}'."
  return f"No month of '{month}' has a day '{day}'; write * for it in '{expression}', which fires by the day of week."


def _field(values: list[int], place: int) -> str:
  return '*' if values == list(_WHOLE[place]) else ','.join(f'{value:02d}' for value in values)


class ScheduleTarget(str, enum.Enum):
  """Who looks at the clock."""

  LOCAL = 'local'
  KFP = 'kfp'
  VERTEX = 'vertex'


class State(str, enum.Enum):
  """Whether a schedule fires."""

  ACTIVE = 'active'
  PAUSED = 'paused'


@dataclasses.dataclass(frozen=True)
class Schedule:
  """What `farelite schedule list` shows.

  Attributes:
    name: by which it is paused and deleted.
    target: who looks at the clock.
    cron: the expression, as that scheduler has it.
    zone: of the expression.
    state: whether it fires.
    place: a file, or the scheduler's own name of it.
    note: what is still to be done, or ''.
  """

  name: str
  target: ScheduleTarget
  cron: str
  zone: str
  state: State
  place: str
  note: str = ''


class Schedules(abc.ABC):
  """Who keeps schedules; raises `SubmissionError` where a backend refuses, or can't be reached."""

  @abc.abstractmethod
  def all(self) -> tuple[Schedule, ...]:
    """All that this project made."""

  @abc.abstractmethod
  def pause(self, name: str) -> Schedule:
    """Stops firing; a run on its way goes on. Raises `ScheduleError` where there is none of this name."""

  @abc.abstractmethod
  def resume(self, name: str) -> Schedule:
    """Fires again, without making up for what was missed. Raises `ScheduleError` where there is none of this name."""

  @abc.abstractmethod
  def delete(self, name: str) -> Schedule:
    """Removes it; returns what it was. Raises `ScheduleError` where there is none of this name."""
