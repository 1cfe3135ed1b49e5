"""Schedules on this machine: user units of systemd, with or without a systemd that runs, or a line of a crontab."""

from __future__ import annotations

import datetime
import os
import pathlib
import re
import shlex
import subprocess
import zoneinfo
from collections.abc import Sequence

from models.whole_files import write_whole
from pipeline.schedule.cron import Cron, Schedule, ScheduleError, Schedules, ScheduleTarget, State

_CRON, _ZONE = 'X-Farelite-Cron', 'X-Farelite-TimeZone'


def service(name: str, command: Sequence[str], folder: str, lock: str) -> str:
  """A service that runs the command once, and never beside itself.

  Args:
    command: absolute program and its arguments.
    folder: where to run it, absolute.
    lock: a file; while one run holds it, another ends at once and well.
  """
  single_flight = ('/usr/bin/flock', '--nonblock', '--conflict-exit-code', '0', lock, *command)
  return f"""# Written by farelite schedule create; farelite schedule delete {name} removes it.
[Unit]
Description=Farelite: retrain {name}

[Service]
Type=oneshot
WorkingDirectory={_path(folder)}
ExecStart={' '.join(_quoted(part) for part in single_flight)}
Nice=10
"""


def timer(name: str, cron: Cron) -> str:
  """A timer that fires as the expression says; once more after the machine was off at such a time."""
  events = '\n'.join(f'OnCalendar={event}' for event in cron.calendar_events())
  return f"""# Written by farelite schedule create; farelite schedule delete {name} removes it.
[Unit]
Description=Farelite: when to retrain {name}

[Timer]
{events}
Persistent=true
AccuracySec=1s

[Install]
WantedBy=timers.target

[X-Farelite]
{_CRON}={cron.expression}
{_ZONE}={cron.zone}
"""


def cron_of(text: str) -> Cron | None:
  """The expression that a timer was made from; `None` for a timer of another origin."""
  found = {key: re.search(rf'^{key}=(.+)$', text, re.MULTILINE) for key in (_CRON, _ZONE)}
  expression, zone = found[_CRON], found[_ZONE]
  return Cron(expression.group(1), zone.group(1)) if expression and zone else None


def _quoted(text: str) -> str:
  """One word of ExecStart: systemd expands % and $, and takes backslashes and quotes for its own."""
  text = text.replace('\\', '\\\\').replace('"', '\\"').replace('%', '%%').replace('$', '$$')
  return text if re.fullmatch(r'[\w@%+=:,./$-]+', text) else f'"{text}"'


def _path(text: str) -> str:
  return text.replace('%', '%%')


_PREFIX = 'farelite-'
_WANTS = 'timers.target.wants'


def default_folder() -> pathlib.Path:
  """Where systemd looks for units of this user."""
  base = os.environ.get('XDG_CONFIG_HOME') or pathlib.Path('~/.config').expanduser()
  return pathlib.Path(base) / 'systemd' / 'user'


class LocalSchedules(Schedules):
  """The timers below a folder of units.

  A timer is enabled by a link, as `systemctl --user enable` makes it; where a user's systemd runs, it is told, too.

  Args: folder: of the units; made if absent.
  """

  def __init__(self, folder: pathlib.Path) -> None:
    self._folder = folder

  def create(self, name: str, cron: Cron, command: Sequence[str], working: str, lock: str) -> Schedule:
    """Writes service and timer and enables the timer.

    Raises `ScheduleError` where there is a schedule of this name, or the folder can't be written.
    """
    if self._timer(name).exists():
      raise ScheduleError(f"There is a schedule '{name}' already; delete it first, or give another --name.")
    try:
      self._folder.mkdir(parents=True, exist_ok=True)
      write_whole(self._service(name), service(name, command, working, lock))
      write_whole(self._timer(name), timer(name, cron))
    except OSError as error:
      raise ScheduleError(f"'{self._folder}' can't be written: {error.strerror}.") from None
    return self.resume(name)

  def all(self) -> tuple[Schedule, ...]:
    names = (path.stem.removeprefix(_PREFIX) for path in sorted(self._folder.glob(f'{_PREFIX}*.timer')))
    return tuple(self._schedule(name) for name in names)

  def resume(self, name: str) -> Schedule:
    self._check(name)
    link = self._link(name)
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
      link.symlink_to(self._timer(name))
    return self._told(name, 'start')

  def pause(self, name: str) -> Schedule:
    self._check(name)
    self._link(name).unlink(missing_ok=True)
    return self._told(name, 'stop')

  def delete(self, name: str) -> Schedule:
    schedule = self.pause(name)
    self._timer(name).unlink()
    self._service(name).unlink(missing_ok=True)
    self._systemctl('daemon-reload')
    return schedule

  def _check(self, name: str) -> None:
    if not self._timer(name).exists():
      there = ', '.join(schedule.name for schedule in self.all()) or 'none'
      raise ScheduleError(f"There is no local schedule '{name}' below '{self._folder}'; there: {there}.")

  def _told(self, name: str, verb: str) -> Schedule:
    """The schedule, and whether systemd heard of it."""
    if self._folder != default_folder():
      return self._schedule(
        name, f'systemd does not look below {self._folder}; the units have to be put where it does.'
      )
    problem = self._systemctl('daemon-reload') or self._systemctl(verb, self._timer(name).name)
    if problem:
      problem = f"the user's systemd does not run here ({problem}); the timer counts from its next start on."
    return self._schedule(name, problem)

  def _systemctl(self, *arguments: str) -> str:
    """Asks the user's systemd; '' if it did, else why not."""
    if self._folder != default_folder():
      return ''
    try:
      done = subprocess.run(['systemctl', '--user', *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
      return type(error).__name__
    return '' if done.returncode == 0 else (done.stderr.strip().splitlines() or ['no reason given'])[0]

  def _schedule(self, name: str, note: str = '') -> Schedule:
    cron = cron_of(self._timer(name).read_text(encoding='utf-8')) or Cron('?', '?')
    state = State.ACTIVE if self._link(name).is_symlink() else State.PAUSED
    return Schedule(name, ScheduleTarget.LOCAL, cron.expression, cron.zone, state, str(self._timer(name)), note)

  def _timer(self, name: str) -> pathlib.Path:
    return self._folder / f'{_PREFIX}{name}.timer'

  def _service(self, name: str) -> pathlib.Path:
    return self._folder / f'{_PREFIX}{name}.service'

  def _link(self, name: str) -> pathlib.Path:
    return self._folder / _WANTS / f'{_PREFIX}{name}.timer'


def crontab_line(cron: Cron, command: Sequence[str], folder: str, lock: str, machine: datetime.tzinfo) -> str:
  """The line; the command never runs beside itself.

  Args:
    command, folder, lock: as of `service`.
    machine: the zone of this machine, which is the only one that Debian's cron knows.

  Raises `ScheduleError` where the machine's clock is another one at some time of the year.
  """
  if not cron.agrees_with(machine):
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
