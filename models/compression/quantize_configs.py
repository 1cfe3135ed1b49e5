"""How layers that tfmot does not know are quantized; a recipe names these classes by their dotted paths."""

from __future__ import annotations

import pkgutil
from typing import Any

import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import default_8bit_quantize_configs

from models.keras_compat import keras


class FixedRangeQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
  """8 bits over a range that neither training nor calibration moves.

  Unlike tfmot's `FixedQuantizer` it holds the range in variables, so that it can be read out of a SavedModel as any
  other one.
  """

  def __init__(self, low: float, high: float) -> None:
    """Takes the smallest value, at most 0, and the largest, at least 0."""
    self._low, self._high = low, high

  def build(self, tensor_shape: tf.TensorShape, name: str, layer: keras.layers.Layer) -> dict[str, tf.Variable]:
    def end(suffix: str, value: float) -> tf.Variable:
      return layer.add_weight(f'{name}_{suffix}', initializer=keras.initializers.Constant(value), trainable=False)

    return {'min_var': end('min', self._low), 'max_var': end('max', self._high)}

  def __call__(self, inputs: tf.Tensor, training: bool, weights: dict[str, tf.Variable], **kwargs: Any) -> tf.Tensor:
    return tf.quantization.fake_quant_with_min_max_vars(inputs, weights['min_var'], weights['max_var'])

  def get_config(self) -> dict[str, Any]:
    return {'low': self._low, 'high': self._high}


class ClipQuantizeConfig(default_8bit_quantize_configs.NoOpQuantizeConfig):
  """For `models.compression.layers.Clip`: its output range is its limit, whatever the examples are."""

  def get_output_quantizers(self, layer: keras.layers.Layer) -> list[tfmot.quantization.keras.quantizers.Quantizer]:
    return [FixedRangeQuantizer(-layer.limit, layer.limit)]


def quantize_config(layer: str, path: str) -> tfmot.quantization.keras.QuantizeConfig:
  """Imports and makes the `QuantizeConfig` that a recipe names.

  Args:
    layer: that it is for, for the message.
    path: module and class with a dot between them.
  Raises: ValueError: there is no such class, or it is something else.
  """
  where = f'quantization.quantize_configs.{layer}'
  try:
    found = pkgutil.resolve_name(path)
  except (ImportError, AttributeError, ValueError) as error:
    raise ValueError(f"{where}: can't import '{path}' ({error}).") from None
  if not (isinstance(found, type) and issubclass(found, tfmot.quantization.keras.QuantizeConfig)):
    raise ValueError(f"{where}: '{path}' is no tfmot.quantization.keras.QuantizeConfig.")
  return found()
