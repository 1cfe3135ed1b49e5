"""A variant that ran: everything that the budget looks at."""

from __future__ import annotations

import dataclasses

from components.compression_gate.measuring import Measured
from components.compression_gate.variants import Variant
from configs.compression import Budget, JudgedOn
from configs.records import Estimate
from models.comparison import Comparison, SliceErrors


@dataclasses.dataclass(frozen=True)
class Candidate:
  """A variant that ran.

  Attributes:
    variant: what it is.
    measured: fares, latency, memory.
    errors: beside the baseline's.
  """

  variant: Variant
  measured: Measured
  errors: Comparison

  @property
  def bytes(self) -> int:
    """Of the file."""
    assert self.variant.facts.bytes is not None  # What ran has a file.
    return self.variant.facts.bytes

  @property
  def gzip_bytes(self) -> int:
    """Of the file as users download it."""
    assert self.variant.facts.gzip_bytes is not None
    return self.variant.facts.gzip_bytes

  @property
  def microseconds(self) -> float:
    """Median latency of one ride."""
    return self.measured.latency_us.p50

  def worst_slice(self, budget: Budget) -> tuple[str, SliceErrors] | None:
    """The slice with the largest RMSE ratio, by name; `None` where none is large enough to be judged."""
    large = [
      (judged_ratio(slice_errors.rmse_ratio, budget), name)
      for name, slice_errors in self.errors.slices.items()
      if slice_errors.rmse_ratio is not None and slice_errors.rides >= budget.min_slice_rides
    ]
    if not large:
      return None
    name = max(large)[1]
    return name, self.errors.slices[name]


def judged_ratio(ratio: Estimate, budget: Budget) -> float:
  """What of a ratio the budget looks at."""
  return ratio.top if budget.judged_on is JudgedOn.UPPER_BOUND else ratio.value
