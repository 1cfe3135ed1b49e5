"""The error of a source that can't be read."""

from __future__ import annotations

from configs.errors import UserError


class IngestionError(UserError):
  """A source that can't be read; the message is one sentence with the file and the way out."""
