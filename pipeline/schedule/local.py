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
from pipeline.schedule.cron import Cron, Schedule, ScheduleError, Schedules, ScheduleTarget, State, check_new, named

_KEPT = re.compile(r'^X-Farelite-(\w+)=(.+)$', re.MULTILINE)
_SINGLE_FLIGHT = ('--nonblock', '--conflict-exit-code', '0')
"""How flock ends a second run: at once and well."""


_ENVIRONMENT = 'EnvironmentFile=-%E/farelite/environment'
"""Secrets that notifications and metadata stores take from the environment; %E is ~/.config, and the file may lack."""


def service_unit(name: str, command: Sequence[str], folder: str, lock: str) -> str:
  """A service that runs the command once, and never beside itself.

  Args:
    command: absolute program and its arguments.
    folder: where to run it, absolute.
    lock: a file; while one run holds it, another ends at once and well.
  """
  words = ('/usr/bin/flock', *_SINGLE_FLIGHT, lock, *command)
  return f"""# Written by farelite schedule create; farelite schedule delete {name} removes it.
[Unit]
Description=Farelite: retrain {name}
OnFailure={_failure_unit(name)}

[Service]
Type=oneshot
WorkingDirectory={folder.replace('%', '%%')}
{_ENVIRONMENT}
ExecStart={' '.join(map(_quoted, words))}
Nice=10
"""


def failure_unit(name: str, command: Sequence[str], folder: str) -> str:
  """A service that starts where the other one failed, as a killed run can't tell it itself.

  Args: command, folder: as of `service_unit`.
  """
  return f"""# Written by farelite schedule create; farelite schedule delete {name} removes it.
[Unit]
Description=Farelite: tell that retrain {name} was killed

[Service]
Type=oneshot
WorkingDirectory={folder.replace('%', '%%')}
{_ENVIRONMENT}
ExecStart={' '.join(map(_quoted, command))}
"""


def _failure_unit(name: str) -> str:
  return f'farelite-{name}-failed.service'


def timer_unit(name: str, cron: Cron) -> str:
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
X-Farelite-Cron={cron.expression}
X-Farelite-TimeZone={cron.zone}
"""


def _quoted(text: str) -> str:
  """One word of ExecStart: systemd expands % and $, and takes backslashes and quotes for its own."""
  text = text.replace('\\', '\\\\').replace('"', '\\"').replace('%', '%%').replace('$', '$$')
  return text if re.fullmatch(r'[\w@%+=:,./$-]+', text) else f'"{text}"'


def default_folder() -> pathlib.Path:
  """Where systemd looks for units of this user."""
  base = os.environ.get('XDG_CONFIG_HOME') or pathlib.Path('~/.config').expanduser()
  return pathlib.Path(base) / 'systemd' / 'user'


class LocalSchedules(Schedules):
  """The timers below a folder of units.

  A timer is enabled by a link, as `systemctl --user enable` makes it; where a user's systemd runs, it is notified, too.

  Args: folder: of the units; made if absent.
  """

  def __init__(self, folder: pathlib.Path) -> None:
    self._folder = folder

  def create(
    self, name: str, cron: Cron, command: Sequence[str], working: str, lock: str, on_failure: Sequence[str]
  ) -> Schedule:
    """Writes service and timer and enables the timer.

    Args: on_failure: the command of the service that starts where the first one failed.
    Raises `ScheduleError` where there is a schedule of this name, or the folder can't be written.
    """
    check_new(name, self._timers())
    timer = self._folder / f'farelite-{name}.timer'
    try:
      self._folder.mkdir(parents=True, exist_ok=True)
      write_whole(timer.with_suffix('.service'), service_unit(name, command, working, lock))
      write_whole(self._folder / _failure_unit(name), failure_unit(name, on_failure, working))
      write_whole(timer, timer_unit(name, cron))
    except OSError as error:
      raise ScheduleError(f"'{self._folder}' can't be written: {error.strerror}.") from None
    return self.resume(name)

  def all(self) -> tuple[Schedule, ...]:
    return tuple(map(_schedule, self._timers().values()))

  def resume(self, name: str) -> Schedule:
    timer = self._named(name)
    _link(timer).parent.mkdir(exist_ok=True)
    if not _link(timer).is_symlink():
      _link(timer).symlink_to(timer)
    return _schedule(timer, self._systemctl('daemon-reload') or self._systemctl('start', timer.name))

  def pause(self, name: str) -> Schedule:
    timer = self._named(name)
    _link(timer).unlink(missing_ok=True)
    return _schedule(timer, self._systemctl('daemon-reload') or self._systemctl('stop', timer.name))

  def delete(self, name: str) -> Schedule:
    schedule, timer = self.pause(name), self._named(name)
    timer.unlink()
    timer.with_suffix('.service').unlink(missing_ok=True)
    (self._folder / _failure_unit(name)).unlink(missing_ok=True)
    self._systemctl('daemon-reload')
    return schedule

  def _timers(self) -> dict[str, pathlib.Path]:
    return {path.stem.removeprefix('farelite-'): path for path in sorted(self._folder.glob('farelite-*.timer'))}

  def _named(self, name: str) -> pathlib.Path:
    return named(name, self._timers(), f"below '{self._folder}'", 'local ')

  def _systemctl(self, *arguments: str) -> str:
    """Calls the user's systemd; '' if it did as it was asked, else a sentence."""
    if self._folder != default_folder():
      return f'systemd does not look below {self._folder}; the units have to be put where it does.'
    try:
      done = subprocess.run(['systemctl', '--user', *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
      reason = type(error).__name__
    else:
      reason = '' if done.returncode == 0 else (done.stderr.strip().splitlines() or ['no reason given'])[0]
    return reason and f"the user's systemd does not run here ({reason}); the timer counts from its next start on."


def _link(timer: pathlib.Path) -> pathlib.Path:
  return timer.parent / 'timers.target.wants' / timer.name


def _schedule(timer: pathlib.Path, note: str = '') -> Schedule:
  """What a timer holds; '?' for what one of another origin does not say."""
  kept = dict(_KEPT.findall(timer.read_text(encoding='utf-8')))
  enabled = State.ACTIVE if timer.parent == default_folder() else State.WRITTEN
  name, state = timer.stem.removeprefix('farelite-'), enabled if _link(timer).is_symlink() else State.PAUSED
  return Schedule(name, ScheduleTarget.LOCAL, kept.get('Cron', '?'), kept.get('TimeZone', '?'), state, str(timer), note)


def crontab_line(cron: Cron, command: Sequence[str], folder: str, lock: str, machine: datetime.tzinfo) -> str:
  """The line; the command never runs beside itself.

  Args:
    command, folder, lock: as of `service_unit`.
    machine: the zone of this machine, which is the only one that Debian's cron knows.

  Raises `ScheduleError` where the machine's clock is another one at some time of the year.
  """
  if not cron.agrees_with(machine):
    raise ScheduleError(
      f"cron looks at this machine's clock, which is not always that of {cron.zone}; systemd's timers know zones "
      '(leave out --crontab).'
    )
  words = shlex.join(('flock', *_SINGLE_FLIGHT, lock, *command))
  # cron takes an unescaped % for the end of the line.
  return f'{cron.five_fields()} cd {shlex.quote(folder)} && {words}'.replace('%', r'\%')


def machine_zone() -> datetime.tzinfo:
  """The zone that cron goes by; without a name in /etc/localtime, the offset of now."""
  try:
    with pathlib.Path('/etc/localtime').open('rb') as file:
      return zoneinfo.ZoneInfo.from_file(file)
  except (OSError, ValueError):
    return datetime.datetime.now().astimezone().tzinfo or datetime.timezone.utc
