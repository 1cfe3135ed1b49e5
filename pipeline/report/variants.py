"""The variants of a run: what each is, how it was measured, and what was decided."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.estimate import Estimate, estimate
from pipeline.report.record import RunRecord

GATE, REWRITER = 'CompressionGate', 'QuantizationRewriter'


@dataclasses.dataclass(frozen=True)
class SliceError:
  """The error of a variant on one slice.

  Attributes:
    name: of the slice.
    rides: in it.
    rmse: in the city's currency.
    rmse_ratio: to the float32 file.
  """

  name: str
  rides: int | None
  rmse: Estimate | None
  rmse_ratio: Estimate | None


@dataclasses.dataclass(frozen=True)
class Latency:
  """Microseconds for one call; `spread` is the smallest and largest median of the rounds."""

  p50: float
  p99: float | None
  spread: tuple[float, float] | None


@dataclasses.dataclass(frozen=True)
class Variant:
  """A training recipe under a conversion scheme; figures are `None` where the variant did not come to them."""

  name: str
  recipe: str
  scheme: str
  bytes: int | None
  gzip_bytes: int | None
  sparsity: float | None
  rmse: Estimate | None
  mae: Estimate | None
  rmse_ratio: Estimate | None
  worst_slice: SliceError | None
  slices: tuple[SliceError, ...]
  latency: Latency | None
  latency_batch: Latency | None
  peak_bytes: int | None
  within_budget: bool
  on_size_frontier: bool
  on_latency_frontier: bool
  reason: str


@dataclasses.dataclass(frozen=True)
class Variants:
  """All variants and the verdict on them.

  Attributes:
    all: in the order of the config.
    chosen: the name of the one that was chosen.
    baseline: the name of the one that ratios refer to.
    reason: why this one, or why none.
    notes: further sentences of the gate.
    budget: what a variant had to keep.
    rides: that they were judged on.
  """

  all: tuple[Variant, ...]
  chosen: str | None
  baseline: str | None
  reason: str
  notes: tuple[str, ...]
  budget: Mapping[str, Any]
  rides: int | None

  def named(self, name: str | None) -> Variant | None:
    """The variant of a name."""
    return next((variant for variant in self.all if variant.name == name), None)

  @property
  def recipes(self) -> tuple[str, ...]:
    """The recipes that occur, in order; a recipe's place is the number of its colour."""
    return tuple(dict.fromkeys(variant.recipe for variant in self.all))


def read_variants(record: RunRecord) -> Variants | None:
  """Reads the gate's report; without one, what the summary or the rewriter tells; `None` if no variant was made."""
  report = record.read_json(GATE, 'report', 'compression.json')
  if report is None and record.summary.variants:
    told = record.summary
    report = {'variants': [variant.to_dict() for variant in told.variants], 'chosen': told.chosen}
  if report is None:
    report = record.read_json(REWRITER, 'variants', 'variants.json')
  if not report or not report.get('variants'):
    return None
  return Variants(
    all=tuple(_variant(values) for values in report['variants']),
    chosen=report.get('chosen'),
    baseline=report.get('baseline'),
    reason=report.get('reason') or '',
    notes=tuple(report.get('notes') or ()),
    budget=report.get('budget') or {},
    rides=report.get('rides'),
  )


def _variant(values: Mapping[str, Any]) -> Variant:
  recipe, _, scheme = values['name'].partition('.')
  worst = values.get('worst_slice')
  return Variant(
    name=values['name'],
    recipe=values.get('recipe') or recipe,
    scheme=values.get('scheme') or scheme,
    bytes=values.get('bytes'),
    gzip_bytes=values.get('gzip_bytes'),
    sparsity=values.get('sparsity'),
    rmse=estimate(values.get('rmse')),
    mae=estimate(values.get('mae')),
    rmse_ratio=estimate(values.get('rmse_ratio')),
    worst_slice=_slice(worst) if worst else None,
    slices=tuple(_slice(told) for told in values.get('slices') or ()),
    latency=_latency(values.get('latency_us')),
    latency_batch=_latency(values.get('latency_batch_us')),
    peak_bytes=values.get('peak_bytes'),
    within_budget=bool(values.get('within_budget')),
    on_size_frontier=bool(values.get('frontier_size')),
    on_latency_frontier=bool(values.get('frontier_latency')),
    reason=values.get('reason') or '',
  )


def _slice(values: Mapping[str, Any]) -> SliceError:
  return SliceError(
    name=values['name'],
    rides=values.get('rides'),
    rmse=estimate(values.get('rmse')),
    rmse_ratio=estimate(values.get('rmse_ratio')),
  )


def _latency(values: Mapping[str, Any] | None) -> Latency | None:
  if not values or values.get('p50') is None:
    return None
  spread: Sequence[float] | None = values.get('spread')
  return Latency(values['p50'], values.get('p99'), (spread[0], spread[1]) if spread else None)
