"""Weight clustering of a model: each chosen kernel ends with few distinct values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow_model_optimization.python.core.clustering.keras.cluster_wrapper import ClusterWeights
from tensorflow_model_optimization.python.core.clustering.keras.experimental.cluster import cluster_weights

from configs.recipe import Clustering
from models.compression import layers
from models.compression.quantization import Preserved, SparsityPreservingClustering, one_per_side, preserve
from models.keras_compat import keras


class Clusterer:
  """A model whose kernels are drawn from few centroids while it is trained.

  A kernel with zeros keeps exactly these: zero is one of its centroids.

  Attributes:
    model: to train.
    probes: no further curves.
  """

  def __init__(self, plain: keras.Model, clustering: Clustering, preserved: Mapping[str, Preserved], seed: int) -> None:
    """Wraps the layers.

    Args:
      plain: trained, perhaps pruned. Its layers are spent: only the variables that it had before are worth reading
        afterwards.
      clustering: which layers, how many distinct values.
      preserved: zeros of pruned layers, to be kept whether the layer is clustered or not.
    Raises: ValueError: an unknown layer, or two clusters for a kernel with zeros.
    """
    chosen = layers.named_layers(plain, clustering.layers, 'clustering.layers')
    # Random centroids are drawn by the global seed; those of k-means++ have a fixed one (tfmot's `seed=9`).
    tf.random.set_seed(seed)
    self._wrappers = {name: _wrapped(layer, clustering) for name, layer in chosen.items() if _several_values(layer)}
    self.model = layers.recompose(plain, self._wrappers)
    self.probes: dict[str, Callable[[], float]] = {}
    for wrapper in self._wrappers.values():
      if wrapper.preserve_sparsity:
        _keep_zeros(wrapper)
    for name, layer in layers.named_layers(plain, preserved.keys() - self._wrappers.keys(), 'pruning.layers').items():
      preserve(layers.kernel(layer), preserved[name])

  def finish(self) -> None:
    """Writes the clustered weights into the variables of the plain model."""
    for wrapper in self._wrappers.values():
      # The optimizer moved the centroids after the last look-up.
      wrapper.update_clustered_weights_associations()
      for name, variable in wrapper.original_clusterable_weights.items():
        variable.assign(wrapper.get_weight_from_layer(name))


def broken_promises(
  clustering: Clustering, clustered: Sequence[str], kernels: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, str, str]]:
  """Kernels with too many distinct values; see `models.compression.techniques.PROMISES`."""
  for layer in clustered:
    distinct = len(np.unique(kernels[layer]))
    if distinct > clustering.clusters:
      yield layer, f'at most {clustering.clusters} distinct weights', f'{distinct:,}'


def _several_values(layer: keras.layers.Layer) -> bool:
  """Whether there is something to cluster; zero and one other value, or less, are left as they are."""
  layer.trainable = len(np.unique(layers.kernel(layer))) > 2
  return layer.trainable


def _wrapped(layer: keras.layers.Layer, clustering: Clustering) -> ClusterWeights:
  layers.refuse_depthwise(layer, 'clustering.layers')
  values = layers.kernel(layer).numpy()
  pruned = not values.all()
  if pruned and clustering.clusters < 3:
    raise ValueError(
      f"clustering.clusters must be at least 3 for '{layer.name}', which is pruned: zero takes one. "
      f'Got {clustering.clusters}.'
    )
  return cluster_weights(
    layer,
    # More centroids than values: k-means++ fails.
    number_of_clusters=min(clustering.clusters, len(np.unique(values))),
    cluster_centroids_init=tfmot.clustering.keras.CentroidInitialization[clustering.initialization.name],
    preserve_sparsity=pruned,
  )


def _keep_zeros(wrapper: ClusterWeights) -> None:
  """tfmot keeps zeros at zero, but lets further weights fall to the zero centroid; none may."""
  for name, weight in wrapper.original_clusterable_weights.items():
    centroids = wrapper.cluster_centroids[name]
    centroids.assign(one_per_side(centroids.numpy(), weight.numpy()))
    nonzero = tf.constant(weight.numpy() != 0, tf.float32)
    wrapper.sparsity_masks[name] = nonzero
    wrapper.clustering_algorithms[name] = SparsityPreservingClustering(centroids, nonzero, int(wrapper.zero_idx[name]))
