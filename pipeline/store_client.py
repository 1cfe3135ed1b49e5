"""ML Metadata's own client, with what its PostgreSQL side gets wrong made good."""

from __future__ import annotations

import random
import time
from typing import Any

import ml_metadata as mlmd
from google.protobuf import message as protobuf
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

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

_PATIENCE_SECONDS = 30.0
"""How long to wait for a process that set out to register a type, and may have been killed."""

_TRIES = 10
_PASSING = ('locked', 'concurrent', 'already exists', 'deadlock', 'duplicate key')
"""What a client says whose first connection met another one's."""


class StoreClient(mlmd.MetadataStore):
  """A MetadataStore whose types are registered once on servers.

  With PostgreSQL its texts may hold backslashes, and what it lists is in the order of the ids.

  Args:
    config: of the connection.
  """

  def __init__(self, config: mlmd_pb2.ConnectionConfig) -> None:
    self._is_postgresql = config.HasField('postgresql')
    self._is_server = not config.HasField('sqlite')
    self._known_types: set[tuple[str, str]] = set()
    super().__init__(config)

  def _call(self, method_name: str, request: Any, response: Any, *options: Any) -> Any:
    """MLMD's one way to the store."""
    if self._is_server and method_name in _TYPE_CALLS:
      self._register_once(_TYPE_CALLS[method_name], getattr(request, _TYPE_CALLS[method_name]).name)
    if not self._is_postgresql:
      return super()._call(method_name, request, response, *options)
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
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._has_type(kind, name) and time.monotonic() < deadline:
          time.sleep(0.05)
    self._known_types.add((kind, name))

  def _has_type(self, kind: str, name: str) -> bool:
    try:
      getattr(self, f'get_{kind}')(name)
    except mlmd.errors.NotFoundError:
      return False
    return True


def connect(config: mlmd_pb2.ConnectionConfig) -> StoreClient:
  """Connects; makes the tables where there are none. Several that do so at once get in each other's way for a moment.

  Raises:
    RuntimeError: the database refuses, or MLMD's own errors.
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
  """Sorts what a response lists as SQLite and MySQL do, unless the request asks for another order.

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
      _replace_in_map(field, value, old, new)
    elif field.type == field.TYPE_MESSAGE:
      for below in value if field.label == field.LABEL_REPEATED else [value]:
        _replace(below, old, new)
    elif field.type == field.TYPE_STRING and field.label == field.LABEL_REPEATED:
      value[:] = [text.replace(old, new) for text in value]
    elif field.type == field.TYPE_STRING and old in value:
      setattr(message, field.name, value.replace(old, new))


def _replace_in_map(field: Any, values: Any, old: str, new: str) -> None:
  kind = field.message_type.fields_by_name['value']
  for key in values:
    if kind.type == kind.TYPE_MESSAGE:
      _replace(values[key], old, new)
    elif kind.type == kind.TYPE_STRING:
      values[key] = values[key].replace(old, new)
