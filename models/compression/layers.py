"""The parts of a model to compress: the layers that a recipe names, and the model with others in their place."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from configs.base import nearest
from models.keras_compat import keras

DENSE_CORE = 'dense_core'
"""Name of the part that compression works on: the dense layers alone."""


@keras.saving.register_keras_serializable(package='farelite')
class Clip(keras.layers.Layer):
  """Clips standardized features to `[-limit, limit]` standard deviations.

  A dense layer extrapolates linearly, so one mistyped number costs a prediction beyond all reason; a clipped one costs
  what the farthest real example does. It also gives the quantized core a known, narrow input range.
  """

  def __init__(self, limit: float, **kwargs: Any) -> None:
    """Takes the largest magnitude, in standard deviations, positive; and arguments of Keras layers, such as `name`."""
    super().__init__(**kwargs)
    self.limit = float(limit)

  def call(self, inputs: tf.Tensor) -> tf.Tensor:
    """Float32 of any shape to the same shape."""
    return tf.clip_by_value(inputs, -self.limit, self.limit)

  def get_config(self) -> dict[str, Any]:
    return {**super().get_config(), 'limit': self.limit}


def has_core(model: keras.Model) -> bool:
  """Whether a dense core alone is to be quantized, and not the whole model."""
  return any(layer.name == DENSE_CORE for layer in model.layers)


def dense_core(model: keras.Model) -> keras.Sequential:
  """The part of a model that compression works on."""
  return model.get_layer(DENSE_CORE)


def leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
  """All layers in order, those of nested models in their place; what a wrapper wraps is not among them."""
  for layer in model.layers:
    if isinstance(layer, keras.Model):
      yield from leaves(layer)
    else:
      yield layer


DEPTHWISE = (keras.layers.DepthwiseConv2D,)
"""Layers whose few weights tfmot neither prunes nor clusters."""

KERNELS = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, *DEPTHWISE)
_OTHERS = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose)
"""Subclasses of those that compute otherwise."""


def kernel_layers(model: keras.Model) -> dict[str, keras.layers.Layer]:
  """Dense layers and convolutions by name, first to last."""
  found = (layer for layer in leaves(model) if isinstance(layer, KERNELS) and not isinstance(layer, _OTHERS))
  return {layer.name: layer for layer in found}


def output_name(model: keras.Model) -> str:
  """Name of the last layer with a kernel, also where that is wrapped; empty where there is none."""
  inner = (getattr(layer, 'layer', layer) for layer in leaves(model))
  return next((str(layer.name) for layer in reversed([*inner]) if isinstance(layer, KERNELS)), '')


class LayerOrder(NamedTuple):
  """The names of a model's layers that examples are multiplied by, first to last.

  Attributes:
    kernels: all of them.
    depthwise: those among them that are neither pruned nor clustered.
    rounded_behind: the layer whose output is rounded in place of a layer's own, where normalization and activation are
      folded into it.
  """

  kernels: tuple[str, ...]
  depthwise: frozenset[str] = frozenset()
  rounded_behind: Mapping[str, str] = types.MappingProxyType({})

  @classmethod
  def of(cls, model: keras.Model) -> LayerOrder:
    """That of a plain model."""
    found = kernel_layers(model)
    depthwise = frozenset(name for name, layer in found.items() if isinstance(layer, DEPTHWISE))
    behind = {} if has_core(model) else {name: [layer, *folded(layer)][-1].name for name, layer in found.items()}
    return cls(tuple(found), depthwise, behind)

  @property
  def output(self) -> str:
    """The last one."""
    return self.kernels[-1]

  @property
  def hidden(self) -> tuple[str, ...]:
    """What pruning and clustering mean by this group: all but the output and depthwise ones."""
    return tuple(name for name in self.kernels[:-1] if name not in self.depthwise)


_FOLDED = (keras.layers.BatchNormalization, keras.layers.ReLU)


def folded(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
  """The layers behind a layer with a kernel that become a part of it: a normalization, then a rectifier."""
  found = [layer]
  if getattr(layer, 'activation', None) not in (None, keras.activations.linear):
    return []
  for kind in _FOLDED:
    # A recomposed model gives the layers that it shares further nodes.
    following = list({id(node.layer): node.layer for node in found[-1].outbound_nodes}.values())
    if len(following) == 1 and _is(kind, following[0]):
      found.append(following[0])
  return found[1:]


def is_normalized(layer: keras.layers.Layer) -> bool:
  """Whether a normalization becomes a part of it."""
  return any(isinstance(one, keras.layers.BatchNormalization) for one in folded(layer))


def _is(kind: type[keras.layers.Layer], layer: keras.layers.Layer) -> bool:
  """Whether a layer is of a kind that is folded; `Activation('relu')` is a rectifier as well."""
  if kind is keras.layers.ReLU and isinstance(layer, keras.layers.Activation):
    return bool(layer.activation is keras.activations.relu)
  return isinstance(layer, kind)


def named_layers(model: keras.Model, names: Iterable[str] | str, key: str) -> dict[str, keras.layers.Layer]:
  """The dense layers, convolutions and embedding tables that a recipe chooses.

  Args:
    model: a plain model.
    names: of layers; `hidden` stands for those of `LayerOrder.hidden`, `core` for the output too.
    key: where the names come from, for the message.
  Raises: ValueError: the model has no such layer, or it has no kernel.
  """
  order = LayerOrder.of(model)
  groups = {'hidden': order.hidden, 'core': (*order.hidden, order.output)}
  if isinstance(names, str):
    names = groups[names]
  known = {layer.name: layer for layer in leaves(model) if isinstance(layer, keras.layers.Embedding)}
  known |= kernel_layers(model)
  for name in names:
    if name not in known:
      raise ValueError(
        f"{key}: the model has no dense layer, convolution or embedding table '{name}'. It has: {', '.join(known)}."
        f'{nearest(name, known)}'
      )
  return {name: known[name] for name in names}


def kernel(layer: keras.layers.Layer) -> tf.Variable:
  """The weights that compression works on.

  Of a dense layer [inputs, units], of an embedding table [categories, width]; of a convolution its positions go before
  these: [rows, columns, channels, filters], and [rows, columns, channels, multiplier] of a depthwise one.
  """
  return next(getattr(layer, name) for name in KERNEL_NAMES if hasattr(layer, name))


KERNEL_NAMES = ('embeddings', 'depthwise_kernel', 'kernel')
"""Attributes of layers, and the last part of their variables' names."""


def refuse_depthwise(layer: keras.layers.Layer, key: str) -> None:
  """Raises `ValueError` for a layer that tfmot would wrap and leave as it is. Args: key: where its name comes from."""
  if isinstance(layer, DEPTHWISE):
    raise ValueError(
      f"{key}: '{layer.name}' is a depthwise convolution, whose few weights tfmot neither prunes nor clusters; leave "
      'it out.'
    )


def as_matrix(kernel: np.ndarray) -> np.ndarray:
  """A kernel as a matrix [inputs, units], the inputs of a filter from all its positions below each other."""
  return kernel.reshape(-1, kernel.shape[-1])


def filters(kernel: np.ndarray, is_depthwise: bool) -> np.ndarray:
  """A kernel as a matrix [filters, inputs], as TFLite has it; a depthwise one has a filter for each output channel."""
  if is_depthwise:
    rows, columns, channels, multiplier = kernel.shape
    return kernel.reshape(rows * columns, channels * multiplier).T
  return as_matrix(kernel).T


def recompose(model: keras.Model, replacements: Mapping[str, keras.layers.Layer]) -> keras.Model:
  """A model of the same shape with other layers in some places.

  Layers that are not replaced are shared with `model`, as are those that a replacement wraps: training the result
  trains the variables of `model`. Take a fresh one.

  Args:
    model: a plain model.
    replacements: by the name of the layer whose place they take, inside of the dense core or outside; the dense core
      itself may be replaced too.
  """

  def replace(layer: keras.layers.Layer) -> keras.layers.Layer:
    if layer.name in replacements:
      return replacements[layer.name]
    if isinstance(layer, keras.Sequential):
      return keras.Sequential([keras.Input(layer.input_shape[1:]), *map(replace, layer.layers)], name=layer.name)
    return layer

  return keras.models.clone_model(model, clone_function=replace)
