"""What the Transform step yields, from features and fitted constants. Mappers: no full pass."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from configs.dataset import LABEL, Dataset
from configs.evaluation import Slices
from configs.features import Features
from transforms import names
from transforms.constants import Constants
from transforms.engineering import Engineered, categorical_indices, standardize
from transforms.slicing import slice_columns


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
