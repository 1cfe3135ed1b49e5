"""The error of a study that can't be made."""

from __future__ import annotations


class StudyError(ValueError):
  """A user's mistake; the message is one sentence with the way out."""
