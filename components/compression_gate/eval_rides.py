"""The eval split's raw rides with the Evaluator's slices."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from components.fare_evaluator.slice_names import slice_name
from configs.dataset import Dataset
from configs.errors import FailedError
from configs.evaluation import Slices
from configs.features import Features
from models.raw_rides import RawRides, read_raw_rides
from transforms.rides import rides
from transforms.slicing import slice_columns


@dataclasses.dataclass(frozen=True)
class EvalRides(RawRides):
  """Raw rides and where they belong.

  Attributes:
    codes: int64 [rides] by the names in `transforms.names.SLICES`.
    slices: bool [rides] by the name of the slice; none is empty.
  """

  codes: Mapping[str, np.ndarray]
  slices: Mapping[str, np.ndarray]


def read_eval_rides(files: Sequence[str], dataset: Dataset, slices: Slices) -> EvalRides:
  """Reads gzip TFRecords of raw tf.Examples, in the order of the sorted files.

  Args:
    files: of the eval split.
    dataset: names the columns and the airports.
    slices: the Evaluator's.

  Raises:
    FailedError: there is no ride.
  """
  try:
    raw = read_raw_rides(files, dataset)
  except ValueError:
    raise FailedError(
      'The eval split holds no ride, so no variant can be judged: give rides of more time stamps, or change '
      'split.eval_share or split.seed.'
    ) from None
  codes = _codes(raw, dataset, slices)
  return EvalRides(raw.columns, raw.fares, codes, _masks(codes, slices))


def _codes(raw: RawRides, dataset: Dataset, slices: Slices) -> dict[str, np.ndarray]:
  # Slices are made of time and place, which every choice of features reads alike.
  ride = rides({name: tf.constant(column) for name, column in raw.columns.items()}, dataset, Features())
  return {name: codes.numpy() for name, codes in slice_columns(ride, slices, dataset.city).items()}


def _masks(codes: Mapping[str, np.ndarray], slices: Slices) -> dict[str, np.ndarray]:
  return {
    slice_name(feature, int(value), slices): found == value
    for feature, found in codes.items()
    for value in np.unique(found)
  }
