"""The metadata store of a config: opened, or in one sentence why not, by a client that fixes what PostgreSQL's gets
wrong.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import random
import re
import socket
import sqlite3
import sys
import tempfile
import time
from typing import IO, Any

import ml_metadata as mlmd
from google.protobuf import message as protobuf
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from configs.errors import UserError
from configs.operations import PASSWORD_VARIABLE, Metadata, StoreKind
from pipeline.local.terminal import redirected

_BACKSLASH = '\\'
_STAND_IN = '\uff3c'
"""A fullwidth backslash. MLMD quotes a text with a backslash in it wrongly for PostgreSQL, as `'E'…'`: a syntax error.
JSON inside JSON, such as the settings of the Transform and Trainer steps, is full of them."""

_TYPE_CALLS = {
  'PutArtifactType': 'artifact_type',
  'PutExecutionType': 'execution_type',
  'PutContextType': 'context_type',
}
_BUILT_IN = 'mlmd.Dataset'
"""A type that ML Metadata itself makes with the tables."""

_LISTS = ('artifacts', 'executions', 'contexts')

_REGISTRATION_SECONDS = 30.0
"""How long to wait for a process that set out to register a type, and may have been killed."""

_TRIES = 10
_PASSING = ('locked', 'concurrent', 'already exists', 'deadlock', 'duplicate key')
"""Words of the errors of a client whose first connection met another one's."""


def plain_properties(node: mlmd_pb2.Context | mlmd_pb2.Execution | mlmd_pb2.Artifact) -> dict[str, Any]:
  """Custom properties as plain values."""
  values = node.custom_properties.items()
  return {name: getattr(value, value.WhichOneof('value')) for name, value in values if value.WhichOneof('value')}


# What the client's errors say, with the whole statement, it also logs.
logging.getLogger('absl').addFilter(lambda record: not str(record.msg).startswith('mlmd client'))


class StoreClient(mlmd.MetadataStore):
  """A MetadataStore whose types are registered once on servers, and that goes on after a full disk.

  With PostgreSQL its texts may hold backslashes, and what it lists is in the order of the ids.
  """

  def __init__(self, config: mlmd_pb2.ConnectionConfig) -> None:
    self._is_postgresql = config.HasField('postgresql')
    self._is_server = not config.HasField('sqlite')
    self._file_config = None if self._is_server else config
    self._known_types: set[tuple[str, str]] = set()
    super().__init__(config)

  def _call(self, method_name: str, request: Any, response: Any, *options: Any) -> Any:
    """MLMD's one way to the store."""
    if self._is_server and method_name in _TYPE_CALLS:
      self._register_once(_TYPE_CALLS[method_name], getattr(request, _TYPE_CALLS[method_name]).name)
    if not self._is_postgresql:
      try:
        return super()._call(method_name, request, response, *options)
      except mlmd.errors.InternalError:
        if self._file_config:  # Its transaction stays open, for which all further calls fail: connect anew.
          super().__init__(self._file_config)
          drop_half_written(self._file_config.sqlite.filename_uri)
        raise
    _replace(request, _BACKSLASH, _STAND_IN)
    result = super()._call(method_name, request, response, *options)
    _replace(response, _STAND_IN, _BACKSLASH)
    _sort(request, response)
    return result

  def _register_once(self, kind: str, name: str) -> None:
    """Two that register one type at once make two types of one name, and each finds the artifacts of one alone.

    An artifact's name is unique, so whoever makes the note of this name registers the type; the others wait for it.
    """
    if (kind, name) in self._known_types:
      return
    if not self._has_type(kind, name):
      note = mlmd_pb2.Artifact(type_id=self.get_artifact_type(_BUILT_IN).id, name=f'farelite {kind} {name}')
      try:
        self.put_artifacts([note])
      except mlmd.errors.AlreadyExistsError:
        deadline = time.monotonic() + _REGISTRATION_SECONDS
        while not self._has_type(kind, name) and time.monotonic() < deadline:
          time.sleep(0.05)
    self._known_types.add((kind, name))

  def _has_type(self, kind: str, name: str) -> bool:
    try:
      getattr(self, f'get_{kind}')(name)
    except mlmd.errors.NotFoundError:
      return False
    return True


_REFERENCES = (
  ('Attribution', 'artifact_id', 'Artifact'),
  ('Attribution', 'context_id', 'Context'),
  ('Association', 'execution_id', 'Execution'),
  ('Association', 'context_id', 'Context'),
  ('Event', 'artifact_id', 'Artifact'),
  ('Event', 'execution_id', 'Execution'),
  ('EventPath', 'event_id', 'Event'),
  ('ArtifactProperty', 'artifact_id', 'Artifact'),
  ('ExecutionProperty', 'execution_id', 'Execution'),
  ('ContextProperty', 'context_id', 'Context'),
)
"""MLMD's tables whose rows belong to a row of another one, by which column."""


def drop_half_written(file: str | os.PathLike[str]) -> None:
  """Takes rows out of an SQLite store that belong to a row that is not there.

  After an error of the disk SQLite takes back what a transaction has written so far, and MLMD goes on and writes the
  rest, each row for good. It can't read what such rows belong to, and the next artifact would get the number, and them.
  """
  if not pathlib.Path(file).is_file():
    return
  # Where that can't be done, as on a full disk, whoever reads meets what is there.
  with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(file)) as database, database:
    for table, column, whole in _REFERENCES:
      stray = f'from {table} where {column} not in (select id from {whole})'
      if database.execute(f'select 1 {stray} limit 1').fetchone():  # A deletion would wait for other writers.
        database.execute(f'delete {stray}')


def connect(config: mlmd_pb2.ConnectionConfig) -> StoreClient:
  """Connects; makes the tables where there are none. Several that do so at once get in each other's way for a moment.

  Raises `RuntimeError` where the database refuses, or MLMD's own errors.
  """
  for _ in range(_TRIES):
    try:
      return StoreClient(config)
    except (RuntimeError, mlmd.errors.AbortedError, mlmd.errors.AlreadyExistsError) as error:
      if not any(word in str(error).lower() for word in _PASSING) and not isinstance(error, mlmd.errors.AbortedError):
        raise
      time.sleep(random.random())
  return StoreClient(config)


def _sort(request: Any, response: Any) -> None:
  """Sorts what a response lists as SQLite and MySQL do, unless the request names another order.

  PostgreSQL lists what was changed last at the end, and TFX pairs the artifacts of a step that it takes from the cache
  with their output keys by their order: it would note them, without a word, under each other's keys.
  """
  options = getattr(request, 'options', None)
  if isinstance(options, mlmd_pb2.ListOperationOptions) and options.HasField('order_by_field'):
    return
  for field, value in response.ListFields():
    if field.name in _LISTS:
      value.sort(key=lambda listed: listed.id)


def _replace(message: protobuf.Message, old: str, new: str) -> None:
  """Replaces a character in all texts of a message, below it, too; the keys of maps are names and stay."""
  for field, value in message.ListFields():
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
      kind = field.message_type.fields_by_name['value']
      for key in value:
        if kind.type == kind.TYPE_MESSAGE:
          _replace(value[key], old, new)
        elif kind.type == kind.TYPE_STRING:
          value[key] = value[key].replace(old, new)
    elif field.type == field.TYPE_MESSAGE:
      for below in value if field.label == field.LABEL_REPEATED else [value]:
        _replace(below, old, new)
    elif field.type == field.TYPE_STRING and field.label == field.LABEL_REPEATED:
      value[:] = [text.replace(old, new) for text in value]
    elif field.type == field.TYPE_STRING and old in value:
      setattr(message, field.name, value.replace(old, new))


RETRIES = 30
"""With MLMD's five, one write in six of six parallel SQLite writers is lost with an error."""

_CONNECTION_SECONDS = 10.0
_POSTGRESQL_REASON = re.compile(r'PostgreSQL error: (.+)')


class MetadataStoreError(UserError):
  """The store can't be opened; the message is one sentence, without the password."""


UNUSABLE = (MetadataStoreError, mlmd.errors.StatusError, RuntimeError)
"""What a store that can't be opened, read or written raises."""


def connection_config(metadata: Metadata, sqlite: str | os.PathLike[str]) -> mlmd_pb2.ConnectionConfig:
  """How MLMD's own client connects.

  Holds the password, so it is neither logged nor a part of any pipeline.

  Args: sqlite: the file, where that is the kind.
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
    sqlite: the file, where that is the kind.
    create: whether an SQLite file that is not there is made.

  Raises `MetadataStoreError` where the host can't be reached, the user or the password is wrong, the database is
  missing, and the like.
  """
  where = place(metadata, sqlite)
  if metadata.kind is not StoreKind.SQLITE:
    _reach(metadata, where)
  elif not create and not pathlib.Path(sqlite).is_file():
    raise MetadataStoreError(f'There is no metadata store {where}; name the output directory or config of a run.')
  # Only what the C++ client writes to standard error has the reason.
  with _log() as log, redirected(log, 2):
    try:
      store = connect(connection_config(metadata, sqlite))
      if metadata.kind is StoreKind.SQLITE:
        drop_half_written(sqlite)
      return store
    except Exception as error:
      log.seek(0)
      reason = _POSTGRESQL_REASON.findall(log.read().decode(errors='replace')) or [str(error)]
  raise MetadataStoreError(_sentence(metadata, where, reason[-1].strip()))


def _log() -> IO[bytes]:
  """In memory where the system has that: a full disk has no room for a file."""
  return os.fdopen(os.memfd_create('log'), 'w+b') if sys.platform == 'linux' else tempfile.TemporaryFile()


def _reach(metadata: Metadata, where: str) -> None:
  """A plain connection first, as the errors of MLMD's clients name no reason and may take minutes."""
  try:
    socket.create_connection((metadata.host or '', metadata.server_port), timeout=_CONNECTION_SECONDS).close()
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
      'create the database and grant the rights, or fix metadata.database.'
    )
  if 'password' in lowered or 'authentication' in lowered or 'mysql_real_connect failed' in lowered:
    hint = f'the password in {PASSWORD_VARIABLE}' if password else f'set {PASSWORD_VARIABLE}, which is empty'
    return f"The metadata store, {where}, refuses the user '{metadata.user}'; check metadata.user and {hint}."
  return f"The metadata store, {where}, can't be opened: {reason.rstrip('.')}."
