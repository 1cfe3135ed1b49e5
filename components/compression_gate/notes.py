"""What a reader of the report should know beside the table, in sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from components.compression_gate.budget import Miss
from components.compression_gate.candidate import Candidate
from configs.compression import Budget, Compression, Precision
from configs.recipe import DENSE

QUANTIZATION_AWARE_KEEPS_IT = (
  'Post-training quantization misses the accuracy budget; quantization-aware training keeps it.'
)

BASELINE = f'{DENSE}.{Precision.FLOAT32.value}'
"""What the RMSE ratios refer to."""

_FLOATS = (Precision.FLOAT32, Precision.FLOAT16)


def notes(
  candidates: Mapping[str, Candidate],
  missed: Mapping[str, Sequence[Miss]],
  lost: Collection[str],
  baseline: str,
  compression: Compression,
  quantization_aware: Collection[str],
) -> list[str]:
  """The notes on a judgement.

  Args:
    candidates: those that ran, by name.
    missed: the limits that each of them misses.
    lost: names of those that did not run.
    baseline: the variant that ratios refer to.
    compression: names the schemes.
    quantization_aware: names of the recipes that were trained for integers.
  """
  found = []
  if baseline != BASELINE:
    found.append(f'There is no {BASELINE} to compare with, so RMSE ratios are to {baseline}.')
  if lost:
    found.append(f'{len(lost)} of {len(lost) + len(candidates)} variants could not be judged: {", ".join(lost)}.')
  if _only_quantization_aware(candidates, missed, compression, quantization_aware):
    found.append(QUANTIZATION_AWARE_KEEPS_IT)
  found += _small_slices(candidates[baseline], compression.budget)
  return found


def _only_quantization_aware(
  candidates: Mapping[str, Candidate],
  missed: Mapping[str, Sequence[Miss]],
  compression: Compression,
  quantization_aware: Collection[str],
) -> bool:
  """Whether the accuracy budget takes quantization-aware training; false where either kind did not run."""
  quantized = {scheme.name for scheme in compression.schemes if scheme.precision not in _FLOATS}
  post_training, aware = [], []
  for name, candidate in candidates.items():
    if candidate.variant.scheme in quantized:
      keeps = not any(miss.limit.is_accuracy for miss in missed[name])
      if candidate.variant.recipe in quantization_aware:
        aware.append(keeps)
      elif candidate.variant.recipe == DENSE:
        post_training.append(keeps)
  return bool(post_training) and not any(post_training) and any(aware)


def _small_slices(baseline: Candidate, budget: Budget) -> Iterator[str]:
  small = [
    f'{name} ({errors.rides:,})'
    for name, errors in baseline.errors.slices.items()
    if errors.rides < budget.min_slice_rides
  ]
  if small and budget.worst_slice_ratio is not None:
    yield f'Slices of fewer than {budget.min_slice_rides:,} rides are shown, not judged: {", ".join(small)}.'
