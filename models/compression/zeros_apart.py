"""Cluster look-up that keeps pruned weights at zero and every other weight away from it."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot


class ZerosApart(tfmot.clustering.keras.ClusteringAlgorithm):
  """Nearest centroid; the zero centroid is for pruned weights alone, and they have no other.

  With tfmot's own look-up a weight that is nearer to zero than to any other centroid becomes zero, so that clustering
  or its fine-tuning raises the sparsity that was asked for.
  """

  def __init__(self, centroids: tf.Variable, nonzero: tf.Tensor, zero: int) -> None:
    """Makes the look-up.

    Args:
      centroids: float32 [clusters].
      nonzero: float32 of the kernel's shape; 0 where a weight is pruned, 1
        elsewhere.
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

  tfmot shares the centroids by the number of weights and rounds, so that the few weights of one side may get none;
  they would change their sign.

  Args:
    centroids: float32 [clusters], zero among them.
    kernel: with zeros.

  Returns:
    The centroids; where a side had none, the innermost of the other side has
    become its mean.
  """
  centroids = centroids.copy()
  for sign in (-1, 1):
    weights = kernel[kernel * sign > 0]
    others = np.flatnonzero(centroids * sign < 0)
    if weights.size and not (centroids * sign > 0).any() and others.size > 1:
      centroids[others[np.argmin(np.abs(centroids[others]))]] = weights.mean()
  return centroids
