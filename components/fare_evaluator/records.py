"""What the evaluator's own files hold; needs neither TFX nor TensorFlow."""

from __future__ import annotations

from configs.records import Figure, Record, RecordPart

INTERVALS_FILE, SLICES_FILE = 'intervals.json', 'slices.json'
"""In the `evaluation` artifact; `slices.json` is a list of `EvaluatedSlice`."""


class SliceCode(RecordPart):
  """What the rides of a slice share: an integer feature and its value."""

  feature: str
  value: int


class EvaluatedSlice(RecordPart, extra='allow'):
  """The trained model on a slice of the eval split; TFMA may add further metrics.

  Attributes:
    name: for people; `all` for all rides.
    slice: what the rides share; empty for all rides.
    root_mean_squared_error, mean_absolute_error: in the city's currency.
    calibration: sum of the predictions over the sum of the fares.
  """

  name: str
  slice: tuple[SliceCode, ...]
  root_mean_squared_error: float
  mean_absolute_error: float
  example_count: float
  calibration: float | None


class EvaluationIntervals(Record):
  """`intervals.json`: the errors over the eval split, in the city's currency.

  Attributes: rmse_without_worst_5: RMSE without the five rides that are missed most, as a few dirty rows rule it.
  """

  rmse: Figure
  mae: Figure
  rmse_without_worst_5: float
  rides: int
