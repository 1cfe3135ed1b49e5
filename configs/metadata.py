"""Where ML Metadata keeps what the runs made, and of what."""

from __future__ import annotations

import enum
from typing import Annotated, Any

from pydantic import Field, model_validator

from configs.base import Config
from configs.problems import Problem, raise_any

PASSWORD_VARIABLE = 'FARELITE_METADATA_PASSWORD'
"""The environment variable of the database's password, which no config may hold."""


class StoreKind(str, enum.Enum):
  """The database behind ML Metadata."""

  SQLITE = 'sqlite'
  POSTGRESQL = 'postgresql'
  MYSQL = 'mysql'  # MariaDB speaks the same protocol.


_PORTS = {StoreKind.POSTGRESQL: 5432, StoreKind.MYSQL: 3306}
_SERVER = ('host', 'database', 'user')


class Metadata(Config):
  """The metadata store.

  Attributes:
    kind: `sqlite` is a file of the output directory, for one machine; the
      others are servers that several machines and pipelines share. Pipelines
      of one store are told apart by their names.
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
    if isinstance(values, dict) and 'password' in values:
      message = f'must not be in a config; set the environment variable {PASSWORD_VARIABLE}.'
      raise_any([Problem(('password',), message)])
    return values

  @model_validator(mode='after')
  def _server_is_whole(self) -> Metadata:
    given = [name for name in (*_SERVER, 'port') if getattr(self, name) is not None]
    if self.kind is StoreKind.SQLITE:
      raise_any(
        Problem((name,), "is for a server; set metadata.kind to 'postgresql' or 'mysql', or leave it out.")
        for name in given
      )
    else:
      missing = [name for name in _SERVER if not getattr(self, name)]
      needs = f"kind '{self.kind.value}' needs host, database and user."
      raise_any(Problem((name,), f'is missing; {needs}') for name in missing)
    return self
