"""How rides are divided into the train and eval splits."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from configs.base import Config, Fraction


class SplitMethod(str, enum.Enum):
  """How rides are divided; rides of one time stamp always stay together."""

  HASH = 'hash'
  CHRONOLOGICAL = 'chronological'
  NEWEST_SPAN = 'newest_span'


class Split(Config):
  """The train and eval splits.

  Attributes:
    method: a hash of the time stamp, the newest part for evaluation, or the newest span of a window, which a
      `retraining.window` of two and more always takes.
    eval_share: share of the rides in the eval split.
    seed: of the hash.
  """

  method: SplitMethod = SplitMethod.HASH
  eval_share: Annotated[Fraction, Field(gt=0)] = 0.2
  seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
