"""How each layer's weights are quantized in training: what earlier techniques reached is kept layer by layer.

tfmot's collaborative schemes decide once for the whole model. They share one quantizer between all layers, whose
`preserve_sparsity` goes off for good at the first layer without zeros: pruned and clustered layers after it silently
lose their zeros. Here every layer gets a quantizer of its own, for what it has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.cluster_preserve import (
  cluster_preserve_quantize_registry as cluster_preserve,
)
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (
  prune_preserve_quantize_registry as prune_preserve,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import default_8bit_quantize_registry

from models.compression.keeping import Kept
from models.compression.zeros_apart import ZerosApart
from models.keras_compat import keras

_MASK = 'sparsity_mask'
"""Key of the mask among the variables of tfmot's pruning-preserving quantizer."""


class PreservingScheme(tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme):
  """tfmot's default 8-bit scheme, with a training of its own for each layer."""

  def __init__(self, kept: Mapping[str, Kept], quantized_dropouts: Collection[str] = ()) -> None:
    """Makes the scheme.

    Args:
      kept: by layer name; other layers are quantized freely.
      quantized_dropouts: names of the dropout layers whose output is quantized
        because the dense layer ahead of them is not.
    """
    super().__init__()
    self._kept = kept
    self._quantized_dropouts = quantized_dropouts

  def get_quantize_registry(self) -> tfmot.quantization.keras.QuantizeRegistry:
    return _Registry(self._kept, self._quantized_dropouts)


class _Registry(tfmot.quantization.keras.QuantizeRegistry):
  """Answers tfmot's questions about layers."""

  def __init__(self, kept: Mapping[str, Kept], quantized_dropouts: Collection[str]) -> None:
    self._kept = kept
    self._quantized_dropouts = quantized_dropouts
    self._default = tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme().get_quantize_registry()

  def supports(self, layer: keras.layers.Layer) -> bool:
    return self._default.supports(layer)

  def get_quantize_config(self, layer: keras.layers.Layer) -> tfmot.quantization.keras.QuantizeConfig:
    if layer.name in self._quantized_dropouts:
      config = default_8bit_quantize_registry.Default8BitQuantizeConfig([], [], quantize_output=True)
    else:
      config = _config(layer, self._kept.get(layer.name, Kept()))
    # Not the moving average of the default: it forgets the few dearest rides within some hundred steps, and what is
    # cut off has no gradient. This range starts where the calibration put it, and only widens.
    config.activation_quantizer = tfmot.quantization.keras.quantizers.AllValuesQuantizer(
      num_bits=8, per_axis=False, symmetric=False, narrow_range=False
    )
    return config


def _config(layer: keras.layers.Layer, kept: Kept) -> tfmot.quantization.keras.QuantizeConfig:
  if kept.clusters:
    scheme = tfmot.experimental.combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=False)
  else:
    scheme = tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme()
  # A new registry for each layer: layers of the same one share a quantizer.
  config = scheme.get_quantize_registry().get_quantize_config(layer)
  if kept.clusters and kept.zeros:
    config.weight_quantizer = _ZerosApartQuantizer(preserve_sparsity=True)
  elif not kept.clusters:
    config.weight_quantizer = _ZerosKeptQuantizer()
  return config


def set_mask(quantizer_variables: Mapping[str, tf.Variable], kernel: np.ndarray, kept: Kept) -> None:
  """Says which weights of a kernel that is not clustered stay zero: those that are, or none.

  Args:
    quantizer_variables: of the wrapped layer's kernel.
    kernel: as the training starts with it.
    kept: zeros or not.
  """
  quantizer_variables[_MASK].assign(kernel != 0 if kept.zeros else np.ones_like(kernel))


class _ZerosKeptQuantizer(prune_preserve.PrunePreserveDefault8BitWeightsQuantizer):
  """tfmot's quantizer for pruned weights, its mask a variable: pruned and other models can share a graph."""

  def _build_sparsity_mask(self, name: str, layer: keras.layers.Wrapper) -> dict[str, tf.Variable]:
    shape = getattr(layer.layer, name).shape
    return {_MASK: layer.add_weight(f'{name}_mask', shape, initializer='ones', trainable=False)}


class _ZerosApartQuantizer(cluster_preserve.ClusterPreserveDefault8BitWeightsQuantizer):
  """tfmot's quantizer for pruned clusters; no further weight falls to the zero centroid."""

  def _build_clusters(self, name: str, layer: keras.layers.Wrapper) -> dict[str, Any]:
    variables = super()._build_clusters(name, layer)
    centroids = variables[cluster_preserve.CLUSTER_CENTROIDS]
    variables[cluster_preserve.CLUSTERING_IMPL] = ZerosApart(
      centroids, variables[cluster_preserve.SPARSITY_MASK], int(np.argmin(np.abs(centroids.numpy())))
    )
    return variables
