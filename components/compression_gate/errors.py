"""The error of a gate that can't judge."""

from __future__ import annotations


class GateError(RuntimeError):
  """Nothing to judge or nothing to judge by; the message is one sentence."""
