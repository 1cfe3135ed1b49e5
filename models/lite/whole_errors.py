"""Where a file of a whole model loses accuracy, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from models.compression import layers
from models.keras_compat import keras
from models.lite.inspection import LiteFile
from models.lite.interpreter import LiteRunner
from models.protocols import FileContract

_EXAMPLES = 2048
"""So many of the first ones; activations of pictures are large."""

_EXAMPLES_AT_ONCE = 256


def whole_errors(
  content: bytes,
  plain: keras.Model,
  inputs: Mapping[str, np.ndarray],
  columns: Mapping[str, np.ndarray],
  contract: FileContract,
) -> dict[str, tuple[float, float]]:
  """How far a file's activations are from those of its plain model; see `Variants.layer_errors`.

  What a layer yields holds the normalization and the rectifier that are a part of it.

  Args:
    inputs: of the model, [examples, ...] by name.
    columns: of the file, the same examples.
    contract: of the file.
  """
  kernels = layers.kernel_layers(plain)
  matrices = {
    name: layers.filters(layers.kernel(layer).numpy(), isinstance(layer, layers.DEPTHWISE))
    for name, layer in kernels.items()
  }
  file = LiteFile(content)
  tensors = file.activations_at(file.kernels(matrices))
  found = {name: layer for name, layer in kernels.items() if layer in plain.layers and not _is_spread(layer)}
  compute = {name: _computation(layer, tensors[name][2]) for name, layer in found.items()}
  inner = keras.Model(plain.inputs, {name: layer.get_input_at(0) for name, layer in found.items()})
  runner = LiteRunner(content, default_delegates=False, contract=contract, keep_tensors=True)
  sums = {name: np.zeros(5) for name in found}
  count = min(_EXAMPLES, len(next(iter(inputs.values()))))
  for start in range(0, count, _EXAMPLES_AT_ONCE):
    rows = slice(start, min(start + _EXAMPLES_AT_ONCE, count))
    exact = inner([tf.constant(inputs[name][rows]) for name in plain.input_names], training=False)
    runner.call(runner.taken({name: column[rows] for name, column in columns.items()}))
    for name, before in exact.items():
      taken, given, _ = tensors[name]
      here, expected = runner.tensor(taken), compute[name](before)
      # Converters may cut a picture up around a layer.
      if here.size == np.prod(before.shape):
        output = runner.tensor(given).reshape(expected.shape)
        sums[name] += _sums(expected, output - expected, output - compute[name](here.reshape(before.shape)))
  return {name: _shares(*values) for name, values in sums.items() if values[0]}


def _is_spread(layer: keras.layers.Layer) -> bool:
  """Whether its bias and what comes behind it may be operators of their own: a dense layer on more than vectors."""
  return isinstance(layer, keras.layers.Dense) and len(layer.input_shape) > 2


def _computation(layer: keras.layers.Layer, activated: bool) -> Callable[[Any], np.ndarray]:
  """What the operator of a layer computes, in float. Args: activated: whether a rectifier is a part of it."""
  linear = layer.__class__.from_config(layer.get_config() | {'activation': 'linear'})
  linear.build(layer.get_input_shape_at(0))
  linear.set_weights(layer.get_weights())
  folded = [one for one in layers.folded(layer) if activated or isinstance(one, keras.layers.BatchNormalization)]

  def compute(values: Any) -> np.ndarray:
    for each in (linear, *([layer.activation] if activated else []), *folded):
      values = each(values)
    return values.numpy()

  return compute


def _sums(values: np.ndarray, *others: np.ndarray) -> list[float]:
  """How many there are, their sum, and the sums of their squares and of those of others."""
  squares = (float(np.square(each, dtype=np.float64).sum()) for each in (values, *others))
  return [values.size, float(values.sum(dtype=np.float64)), *squares]


def _shares(count: float, total: float, squares: float, error: float, own: float) -> tuple[float, float]:
  """The errors over the standard deviation."""
  spread = np.sqrt(max(squares / count - (total / count) ** 2, 0.0)) or 1.0
  return float(np.sqrt(error / count) / spread), float(np.sqrt(own / count) / spread)
