"""Building fare models with 8-bit rounding in them, by tfmot's annotations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import tensorflow_model_optimization as tfmot

from configs.recipe import Quantization
from models.compression import layers
from models.compression.grid import largest
from models.compression.quantize_configs import quantize_config
from models.compression.range_variables import assign_kernel_ranges, assign_ranges
from models.compression.ranges import Range
from models.fare_model import DENSE_CORE
from models.keras_compat import keras

BEFORE_ACTIVATION = ('tanh',)
AFTER_ACTIVATION = ('relu', 'linear')
"""On which side of an activation tfmot quantizes (`QuantizeAwareActivation`); it knows no other activation of ours."""


def quantized_names(plain: keras.Model, quantization: Quantization) -> tuple[str, ...]:
  """Names of the dense layers that a recipe quantizes, first to last.

  Raises:
    ValueError: a layer is unknown, or no dense layer, or its activation can't
      be quantized.
  """
  dense = layers.dense_layers(plain)
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

  Raises:
    ValueError: there is no such layer, or no such `QuantizeConfig`.
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
    plain: its kernels are on the 8-bit grid; its layers outside of the dense
      core become part of the model.
    quantization: which layers.
    ranges: of the activations, as a calibration found them.
  """
  core = layers.dense_core(plain)
  # No dropout: it does nothing any more, and tfmot would look at it instead of the dense layer ahead of it.
  scheme = tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme()
  members = list(layers.dense_layers(core).values())
  quantized = quantized_core(core, members, quantized_names(plain, quantization), scheme)
  model = layers.recompose(plain, {DENSE_CORE: quantized} | custom_wrappers(plain, quantization))
  fill(model, plain, quantization, ranges)
  return model


def fill(model: keras.Model, plain: keras.Model, quantization: Quantization, ranges: Mapping[str, Range]) -> None:
  """Gives a quantized model the weights that its plain model has now, and other ranges.

  Args:
    model: from `quantized_model`.
    plain: which it was made of; its kernels are on the 8-bit grid.
    quantization: as then.
    ranges: of the activations.
  """
  copy_dense(plain, layers.dense_core(model), quantized_names(plain, quantization))
  assign_ranges(model, ranges)
  dense = layers.dense_layers(plain)
  assign_kernel_ranges(model, {name: largest(layer.kernel.numpy()) for name, layer in dense.items()})


def copy_dense(plain: keras.Model, core: keras.Sequential, names: Collection[str]) -> None:
  """Copies kernels and biases into a quantized copy of a dense core.

  Args:
    plain: has them.
    core: from `quantized_core`.
    names: of the layers that are quantized there.
  """
  dense = layers.dense_layers(plain)
  for layer in core.layers:
    inner = getattr(layer, 'layer', layer)
    if inner.name in dense:
      # Once it was called, a wrapped layer's `kernel` is the rounded tensor.
      kernel = layer._weight_vars[0][0] if inner.name in names else inner.kernel
      kernel.assign(dense[inner.name].kernel)
      inner.bias.assign(dense[inner.name].bias)
