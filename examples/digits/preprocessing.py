"""What Transform makes of a digit."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tensorflow_transform as tft


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
  """An image float32 [batch, 64] to [batch, 8, 8, 1] from 0 to 1; the digit, int64 [batch, 1], as it is."""
  return {'image': tf.reshape(tft.scale_to_0_1(inputs['image']), [-1, 8, 8, 1]), 'digit': inputs['digit']}
