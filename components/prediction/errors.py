"""The error of rides, models and outputs that can't be used."""

from __future__ import annotations


class PredictionError(ValueError):
  """A user's mistake, or a file that is not what it should be; the message is one sentence."""
