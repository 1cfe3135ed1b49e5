"""Which limits of the budget a candidate misses, and by how much."""

from __future__ import annotations

import enum
from typing import NamedTuple

from components.compression_gate.candidate import Candidate, judged_ratio
from configs.compression import Budget, JudgedOn
from configs.records import Estimate

_MOST_DECIMALS = 9


class Limit(str, enum.Enum):
  """A limit of `configs.compression.Budget`."""

  RMSE_RATIO = 'rmse_ratio'
  WORST_SLICE_RATIO = 'worst_slice_ratio'
  BYTES = 'bytes'
  LATENCY_US = 'latency_us'

  @property
  def is_accuracy(self) -> bool:
    """Whether it limits errors, rather than cost."""
    return self in (Limit.RMSE_RATIO, Limit.WORST_SLICE_RATIO)


class Miss(NamedTuple):
  """A limit that a candidate is above.

  Attributes:
    limit: which one.
    sentence: with numbers, without the full stop.
    excess: the value over the limit, above 1.
  """

  limit: Limit
  sentence: str
  excess: float


def misses(candidate: Candidate, budget: Budget) -> list[Miss]:
  """Every limit that a candidate misses, accuracy first; empty where it keeps the budget."""
  found = [
    _overall(candidate, budget),
    _worst_slice(candidate, budget),
    _bytes(candidate, budget),
    _latency(candidate, budget),
  ]
  return [miss for miss in found if miss is not None]


def _overall(candidate: Candidate, budget: Budget) -> Miss | None:
  return _ratio(Limit.RMSE_RATIO, candidate.errors.rmse_ratio, budget.rmse_ratio, budget, '')


def _worst_slice(candidate: Candidate, budget: Budget) -> Miss | None:
  worst = candidate.worst_slice(budget)
  if worst is None:
    return None
  name, errors = worst
  assert errors.rmse_ratio is not None
  place = f" in the slice '{name}' ({errors.rides:,} rides)"
  return _ratio(Limit.WORST_SLICE_RATIO, errors.rmse_ratio, budget.worst_slice_ratio, budget, place)


def _ratio(kind: Limit, ratio: Estimate, limit: float | None, budget: Budget, place: str) -> Miss | None:
  value = judged_ratio(ratio, budget)
  if limit is None or value <= limit:
    return None
  shown, shown_limit = _apart(value, limit, 3)
  what = f'RMSE ratio {shown}{place} is'
  if budget.judged_on is JudgedOn.UPPER_BOUND:
    what = f'RMSE ratio {ratio.value:.3f}{place} may be as high as {shown} (upper bound of the 95 % interval),'
  return Miss(kind, f'{what} above the budget of {shown_limit}', value / limit)


def _bytes(candidate: Candidate, budget: Budget) -> Miss | None:
  if budget.bytes is None or candidate.bytes <= budget.bytes:
    return None
  sentence = f'{candidate.bytes:,} bytes are above the budget of {budget.bytes:,}'
  return Miss(Limit.BYTES, sentence, candidate.bytes / budget.bytes)


def _latency(candidate: Candidate, budget: Budget) -> Miss | None:
  if budget.latency_us is None or candidate.microseconds <= budget.latency_us:
    return None
  shown, shown_limit = _apart(candidate.microseconds, budget.latency_us, 1)
  sentence = f'{shown} µs for one ride are above the budget of {shown_limit} µs'
  return Miss(Limit.LATENCY_US, sentence, candidate.microseconds / budget.latency_us)


def _apart(value: float, limit: float, decimals: int) -> tuple[str, str]:
  """Both numbers with as many decimals as it takes to see that they differ."""
  for count in range(decimals, _MOST_DECIMALS):
    if f'{value:.{count}f}' != f'{limit:.{count}f}':
      return f'{value:.{count}f}', f'{limit:.{count}f}'
  return str(value), str(limit)
