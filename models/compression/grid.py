"""The 8-bit grid of a kernel: symmetric, narrow, one scale per tensor, as tfmot and TFLite have it for dense layers."""

from __future__ import annotations

import numpy as np

_LEVELS = 127
"""Largest integer; -128 is left out, so that the grid is symmetric."""


def largest(kernel: np.ndarray) -> float:
  """End of the kernel's range, which is symmetric; 1 where all weights are zero, as a scale can't be zero."""
  return float(np.abs(kernel).max()) or 1.0


def on_grid(kernel: np.ndarray) -> np.ndarray:
  """Rounds weights to the values that 8 bits hold.

  Doing it again changes no bit: the largest weight stays as it is, and the scale is taken in float64, so that each
  value finds its own integer. Zeros stay exactly zero, equal weights stay equal.

  Args:
    kernel: float32 of any shape.

  Returns:
    Multiples of `max|w| / 127`, float32 of the same shape.

  Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference", 2018; TFLite's 8-bit quantization specification for symmetric weights.
  """
  scale = largest(kernel) / _LEVELS
  # Adding zero turns -0 into 0: one bit pattern for all zeros.
  return (np.rint(kernel.astype(np.float64) / scale) * scale).astype(np.float32) + np.float32(0)
