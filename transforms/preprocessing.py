"""The `preprocessing_fn` of the Transform step. It only composes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from configs.dataset import LABEL, Dataset
from configs.features import Features
from configs.run import Slices
from transforms import names
from transforms.analyzers import fit
from transforms.constants import Constants
from transforms.engineering import Engineered, categorical_indices, engineer, standardize
from transforms.slicing import slice_columns


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
  """What TFX's Transform calls by its dotted path.

  Args:
    inputs: dense canonical columns, [batch] each; the label may be absent.
    custom_config: JSON texts of the config models: `dataset`, `features`,
      `slices`. Further keys, such as the code version, only mark the cache.

  Returns:
    See `compose`.
  """
  dataset = Dataset.model_validate_json(custom_config['dataset'])
  features = Features.model_validate_json(custom_config['features'])
  slices = Slices.model_validate_json(custom_config['slices'])
  engineered = engineer(inputs, dataset, features)
  constants = fit(engineered, dataset.rules.bounds, features)
  return compose(inputs, engineered, dataset, features, slices, constants)


def compose(
  inputs: Mapping[str, tf.Tensor],
  engineered: Engineered,
  dataset: Dataset,
  features: Features,
  slices: Slices,
  constants: Constants,
) -> dict[str, tf.Tensor]:
  """Applies fitted constants.

  Returns:
    By the names in `transforms.names`: the standardized vector, float32
    [batch, n]; int64 [batch] per categorical of the catalogue; int64 slice
    columns; int64 `pickup_seconds`; and the float32 label, if it came in.
  """
  ride = engineered.rides
  outputs = {names.NUMERIC: standardize(engineered, constants)}
  outputs |= categorical_indices(inputs, ride, dataset, features, constants)
  outputs |= slice_columns(ride, slices, dataset.city)
  outputs[names.GROUP] = tf.cast(ride.seconds, tf.int64)
  if LABEL in inputs:
    label = inputs[LABEL]
    outputs[LABEL] = tf.cast(label if label.shape.rank == 1 else tf.reshape(label, [-1]), tf.float32)
  return outputs
