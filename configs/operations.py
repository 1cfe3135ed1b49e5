"""What keeps runs in order: the metadata store, how long old runs stay, when `farelite retrain` trains again."""

from __future__ import annotations

import contextlib
import datetime
import enum
import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from configs.base import Config, Idle, PositiveFloat, PositiveInt, Problem, raise_any

PASSWORD_VARIABLE = 'FARELITE_METADATA_PASSWORD'
"""The environment variable of the database's password, which no config may hold."""


class StoreKind(str, enum.Enum):
  """The database behind ML Metadata."""

  SQLITE = 'sqlite'
  POSTGRESQL = 'postgresql'
  MYSQL = 'mysql'  # MariaDB speaks the same protocol.


_PORTS = {StoreKind.POSTGRESQL: 5432, StoreKind.MYSQL: 3306}


_HOST = re.compile(r'[\w.-]*')


def _is_address(host: str) -> bool:
  try:
    ipaddress.ip_address(host)
  except ValueError:
    return False
  return True


class Metadata(Config):
  """The metadata store.

  Attributes:
    kind: `sqlite` is a file of the output directory, for one machine; the others are servers that several machines and
      pipelines share. Each pipeline of a store has a name of its own.
    host: of the server, a name or an address.
    port: of the server; the kind's usual one by default.
    database: a database that is there; its tables are made when it is empty.
    user: who logs in. The password comes from `FARELITE_METADATA_PASSWORD`.
  """

  kind: StoreKind = StoreKind.SQLITE
  host: str | None = None
  port: Annotated[int, Field(ge=1, le=65_535)] | None = None
  database: str | None = None
  user: str | None = None

  @property
  def server_port(self) -> int:
    """The port of a server."""
    return self.port or _PORTS[self.kind]

  @model_validator(mode='before')
  @classmethod
  def _no_password(cls, values: Any) -> Any:
    """What might hold a password is refused unprinted, before pydantic quotes it."""
    fix = f'the password comes from the environment variable {PASSWORD_VARIABLE}.'
    if isinstance(values, str):
      raise_any([Problem('', f'must be a section with kind, host, database and user; {fix}')])
    found = values if isinstance(values, dict) else {}
    if 'password' in found:
      raise_any([Problem('password', f'must not be in a config; set the environment variable {PASSWORD_VARIABLE}.')])
    host = found.get('host')
    wrong = [name for name in ('database', 'user') if '//' in str(found.get(name))]
    if isinstance(host, str) and not _HOST.fullmatch(host) and not _is_address(host):
      wrong.append('host')
    raise_any(
      Problem(name, f'must be a plain name, or a plain address for host, and is not shown; {fix}') for name in wrong
    )
    return values

  def problems(self) -> Iterator[Problem]:
    server = ('host', 'database', 'user')
    for name in (*server, 'port'):
      if self.kind is StoreKind.SQLITE and getattr(self, name) is not None:
        message = "is for a server; set metadata.kind to 'postgresql' or 'mysql', or leave it out."
        yield Idle(name, message, ('kind',))
      elif self.kind is not StoreKind.SQLITE and name in server and not getattr(self, name):
        yield Problem(name, f"is missing; kind '{self.kind.value}' needs host, database and user.")


class Retention(Config):
  """What `farelite prune` leaves; nothing is removed by default.

  What serves, and the artifacts that it was made of, stays whatever is set here.

  Attributes:
    runs: number of the newest runs whose artifacts are kept.
    versions: number of the newest pushed versions that are kept, each with what it was made of.
    max_age_days: runs and versions that are older go, whatever their number.
    reports: number of the newest runs whose summary, config and page are kept; also those of runs whose artifacts go,
      and always those of the runs that pushed a version that is kept.
    after_run: whether each run ends with it.
  """

  runs: PositiveInt | None = None
  versions: PositiveInt | None = None
  max_age_days: PositiveFloat | None = None
  reports: PositiveInt | None = None
  after_run: bool = False

  @property
  def limited(self) -> bool:
    """Whether anything is ever removed."""
    return any(limit is not None for limit in (self.runs, self.versions, self.max_age_days, self.reports))

  def problems(self) -> Iterator[Problem]:
    if self.after_run and not self.limited:
      message = 'has no effect without retention.runs, versions, max_age_days or reports; set one.'
      yield Idle('after_run', message, ('runs', 'versions', 'max_age_days', 'reports'))


class Triggers(Config):
  """What makes `farelite retrain` run; each one alone is enough, `null` or `false` switches one off.

  Whatever is set here, it also runs where no model serves yet, and where the last run did not come to its end.

  Attributes:
    new_rows: run once this many valid rides have come since the last run that came to its end.
    drift: run once a column of a new span lies further from what the last run trained on than
      `validation.drift_threshold`.
    max_age_days: run once the model that serves is older than this many days, if there is a new ride at all.
  """

  new_rows: PositiveInt | None = 1
  drift: bool = True
  max_age_days: PositiveFloat | None = None


def _day_or_number(value: Any) -> datetime.date | int:
  """A day, or the number of a span, as YAML has it or as text."""
  if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
    return value
  if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
    return value
  if isinstance(value, str):
    if value.isdecimal():
      return int(value)
    with contextlib.suppress(ValueError):
      return datetime.date.fromisoformat(value)
  raise ValueError(f"must be a day such as 2024-03-12, or the number of a span, got '{value}'.")


class Retraining(Config):
  """How a pipeline goes on as spans arrive.

  Attributes:
    window: how many of the newest spans a run reads; the newest one evaluates and the ones before it train. `null`
      reads the newest span alone, divided by `split`.
    exclude: spans that no run reads, whatever their files hold: days such as `2024-03-12`, or numbers where the path
      has `{SPAN}`. The window reaches further back for them.
  """

  window: PositiveInt | None = None
  triggers: Triggers = Triggers()
  exclude: tuple[Annotated[datetime.date | int, BeforeValidator(_day_or_number)], ...] = ()

  @property
  def spans(self) -> int:
    """How many spans a run reads."""
    return self.window or 1
