"""A batch of canonical rides as tensors: what is known of them, and safe values for what is not."""

from __future__ import annotations

from typing import NamedTuple

from configs.columns import COORDINATES, PASSENGERS, TIME
from configs.dataset import Dataset
from configs.features import Features
from transforms.later import tf


class RideBatch(NamedTuple):
  """A batch of canonical rides, columns as `column_names` names them.

  Attributes:
    seconds: int32 [batch], seconds since 2009-01-01 on the city's wall clock.
    columns: float32 [batch, k], finite: a value that is missing is replaced by the city's center or 0. Whoever uses it
      masks it by `known`.
    offsets: float32 [batch, k], `columns` minus the city's center for the coordinates (degrees), unchanged for the
      others.
    known: bool [batch, k], whether the input is known; the time always is.
  """

  seconds: tf.Tensor
  columns: tf.Tensor
  offsets: tf.Tensor
  known: tf.Tensor


def column_names(dataset: Dataset, features: Features) -> tuple[str, ...]:
  """Raw inputs as columns of floats: the coordinates first, then passengers and extras, and the time last."""
  passengers = (PASSENGERS,) if features.passengers.enabled else ()
  return (*COORDINATES, *passengers, *(extra.name for extra in dataset.extras if extra.kind == 'numeric'), TIME)
