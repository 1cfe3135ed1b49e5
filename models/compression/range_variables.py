"""Reading and setting the variables in which tfmot's layers keep their ranges."""

from __future__ import annotations

import re
from collections.abc import Mapping

import tensorflow as tf
from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import QuantizeLayer

from models.compression import layers
from models.compression.ranges import INPUT, Range
from models.keras_compat import keras

_OUTPUT = re.compile(r'(?:pre_activation|post_activation|output|quantize_layer(?:_\d+)?)_(min|max)')
_KERNEL = re.compile(r'kernel_(min|max)')


def output_range(layer: keras.layers.Layer) -> Range | None:
  """Range of a quantized layer's output; None where it is not quantized."""
  ends = _ends(layer, _OUTPUT)
  return (float(ends['min'].numpy()), float(ends['max'].numpy())) if ends else None


def assign_output_range(layer: keras.layers.Layer, values: Range) -> None:
  """Sets the range of a quantized layer's output."""
  _assign(_ends(layer, _OUTPUT), values)


def assign_ranges(model: keras.Model, ranges: Mapping[str, Range]) -> None:
  """Sets the output ranges of all quantized layers.

  Args:
    model: with quantized layers.
    ranges: by layer name, and under `INPUT` that of the dense core's inputs.
  """
  dense = ''
  for layer in layers.leaves(model):
    wrapped = getattr(layer, 'layer', layer)
    if isinstance(wrapped, keras.layers.Dense):
      dense = wrapped.name
    if _ends(layer, _OUTPUT):
      assign_output_range(layer, ranges[_key(layer, dense)])


def assign_kernel_ranges(model: keras.Model, ends: Mapping[str, float]) -> None:
  """Sets the ranges of all quantized kernels.

  Args:
    model: with quantized layers.
    ends: largest magnitude by layer name.
  """
  for layer in layers.leaves(model):
    found = _ends(layer, _KERNEL)
    if found:
      end = ends[layer.layer.name]
      _assign(found, (-end, end))


def _key(layer: keras.layers.Layer, dense: str) -> str:
  if isinstance(layer, QuantizeLayer):
    return INPUT
  # What a dropout lets through is the output of the dense layer ahead of it.
  return dense if isinstance(layer.layer, keras.layers.Dropout) else layer.layer.name


def _ends(layer: keras.layers.Layer, pattern: re.Pattern[str]) -> dict[str, tf.Variable]:
  """The variables of a range: `min` and `max`, or nothing."""
  matches = ((pattern.fullmatch(variable.name.split('/')[-1].split(':')[0]), variable) for variable in layer.weights)
  return {match[1]: variable for match, variable in matches if match}


def _assign(ends: Mapping[str, tf.Variable], values: Range) -> None:
  ends['min'].assign(values[0])
  ends['max'].assign(values[1])
