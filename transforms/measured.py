"""Neighbouring features of the vector, in whatever unit is cheapest to compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Scaled(NamedTuple):
  """Some features side by side; `values * factor + offset` has the units that the catalogue names.

  The standardization subtracts and multiplies anyway, so a factor and an
  offset cost nothing there, while in the graph of the lite file each would be
  an operation of its own.

  Attributes:
    values: float32 [batch, n], finite.
    factor: unit of the catalogue per unit of `values`; one number, or n.
    offset: what to add after that, in the unit of the catalogue; one number, or n.
  """

  values: tf.Tensor
  factor: float | Sequence[float] = 1.0
  offset: float | Sequence[float] = 0.0


def side_by_side(pieces: Sequence[Scaled]) -> tuple[tf.Tensor, np.ndarray, np.ndarray]:
  """All values, factors and offsets: float32 [batch, n], [n] and [n]."""
  factors, offsets = (
    np.concatenate([np.broadcast_to(unit, piece.values.shape[1]) for unit, piece in zip(units, pieces, strict=True)])
    for units in ([piece.factor for piece in pieces], [piece.offset for piece in pieces])
  )
  values = tf.concat([piece.values for piece in pieces], axis=1)
  return values, factors.astype(np.float32), offsets.astype(np.float32)
