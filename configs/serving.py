"""What a new version has to show beside the one that serves before it takes its place."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from configs.base import Config, PositiveFloat


class Shadow(Config):
  """The new version's file beside the one that serves, on all rides of the newest span, ahead of a push.

  A limit holds the push where the two give too different fares; it is no matter of which of them is right.

  Attributes:
    enabled: whether the two are compared. Nothing is where nothing serves yet.
    apart: two fares of a ride are apart where they differ by more than this share of the served version's median fare;
      0.2 means 20 %.
    max_mean_difference: largest change of the mean fare, up or down, as a share of the served version's mean fare.
    max_share_apart: largest share of the rides whose fares are apart.
    max_slice_difference: as `max_mean_difference`, of every slice with `compression.budget.min_slice_rides` rides.
  """

  enabled: bool = False
  apart: PositiveFloat = 0.2
  max_mean_difference: PositiveFloat | None = None
  max_share_apart: Annotated[float, Field(gt=0, lt=1)] | None = None
  max_slice_difference: PositiveFloat | None = None


class Serving(Config):
  """How a new version takes over."""

  shadow: Shadow = Shadow()
