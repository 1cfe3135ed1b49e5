"""Quantization-aware training of a fare model: the dense core computes with the rounding of 8 bits."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import tensorflow as tf
import tensorflow_model_optimization as tfmot

from configs.recipe import OUTPUT_LAYER, Quantization
from models.compression import layers
from models.compression.calibration import DenseStep, activation_ranges
from models.compression.grid import on_grid
from models.compression.keeping import Kept, keep
from models.compression.preserving import PreservingScheme, set_mask
from models.compression.quantized_model import (
  BEFORE_ACTIVATION,
  copy_dense,
  custom_wrappers,
  quantized_core,
  quantized_names,
)
from models.compression.range_variables import assign_output_range, assign_ranges, output_range
from models.compression.ranges import INPUT, Range, hull
from models.fare_model import DENSE_CORE
from models.keras_compat import keras
from models.rides import Rides

_quantizers = tfmot.quantization.keras.quantizers
_MOVING = (_quantizers.MovingAverageQuantizer, _quantizers.AllValuesQuantizer)


class QuantizationAware:
  """A fare model in quantization-aware training.

  Attributes:
    model: to train; embeddings and other layers outside of the dense core are
      shared with the plain model.
    plain: receives the result.
    ranges: of the activations, those of the last calibration.
  """

  def __init__(self, plain: keras.Model, quantization: Quantization, kept: Mapping[str, Kept]) -> None:
    """Wraps a copy of the dense core.

    Args:
      plain: trained, perhaps pruned and clustered; it receives the result.
      quantization: which layers.
      kept: what to keep of each layer.

    Raises:
      ValueError: an unknown layer, a custom layer without a `QuantizeConfig`,
        or an activation that tfmot can't quantize.
    """
    self.plain = plain
    self._names = quantized_names(plain, quantization)
    self._custom = custom_wrappers(plain, quantization)
    core = layers.dense_core(plain)
    scheme = PreservingScheme(kept, _dropouts_ahead(core, self._names))
    self._core = quantized_core(core, core.layers, self._names, scheme)
    self.model = layers.recompose(plain, {DENSE_CORE: self._core} | self._custom)
    nothing = keras.Sequential([keras.Input(core.input_shape[1:]), keras.layers.Activation('linear')])
    self._front = layers.recompose(plain, {DENSE_CORE: nothing})
    self.ranges: dict[str, Range] = {}
    self._keep_the_others(kept)
    self._mask(kept)
    own = {variable.ref() for variable in plain.variables}
    self._initial = [(variable, variable.numpy()) for variable in self.model.variables if variable.ref() not in own]

  def fits(self, kept: Mapping[str, Kept]) -> bool:
    """Whether weights with this to keep can be trained in the same graph, which holds clusters and the zeros of layers
    that are not quantized."""
    return all(name in self._names and not what.clusters for name, what in kept.items())

  def restart(self, kept: Mapping[str, Kept]) -> None:
    """Takes the weights that the plain model has now, as if it were made of them.

    Args:
      kept: what to keep of each layer; it fits, and so did what the model was
        made with.
    """
    for variable, value in self._initial:
      variable.assign(value)
    copy_dense(self.plain, self._core, self._names)
    self._mask(kept)
    self.ranges = {}

  def settle(self) -> None:
    """Writes the weights that the trained model computes with into the plain one, kernels on the 8-bit grid.

    The ranges of the trained kernels become those of their final weights.
    """
    dense = layers.dense_layers(self.plain)
    for layer in self._core.layers:
      inner = getattr(layer, 'layer', layer)
      if inner.name in self._names:
        # What the next training step would use: masked, clustered and rounded, whatever of it the quantizer does.
        ((weight, quantizer, variables),) = layer._weight_vars
        kernel = on_grid(quantizer(weight, True, weights=variables).numpy())
        dense[inner.name].set_weights([kernel, inner.bias.numpy()])
      elif inner.name in dense:
        dense[inner.name].set_weights([inner.kernel.numpy(), inner.bias.numpy()])

  def calibrate(self, rides: Rides) -> None:
    """Sets all activation ranges to what rides produce with the settled weights.

    The output's range also holds the fares of these rides and what it held
    before: neither a true fare nor one that was predicted once is cut off.

    Args:
      rides: as `calibration_rides` chooses them.
    """
    self._calibrate_custom(rides)
    custom = {name: found for name, wrapper in self._custom.items() if (found := output_range(wrapper))}
    fares = float(rides.fares.min()), float(rides.fares.max())
    at_least = {OUTPUT_LAYER: hull(fares, self.ranges.get(OUTPUT_LAYER, fares))}
    if custom:
      # One scale from the custom layer into the core; two would round twice.
      at_least[INPUT] = hull(*custom.values())
    steps = _steps(self.plain, self._names)
    features = self._front(_inputs(self._front, rides), training=False).numpy()
    self.ranges = custom | activation_ranges(features, steps, steps[0].name in self._names, at_least)
    assign_ranges(self.model, self.ranges)

  def _keep_the_others(self, kept: Mapping[str, Kept]) -> None:
    for layer in layers.leaves(self.model):
      inner = getattr(layer, 'layer', layer)
      if inner.name in kept and inner.name not in self._names:
        keep(layers.kernel(inner), kept[inner.name])

  def _mask(self, kept: Mapping[str, Kept]) -> None:
    for layer in self._core.layers:
      inner = getattr(layer, 'layer', layer)
      what = kept.get(inner.name, Kept())
      if inner.name in self._names and not what.clusters:
        ((weight, _, variables),) = layer._weight_vars
        set_mask(variables, weight.numpy(), what)

  def _calibrate_custom(self, rides: Rides) -> None:
    for name, wrapper in self._custom.items():
      if any(isinstance(quantizer, _MOVING) for quantizer in wrapper._output_quantizers):
        until = keras.Model(self.plain.inputs, self.plain.get_layer(name).output)
        values = until([tf.constant(rides.inputs[key]) for key in self.plain.input_names])
        assign_output_range(wrapper, hull((float(tf.reduce_min(values)), float(tf.reduce_max(values)))))


def _dropouts_ahead(core: keras.Sequential, names: Collection[str]) -> set[str]:
  """Dropout layers between a dense layer that is not quantized and one that is.

  tfmot quantizes the output of the layer right ahead of a quantized one, and that is the dropout, which its default
  leaves alone: the inputs of the quantized layer would stay float, and its kernel too, once converted.
  """
  ahead = zip(core.layers, core.layers[1:], core.layers[2:], strict=False)
  return {
    middle.name
    for first, middle, last in ahead
    if isinstance(middle, keras.layers.Dropout) and last.name in names and first.name not in names
  }


def _steps(plain: keras.Model, names: Collection[str]) -> list[DenseStep]:
  dense = list(layers.dense_layers(plain).values())
  following = [*(layer.name for layer in dense[1:]), '']
  return [
    DenseStep(
      name=layer.name,
      kernel=layer.kernel.numpy(),
      bias=layer.bias.numpy(),
      activation=layer.activation,
      before_activation=layer.activation.__name__ in BEFORE_ACTIVATION,
      quantized=layer.name in names or after in names,
    )
    for layer, after in zip(dense, following, strict=True)
  ]


def _inputs(model: keras.Model, rides: Rides) -> dict[str, tf.Tensor]:
  return {name: tf.constant(rides.inputs[name]) for name in model.input_names}
