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
from configs.amounts import amount, amount_digits, bound
from configs.compression import Budget, Compression, JudgedOn, Objective, Precision
from configs.recipe import DENSE
from configs.records import Estimate
from models.error_intervals import Comparison, SliceErrors
from models.protocols import Metric, Terms


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
    metric: of the errors.
    terms: for sentences.
  """

  variant: Variant
  measured: Measured
  errors: Comparison
  metric: Metric
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
    """The slice that loses most, by name; `None` where none is large enough to be judged."""
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
  """What a file must reach, whatever its cost; see `configs.evaluation.Evaluation` and `configs.task.Task`.

  Attributes:
    error: the largest, or the smallest where a larger one is better; infinite where there is no limit.
    increase: how much worse than the file that serves it may be: 0.02 means 2 % more, or where a larger one is better
      0.02 less.
    examples, groups: how many there must be at least to judge by.
    unit: of the labels, for sentences.
    setting, increase_setting: where `error` and `increase` come from, for sentences.
    loss_setting, slice_setting: the same of the budget's two ratios; sentences name none where they are empty.
    sample_setting: the same of the most examples that are judged.
  """

  error: float = math.inf
  increase: float = math.inf
  examples: int = 1
  groups: int = 1
  unit: str = ''
  setting: str = 'evaluation.max_rmse'
  increase_setting: str = 'evaluation.max_rmse_increase'
  loss_setting: str = ''
  slice_setting: str = ''
  sample_setting: str = 'evaluation.judged_rides'

  def amount(self, error: float, decimals: int = 3) -> str:
    """An error with its unit."""
    return amount(error, self.unit, decimals)


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
  """A limit that a candidate is beyond.

  Attributes:
    sentence: with numbers, without the full stop.
    excess: how often the value holds the limit, or the limit the value where larger ones are better; above 1.
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
  ratio, setting = candidate.errors.ratio, thresholds.loss_setting
  found.append(_ratio(Limit.RMSE_RATIO, candidate, ratio, budget.rmse_ratio, budget, setting))
  worst = candidate.worst_slice(budget)
  if worst is not None:
    name, errors = worst
    assert errors.ratio is not None
    place = f" in the slice '{name}' ({errors.examples:,} {candidate.terms.examples})"
    ratio, limit, setting = errors.ratio, budget.worst_slice_ratio, thresholds.slice_setting
    found.append(_ratio(Limit.WORST_SLICE_RATIO, candidate, ratio, limit, budget, setting, place))
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
  metric, value, limit = candidate.metric, candidate.errors.error.value, thresholds.error
  up, unit = metric.larger_is_better, f' {thresholds.unit}'.rstrip()
  if math.isfinite(limit) and _is_worse(value, limit, up):
    shown, shown_limit = _apart(value, limit, amount_digits(limit, 3))
    beyond = f'{"below" if up else "above"} the limit of {shown_limit}{unit}'
    sentence = f'{metric.name} is {shown}{unit}, {beyond} ({thresholds.setting})'
    yield Miss(Limit.MAX_RMSE, sentence, _excess(value, limit, up))
  if served is None:
    return
  before, allowed = served.error.value, thresholds.increase
  bound = before - allowed if up else before * (1 + allowed)
  if _is_worse(value, bound - _AS_GOOD if up else bound * (1 + _AS_GOOD), up):
    serves = f'version {served.version}, which serves, has {thresholds.amount(before)} on the same'
    rise = f'may {f"lose {allowed:g}" if up else f"rise by {allowed:.1%}"} at most ({thresholds.increase_setting})'
    what = f'{metric.name} is {thresholds.amount(value)}, where {serves} {candidate.terms.examples}'
    yield Miss(Limit.MAX_RMSE_INCREASE, f'{what}; it {rise}', _excess(value, bound, up))


def _is_worse(value: float, limit: float, larger_is_better: bool) -> bool:
  """Whether a value does not keep a limit; one that is no number keeps none."""
  return not (value >= limit if larger_is_better else value <= limit)


def _excess(value: float, limit: float, larger_is_better: bool) -> float:
  above, below = (limit, value) if larger_is_better else (value, limit)
  return above / below if below else math.inf


def too_little(
  labels: np.ndarray, groups: np.ndarray, thresholds: Thresholds, terms: Terms, classes: bool = False
) -> str | None:
  """Why nothing can be judged by these examples, one sentence; `None` where it can.

  Args:
    labels, groups: of the eval split, [examples].
    classes: whether labels are numbers of classes.
  """
  count, stamps = len(labels), len(np.unique(groups))
  if count < thresholds.examples:
    return f'{count:,} {terms.examples} to judge by are too few: evaluation.min_rides is {thresholds.examples:,}.'
  if stamps < thresholds.groups:
    what = f'The {count:,} {terms.examples} to judge by have {stamps:,} {terms.groups}'
    return f'{what}, which is too few: evaluation.min_time_stamps is {thresholds.groups:,}.'
  if labels.min() == labels.max() and classes:
    return f'All {count:,} {terms.examples} to judge by are of one class ({labels[0]:g}), so they show no mistake.'
  if labels.min() == labels.max():
    what = f'All {count:,} {terms.predictions} to judge by are equal ({thresholds.amount(float(labels[0]), 2)})'
    return f'{what}, so an error of them says nothing.'
  return None


def _ratio(
  kind: Limit,
  candidate: Candidate,
  ratio: Estimate,
  limit: float | None,
  budget: Budget,
  setting: str,
  place: str = '',
) -> Miss | None:
  value = judged_ratio(ratio, budget)
  if limit is None or value <= limit:
    return None
  metric, (shown, shown_limit) = candidate.metric, _apart(value, limit, 3)
  what = f'{metric.relative} {shown}{place} is'
  if budget.judged_on is JudgedOn.UPPER_BOUND:
    bound = f'{shown} (upper bound of the 95 % interval)'
    what = f'{metric.relative} {_rounded(ratio.value, 3)}{place} may be as high as {bound},'
  if budget.judged_on is JudgedOn.SIGNIFICANT:
    bound = f'{shown} (lower bound of the 95 % interval)'
    what = f'{metric.relative} {_rounded(ratio.value, 3)}{place} is at least {bound},'
  # Of a share that is lost, a hundredth counts as much as of an error that grows.
  excess = (1 + value) / (1 + limit) if metric.larger_is_better else value / limit
  return Miss(kind, f'{what} above the budget of {shown_limit}{setting and f" ({setting})"}', excess)


def _apart(value: float, limit: float, decimals: int) -> tuple[str, str]:
  """Both numbers with as many decimals as it takes to see that they differ."""
  for count in range(decimals, 9):
    if _rounded(value, count) != _rounded(limit, count):
      return _rounded(value, count), _rounded(limit, count)
  return str(value), str(limit)


def _rounded(value: float, decimals: int) -> str:
  """With so many decimals; without the sign of a zero."""
  return f'{round(value, decimals) + 0.0:,.{decimals}f}'


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
  fastest = min(candidates[name].microseconds for name in equal)
  chosen = min(equal, key=lambda name: _order(candidates[name], objective, fastest))
  best = candidates[chosen]
  reasons |= {
    name: f'Keeps the budget, but {_beaten(candidates[name], best, objective, name in equal)}.' for name in keep
  }
  facts = f'{best.gzip_bytes:,} bytes after gzip, {best.bytes:,} as it is'
  if objective is Objective.LATENCY:
    facts = f'{best.microseconds:.1f} µs for one {best.terms.example}, {facts}'
  facts = f'objective {objective.value}: {facts}, {best.metric.relative} {_rounded(best.errors.ratio.value, 3)}'
  if math.isfinite(thresholds.error):
    limit = f'at {"least" if best.metric.larger_is_better else "most"} {bound(thresholds.error)}'
    facts = f'{facts}, {best.metric.name} {thresholds.amount(best.errors.error.value)} of {limit}'
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
    return -candidate.errors.error.value if candidate.metric.larger_is_better else candidate.errors.error.value
  return candidate.bytes if objective is Objective.FILE else candidate.gzip_bytes


def _ties(candidate: Candidate, first: Candidate, objective: Objective) -> bool:
  """Whether noise alone keeps a candidate apart from the one that costs least."""
  found, least = cost(candidate, objective), cost(first, objective)
  if objective is Objective.LATENCY:
    return found <= max(least, first.measured.latency_us.spread[1])
  return found <= least * (1 if objective is Objective.ERROR else 1 + _SAME_SIZE)


_MANY_TIMES = 2.0
"""A file that takes more times as long as another one is not worth a few bytes less."""


def _order(candidate: Candidate, objective: Objective, fastest: float) -> tuple[float, ...]:
  """Of equal ones the most accurate comes first, what is many times slower last, then by the objective after all, the
  download, the file, the time. Args: fastest: microseconds of the fastest one."""
  sizes = (candidate.gzip_bytes, candidate.bytes, candidate.microseconds)
  slow = float(candidate.microseconds > _MANY_TIMES * fastest)
  return (cost(candidate, Objective.ERROR), slow, cost(candidate, objective), *sizes)


def _beaten(candidate: Candidate, best: Candidate, objective: Objective, ties: bool) -> str:
  """By what the best one comes before a candidate, which keeps the budget too, and may tie by the objective."""
  name, relative = best.variant.name, best.metric.relative
  download = f'{best.gzip_bytes:,} of {candidate.gzip_bytes:,} bytes after gzip'
  file = f'{best.bytes:,} of {candidate.bytes:,} bytes'
  time = f'{best.microseconds:.2f} of {candidate.microseconds:.2f} µs'
  by_objective = {
    Objective.FILE: f'is a smaller file ({file})',
    Objective.DOWNLOAD: f'is a smaller download ({download})',
    Objective.LATENCY: f'is faster ({time})',
    Objective.ERROR: f'is more accurate ({relative} {" of ".join(_ratios(best, candidate))})',
  }
  if not ties:
    return f'{name} {by_objective[objective]}'
  if cost(best, Objective.ERROR) < cost(candidate, Objective.ERROR):
    same = {Objective.FILE: file, Objective.DOWNLOAD: download, Objective.LATENCY: time}[objective]
    ratios = ' of '.join(_ratios(best, candidate))
    return f'{name} is more accurate ({relative} {ratios}) and equal but for noise ({same})'
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
    metric = candidates[baseline].metric
    what = f'every {metric.relative} is against' if metric.larger_is_better else f'{metric.relative}s are to'
    found.append(f'There is no {BASELINE} to compare with, so {what} {baseline}.')
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
