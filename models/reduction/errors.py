"""What only the rides can tell."""

from __future__ import annotations

from configs.errors import FailedError


class ReductionError(FailedError):
  """The rides don't allow the reduction that the config asks for; the message is one sentence."""
