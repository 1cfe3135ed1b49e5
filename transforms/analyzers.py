"""What needs a full pass: the fitted constants, by tft analyzers."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from configs.dataset import Bounds
from configs.features import BoundaryFit, BucketBlock, Features
from transforms.catalogue import uses_boundaries
from transforms.constants import Constants
from transforms.crosses import equal_width
from transforms.engineering import Engineered, observed
from transforms.rides import RideBatch

QUANTILE_ERROR = 0.001
"""Largest error of a fitted quantile, as a share of the rides: the sketch is approximate."""


def fit(engineered: Engineered, bounds: Bounds, features: Features) -> Constants:
  """Fits all constants in one analysis phase. An analyzer: a full pass.

  Missing values count for nothing: tft's moments and quantiles leave NaN out.

  Args:
    engineered: the features of a batch.
    bounds: the bounding box, for boundaries of equal width.
    features: says which buckets are wanted.
  """
  # In float64 the mean of one and the same float32 is that number, so a constant has variance 0.
  values = tf.cast(observed(engineered), tf.float64)
  mean = tft.mean(values, reduce_instance_dims=False)
  variance = tft.var(values, reduce_instance_dims=False)
  return Constants.from_moments(mean, variance, _boundaries(engineered.rides, bounds, features))


def _boundaries(ride: RideBatch, bounds: Bounds, features: Features) -> tf.Tensor | np.ndarray | None:
  block: BucketBlock = features.buckets
  if not uses_boundaries(features):
    return None
  if block.fit is BoundaryFit.EQUAL_WIDTH:
    return equal_width(bounds, block.count)
  coordinates = tf.where(ride.known[:, :4], ride.columns[:, :4], np.float32(np.nan))
  fitted = tft.quantiles(coordinates, block.count, QUANTILE_ERROR, reduce_instance_dims=False)
  return tf.ensure_shape(fitted, [4, block.count - 1])
