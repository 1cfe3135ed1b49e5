"""The `preprocessing_fn` of the Transform step. It only composes analyzers (full pass) and mappers (row by row)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from configs.dataset import LABEL, TIME, Bounds, Dataset
from configs.evaluation import Slices
from configs.features import Features
from configs.parts import load_part
from transforms import names
from transforms.constants import Constants, named
from transforms.crosses import fitted_boundaries
from transforms.engineering import Engineered, categorical_indices, engineer, observed, standardize
from transforms.slicing import slice_columns

QUANTILE_ERROR = 0.001
"""Largest error of a fitted quantile, as a share of the rides: the sketch is approximate."""


def fit(engineered: Engineered, bounds: Bounds, features: Features) -> Constants:
  """Fits all constants in one analysis phase. An analyzer: a full pass.

  Missing values count for nothing: tft's moments and quantiles leave NaN out.

  Args:
    bounds: the bounding box, for boundaries of equal width.
    features: which buckets are wanted.
  """
  # In float64 the mean of one and the same float32 is that number, so a constant has variance 0.
  values = tf.cast(observed(engineered), tf.float64)
  mean = tft.mean(values, reduce_instance_dims=False)
  variance = tft.var(values, reduce_instance_dims=False)

  def quantiles(count: int) -> tf.Tensor:
    ride = engineered.rides
    coordinates = tf.where(ride.known[:, :4], ride.columns[:, :4], np.float32(np.nan))
    fitted = tft.quantiles(coordinates, count, QUANTILE_ERROR, reduce_instance_dims=False)
    return tf.ensure_shape(fitted, [4, count - 1])

  return Constants.from_moments(mean, variance, fitted_boundaries(bounds, features, quantiles))


def compose(
  inputs: Mapping[str, tf.Tensor],
  engineered: Engineered,
  dataset: Dataset,
  features: Features,
  slices: Slices,
  constants: Constants,
) -> dict[str, tf.Tensor]:
  """Applies fitted constants.

  Returns: By the names in `transforms.names`: the standardized vector, float32 [batch, n]; int64 [batch] per
    categorical of the catalogue; int64 slice columns; int64 `pickup_seconds`; and the float32 label, if it came in.
  """
  ride = engineered.rides
  outputs = {names.NUMERIC: standardize(engineered, constants)}
  outputs |= categorical_indices(inputs, ride, dataset, features, constants)
  outputs |= slice_columns(inputs, ride, slices, dataset)
  outputs[TIME] = tf.cast(ride.seconds, tf.int64)
  if LABEL in inputs:
    label = inputs[LABEL]
    outputs[LABEL] = tf.cast(label if label.shape.rank == 1 else tf.reshape(label, [-1]), tf.float32)
  return outputs


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
  """What TFX's Transform calls by its dotted path.

  Args:
    inputs: dense canonical columns, [batch] each; the label may be absent.
    custom_config: JSON texts of the config models: `dataset`, `features`, `slices`. Further keys, such as the code
      version, only mark the cache.
  Returns: See `transforms.preprocessing.compose`.
  """
  dataset = load_part(Dataset, custom_config['dataset'])
  features = Features.model_validate_json(custom_config['features'])
  slices = Slices.model_validate_json(custom_config['slices'])
  engineered = engineer(inputs, dataset, features)
  constants = named(fit(engineered, dataset.rules.bounds, features))
  return compose(inputs, engineered, dataset, features, slices, constants)
