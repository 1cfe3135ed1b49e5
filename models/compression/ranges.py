"""Ranges of values: what 8 bits have to span."""

from __future__ import annotations

Range = tuple[float, float]
"""Smallest and largest value."""

INPUT = 'input'
"""Key of the range of the dense core's inputs; all other keys are names of layers."""


def hull(*ranges: Range) -> Range:
  """The smallest range that holds all of these, and zero, as TFLite wants it."""
  return min(0.0, *(low for low, _ in ranges)), max(0.0, *(high for _, high in ranges))
