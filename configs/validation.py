"""What the statistics of the rides must look like."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from configs.base import Config, PositiveFloat, Problem
from configs.columns import KNOWN_AFTER_RIDE, LABEL, plain_name
from configs.dataset import Dataset


class Severity(str, enum.Enum):
  """The mildest anomaly that stops a run; `never` only reports."""

  ERROR = 'error'
  WARNING = 'warning'
  NEVER = 'never'


class Leakage(str, enum.Enum):
  """What becomes of an input that only the finished ride can know."""

  WARN = 'warn'
  STOP = 'stop'


class Validation(Config):
  """What the statistics of the rides must look like.

  Attributes:
    severity: the mildest anomaly that stops the run before training.
    max_missing_share: largest share of missing values, by canonical column; columns that are not named may be missing
      freely.
    drift_threshold: largest Jensen-Shannon divergence, in [0, 1], of a column from the previous span. TFDV compares
      histograms; random parts of the same rides already differ by up to 0.15.
    skew_threshold: the same between train and eval.
    drift_stops: whether drift and skew stop the run, or are only shown.
    max_off_day_share: largest share of a dated span's rides that begin on another day than the span's; 1 where a span
      is more than its day. A ride over midnight may be counted to either day; a clock that is hours off moves a fifth.
    leakage: whether an input that tells the fare, or whose column only the finished ride knows, is warned of or stops
      the run.
  """

  severity: Severity = Severity.ERROR
  max_missing_share: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
  drift_threshold: PositiveFloat = 0.2
  skew_threshold: PositiveFloat = 0.2
  drift_stops: bool = False
  max_off_day_share: Annotated[float, Field(ge=0, le=1)] = 0.05
  leakage: Leakage = Leakage.WARN


def known_after_ride(dataset: Dataset) -> dict[str, str]:
  """The inputs whose source column has the name of something that only the finished ride knows.

  Returns: Source column by canonical name.
  """
  known = {plain_name(column) for column in (*KNOWN_AFTER_RIDE, *dataset.known_after_ride)}
  inputs = {name: column for name, column in dataset.source_columns().items() if name not in (LABEL, 'key')}
  return {name: column for name, column in inputs.items() if plain_name(column) in known}


def leakage_problems(dataset: Dataset, validation: Validation) -> Iterator[Problem]:
  """The inputs that `validation.leakage: stop` refuses by their names."""
  if validation.leakage is Leakage.STOP and validation.severity is not Severity.NEVER:
    for name, column in known_after_ride(dataset).items():
      reason = f"only the finished ride knows '{column}', so it can't be the input '{name}' (validation.leakage: stop)"
      yield Problem('dataset', f'{reason}; leave it out.')
