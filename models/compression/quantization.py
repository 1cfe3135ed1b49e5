"""Quantization-aware training of a model: the dense core computes with the rounding of 8 bits.

tfmot's collaborative schemes decide once for the whole model. They share one quantizer between all layers, whose
`preserve_sparsity` goes off for good at the first layer without zeros: pruned and clustered layers after it silently
lose their zeros. Here every layer gets a quantizer of its own, for what it has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.cluster_preserve import (
  cluster_preserve_quantize_registry as cluster_preserve,
)
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (
  prune_preserve_quantize_registry as prune_preserve,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
  default_8bit_quantize_registry,
  default_8bit_quantizers,
)

from configs.recipe import Quantization
from models.compression import layers
from models.compression.quantized_model import (
  BEFORE_ACTIVATION,
  INPUT,
  DenseStep,
  Range,
  activation_ranges,
  assign_output_range,
  assign_ranges,
  copy_dense,
  custom_wrappers,
  hull,
  on_grid,
  output_range,
  quantized_core,
  quantized_names,
  with_headroom,
)
from models.keras_compat import keras
from models.protocols import Examples


class Preserved(NamedTuple):
  """What is kept of a kernel.

  Attributes:
    zeros: zeros stay zero.
    clusters: equal weights stay equal, so that there are no more distinct values.
  """

  zeros: bool = False
  clusters: bool = False


def preserve(variable: tf.Variable, preserved: Preserved) -> None:
  """Makes the optimizer keep what a kernel has, for a layer that is fine-tuned along with others.

  Zeros stay zero while the other weights are trained; a clustered kernel is not trained any more.

  Args: variable: of a layer without a wrapper that would do it.
  """
  values = variable.numpy()
  # Keras takes constraints when a layer is built, and its optimizers read them here, after every step.
  if preserved.clusters:
    variable._constraint = lambda _: tf.constant(values)
  elif preserved.zeros:
    variable._constraint = lambda weights: weights * tf.constant(values != 0, weights.dtype)


class SparsityPreservingClustering(tfmot.clustering.keras.ClusteringAlgorithm):
  """Nearest centroid; the zero centroid is for pruned weights alone, and they have no other.

  With tfmot's own look-up a weight that is nearer to zero than to any other centroid becomes zero, so that clustering
  or its fine-tuning raises the sparsity.
  """

  def __init__(self, centroids: tf.Variable, nonzero: tf.Tensor, zero: int) -> None:
    """Makes the look-up.

    Args:
      centroids: float32 [clusters].
      nonzero: float32 of the kernel's shape; 0 where a weight is pruned, 1 elsewhere.
      zero: index of the zero centroid.
    """
    super().__init__(centroids)
    self._nonzero = nonzero
    self._zero = tf.one_hot(zero, centroids.shape[0])

  def get_pulling_indices(self, weight: tf.Tensor, centroids: tf.Tensor | None = None) -> tf.Tensor:
    """Index of each weight's centroid, int64 of the kernel's shape."""
    centroids = self.cluster_centroids if centroids is None else centroids
    nonzero = self._nonzero[..., tf.newaxis]
    closed = nonzero * self._zero + (1 - nonzero) * (1 - self._zero)
    distances = tf.abs(tf.convert_to_tensor(weight)[..., tf.newaxis] - centroids)
    return tf.argmin(tf.where(closed > 0, np.float32(np.inf), distances), axis=-1)


def one_per_side(centroids: np.ndarray, kernel: np.ndarray) -> np.ndarray:
  """Gives negative and positive weights at least one centroid each.

  tfmot shares the centroids by the number of weights and rounds, so that the few weights of one side may get none; they
  would change their sign.

  Args:
    centroids: float32 [clusters], zero among them.
    kernel: with zeros.
  Returns: The centroids; where a side had none, the innermost of the other side has become its mean.
  """
  centroids = centroids.copy()
  for sign in (-1, 1):
    weights = kernel[kernel * sign > 0]
    others = np.flatnonzero(centroids * sign < 0)
    if weights.size and not (centroids * sign > 0).any() and others.size > 1:
      centroids[others[np.argmin(np.abs(centroids[others]))]] = weights.mean()
  return centroids


MASK = 'sparsity_mask'
"""Key of the mask among the variables of tfmot's pruning-preserving quantizer."""


class PreservingScheme(tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme):
  """tfmot's default 8-bit scheme with another registry."""

  def __init__(self, registry: tfmot.quantization.keras.QuantizeRegistry) -> None:
    super().__init__()
    self._registry = registry

  def get_quantize_registry(self) -> tfmot.quantization.keras.QuantizeRegistry:
    return self._registry


class PreservingRegistry(default_8bit_quantize_registry.Default8BitQuantizeRegistry):
  """tfmot's default 8-bit quantization, with a training of its own for each layer.

  Args:
    preserved: by layer name; other layers are quantized freely.
    quantized_dropouts: names of the dropout layers whose output is quantized because the dense layer ahead of them is
      not.
  """

  def __init__(self, preserved: Mapping[str, Preserved], quantized_dropouts: Collection[str]) -> None:
    super().__init__()
    self._preserved = preserved
    self._quantized_dropouts = quantized_dropouts

  def get_quantize_config(self, layer: keras.layers.Layer) -> tfmot.quantization.keras.QuantizeConfig:
    if layer.name in self._quantized_dropouts:
      config = default_8bit_quantize_registry.Default8BitQuantizeConfig([], [], quantize_output=True)
    else:
      config = _config(layer, self._preserved.get(layer.name, Preserved()))
    config.activation_quantizer = all_values()
    return config


def all_values() -> tfmot.quantization.keras.quantizers.Quantizer:
  """The quantizer of activations in training.

  Not the moving average of tfmot's default: it forgets the few highest examples within some hundred steps, and what is
  cut off has no gradient. This range starts where the calibration put it, and only widens.
  """
  return tfmot.quantization.keras.quantizers.AllValuesQuantizer(
    num_bits=8, per_axis=False, symmetric=False, narrow_range=False
  )


def _config(layer: keras.layers.Layer, preserved: Preserved) -> tfmot.quantization.keras.QuantizeConfig:
  if preserved.clusters:
    scheme = tfmot.experimental.combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=False)
  else:
    scheme = tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme()
  # A new registry for each layer: layers of the same one share a quantizer.
  config = scheme.get_quantize_registry().get_quantize_config(layer)
  is_convolution = isinstance(layer, keras.layers.Conv2D)
  if preserved.clusters and is_convolution:
    raise ValueError(
      f"clustering.layers: '{layer.name}' is a convolution, and quantization gives each of its filters a grid of its "
      'own, so that equal weights become different ones. Cluster dense layers alone, or leave quantization out.'
    )
  if preserved.clusters and preserved.zeros:
    config.weight_quantizer = _ZerosApartQuantizer(preserve_sparsity=True)
  elif not preserved.clusters and is_convolution:
    config.weight_quantizer = _ZerosKeptFilters()
  elif not preserved.clusters and not isinstance(layer, layers.DEPTHWISE):
    config.weight_quantizer = _ZerosKeptQuantizer()
  return config


class _ZerosKeptQuantizer(prune_preserve.PrunePreserveDefault8BitWeightsQuantizer):
  """tfmot's quantizer for pruned weights, its mask a variable: pruned and other models can share a graph."""

  def _build_sparsity_mask(self, name: str, layer: keras.layers.Wrapper) -> dict[str, tf.Variable]:
    shape = getattr(layer.layer, name).shape
    return {MASK: layer.add_weight(f'{name}_mask', shape, initializer='ones', trainable=False)}


class _ZerosKeptFilters(prune_preserve.PrunePreserveDefault8BitConvWeightsQuantizer):
  """The same for convolutions, whose filters have a range each."""

  def build(self, tensor_shape: tf.TensorShape, name: str, layer: keras.layers.Wrapper) -> dict[str, tf.Variable]:
    mask = _ZerosKeptQuantizer._build_sparsity_mask(self, name, layer)
    return mask | default_8bit_quantizers.Default8BitConvWeightsQuantizer.build(self, tensor_shape, name, layer)


class _ZerosApartQuantizer(cluster_preserve.ClusterPreserveDefault8BitWeightsQuantizer):
  """tfmot's quantizer for pruned clusters; no further weight falls to the zero centroid."""

  def _build_clusters(self, name: str, layer: keras.layers.Wrapper) -> dict[str, Any]:
    variables = super()._build_clusters(name, layer)
    centroids = variables[cluster_preserve.CLUSTER_CENTROIDS]
    variables[cluster_preserve.CLUSTERING_IMPL] = SparsityPreservingClustering(
      centroids, variables[cluster_preserve.SPARSITY_MASK], int(np.argmin(np.abs(centroids.numpy())))
    )
    return variables


_quantizers = tfmot.quantization.keras.quantizers
_MOVING = (_quantizers.MovingAverageQuantizer, _quantizers.AllValuesQuantizer)


class QuantizationAware:
  """A model in quantization-aware training.

  Attributes:
    model: to train; embeddings and other layers outside of the dense core are shared with the plain model.
    plain: receives the result.
    ranges: of the activations, those of the last calibration.
  """

  def __init__(self, plain: keras.Model, quantization: Quantization, preserved: Mapping[str, Preserved]) -> None:
    """Wraps a copy of the dense core.

    Args: plain: trained, perhaps pruned and clustered; it receives the result.
    Raises:
      ValueError: an unknown layer, a custom layer without a `QuantizeConfig`, or an activation that tfmot can't
        quantize.
    """
    self.plain = plain
    self._names = quantized_names(plain, quantization)
    self._custom = custom_wrappers(plain, quantization)
    core = layers.dense_core(plain)
    registry = PreservingRegistry(preserved, _dropouts_ahead(core, self._names))
    self._core = quantized_core(core, core.layers, self._names, PreservingScheme(registry))
    self.model = layers.recompose(plain, {layers.DENSE_CORE: self._core} | self._custom)
    nothing = keras.Sequential([keras.Input(core.input_shape[1:]), keras.layers.Activation('linear')])
    self._front = layers.recompose(plain, {layers.DENSE_CORE: nothing})
    self.ranges: dict[str, Range] = {}
    self._keep_the_others(preserved)
    self._mask(preserved)
    own = {variable.ref() for variable in plain.variables}
    self._initial = [(variable, variable.numpy()) for variable in self.model.variables if variable.ref() not in own]

  def fits(self, preserved: Mapping[str, Preserved]) -> bool:
    """Whether weights with this to keep can be trained in the same graph, which holds clusters and the zeros of layers
    that are not quantized."""
    return all(name in self._names and not what.clusters for name, what in preserved.items())

  def restart(self, preserved: Mapping[str, Preserved]) -> None:
    """Takes the weights that the plain model has now, as if it were made of them.

    Args: preserved: what to keep of each layer; it fits, and so did what the model was made with.
    """
    for variable, value in self._initial:
      variable.assign(value)
    copy_dense(self.plain, self._core, self._names)
    self._mask(preserved)
    self.ranges = {}

  def settle(self) -> None:
    """Writes the weights that the trained model computes with into the plain one, kernels on the 8-bit grid.

    The ranges of the trained kernels become those of their final weights.
    """
    dense = layers.kernel_layers(self.plain)
    for layer in self._core.layers:
      inner = getattr(layer, 'layer', layer)
      if inner.name in self._names:
        # What the next training step would use: masked, clustered and rounded, whatever of it the quantizer does.
        ((weight, quantizer, variables),) = layer._weight_vars
        kernel = on_grid(quantizer(weight, True, weights=variables).numpy())
        dense[inner.name].set_weights([kernel, inner.bias.numpy()])
      elif inner.name in dense:
        dense[inner.name].set_weights([inner.kernel.numpy(), inner.bias.numpy()])

  def calibrate(self, examples: Examples, trained: bool = False) -> None:
    """Sets all activation ranges to what examples produce with the settled weights.

    The output's range also holds the labels while the model is trained, as what is cut off has no gradient. Once it is
    trained, it is that of the predictions, with headroom: most models never come near to the dearest label, and a wider
    range has coarser steps.

    Args:
      examples: as `calibration_examples` chooses them.
      trained: whether the weights are final.
    """
    self._calibrate_custom(examples)
    custom = {name: found for name, wrapper in self._custom.items() if (found := output_range(wrapper))}
    output = layers.LayerOrder.of(self.plain).output
    at_least = {} if trained else {output: hull((float(examples.labels.min()), float(examples.labels.max())))}
    if custom:
      # One scale from the custom layer into the core; two would round twice.
      at_least[INPUT] = hull(*custom.values())
    steps = _steps(self.plain, self._names)
    inputs = {name: tf.constant(examples.inputs[name]) for name in self._front.input_names}
    features = self._front(inputs, training=False).numpy()
    self.ranges = custom | activation_ranges(features, steps, steps[0].name in self._names, at_least)
    if trained and output in self.ranges:
      self.ranges[output] = with_headroom(self.ranges[output])
    assign_ranges(self.model, self.ranges)

  def _keep_the_others(self, preserved: Mapping[str, Preserved]) -> None:
    for layer in layers.leaves(self.model):
      inner = getattr(layer, 'layer', layer)
      if inner.name in preserved and inner.name not in self._names:
        preserve(layers.kernel(inner), preserved[inner.name])

  def _mask(self, preserved: Mapping[str, Preserved]) -> None:
    """Sets which weights of the kernels that are not clustered stay zero: those that are, or none."""
    for layer in self._core.layers:
      inner = getattr(layer, 'layer', layer)
      what = preserved.get(inner.name, Preserved())
      if inner.name in self._names and not what.clusters:
        ((weight, _, variables),) = layer._weight_vars
        kernel = weight.numpy()
        variables[MASK].assign(kernel != 0 if what.zeros else np.ones_like(kernel))

  def _calibrate_custom(self, examples: Examples) -> None:
    for name, wrapper in self._custom.items():
      if any(isinstance(quantizer, _MOVING) for quantizer in wrapper._output_quantizers):
        until = keras.Model(self.plain.inputs, self.plain.get_layer(name).output)
        values = until([tf.constant(examples.inputs[key]) for key in self.plain.input_names])
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
  dense = list(layers.kernel_layers(plain).values())
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
