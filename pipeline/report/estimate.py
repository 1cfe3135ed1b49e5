"""Reads a figure with its interval out of a run's files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.intervals import Estimate


def estimate(told: Any) -> Estimate | None:
  """Reads `{value, low, high}` or a bare number; `None` stays `None`."""
  if told is None:
    return None
  if isinstance(told, Mapping):
    return None if told.get('value') is None else Estimate(told['value'], told.get('low'), told.get('high'))
  return Estimate(float(told))
