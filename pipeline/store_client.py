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

_TRIES = 10
_PASSING = ('locked', 'concurrent', 'already exists', 'deadlock', 'duplicate key')
"""What a client says whose first connection met another one's."""


class StoreClient(mlmd.MetadataStore):
  """A MetadataStore whose texts may hold backslashes with PostgreSQL, too.

  Args:
    config: of the connection.
  """

  def __init__(self, config: mlmd_pb2.ConnectionConfig) -> None:
    self._replaces = config.HasField('postgresql')
    super().__init__(config)

  def _call(self, method_name: str, request: Any, response: Any, *options: Any) -> Any:
    """MLMD's one way to the store."""
    if not self._replaces:
      return super()._call(method_name, request, response, *options)
    _replace(request, _BACKSLASH, _STAND_IN)
    result = super()._call(method_name, request, response, *options)
    _replace(response, _STAND_IN, _BACKSLASH)
    return result


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
