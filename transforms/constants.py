"""What a full pass fits, kept apart from the mappers that use it."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

# Vectorised kernels may round the last bit of one and the same value differently; that is no spread.
_RELATIVE_SPREAD = 1e-6
_ABSOLUTE_SPREAD = 1e-7


@dataclasses.dataclass(frozen=True)
class Constants:
  """Fitted constants, from tft analyzers in graph or from NumPy arrays.

  Attributes:
    mean: float32 [n], mean of each numeric feature where it is known; 0 for one
      that was never observed.
    scale: float32 [n], one over the standard deviation; 0 for a feature that
      is constant or was never observed, so that it always yields 0.
    boundaries: float32 [4, buckets - 1], bucket boundaries of the coordinates
      in degrees, in the order of `configs.dataset.COORDINATES`; `None` where
      no bucket is used.
  """

  mean: tf.Tensor | np.ndarray
  scale: tf.Tensor | np.ndarray
  boundaries: tf.Tensor | np.ndarray | None = None

  @classmethod
  def from_moments(
    cls, mean: tf.Tensor | np.ndarray, variance: tf.Tensor | np.ndarray, boundaries: tf.Tensor | np.ndarray | None
  ) -> Constants:
    """Turns float64 moments of shape [n], NaN where nothing was observed, into constants."""
    mean = tf.where(tf.math.is_finite(mean), mean, 0)
    spread = _RELATIVE_SPREAD * tf.abs(mean) + _ABSOLUTE_SPREAD
    varies = tf.math.is_finite(variance) & (variance > spread * spread)
    scale = tf.where(varies, tf.math.rsqrt(tf.where(varies, variance, 1)), 0)
    return cls(tf.cast(mean, tf.float32), tf.cast(scale, tf.float32), boundaries)
