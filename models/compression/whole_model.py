"""Quantization-aware training of a whole model: convolutions, batch normalization, pooling, residual additions.

Where the fare model's features are clipped ahead of a dense core that is quantized alone (`models.compression.
quantization`), any other model is quantized from its inputs on, by tfmot's own layout: batch normalization and the
activation behind it are folded into their convolution, and only what comes out is rounded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
  default_8bit_quantize_configs,
  default_8bit_quantize_layout_transform,
  default_8bit_transforms,
)
from tensorflow_model_optimization.python.core.quantization.keras.graph_transformations import transforms
from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import QuantizeLayer

from configs.base import joined
from configs.recipe import Quantization
from models import serving
from models.compression import layers
from models.compression.quantization import (
  MASK,
  Preserved,
  PreservingRegistry,
  PreservingScheme,
  QuantizationAware,
  all_values,
  preserve,
)
from models.compression.quantize_configs import quantize_config
from models.compression.quantized_model import (
  INPUT,
  Range,
  assign_output_range,
  assign_range,
  fill,
  hull,
  kernel_range,
  largest,
  largest_of_each,
  on_grid,
  output_range,
  quantized_model,
  with_headroom,
)
from models.keras_compat import keras
from models.protocols import Examples

_EXAMPLES_AT_ONCE = 512

_quantizers = tfmot.quantization.keras.quantizers


class WholeModel:
  """A whole model in quantization-aware training; see `models.compression.quantization.QuantizationAware`.

  Attributes:
    model: to train, a copy of the plain one.
    plain: receives the result.
    ranges: of the activations by layer name, those of the last calibration; of an input under `input_key`.
  """

  def __init__(self, plain: keras.Model, quantization: Quantization, preserved: Mapping[str, Preserved]) -> None:
    """Wraps a copy.

    Args: plain: trained, perhaps pruned and clustered; it receives the result.
    Raises: ValueError: a layer is unknown, or can't be quantized; it is named, with what can be done.
    """
    self.plain = plain
    self._names = whole_names(plain, quantization)
    self.model = _quantized(plain, quantization, PreservingScheme(PreservingRegistry(preserved, ())))
    for layer in layers.leaves(self.model):
      # What tfmot's layout sets for normalizations behind a convolution is no matter of the registry.
      if any(isinstance(each, _quantizers.MovingAverageQuantizer) for each in getattr(layer, '_output_quantizers', ())):
        layer._output_quantizers = [all_values()]
      for activation in getattr(layer, '_quantize_activations', ()):
        # And what it sets for layers ahead of a concatenation.
        if isinstance(activation.quantizer, _quantizers.MovingAverageQuantizer):
          activation.quantizer = all_values()
    self.ranges: dict[str, Range] = {}
    _copy(plain, self.model)
    self._mask(preserved)
    self._initial = [(variable, variable.numpy()) for variable in self.model.variables]

  def fits(self, preserved: Mapping[str, Preserved]) -> bool:
    """Whether weights with this to keep can be trained in the same graph."""
    return all(name in self._names and not what.clusters for name, what in preserved.items())

  def restart(self, preserved: Mapping[str, Preserved]) -> None:
    """Takes the weights that the plain model has now, as if it were made of them."""
    for variable, value in self._initial:
      variable.assign(value)
    _copy(self.plain, self.model)
    self._mask(preserved)
    self.ranges = {}

  def settle(self) -> None:
    """Writes the weights that the trained model computes with into the plain one, kernels on their 8-bit grid."""
    wrapped = _wrapped(self.model)
    for layer in layers.leaves(self.plain):
      if not layer.weights:
        continue
      found = _variables(wrapped[layer.name])
      values = {name: variable.numpy() for name, variable in found.items()}
      if layer.name in self._names:
        ((weight, quantizer, variables),) = wrapped[layer.name]._weight_vars
        rounded = quantizer(weight, True, weights=variables).numpy()
        values[_short(weight)] = on_grid(rounded, each_unit=is_per_unit(layer))
      layer.set_weights([values[_short(variable)] for variable in layer.weights])

  def calibrate(self, examples: Examples, trained: bool = False) -> None:
    """Sets all activation ranges to what examples produce with the settled weights; see `QuantizationAware`."""
    _copy(self.plain, self.model)
    for layer in _ranged(self.model).values():
      assign_output_range(layer, (0.0, 0.0))
    with _inference_but_for_ranges(self.model):
      for start in range(0, len(examples), _EXAMPLES_AT_ONCE):
        batch = {name: tf.constant(examples.inputs[name][start : start + _EXAMPLES_AT_ONCE]) for name in self._inputs}
        self.model(batch, training=True)
    found = {key: output_range(layer) for key, layer in _ranged(self.model).items()}
    self.ranges = {key: _with_width(values) for key, values in found.items() if values}
    output = layers.LayerOrder.of(self.plain).output
    if output in self.ranges and self.plain.output_shape[-1] == 1:
      labels = float(examples.labels.min()), float(examples.labels.max())
      own = self.ranges[output]
      self.ranges[output] = with_headroom(own) if trained else hull(own, labels)
    assign_whole_ranges(self.model, self.ranges)

  @property
  def _inputs(self) -> list[str]:
    return list(self.plain.input_names)

  def _mask(self, preserved: Mapping[str, Preserved]) -> None:
    """Sets which weights stay zero; keeps what is pruned or clustered and not quantized."""
    wrapped = _wrapped(self.model)
    for name in layers.kernel_layers(self.plain):
      what = preserved.get(name, Preserved())
      if name not in self._names:
        # One in float is wrapped where its output is rounded for the next.
        preserve(layers.kernel(getattr(wrapped[name], 'layer', wrapped[name])), what)
      elif not what.clusters:
        ((weight, _, variables),) = wrapped[name]._weight_vars
        if MASK in variables:
          kernel = weight.numpy()
          variables[MASK].assign(kernel != 0 if what.zeros else np.ones_like(kernel))


def quantization_aware(
  plain: keras.Model, quantization: Quantization, preserved: Mapping[str, Preserved]
) -> QuantizationAware | WholeModel:
  """A model in quantization-aware training: of one with a dense core that alone, of any other the whole."""
  kind = QuantizationAware if layers.has_core(plain) else WholeModel
  return kind(plain, quantization, preserved)


def final_model(plain: keras.Model, quantization: Quantization, ranges: Mapping[str, Range]) -> keras.Model:
  """The model to export, with 8-bit rounding in it; see `quantized_model`."""
  return (quantized_model if layers.has_core(plain) else quantized_whole)(plain, quantization, ranges)


def fill_final(model: keras.Model, plain: keras.Model, quantization: Quantization, ranges: Mapping[str, Range]) -> None:
  """Gives a final model the weights that its plain model has now, and other ranges."""
  if layers.has_core(plain):
    fill(model, plain, quantization, ranges)
  else:
    fill_whole(model, plain, ranges)


def whole_names(plain: keras.Model, quantization: Quantization) -> tuple[str, ...]:
  """Names of the layers whose kernels a recipe quantizes, first to last. Raises: ValueError: there is no such layer."""
  known = layers.kernel_layers(plain)
  if quantization.layers == 'core':
    return tuple(name for name in known if name not in quantization.quantize_configs)
  named = layers.named_layers(plain, quantization.names(tuple(known)[:-1], tuple(known)[-1]), 'quantization.layers')
  if tables := [f"'{name}'" for name in named if name not in known]:
    raise ValueError(
      f'quantization.layers: {joined(tables)} is looked up and has no kernel; leave it out: what comes out of it is '
      'rounded in any case.'
    )
  return tuple(name for name in known if name in named and name not in quantization.quantize_configs)


def quantized_whole(plain: keras.Model, quantization: Quantization, ranges: Mapping[str, Range]) -> keras.Model:
  """The model to export: tfmot's default 8-bit layers around final weights; see `quantized_model`."""
  model = _quantized(plain, quantization, tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme())
  fill_whole(model, plain, ranges)
  return model


def fill_whole(model: keras.Model, plain: keras.Model, ranges: Mapping[str, Range]) -> None:
  """Gives a quantized model the weights that its plain model has now, and other ranges."""
  _copy(plain, model)
  assign_whole_ranges(model, ranges)
  wrapped = _wrapped(model)
  for name, layer in layers.kernel_layers(plain).items():
    assign_kernel = kernel_range(wrapped[name])
    if assign_kernel:
      kernel = layers.kernel(layer).numpy()
      ends = largest_of_each(kernel) if is_per_unit(layer) else largest(kernel)
      assign_range(assign_kernel, (-ends, ends))


def is_per_unit(layer: keras.layers.Layer) -> bool:
  """Whether tfmot gives each filter a range of its own: convolutions; a depthwise one has one for its multiplier."""
  return isinstance(layer, (keras.layers.Conv2D, *layers.DEPTHWISE))


def assign_whole_ranges(model: keras.Model, ranges: Mapping[str, Range]) -> None:
  """Sets the output ranges of all quantized layers."""
  for key, layer in _ranged(model).items():
    assign_output_range(layer, ranges[key])


def input_key(name: str, count: int) -> str:
  """Under which the range of an input stands: `INPUT`, with its name where there are several."""
  return INPUT if count == 1 else f'{INPUT}_{name}'


def _ranged(model: keras.Model) -> dict[str, keras.layers.Layer]:
  """Layers whose outputs are quantized, by the key of their range: a name, or `input_key`."""
  found = [layer for layer in layers.leaves(model) if output_range(layer)]
  inputs = [layer for layer in found if isinstance(layer, QuantizeLayer)]
  keys = {id(layer): input_key(layer.name.removeprefix(serving.QUANTIZED_INPUT), len(inputs)) for layer in inputs}
  return {keys.get(id(layer)) or _plain_name(layer): layer for layer in found}


def _plain_name(layer: keras.layers.Layer) -> str:
  """The name of what a wrapper wraps, or of a layer without one."""
  return str(getattr(layer, 'layer', layer).name)


def _with_width(values: Range) -> Range:
  # A layer that is silent on all examples; a range of no width has no scale.
  return values if values[1] > values[0] else (0.0, 1.0)


def _quantized(
  plain: keras.Model, quantization: Quantization, scheme: tfmot.quantization.keras.QuantizeScheme
) -> keras.Model:
  """A copy, quantized where the recipe says, with whatever weights."""
  chosen = _annotated(plain, quantization, scheme.get_quantize_registry())

  def annotate(layer: keras.layers.Layer) -> keras.layers.Layer:
    if layer.name not in chosen:
      return layer.__class__.from_config(layer.get_config())
    return tfmot.quantization.keras.quantize_annotate_layer(
      layer.__class__.from_config(layer.get_config()), chosen[layer.name]
    )

  annotated = keras.models.clone_model(plain, clone_function=annotate)
  for layer in annotated.layers:
    # Which weights are clustered together is read when a layer is wrapped.
    inner = getattr(layer, 'layer', layer)
    inner.set_weights(plain.get_layer(inner.name).get_weights())
  scheme.get_layout_transformer = _Layout  # type: ignore[method-assign]
  # The model is cloned once more, by the names of its parts.
  configs = {type(config).__name__: type(config) for config in chosen.values() if config is not None}
  with tfmot.quantization.keras.quantize_scope(configs):
    return tfmot.quantization.keras.quantize_apply(annotated, scheme)


class _FloatInputQuantize(default_8bit_transforms.InputLayerQuantize):
  """tfmot's, which would round what is looked up in a table, too."""

  def pattern(self) -> transforms.LayerPattern:
    return transforms.LayerPattern('InputLayer', {'dtype': 'float32'})

  def replacement(self, match_layer: transforms.LayerNode) -> transforms.LayerNode:
    """Named by the input, so that a saved range is known by its name."""
    node = super().replacement(match_layer)
    name = f'{serving.QUANTIZED_INPUT}{match_layer.layer["config"]["name"]}'
    node.layer['name'] = node.layer['config']['name'] = name
    return node


class _Layout(default_8bit_quantize_layout_transform.Default8BitQuantizeLayoutTransform):
  """tfmot's layout with whole numbers left as they are."""

  def apply(self, model: keras.Model, layer_quantize_map: Any) -> tuple[keras.Model, Any]:
    # The list of transforms is no argument. Models are built in one thread: Keras counts names without a lock.
    kept = default_8bit_transforms.InputLayerQuantize
    default_8bit_transforms.InputLayerQuantize = _FloatInputQuantize
    try:
      return super().apply(model, layer_quantize_map)
    finally:
      default_8bit_transforms.InputLayerQuantize = kept


def _annotated(
  plain: keras.Model, quantization: Quantization, registry: tfmot.quantization.keras.QuantizeRegistry
) -> dict[str, tfmot.quantization.keras.QuantizeConfig | None]:
  """The layers to wrap by name, with a config where it is not the registry's."""
  names, custom = whole_names(plain, quantization), quantization.quantize_configs
  chosen: dict[str, tfmot.quantization.keras.QuantizeConfig | None] = {}
  refused = []
  for layer in plain.layers:
    if isinstance(layer, keras.layers.InputLayer):
      continue
    if layer.name in custom:
      chosen[layer.name] = quantize_config(layer.name, custom[layer.name])
    elif isinstance(layer, keras.layers.Embedding):
      # Rows are looked up as they are; what comes out is rounded, or the next kernel would stay float.
      chosen[layer.name] = default_8bit_quantize_configs.Default8BitOutputQuantizeConfig()
    elif isinstance(layer, layers.KERNELS):
      if layer.name in names:
        chosen[layer.name] = None
    elif all(before.name in chosen or isinstance(before, keras.layers.InputLayer) for before in _ahead(layer)):
      chosen[layer.name] = None
    if layer.name in names:
      # TFLite leaves a kernel in float whose input is not rounded, and tfmot rounds what has a range of its own alone.
      for before in _ahead(layer):
        if (
          before.name not in chosen
          and not isinstance(before, keras.layers.InputLayer)
          and not _rounds(before, registry)
        ):
          chosen[before.name] = default_8bit_quantize_configs.Default8BitOutputQuantizeConfig()
    if chosen.get(layer.name, ()) is not None:
      continue
    if isinstance(layer, keras.layers.BatchNormalization):
      # Behind a Dense layer the converter folds none into weights that are rounded, and leaves both in float.
      if not any(isinstance(before, (keras.layers.Conv2D, *layers.DEPTHWISE)) for before in _ahead(layer)):
        refused.append(f"'{layer.name}' (BatchNormalization that is not right behind a Conv2D or DepthwiseConv2D)")
    elif not registry.supports(layer):
      refused.append(f"'{layer.name}' ({type(layer).__name__})")
  if missing := custom.keys() - {layer.name for layer in plain.layers}:
    raise ValueError(f'quantization.quantize_configs: the model has no layer {joined(sorted(missing))}.')
  if refused:
    raise ValueError(
      f'quantization: there is no 8-bit form of {joined(refused)}: name the layers to quantize without it in '
      'quantization.layers, or give it a QuantizeConfig in quantization.quantize_configs.'
    )
  return chosen


def _rounds(layer: keras.layers.Layer, registry: tfmot.quantization.keras.QuantizeRegistry) -> bool:
  """Whether tfmot rounds the output of a layer that is not quantized where the next one is."""
  return bool(registry.supports(layer) and registry.get_quantize_config(layer).get_output_quantizers(layer))


def _ahead(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
  """The layers whose outputs a layer takes."""
  for node in layer.inbound_nodes:
    yield from tf.nest.flatten(node.inbound_layers)


def _wrapped(model: keras.Model) -> dict[str, keras.layers.Layer]:
  """Layers, wrapped ones too, by the name that they have in the plain model."""
  return {_plain_name(layer): layer for layer in layers.leaves(model)}


def _short(variable: tf.Variable) -> str:
  return str(variable.name).split(':')[0].split('/')[-1]


def _variables(layer: keras.layers.Layer) -> dict[str, tf.Variable]:
  """A layer's own variables by their short names; a wrapped layer that was called has the rounded tensor as kernel."""
  inner = getattr(layer, 'layer', layer)
  rounded = [weight for weight, *_ in getattr(layer, '_weight_vars', ())]
  return {_short(variable): variable for variable in (*inner.weights, *rounded)}


def _copy(plain: keras.Model, model: keras.Model) -> None:
  """Gives a quantized copy the weights of its plain model."""
  wrapped = _wrapped(model)
  for layer in layers.leaves(plain):
    found = _variables(wrapped[layer.name]) if layer.weights else {}
    for variable in layer.weights:
      found[_short(variable)].assign(variable)


@contextlib.contextmanager
def _inference_but_for_ranges(model: keras.Model) -> Iterator[None]:
  """Inside of it, a call with `training` widens the ranges and does nothing else that training does."""
  inner = [getattr(layer, 'layer', layer) for layer in layers.leaves(model)]
  normalizations = [layer for layer in inner if isinstance(layer, keras.layers.BatchNormalization)]
  dropouts = [layer for layer in inner if isinstance(layer, keras.layers.Dropout)]
  rates = [layer.rate for layer in dropouts]
  for layer in normalizations:
    layer.trainable = False
  for layer in dropouts:
    layer.rate = 0
  try:
    yield
  finally:
    for layer in normalizations:
      layer.trainable = True
    for layer, rate in zip(dropouts, rates, strict=True):
      layer.rate = rate
