"""The text of a systemd timer and of the service that it starts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.schedule.cron import Cron

_CRON, _ZONE = 'X-Farelite-Cron', 'X-Farelite-TimeZone'


def service(name: str, command: Sequence[str], folder: str, lock: str) -> str:
  """A service that runs the command once, and never beside itself.

  Args:
    name: of the schedule.
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
