"""Which limits a candidate misses, the best that keeps all, and why each other one lost."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import math
import os
import pathlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from tfx.dsl.io import fileio

from components.compression_gate.measuring import Measured
from components.quantization_rewriter.records import VARIANTS_FILE, ConvertedVariant, VariantsRecord
from configs.compression import Budget, Compression, JudgedOn, Objective, Precision
from configs.recipe import DENSE
from configs.records import Estimate
from models.error_intervals import Comparison, SliceErrors
from models.protocols import Terms


@dataclasses.dataclass(frozen=True)
class Variant:
  """One training recipe, converted by one scheme.

  Attributes:
    facts: its entry in `variants.json`.
    path: the file on this machine; `None` where there is no sound one.
    reason: one sentence on why there is none; empty where there is.
  """

  facts: ConvertedVariant
  path: pathlib.Path | None
  reason: str = ''

  @property
  def name(self) -> str:
    """`<recipe>.<scheme>`."""
    return self.facts.name


def fetch_variants(uri: str, folder: pathlib.Path) -> list[Variant]:
  """Copies every file of the artifact and compares it with its SHA-256.

  Args:
    uri: of a `components.LiteVariants` artifact; a bucket is fine.
    folder: on this machine, for the files.
  Returns: In the order of `variants.json`.
  Raises: RecordError: `variants.json` is none.
  """
  listing = os.path.join(uri, VARIANTS_FILE)
  with fileio.open(listing) as file:
    listed = VariantsRecord.parse(file.read(), listing)
  variants = []
  for facts in listed.variants:
    path, reason = None, facts.reason or ''
    if facts.file is not None:
      with fileio.open(os.path.join(uri, facts.file), 'rb') as file:
        content = file.read()
      if hashlib.sha256(content).hexdigest() == facts.sha256:
        path = folder / facts.file
        path.write_bytes(content)
      else:
        reason = f"'{facts.file}' is not the file that was converted: its SHA-256 is another one."
    variants.append(Variant(facts, path, reason))
  return variants


@dataclasses.dataclass(frozen=True)
class Candidate:
  """A variant that ran.

  Attributes:
    measured: predictions, latency, memory.
    errors: beside the baseline's.
    metric: name of the error.
    terms: for sentences.
  """

  variant: Variant
  measured: Measured
  errors: Comparison
  metric: str
  terms: Terms

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
    """Median latency of one example."""
    return self.measured.latency_us.p50

  def worst_slice(self, budget: Budget) -> tuple[str, SliceErrors] | None:
    """The slice whose error grows most, by name; `None` where none is large enough to be judged."""
    large = [
      (judged_ratio(errors.ratio, budget), name, errors)
      for name, errors in self.errors.slices.items()
      if errors.ratio is not None and errors.examples >= budget.min_slice_rides
    ]
    return max(large)[1:] if large else None


def judged_ratio(ratio: Estimate, budget: Budget) -> float:
  """What of a ratio the budget looks at."""
  ends = {JudgedOn.UPPER_BOUND: ratio.top, JudgedOn.SIGNIFICANT: ratio.bottom}
  return ends.get(budget.judged_on, ratio.value)


class Thresholds(NamedTuple):
  """What a file must reach, whatever its cost; see `configs.evaluation.Evaluation`.

  Attributes:
    error: the largest.
    increase: the largest relative increase over the file that serves; 0.02 means 2 %.
    examples, groups: how many there must be at least to judge by.
    unit: of the labels, for sentences.
    setting: where `error` comes from, for sentences.
  """

  error: float = math.inf
  increase: float = math.inf
  examples: int = 1
  groups: int = 1
  unit: str = ''
  setting: str = 'evaluation.max_rmse'

  def amount(self, error: float, decimals: int = 3) -> str:
    """An error with its unit."""
    return f'{error:.{decimals}f} {self.unit}'.rstrip()


NO_THRESHOLDS = Thresholds()
"""Holds nothing against a file."""


class Served(NamedTuple):
  """The file that serves now, on the same examples.

  Attributes:
    version: its name.
    error: of the file itself.
  """

  version: str
  error: Estimate


class Limit(str, enum.Enum):
  """A limit of `configs.evaluation.Evaluation`, `configs.compression.Budget` or `configs.serving.Shadow`."""

  MAX_RMSE = 'max_rmse'
  MAX_RMSE_INCREASE = 'max_rmse_increase'
  RMSE_RATIO = 'rmse_ratio'
  WORST_SLICE_RATIO = 'worst_slice_ratio'
  BYTES = 'bytes'
  GZIP_BYTES = 'gzip_bytes'
  LATENCY_US = 'latency_us'
  MEAN_DIFFERENCE = 'max_mean_difference'
  SHARE_APART = 'max_share_apart'
  SLICE_DIFFERENCE = 'max_slice_difference'


class Miss(NamedTuple):
  """A limit that a candidate is above.

  Attributes:
    sentence: with numbers, without the full stop.
    excess: the value over the limit, above 1.
  """

  limit: Limit
  sentence: str
  excess: float


def misses(
  candidate: Candidate, budget: Budget, thresholds: Thresholds = NO_THRESHOLDS, served: Served | None = None
) -> list[Miss]:
  """Every limit that a candidate misses, accuracy first; empty where it keeps all.

  Args: served: what an increase is held against; without it nothing is.
  """
  found: list[Miss | None] = [*_thresholds(candidate, thresholds, served)]
  found.append(_ratio(Limit.RMSE_RATIO, candidate, candidate.errors.ratio, budget.rmse_ratio, budget))
  worst = candidate.worst_slice(budget)
  if worst is not None:
    name, errors = worst
    assert errors.ratio is not None
    place = f" in the slice '{name}' ({errors.examples:,} {candidate.terms.examples})"
    found.append(_ratio(Limit.WORST_SLICE_RATIO, candidate, errors.ratio, budget.worst_slice_ratio, budget, place))
  if budget.bytes is not None and candidate.bytes > budget.bytes:
    sentence = f'{candidate.bytes:,} bytes are above the budget of {budget.bytes:,}'
    found.append(Miss(Limit.BYTES, sentence, candidate.bytes / budget.bytes))
  if budget.gzip_bytes is not None and candidate.gzip_bytes > budget.gzip_bytes:
    sentence = f'{candidate.gzip_bytes:,} bytes after gzip are above the budget of {budget.gzip_bytes:,}'
    found.append(Miss(Limit.GZIP_BYTES, sentence, candidate.gzip_bytes / budget.gzip_bytes))
  if budget.latency_us is not None and candidate.microseconds > budget.latency_us:
    shown, shown_limit = _apart(candidate.microseconds, budget.latency_us, 1)
    sentence = f'{shown} µs for one {candidate.terms.example} are above the budget of {shown_limit} µs'
    found.append(Miss(Limit.LATENCY_US, sentence, candidate.microseconds / budget.latency_us))
  return [miss for miss in found if miss is not None]


_AS_GOOD = 1e-9
"""A file as good as the one that serves may pass where no increase is allowed."""


def _thresholds(candidate: Candidate, thresholds: Thresholds, served: Served | None) -> Iterator[Miss]:
  error, limit = candidate.errors.error.value, thresholds.error
  what = f'{candidate.metric} is {thresholds.amount(error)}'
  if not error <= limit:
    sentence = f'{what}, above the limit of {thresholds.amount(limit)} ({thresholds.setting})'
    yield Miss(Limit.MAX_RMSE, sentence, error / limit)
  if served is None:
    return
  highest = served.error.value * (1 + thresholds.increase)
  if not error <= highest * (1 + _AS_GOOD):
    serves = f'version {served.version}, which serves, has {thresholds.amount(served.error.value)} on the same'
    rise = f'may rise by {thresholds.increase:.1%} at most (evaluation.max_rmse_increase)'
    sentence = f'{what}, where {serves} {candidate.terms.examples}; it {rise}'
    yield Miss(Limit.MAX_RMSE_INCREASE, sentence, error / highest if highest else math.inf)


def too_little(labels: np.ndarray, groups: np.ndarray, thresholds: Thresholds, terms: Terms) -> str | None:
  """Why nothing can be judged by these examples, one sentence; `None` where it can.

  Args: labels, groups: of the eval split, [examples].
  """
  count, stamps = len(labels), len(np.unique(groups))
  if count < thresholds.examples:
    return f'{count:,} {terms.examples} to judge by are too few: evaluation.min_rides is {thresholds.examples:,}.'
  if stamps < thresholds.groups:
    what = f'The {count:,} {terms.examples} to judge by have {stamps:,} {terms.groups}'
    return f'{what}, which is too few: evaluation.min_time_stamps is {thresholds.groups:,}.'
  if labels.min() == labels.max():
    what = f'All {count:,} {terms.predictions} to judge by are equal ({thresholds.amount(float(labels[0]), 2)})'
    return f'{what}, so an error of them says nothing.'
  return None


def _ratio(
  kind: Limit, candidate: Candidate, ratio: Estimate, limit: float | None, budget: Budget, place: str = ''
) -> Miss | None:
  value = judged_ratio(ratio, budget)
  if limit is None or value <= limit:
    return None
  shown, shown_limit = _apart(value, limit, 3)
  what = f'{candidate.metric} ratio {shown}{place} is'
  if budget.judged_on is JudgedOn.UPPER_BOUND:
    bound = f'{shown} (upper bound of the 95 % interval)'
    what = f'{candidate.metric} ratio {ratio.value:.3f}{place} may be as high as {bound},'
  if budget.judged_on is JudgedOn.SIGNIFICANT:
    bound = f'{shown} (lower bound of the 95 % interval)'
    what = f'{candidate.metric} ratio {ratio.value:.3f}{place} is at least {bound},'
  return Miss(kind, f'{what} above the budget of {shown_limit}', value / limit)


def _apart(value: float, limit: float, decimals: int) -> tuple[str, str]:
  """Both numbers with as many decimals as it takes to see that they differ."""
  for count in range(decimals, 9):
    if f'{value:.{count}f}' != f'{limit:.{count}f}':
      return f'{value:.{count}f}', f'{limit:.{count}f}'
  return str(value), str(limit)


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


def choose(
  candidates: Mapping[str, Candidate],
  missed: Mapping[str, Sequence[Miss]],
  thresholds: Thresholds = NO_THRESHOLDS,
  too_little: str | None = None,
  objective: Objective = Objective.DOWNLOAD,
) -> Choice:
  """Picks the best file by the objective; of those that noise alone keeps apart from it, the most accurate.

  Args:
    candidates: those that ran, by name; at least one.
    missed: the limits that each of them misses.
    too_little: why nothing can be judged; then nothing is chosen.
  """
  reasons = {name: f'{"; ".join(miss.sentence for miss in found)}.' for name, found in missed.items() if found}
  if too_little is not None:
    reason = f'{too_little} Nothing is pushed and the served model stays.'
    return Choice(None, reason, dict.fromkeys(candidates, too_little) | reasons)
  keep = [name for name in candidates if not missed[name]]
  if not keep:
    nearest = min(missed, key=lambda name: max(miss.excess for miss in missed[name]))
    what = 'No variant keeps every limit, so nothing is pushed and the served model stays; nearest is'
    return Choice(None, f'{what} {nearest}: {reasons[nearest]}', reasons)
  first = min(keep, key=lambda name: cost(candidates[name], objective))
  equal = [name for name in keep if _ties(candidates[name], candidates[first], objective)]
  chosen = min(equal, key=lambda name: _order(candidates[name], objective))
  best = candidates[chosen]
  reasons |= {
    name: f'Keeps the budget, but {_beaten(candidates[name], best, objective, name in equal)}.' for name in keep
  }
  facts = f'{best.gzip_bytes:,} bytes after gzip, {best.bytes:,} as it is'
  if objective is Objective.LATENCY:
    facts = f'{best.microseconds:.1f} µs for one {best.terms.example}, {facts}'
  facts = f'objective {objective.value}: {facts}, {best.metric} ratio {best.errors.ratio.value:.3f}'
  if math.isfinite(thresholds.error):
    error = f'{best.metric} {thresholds.amount(best.errors.error.value)} of at most {thresholds.error:g}'
    facts = f'{facts}, {error}'
  if len(keep) == 1:
    how = 'the only variant that keeps'
  elif len(equal) == 1 or objective is Objective.ERROR:
    how = f'the {objective.best} of {len(keep)} variants that keep'
  else:
    which = 'all' if len(equal) == len(keep) else f'{len(equal)} of {len(keep)}'
    how = f'the most accurate of those that share the {objective.best} within {_NOISE[objective]}, {which} that keep'
  reasons[chosen] = f'Chosen: {how} the budget ({facts}).'
  return Choice(chosen, f'{chosen} is {how} the budget ({facts}).', reasons)


_SAME_SIZE = 0.01
"""Sizes that differ by less are equal: the padding of a file, or another draw of the same weights, makes up as much."""

_NOISE = {
  Objective.FILE: f'{100 * _SAME_SIZE:g} %',
  Objective.DOWNLOAD: f'{100 * _SAME_SIZE:g} %',
  Objective.LATENCY: 'the spread of its rounds',
}


def cost(candidate: Candidate, objective: Objective) -> float:
  """What the objective makes small."""
  if objective is Objective.LATENCY:
    return candidate.microseconds
  if objective is Objective.ERROR:
    return candidate.errors.error.value
  return candidate.bytes if objective is Objective.FILE else candidate.gzip_bytes


def _ties(candidate: Candidate, first: Candidate, objective: Objective) -> bool:
  """Whether noise alone keeps a candidate apart from the one that costs least."""
  found, least = cost(candidate, objective), cost(first, objective)
  if objective is Objective.LATENCY:
    return found <= max(least, first.measured.latency_us.spread[1])
  return found <= least * (1 if objective is Objective.ERROR else 1 + _SAME_SIZE)


def _order(candidate: Candidate, objective: Objective) -> tuple[float, ...]:
  """Of equal ones the most accurate comes first, then by the objective after all, the download, the file, the time."""
  sizes = (candidate.gzip_bytes, candidate.bytes, candidate.microseconds)
  return (candidate.errors.error.value, cost(candidate, objective), *sizes)


def _beaten(candidate: Candidate, best: Candidate, objective: Objective, ties: bool) -> str:
  """By what the best one comes before a candidate, which keeps the budget too, and may tie by the objective."""
  name, metric = best.variant.name, best.metric
  download = f'{best.gzip_bytes:,} of {candidate.gzip_bytes:,} bytes after gzip'
  file = f'{best.bytes:,} of {candidate.bytes:,} bytes'
  time = f'{best.microseconds:.2f} of {candidate.microseconds:.2f} µs'
  by_objective = {
    Objective.FILE: f'is a smaller file ({file})',
    Objective.DOWNLOAD: f'is a smaller download ({download})',
    Objective.LATENCY: f'is faster ({time})',
    Objective.ERROR: f'is more accurate ({metric} ratio {" of ".join(_ratios(best, candidate))})',
  }
  if not ties:
    return f'{name} {by_objective[objective]}'
  if best.errors.error.value < candidate.errors.error.value:
    same = {Objective.FILE: file, Objective.DOWNLOAD: download, Objective.LATENCY: time}[objective]
    ratios = ' of '.join(_ratios(best, candidate))
    return f'{name} is more accurate ({metric} ratio {ratios}) and equal but for noise ({same})'
  for other in (objective, Objective.DOWNLOAD, Objective.FILE, Objective.LATENCY):
    if cost(best, other) < cost(candidate, other):
      return f'{name} is as accurate and {by_objective[other].removeprefix("is ")}'
  return f'{name} is as good in all that counts, and comes first'


def _ratios(best: Candidate, other: Candidate) -> tuple[str, str]:
  return _apart(best.errors.ratio.value, other.errors.ratio.value, 3)


def frontier(costs: Mapping[str, tuple[float, float]]) -> set[str]:
  """The names of the points that none dominates.

  Args: costs: two costs of each point by name; smaller is better.
  Returns: A point is left out where another one has no larger cost and one smaller; equal points stay together.
  """
  return {
    name
    for name, (one, two) in costs.items()
    if not any(other[0] <= one and other[1] <= two and other != (one, two) for other in costs.values())
  }


QUANTIZATION_AWARE_KEEPS_IT = (
  'Post-training quantization misses the accuracy budget; quantization-aware training keeps it.'
)

BASELINE = f'{DENSE}.{Precision.FLOAT32.value}'
"""What the ratios of errors refer to."""


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
    found.append(f'There is no {BASELINE} to compare with, so {candidates[baseline].metric} ratios are to {baseline}.')
  if lost:
    found.append(f'{len(lost)} of {len(lost) + len(candidates)} variants could not be judged: {", ".join(lost)}.')
  if _only_quantization_aware(candidates, missed, compression, quantization_aware):
    found.append(QUANTIZATION_AWARE_KEEPS_IT)
  slices, fewest = candidates[baseline].errors.slices, compression.budget.min_slice_rides
  small = [f'{name} ({errors.examples:,})' for name, errors in slices.items() if errors.examples < fewest]
  if small and compression.budget.worst_slice_ratio is not None:
    fewer = f'fewer than {fewest:,} {candidates[baseline].terms.examples}'
    found.append(f'Slices of {fewer} are shown, not judged: {", ".join(small)}.')
  return found


def _only_quantization_aware(
  candidates: Mapping[str, Candidate],
  missed: Mapping[str, Sequence[Miss]],
  compression: Compression,
  quantization_aware: Collection[str],
) -> bool:
  """Whether the accuracy budget takes quantization-aware training; false where either kind did not run."""
  quantized = {scheme.name for scheme in compression.schemes if scheme.precision.is_quantized}
  post_training, aware = [], []
  for name, candidate in candidates.items():
    facts = candidate.variant.facts
    if facts.scheme in quantized:
      keeps = not any(miss.limit in (Limit.RMSE_RATIO, Limit.WORST_SLICE_RATIO) for miss in missed[name])
      if facts.recipe in quantization_aware:
        aware.append(keeps)
      elif facts.recipe == DENSE:
        post_training.append(keeps)
  return bool(post_training) and not any(post_training) and any(aware)
