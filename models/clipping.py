"""Keeps features that are far from what training saw within bounds."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from models.keras_compat import keras


@keras.saving.register_keras_serializable(package='farelite')
class Clip(keras.layers.Layer):
  """Clips standardized features to `[-limit, limit]` standard deviations.

  A dense layer extrapolates linearly, so one mistyped coordinate costs a fare
  of hundreds; a clipped one costs what the farthest real ride does. It also
  gives the quantized core a known, narrow input range.
  """

  def __init__(self, limit: float, **kwargs: Any) -> None:
    """Makes the layer.

    Args:
      limit: largest magnitude, in standard deviations; positive.
      **kwargs: of the Keras layer, such as `name`.
    """
    super().__init__(**kwargs)
    self.limit = float(limit)

  def call(self, inputs: tf.Tensor) -> tf.Tensor:
    """Float32 of any shape to the same shape."""
    return tf.clip_by_value(inputs, -self.limit, self.limit)

  def get_config(self) -> dict[str, Any]:
    return {**super().get_config(), 'limit': self.limit}
