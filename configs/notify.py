"""Who is told what a run came to: a command, a webhook, mail and chat by Apprise, and Prometheus."""

from __future__ import annotations

import enum
import re
import urllib.parse
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from configs.base import Config, Idle, PositiveFloat, PositiveInt, Problem, joined, raise_any, written

VARIABLE = re.compile(r'\$\{([A-Za-z_][A-Za-z0-9_]*)\}')
"""How a text names an environment variable, in whose place its value is sent and never kept."""

_SECRET = re.compile(r'auth|token|secret|key|password|cookie', re.IGNORECASE)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FIX = 'name an environment variable for it, such as ${FARELITE_TOKEN}'


class Event(str, enum.Enum):
  """What may be told.

  A run ends as one of the first four. `nothing_new` is a call that had nothing to run, or whose model had been pushed
  already. `stale` comes besides, where nothing was pushed for too long.
  """

  PUSHED = 'pushed'
  NOT_BLESSED = 'not_blessed'
  ANOMALIES = 'anomalies'
  FAILED = 'failed'
  NOTHING_NEW = 'nothing_new'
  STALE = 'stale'


_USUAL = (Event.PUSHED, Event.NOT_BLESSED, Event.ANOMALIES, Event.FAILED, Event.STALE)


class Webhook(Config):
  """A server that takes each notification as JSON, by POST.

  Attributes:
    url: of http or https; `${NAME}` stands for the value of an environment variable.
    headers: by name; values may hold `${NAME}`, too, and those of secrets must.
    retries: how often it is tried again where the server can't be reached, is too busy or fails.
    timeout: seconds that the server has for each answer.
  """

  url: str
  headers: dict[str, str] = {}
  retries: Annotated[int, Field(ge=0, le=10)] = 3
  timeout: PositiveFloat = 10.0

  @model_validator(mode='before')
  @classmethod
  def _no_secrets(cls, values: Any) -> Any:
    """What might be a secret is refused unprinted, before pydantic quotes it."""
    if isinstance(values, str):
      raise_any([Problem('', 'must be a section with url, and perhaps headers, retries and timeout.')])
    if isinstance(values, dict):
      raise_any(_written_secrets(values))
    return values

  def problems(self) -> Iterator[Problem]:
    for name, value in self.headers.items():
      if not _HEADER.fullmatch(name):
        yield Problem('headers', f"has '{name}', which is no name of a header.")
      elif not value.isprintable():
        yield Problem(f'headers.{name}', 'must be text on one line.')


def _written_secrets(values: dict[str, Any]) -> Iterator[Problem]:
  url = values.get('url')
  if isinstance(url, str) and not VARIABLE.match(url):
    try:
      parts = urllib.parse.urlsplit(url)
      known = parts.scheme in ('http', 'https') and bool(parts.hostname)
      has_password = '@' in parts.netloc and not VARIABLE.search(parts.netloc)
    except ValueError:
      known, has_password = False, False
    if has_password:
      yield Problem('url', f'must hold no user or password, and is not shown; {_FIX}.')
    elif not known:
      yield Problem('url', 'must begin with http:// or https:// and a host, and is not shown, as it may be a secret.')
  headers = values.get('headers')
  for name, value in headers.items() if isinstance(headers, dict) else ():
    if _SECRET.search(str(name)) and not VARIABLE.search(str(value)):
      yield Problem(f'headers.{name}', f'must not hold a secret, and is not shown; {_FIX}.')


_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')
_FIX_APPRISE = 'put the addresses there, apart by spaces, such as export FARELITE_APPRISE="mailtos://…"'
_CHANNELS = ('command', 'webhook', 'apprise')
"""The settings that tell somebody."""


class Stale(Config):
  """When a pipeline that runs, but pushes nothing, is told of; at most once a day.

  Attributes:
    days: once the last push is older than so many days.
    not_blessed: once so many runs in a row were not blessed.
  """

  days: PositiveFloat | None = None
  not_blessed: PositiveInt | None = None

  @property
  def limited(self) -> bool:
    """Whether it is ever told."""
    return self.days is not None or self.not_blessed is not None


def _by_the_shell(command: Any) -> Any:
  """A text as a command of the shell; a list as it is."""
  return ['/bin/sh', '-c', command] if isinstance(command, str) and command.strip() else command or []


class Notify(Config):
  """Who is told what a run came to. A notification that fails is logged and said; the run is as it would be without.

  Attributes:
    command: a program and its arguments, or one text for the shell. It gets the notification as JSON on its standard
      input, and the event in `FARELITE_EVENT`.
    webhook: a server that gets the same JSON.
    apprise: name of the environment variable that holds Apprise's addresses of mail and chat, apart by spaces; needs
      the extra `notify`.
    on: which events these are told.
    stale: when the event `stale` comes.
    prometheus: a file such as `/var/lib/node_exporter/farelite.prom`, which each call writes for Prometheus' textfile
      collector, whatever the event.
  """

  command: Annotated[tuple[str, ...], BeforeValidator(_by_the_shell)] = ()
  webhook: Webhook | None = None
  apprise: str | None = None
  on: tuple[Event, ...] = _USUAL
  stale: Stale = Stale()
  prometheus: str | None = None

  @property
  def channels(self) -> tuple[str, ...]:
    """The names of the settings that tell somebody."""
    return tuple(name for name in _CHANNELS if getattr(self, name))

  @model_validator(mode='before')
  @classmethod
  def _no_addresses(cls, values: Any) -> Any:
    """An address of mail or chat may hold a password: it is refused unprinted."""
    name = values.get('apprise') if isinstance(values, dict) else None
    if name is not None and not _NAME.fullmatch(str(name)):
      raise_any([Problem('apprise', f'must be the name of an environment variable, and is not shown; {_FIX_APPRISE}.')])
    return values

  def problems(self) -> Iterator[Problem]:
    if self.prometheus is not None and not self.prometheus.endswith('.prom'):
      yield Problem(
        'prometheus', f"must end with .prom, as the collector reads no other file, got '{self.prometheus}'."
      )
    idle = [*written(self, 'on'), *written(self, 'stale')]
    if not self.channels:
      for name in idle:
        message = f'has no effect without a command, a webhook or apprise; set one, or remove notify.{name}.'
        yield Idle(name, message, _CHANNELS)
    elif self.stale.limited and Event.STALE not in self.on:
      for name in (name for name in idle if name != 'on'):
        message = f"has no effect while notify.on lacks 'stale'; add it there, or remove notify.{name}."
        yield Idle(name, message, ('on',))
    elif not self.stale.limited and Event.STALE in self.on and self.on != _USUAL:
      message = "names 'stale', which never comes without notify.stale.days or not_blessed; set one, or leave it out."
      yield Problem('on', message)
    if not self.on:
      yield Problem('on', f'must name at least one of {joined(event.value for event in Event)}.')
