"""Schedules: cron expressions with a time zone, checked, and written as each scheduler takes them; who keeps them."""

from __future__ import annotations

import abc
import dataclasses
import datetime
import enum
import itertools
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import cronsim
from cronsim.cronsim import is_imaginary

from configs.errors import UserError

_NAMES = ('minute', 'hour', 'day of month', 'month', 'day of week')
_WEEKDAYS = ('Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat')
_WHOLE = (range(60), range(24), range(1, 32), range(1, 13), range(7))
_LOOK_AHEAD = datetime.timedelta(days=400)
_ANY_DAY = datetime.datetime(2026, 1, 1)

KeptT = TypeVar('KeptT')


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
    zone_named(zone)
    try:
      cronsim.CronSim(expression, _ANY_DAY)
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
    walls = itertools.takewhile(lambda time: time < wall + _LOOK_AHEAD, cronsim.CronSim(self.expression, wall))
    times = (time.replace(tzinfo=zone) for time in walls)
    changed = (time for time in times if time.utcoffset() != time.replace(fold=1).utcoffset())
    return tuple(
      f'{time:%H:%M} {"does not exist" if is_imaginary(time) else "comes twice"} on {time:%Y-%m-%d} in {self.zone}; '
      'schedulers differ in what they do then.'
      for time in itertools.islice(changed, 2)
    )

  def agrees_with(self, clock: datetime.tzinfo) -> bool:
    """Whether a clock shows what that of the zone shows, on every day of the coming year."""
    zone, start = zoneinfo.ZoneInfo(self.zone), datetime.datetime.now(datetime.timezone.utc)
    moments = (start + datetime.timedelta(days=day) for day in range(366))
    return all(moment.astimezone(zone).utcoffset() == moment.astimezone(clock).utcoffset() for moment in moments)

  def five_fields(self) -> str:
    """Plain numbers: no names, and Sunday as 0."""
    # A star stays, also */2: it decides whether the two day fields are joined by and or by or.
    fields = zip(self.expression.split(), self._values(), strict=True)
    return ' '.join(field if field.startswith('*') else ','.join(map(str, values)) for field, values in fields)

  def calendar_events(self) -> tuple[str, ...]:
    """What systemd's OnCalendar takes; two events where cron fires on either of a day of the month and of the week."""
    minutes, hours, days, months, weekdays = self._values()
    time = f'{_field(hours, 1)}:{_field(minutes, 0)}:00 {self.zone}'
    of_month = f'*-{_field(months, 3)}-{_field(days, 2)} {time}'
    of_week = f'{",".join(_WEEKDAYS[day] for day in sorted(weekdays, key=lambda day: (day - 1) % 7))} '
    some_weekdays = weekdays != list(_WHOLE[4])
    if some_weekdays and days != list(_WHOLE[2]) and not cronsim.CronSim(self.expression, _ANY_DAY).day_and:
      return (of_month, f'{of_week}*-{_field(months, 3)}-* {time}')
    return (f'{of_week if some_weekdays else ""}{of_month}',)

  def _values(self) -> tuple[list[int], ...]:
    """What each of the five fields holds, in order; Sunday as 0."""
    simulated = cronsim.CronSim(self.expression, _ANY_DAY)
    weekdays = {int(day) % 7 for day in simulated.weekdays}  # type: ignore[arg-type]
    return tuple(map(sorted, (simulated.minutes, simulated.hours, simulated.days, simulated.months, weekdays)))


def zone_named(name: str, option: str = '') -> zoneinfo.ZoneInfo:
  """A time zone by its IANA name. Raises `ScheduleError`, with the option that gave the name, where there is none."""
  try:
    return zoneinfo.ZoneInfo(name)
  except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
    raise ScheduleError(f"Unknown time zone '{name}'{option}. Use an IANA name such as America/New_York.") from None


def _refusal(expression: str, error: cronsim.CronSimError) -> str:
  """Why an expression of five fields can't be; cronsim calls also a good day bad where no month has it."""
  minute, hour, day, month, weekday = expression.split()
  try:
    cronsim.CronSim(f'{minute} {hour} {day} * {weekday}', _ANY_DAY)
    cronsim.CronSim(f'{minute} {hour} * {month} {weekday}', _ANY_DAY)
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
  WRITTEN = 'written'  # Its units are, but where systemd does not look: nothing fires until they are moved.
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


def check_new(name: str, names: Iterable[str]) -> None:
  """Raises `ScheduleError` where there is a schedule of this name."""
  if name in names:
    raise ScheduleError(f"There is a schedule '{name}' already; delete it first, or give another --name.")


def named(name: str, kept: Mapping[str, KeptT], where: str, kind: str = '') -> KeptT:
  """What is kept by a name. Raises `ScheduleError` where there is none of it."""
  if name not in kept:
    raise ScheduleError(f"There is no {kind}schedule '{name}' {where}; there: {', '.join(kept) or 'none'}.")
  return kept[name]


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
