"""What the statistics of the rides must look like."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from configs.base import Config, PositiveFloat


class Severity(str, enum.Enum):
  """The mildest anomaly that stops a run; `never` only reports."""

  ERROR = 'error'
  WARNING = 'warning'
  NEVER = 'never'


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
  """

  severity: Severity = Severity.ERROR
  max_missing_share: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
  drift_threshold: PositiveFloat = 0.2
  skew_threshold: PositiveFloat = 0.2
  drift_stops: bool = False
