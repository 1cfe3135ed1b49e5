"""What comes of handing a compiled pipeline to a backend."""

from __future__ import annotations

from typing import NamedTuple

from configs.errors import FailedError


class Submission(NamedTuple):
  """A run that a backend took.

  Attributes:
    name: as the backend lists it.
    link: a page to watch it on.
  """

  name: str
  link: str


class SubmissionError(FailedError):
  """A backend could not be reached, or refused; one sentence."""
