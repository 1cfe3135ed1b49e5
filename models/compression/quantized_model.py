"""Models with 8-bit rounding in them, by tfmot's annotations, and the ranges that 8 bits have to span."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import QuantizeLayer

from configs.recipe import Quantization
from models.compression import layers
from models.compression.quantize_configs import quantize_config
from models.keras_compat import keras
from models.protocols import E
from models.streaming import Stream

LEVELS = 127
"""Largest magnitude on the symmetric 8-bit grid; -128 is left out (tfmot's `narrow_range`), so there are 255 values."""


def largest(kernel: np.ndarray) -> float:
  """End of the kernel's range, which is symmetric; 1 where all weights are zero, as a scale can't be zero."""
  return float(np.abs(kernel).max()) or 1.0


def largest_of_each(kernel: np.ndarray) -> np.ndarray:
  """The same of each unit of the last axis, float32 [units]."""
  found = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
  return np.where(found > 0, found, np.float32(1))


def on_grid(kernel: np.ndarray, each_unit: bool = False) -> np.ndarray:
  """Rounds weights to the values that 8 bits hold.

  Doing it again changes no bit: the largest weight stays as it is, and the scale is taken in float64, so that each
  value finds its own integer. Zeros stay exactly zero, equal weights stay equal.

  Args:
    kernel: float32 of any shape.
    each_unit: whether each unit of the last axis has a grid of its own.
  Returns: Multiples of `max|w| / 127`, float32 of the same shape.
  Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference", 2018; TFLite's 8-bit quantization specification for symmetric weights.
  """
  scale = largest_of_each(kernel).astype(np.float64) / LEVELS if each_unit else largest(kernel) / LEVELS
  # Adding zero turns -0 into 0: one bit pattern for all zeros.
  return (np.rint(kernel.astype(np.float64) / scale) * scale).astype(np.float32) + np.float32(0)


Range = tuple[float, float]
"""Smallest and largest value."""

INPUT = 'input'
"""Key of the range of the dense core's inputs; all other keys are names of layers."""


def hull(*ranges: Range) -> Range:
  """The smallest range that holds all of these, and zero, as TFLite wants it."""
  return min(0.0, *(low for low, _ in ranges)), max(0.0, *(high for _, high in ranges))


HEADROOM = 1.25
"""By how much the range of the model's output goes beyond the training split's predictions: labels that are higher than
any seen so far, and not only labels that the model never comes near to, get integers."""


def with_headroom(values: Range) -> Range:
  """The range of a model's output, of the predictions that it has to hold."""
  return values[0] * HEADROOM, values[1] * HEADROOM


_OUTPUT = re.compile(r'(?:pre_activation|post_activation|output|quantize_layer(?:_[^/]+)?)_(min|max)')
_KERNEL = re.compile(r'(?:depthwise_)?kernel_(min|max)')


def output_range(layer: keras.layers.Layer) -> Range | None:
  """Range of a quantized layer's output; None where it is not quantized."""
  ends = _ends(layer, _OUTPUT)
  return (float(ends['min'].numpy()), float(ends['max'].numpy())) if ends else None


def assign_output_range(layer: keras.layers.Layer, values: Range) -> None:
  """Sets the range of a quantized layer's output."""
  assign_range(_ends(layer, _OUTPUT), values)


def assign_ranges(model: keras.Model, ranges: Mapping[str, Range]) -> None:
  """Sets the output ranges of all quantized layers, by layer name, and of the dense core's inputs, under `INPUT`."""
  dense = ''
  for layer in layers.leaves(model):
    wrapped = getattr(layer, 'layer', layer)
    if isinstance(wrapped, keras.layers.Dense):
      dense = wrapped.name
    if _ends(layer, _OUTPUT):
      # What a dropout lets through is the output of the dense layer ahead of it.
      name = dense if isinstance(wrapped, keras.layers.Dropout) else wrapped.name
      assign_output_range(layer, ranges[INPUT if isinstance(layer, QuantizeLayer) else name])


def _assign_kernel_ranges(model: keras.Model, ends: Mapping[str, float]) -> None:
  """Sets the ranges of all quantized kernels, by the largest magnitude of each layer's."""
  for layer in layers.leaves(model):
    found = kernel_range(layer)
    if found:
      end = ends[layer.layer.name]
      assign_range(found, (-end, end))


def kernel_range(layer: keras.layers.Layer) -> dict[str, tf.Variable]:
  """The variables of the range of a quantized layer's kernel; nothing where it is not quantized."""
  return _ends(layer, _KERNEL)


def _ends(layer: keras.layers.Layer, pattern: re.Pattern[str]) -> dict[str, tf.Variable]:
  """The variables of a range: `min` and `max`, or nothing."""
  matches = ((pattern.fullmatch(variable.name.split('/')[-1].split(':')[0]), variable) for variable in layer.weights)
  return {match[1]: variable for match, variable in matches if match}


def assign_range(ends: Mapping[str, tf.Variable], values: tuple[Any, Any]) -> None:
  """Sets a range, or one for each unit."""
  ends['min'].assign(values[0])
  ends['max'].assign(values[1])


BEFORE_ACTIVATION = ('tanh',)
AFTER_ACTIVATION = ('relu', 'linear')
"""On which side of an activation tfmot quantizes (`QuantizeAwareActivation`); it knows no other activation of ours."""


def quantized_names(plain: keras.Model, quantization: Quantization) -> tuple[str, ...]:
  """Names of the dense layers that a recipe quantizes, first to last.

  Raises: ValueError: a layer is unknown, or no dense layer, or its activation can't be quantized.
  """
  dense = layers.kernel_layers(plain)
  chosen: Collection[str] = dense if quantization.layers == 'core' else quantization.layers
  names = [name for name in chosen if name not in quantization.quantize_configs]
  for name in layers.named_layers(plain, names, 'quantization.layers'):
    if name not in dense:
      raise ValueError(f"quantization.layers: '{name}' is an embedding table; only dense layers can be quantized.")
    activation = dense[name].activation.__name__
    if activation not in BEFORE_ACTIVATION + AFTER_ACTIVATION:
      known = ', '.join(AFTER_ACTIVATION + BEFORE_ACTIVATION)
      raise ValueError(
        f"quantization.layers: '{name}' has the activation {activation}, which tfmot can't quantize; set "
        f'model.activation to one of {known}.'
      )
  return tuple(name for name in dense if name in names)


def quantized_core(
  core: keras.Sequential,
  members: Sequence[keras.layers.Layer],
  names: Collection[str],
  scheme: tfmot.quantization.keras.QuantizeScheme,
) -> keras.Sequential:
  """A copy of the dense core with its weights, quantized where it is named.

  Args:
    core: of a plain model.
    members: which of its layers to take, in order.
    names: of the layers to quantize; without any, the core itself is returned.
    scheme: tfmot's or our own.
  """
  if not names:
    return core
  annotated = [
    tfmot.quantization.keras.quantize_annotate_layer(layer) if layer.name in names else layer for layer in members
  ]
  sequential = keras.Sequential([keras.Input(core.input_shape[1:]), *annotated], name=core.name)
  return tfmot.quantization.keras.quantize_apply(sequential, scheme)


def custom_wrappers(plain: keras.Model, quantization: Quantization) -> dict[str, keras.layers.Wrapper]:
  """Quantization of layers outside of the dense core, by their names.

  They are wrapped as `quantize_apply` does it, one by one: a model of their own would get a quantized input as well,
  ahead of the clipping, where one mistyped coordinate takes all 8 bits.

  Raises: ValueError: there is no such layer, or no such `QuantizeConfig`.
  """
  outside = {
    layer.name: layer for layer in plain.layers if not isinstance(layer, keras.layers.InputLayer | keras.Model)
  }
  wrappers = {}
  for name, path in quantization.quantize_configs.items():
    layer = outside.get(name)
    if layer is None or isinstance(layer, keras.layers.Embedding | keras.layers.Concatenate):
      raise ValueError(f"quantization.quantize_configs: the model has no custom layer '{name}'.")
    wrappers[name] = tfmot.quantization.keras.QuantizeWrapperV2(layer, quantize_config(name, path))
  return wrappers


def quantized_model(plain: keras.Model, quantization: Quantization, ranges: Mapping[str, Range]) -> keras.Model:
  """The model to export: tfmot's default 8-bit layers around final weights, nothing left of the training.

  Args:
    plain: its kernels are on the 8-bit grid; its layers outside of the dense core become part of the model.
    ranges: of the activations, as a calibration found them.
  """
  core = layers.dense_core(plain)
  # No dropout: it does nothing any more, and tfmot would look at it instead of the dense layer ahead of it.
  scheme = tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme()
  members = list(layers.kernel_layers(core).values())
  quantized = quantized_core(core, members, quantized_names(plain, quantization), scheme)
  model = layers.recompose(plain, {layers.DENSE_CORE: quantized} | custom_wrappers(plain, quantization))
  fill(model, plain, quantization, ranges)
  return model


def fill(model: keras.Model, plain: keras.Model, quantization: Quantization, ranges: Mapping[str, Range]) -> None:
  """Gives a quantized model the weights that its plain model has now, and other ranges.

  Args:
    model: from `quantized_model`.
    plain: which it was made of; its kernels are on the 8-bit grid.
  """
  copy_dense(plain, layers.dense_core(model), quantized_names(plain, quantization))
  assign_ranges(model, ranges)
  dense = layers.kernel_layers(plain)
  _assign_kernel_ranges(model, {name: largest(layer.kernel.numpy()) for name, layer in dense.items()})


def copy_dense(plain: keras.Model, core: keras.Sequential, names: Collection[str]) -> None:
  """Copies kernels and biases into a quantized copy of a dense core.

  Args:
    core: from `quantized_core`.
    names: of the layers that are quantized there.
  """
  dense = layers.kernel_layers(plain)
  for layer in core.layers:
    inner = getattr(layer, 'layer', layer)
    if inner.name in dense:
      # Once it was called, a wrapped layer's `kernel` is the rounded tensor.
      kernel = layer._weight_vars[0][0] if inner.name in names else inner.kernel
      kernel.assign(dense[inner.name].kernel)
      inner.bias.assign(dense[inner.name].bias)


@dataclasses.dataclass(frozen=True)
class DenseStep:
  """A dense layer as the quantized model computes it.

  Attributes:
    kernel: float32 [inputs, units], on the 8-bit grid where the layer is quantized.
    bias: float32 [units].
    activation: applied to [examples, units].
    before_activation: whether the quantization comes before the activation, as with tanh, and not after it.
  """

  name: str
  kernel: np.ndarray
  bias: np.ndarray
  activation: Callable[[tf.Tensor], tf.Tensor]
  before_activation: bool
  quantized: bool


def calibration_examples(examples: E | Stream[E], seed: int, most: int = 20_000, highest: int = 1_000) -> E:
  """Examples to calibrate on: all, or a seeded sample with those of the highest labels in it.

  The ends of a range come from few examples, and a range that leaves them out cuts their predictions off.

  Args:
    most: examples of the sample; more of them cost time.
    highest: how many of them are there for their labels.
  """
  if isinstance(examples, Stream):
    return examples.sample(most, seed, highest)
  if len(examples) <= most:
    return examples
  order = np.argsort(-examples.labels, kind='stable')
  others = np.random.default_rng(seed).permutation(order[highest:])[: most - highest]
  return examples[np.sort(np.concatenate([order[:highest], others]))]


def activation_ranges(
  features: np.ndarray, steps: Sequence[DenseStep], quantized_input: bool, at_least: Mapping[str, Range]
) -> dict[str, Range]:
  """Ranges of all quantized activations, first to last; each layer sees the quantized outputs of those before it.

  Args:
    features: float32 [examples, width], what enters the dense core.
    at_least: what a range has to hold besides the data, by its key.
  Returns: Smallest and largest value by layer name, and under `INPUT`; zero is in every range, as TFLite wants it.
  """
  ranges: dict[str, Range] = {}

  def quantized(name: str, values: tf.Tensor) -> tf.Tensor:
    ranges[name] = _range(values, at_least.get(name, (0.0, 0.0)))
    return tf.quantization.fake_quant_with_min_max_vars(values, *ranges[name])

  values = tf.constant(features)
  if quantized_input:
    values = quantized(INPUT, values)
  for step in steps:
    values = tf.matmul(values, step.kernel) + step.bias
    if step.quantized and step.before_activation:
      values = quantized(step.name, values)
    values = step.activation(values)
    if step.quantized and not step.before_activation:
      values = quantized(step.name, values)
  return ranges


def _range(values: tf.Tensor, at_least: Range) -> Range:
  low, high = hull((float(tf.reduce_min(values)), float(tf.reduce_max(values))), at_least)
  # A layer that is silent on all examples; a range of no width has no scale.
  return (low, high) if high > low else (0.0, 1.0)
