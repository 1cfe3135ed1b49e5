"""Reduces a dataset to what features depend on."""

from __future__ import annotations

from configs.base import Interval
from configs.columns import TIME
from configs.dataset import Columns, Dataset, PickupTime, Rules


def relevant_dataset(dataset: Dataset) -> Dataset:
  """The dataset with canonical stand-ins for all that no feature depends on.

  City, bounding box and extras stay. Source paths, column names, formats, and
  limits of valid fares go: changing them must not mark features as changed.
  """
  extras = tuple(extra.model_copy(update={'column': extra.name}) for extra in dataset.extras)
  return Dataset(
    name='rides',
    columns=Columns(**{name: name for name in Columns.model_fields if name != 'key'}),
    time=PickupTime(column=TIME),
    extras=extras,
    rules=Rules(fare=Interval(min=0, max=0), bounds=dataset.rules.bounds),
    city=dataset.city,
  )
