"""Opens the metadata store of a config, and says in one sentence why it can't be opened."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from configs.errors import UserError
from configs.metadata import PASSWORD_VARIABLE, Metadata, StoreKind
from pipeline.store_client import connect

RETRIES = 30
"""With MLMD's five, one write in six of six parallel SQLite writers is lost with an error."""

_PATIENCE_SECONDS = 10.0
_POSTGRESQL_REASON = re.compile(r'PostgreSQL error: (.+)')


class MetadataStoreError(UserError):
  """The store can't be opened; the message is one sentence, without the password."""


def connection_config(metadata: Metadata, sqlite: str | os.PathLike[str]) -> mlmd_pb2.ConnectionConfig:
  """How MLMD's own client connects.

  Holds the password, so it is neither logged nor a part of any pipeline.

  Args:
    metadata: of the run's config.
    sqlite: the file, where that is the kind.
  """
  connection = mlmd_pb2.ConnectionConfig()
  password = os.environ.get(PASSWORD_VARIABLE, '')
  if metadata.kind is StoreKind.SQLITE:
    connection.sqlite.filename_uri = os.fspath(sqlite)
    connection.sqlite.connection_mode = mlmd_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
  elif metadata.kind is StoreKind.POSTGRESQL:
    server = connection.postgresql
    # The client pastes the values into a connection string as they are.
    server.host, server.port = _quoted(metadata.host or ''), str(metadata.server_port)
    server.dbname, server.user = _quoted(metadata.database or ''), _quoted(metadata.user or '')
    server.password = _quoted(password)
    # A misspelled name would make a new, empty store.
    server.skip_db_creation = True
  else:
    mysql = connection.mysql
    mysql.host, mysql.port = metadata.host or '', metadata.server_port
    mysql.database, mysql.user, mysql.password = metadata.database or '', metadata.user or '', password
    mysql.skip_db_creation = True
  connection.retry_options.max_num_retries = RETRIES
  return connection


def _quoted(value: str) -> str:
  """A value inside a PostgreSQL connection string."""
  escaped = value.replace('\\', '\\\\').replace("'", "\\'")
  return f"'{escaped}'"


def place(metadata: Metadata, sqlite: str | os.PathLike[str]) -> str:
  """Names the store for a person, such as "the MySQL database 'rides' at db:3306"."""
  if metadata.kind is StoreKind.SQLITE:
    return f"'{os.fspath(sqlite)}'"
  name = {StoreKind.POSTGRESQL: 'PostgreSQL', StoreKind.MYSQL: 'MySQL'}[metadata.kind]
  return f"the {name} database '{metadata.database}' at {metadata.host}:{metadata.server_port}"


def open_store(metadata: Metadata, sqlite: str | os.PathLike[str], create: bool = True) -> mlmd.MetadataStore:
  """Connects; makes the tables where the database is empty.

  Args:
    metadata: of the run's config.
    sqlite: the file, where that is the kind.
    create: whether an SQLite file that is not there is made.

  Raises:
    MetadataStoreError: the host can't be reached, the user or the password is
      wrong, the database is missing, and the like.
  """
  where = place(metadata, sqlite)
  if metadata.kind is not StoreKind.SQLITE:
    _reach(metadata, where)
  elif not create and not pathlib.Path(sqlite).is_file():
    raise MetadataStoreError(f'There is no metadata store {where}; name the output directory or config of a run.')
  with _native_log() as log:
    try:
      return connect(connection_config(metadata, sqlite))
    except Exception as error:
      reason = _POSTGRESQL_REASON.findall(log()) or [str(error)]
  raise MetadataStoreError(_sentence(metadata, where, reason[-1].strip()))


def _reach(metadata: Metadata, where: str) -> None:
  """A plain connection first, as MLMD's clients do not say what was wrong and may wait for minutes."""
  try:
    socket.create_connection((metadata.host or '', metadata.server_port), timeout=_PATIENCE_SECONDS).close()
  except OSError as error:
    reason = error.strerror or str(error)
    raise MetadataStoreError(
      f"The metadata store, {where}, can't be reached: {reason}. "
      'Check metadata.host and metadata.port, and that the server runs and lets this machine in.'
    ) from None


def _sentence(metadata: Metadata, where: str, reason: str) -> str:
  password = os.environ.get(PASSWORD_VARIABLE, '')
  if password:
    reason = reason.replace(password, '***')
  if metadata.kind is StoreKind.SQLITE:
    return f"The metadata store {where} can't be opened: {reason}."
  lowered = reason.lower()
  if 'does not exist' in lowered or 'unknown database' in lowered or 'to database' in lowered:
    return (
      f"There is no metadata store in {where}, or the user '{metadata.user}' may not use it; "
      'create the database and grant the rights, or mend metadata.database.'
    )
  if 'password' in lowered or 'authentication' in lowered or 'mysql_real_connect failed' in lowered:
    hint = f'the password in {PASSWORD_VARIABLE}' if password else f'set {PASSWORD_VARIABLE}, which is empty'
    return f"The metadata store, {where}, refuses the user '{metadata.user}'; check metadata.user and {hint}."
  return f"The metadata store, {where}, can't be opened: {reason.rstrip('.')}."


@contextlib.contextmanager
def _native_log() -> Iterator[Callable[[], str]]:
  """Takes what the C++ client writes to standard error; it is the only one who says why."""
  sys.stderr.flush()
  saved = os.dup(2)
  with tempfile.TemporaryFile() as file:
    os.dup2(file.fileno(), 2)

    def read() -> str:
      file.seek(0)
      return file.read().decode(errors='replace')

    try:
      yield read
    finally:
      os.dup2(saved, 2)
      os.close(saved)
