"""The parts of a model to compress: the layers that a recipe names, and the model with others in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

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


def dense_layers(model: keras.Model) -> dict[str, keras.layers.Dense]:
  """Dense layers by name, first to last."""
  return {layer.name: layer for layer in leaves(model) if isinstance(layer, keras.layers.Dense)}


def output_name(model: keras.Model) -> str:
  """Name of the output layer: the last dense one."""
  return list(dense_layers(model))[-1]


def named_layers(model: keras.Model, names: Iterable[str] | str, key: str) -> dict[str, keras.layers.Layer]:
  """The dense layers and embedding tables that a recipe chooses.

  Args:
    model: a plain model.
    names: of layers; `hidden` stands for all dense layers but the output, `core` for all of them.
    key: where the names come from, for the message.
  Raises: ValueError: the model has no such layer, or it has no kernel.
  """
  dense = dense_layers(model)
  if names == 'core':
    return dict(dense)
  if names == 'hidden':
    return dict([*dense.items()][:-1])
  known = {layer.name: layer for layer in leaves(model) if isinstance(layer, keras.layers.Embedding)} | dense
  for name in names:
    if name not in known:
      raise ValueError(
        f"{key}: the model has no dense layer or embedding table '{name}'. It has: {', '.join(known)}."
        f'{nearest(name, known)}'
      )
  return {name: known[name] for name in names}


def kernel(layer: keras.layers.Layer) -> tf.Variable:
  """The weights that compression works on: [inputs, units], or [categories, width] of an embedding table."""
  return layer.embeddings if isinstance(layer, keras.layers.Embedding) else layer.kernel


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
