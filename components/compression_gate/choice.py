"""Picks the smallest candidate that keeps the budget, and tells each other one why it lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from components.compression_gate.budget import Miss
from components.compression_gate.candidate import Candidate


@dataclasses.dataclass(frozen=True)
class Choice:
  """The outcome.

  Attributes:
    chosen: name of the variant to push; `None` where none keeps the budget.
    reason: one sentence on the whole.
    reasons: one sentence on each candidate, by name.
  """

  chosen: str | None
  reason: str
  reasons: dict[str, str]


def choose(candidates: Mapping[str, Candidate], missed: Mapping[str, Sequence[Miss]]) -> Choice:
  """Picks the smallest file; of equal ones the smaller download, then the faster, then the first.

  Args:
    candidates: those that ran, by name; at least one.
    missed: the limits that each of them misses.
  """
  reasons = {name: f'{_sentences(found)}.' for name, found in missed.items() if found}
  keep = [name for name in candidates if not missed[name]]
  if not keep:
    return Choice(None, _nearest(missed), reasons)
  chosen = min(keep, key=lambda name: _order(candidates[name]))
  best = candidates[chosen]
  reasons |= {name: f'Keeps the budget, but {_beaten(candidates[name], best)}.' for name in keep}
  facts = f'{best.bytes:,} bytes, RMSE ratio {best.errors.rmse_ratio.value:.3f}'
  how = f'the smallest of {len(keep)} variants that keep' if len(keep) > 1 else 'the only variant that keeps'
  reasons[chosen] = f'Chosen: {how} the budget ({facts}).'
  return Choice(chosen, f'{chosen} is {how} the budget ({facts}).', reasons)


def _order(candidate: Candidate) -> tuple[int, int, float]:
  return candidate.bytes, candidate.gzip_bytes, candidate.microseconds


def _beaten(candidate: Candidate, best: Candidate) -> str:
  """By what the best one comes before a candidate, which keeps the budget too."""
  name = best.variant.name
  if best.bytes < candidate.bytes:
    return f'{name} is smaller ({best.bytes:,} of {candidate.bytes:,} bytes)'
  if best.gzip_bytes < candidate.gzip_bytes:
    return f'{name} is smaller after gzip ({best.gzip_bytes:,} of {candidate.gzip_bytes:,} bytes)'
  if best.microseconds < candidate.microseconds:
    return f'{name} is as small and faster ({best.microseconds:.2f} of {candidate.microseconds:.2f} µs)'
  return f'{name} is as small and as fast, and comes first'


def _nearest(missed: Mapping[str, Sequence[Miss]]) -> str:
  """The sentence on a budget that nothing keeps."""
  nearest = min(missed, key=lambda name: max(miss.excess for miss in missed[name]))
  return (
    'No variant keeps the budget, so nothing is pushed and the served model stays; nearest is '
    f'{nearest}: {_sentences(missed[nearest])}.'
  )


def _sentences(found: Sequence[Miss]) -> str:
  return '; '.join(miss.sentence for miss in found)
