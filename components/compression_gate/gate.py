"""The gate itself: runs every variant on the eval split and compares it with the baseline; `choice` decides."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from components.compression_gate.choice import BASELINE, Candidate, Choice, Miss, Variant, choose, misses, notes
from components.compression_gate.measuring import measure
from configs.compression import Compression, Precision
from configs.errors import FailedError
from models.protocols import EvalExamples


@dataclasses.dataclass(frozen=True)
class Judgement:
  """The outcome for all variants.

  Attributes:
    choice: what is pushed, and why.
    baseline: name of the variant that ratios refer to.
    candidates: those that ran, by name.
    missed: the limits that each of them misses, by name.
    lost: one sentence by the name of each variant that did not run.
    notes: sentences for the reader.
  """

  choice: Choice
  baseline: str
  candidates: dict[str, Candidate]
  missed: dict[str, list[Miss]]
  lost: dict[str, str]
  notes: list[str]

  @property
  def chosen(self) -> Candidate | None:
    """What is pushed."""
    return None if self.choice.chosen is None else self.candidates[self.choice.chosen]


def judge(
  variants: Sequence[Variant],
  examples: EvalExamples,
  compression: Compression,
  resamples: int,
  quantization_aware: Collection[str] = (),
) -> Judgement:
  """Judges variants by what their files do.

  Args:
    variants: all of them, also those without a file.
    examples: the eval split.
    compression: schemes, budget, measurement.
    quantization_aware: names of the recipes that were trained for integers.
  Raises: FailedError: there is no float32 variant to compare with.
  """
  files = {variant.name: variant.path for variant in variants if variant.path is not None}
  measured, crashed = measure(files, examples.columns, compression.measurement, examples.contract)
  unmade = {variant.name: variant.reason for variant in variants if variant.path is None}
  lost = {variant.name: (unmade | crashed)[variant.name] for variant in variants if variant.name not in measured}
  baseline = _baseline([variant for variant in variants if variant.name in measured], compression, lost)
  metric, base = examples.metric, measured[baseline].predictions
  candidates = {}
  for variant in variants:
    if variant.name in measured:
      ran = measured[variant.name]
      errors = metric.compare(examples.labels, ran.predictions, base, examples.groups, examples.slices, resamples)
      candidates[variant.name] = Candidate(variant, ran, errors, metric.name, examples.contract.terms)
  missed = {name: misses(candidate, compression.budget) for name, candidate in candidates.items()}
  return Judgement(
    choose(candidates, missed),
    baseline,
    candidates,
    missed,
    lost,
    notes(candidates, missed, lost, baseline, compression, quantization_aware),
  )


def _baseline(variants: Sequence[Variant], compression: Compression, lost: Mapping[str, str]) -> str:
  """The dense base as float32 file; where that was lost, the first recipe's."""
  schemes = {scheme.name for scheme in compression.schemes if scheme.precision is Precision.FLOAT32}
  found = [variant.name for variant in variants if variant.facts.scheme in schemes]
  if not found:
    fix = f'{BASELINE} was lost: {lost[BASELINE]}' if BASELINE in lost else 'put float32 into compression.schemes.'
    raise FailedError(f'No float32 variant ran, so there is nothing to compare the others with; {fix}')
  return BASELINE if BASELINE in found else found[0]
