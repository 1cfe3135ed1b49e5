"""Names of the slice columns that a config adds; apart from `transforms.names`, which the training reads, too."""

from __future__ import annotations

from configs.dataset import Dataset
from configs.evaluation import Slices
from transforms import names

_WINDOW, _COLUMN = 'slice_window_', 'slice_column_'


def window_slice(window: str) -> str:
  """Int64 [batch]: 1 in a window of the day, by its name in `City.windows`."""
  return _WINDOW + window


def column_slice(extra: str) -> str:
  """Int64 [batch]: of a categorical extra the position in its vocabulary, its length for any other value and one more
  where it is missing; of a numeric one how many of the numbers in `Slices.columns` it has reached, and one more than
  their count where it is missing."""
  return _COLUMN + extra


def slice_keys(dataset: Dataset, slices: Slices) -> tuple[str, ...]:
  """Every slice column of a dataset, each of which cuts its rides into parts."""
  return (*names.SLICES, *map(window_slice, dataset.city.windows), *map(column_slice, slices.columns))
