"""The file to push beside that of the version that serves, on the newest examples: how far apart they predict."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from components.compression_gate.choice import Choice, Limit, Miss, Thresholds
from components.compression_gate.measuring import Bench
from components.compression_gate.pushed_version import ServedVersion
from components.compression_gate.records import FareDifferences, ShadowRecord, SliceDifferences
from configs.errors import FailedError
from configs.serving import Shadow
from models.lite.process import StartedAhead
from models.protocols import EvalExamples, Terms


class Newest(NamedTuple):
  """What a file is compared on before it takes over, and what it may change.

  Attributes:
    examples: all of the newest, in parts.
    shadow: the limits.
    fewest: examples of a slice that is judged.
  """

  examples: Iterable[EvalExamples]
  shadow: Shadow
  fewest: int


class ShadowError(FailedError):
  """A file that can't be compared with the one that serves."""


def run_beside(
  variant: str,
  file: pathlib.Path,
  serving: ServedVersion,
  newest: Newest,
  thresholds: Thresholds,
  threads: int,
  ahead: StartedAhead | None = None,
) -> tuple[ShadowRecord, list[Miss]]:
  """Runs both files, each in a process of its own.

  Args:
    variant: name of the new one.
    file: the new one.
    serving: the version that serves; it has a file.
    thresholds: name the unit.
    ahead: gives the processes.
  Returns: The differences, and the limits that they miss.
  Raises: ShadowError: a file does not run on these examples, or there are none.
  """
  assert serving.file is not None
  parts: list[np.ndarray] = []
  slices: dict[str, list[np.ndarray]] = collections.defaultdict(list)
  terms = Terms()
  for examples, pair in _predicted(file, serving, newest.examples, threads, ahead):
    terms = examples.contract.terms
    parts.append(pair)
    for name, mask in examples.slices.items():
      slices[name].append(pair[:, mask])
  if not parts:
    raise ShadowError(f'There are no newest {terms.examples}, so nothing was compared with version {serving.version}.')
  pairs = np.concatenate(parts, axis=1)
  apart = newest.shadow.apart * abs(float(np.median(pairs[1])))
  record = ShadowRecord(
    variant=variant,
    version=serving.version,
    apart=apart,
    overall=FareDifferences(**_differences(pairs, apart)),
    slices=tuple(
      SliceDifferences(name=name, **_differences(np.concatenate(found, axis=1), apart))
      for name, found in sorted(slices.items())
    ),
    limits=newest.shadow,
  )
  missed = list(shadow_misses(record, newest.fewest, thresholds, terms))
  return record.model_copy(update={'held': tuple(miss.sentence for miss in missed)}), missed


def _predicted(
  file: pathlib.Path,
  serving: ServedVersion,
  parts: Iterable[EvalExamples],
  threads: int,
  ahead: StartedAhead | None,
) -> Iterator[tuple[EvalExamples, np.ndarray]]:
  """Each part with the predictions of the new and of the served file, float64 [2, examples]."""
  parts = iter(parts)
  first = next(parts, None)
  if first is None:
    return
  assert serving.file is not None
  files = {'new': file, 'served': serving.file}
  with Bench(files, threads, first.contract, ahead) as bench:
    for examples in (part for some in ([first], parts) for part in some):
      columns = serving.columns_of(examples.columns)
      answers = bench.ask_all(lambda process, columns=columns: process.predict(columns))  # type: ignore[misc]
      for name, which in (('new', 'The new file'), ('served', f'Version {serving.version}, which serves,')):
        reason = bench.lost.get(name) or ('it gives no number for some.' if not _finite(answers.get(name)) else '')
        if reason:
          raise ShadowError(f'{which} does not run on the newest {examples.contract.terms.examples}: {reason}')
      yield examples, np.stack([answers['new'], answers['served']]).astype(np.float64)


def _finite(predictions: np.ndarray | None) -> bool:
  return predictions is not None and bool(np.isfinite(predictions).all())


def _differences(pairs: np.ndarray, apart: float) -> dict[str, Any]:
  """What a record holds of predictions [2, examples], those of the served file last."""
  change = pairs[0] - pairs[1]
  sizes = np.abs(change)
  p50, p95, p99 = np.percentile(sizes, [50, 95, 99]).tolist()
  return {
    'rides': len(change),
    'served_mean': float(pairs[1].mean()),
    'mean': float(change.mean()),
    'mean_absolute': float(sizes.mean()),
    **{'p50': p50, 'p95': p95, 'p99': p99},
    'share_apart': float(np.mean(sizes > apart)),
  }


def shadow_misses(record: ShadowRecord, fewest: int, thresholds: Thresholds, terms: Terms) -> Iterator[Miss]:
  """Every limit that the differences miss, of slices that of the worst alone.

  Args:
    fewest: examples of a slice that is judged.
    thresholds: name the unit.
    terms: for the sentences.
  """
  shadow, overall = record.limits, record.overall
  limit = shadow.max_mean_difference
  if limit is not None and abs(overall.change) > limit:
    yield Miss(Limit.MEAN_DIFFERENCE, _changed(record, overall, limit, thresholds, terms), abs(overall.change) / limit)
  limit = shadow.max_share_apart
  if limit is not None and overall.share_apart > limit:
    what = f'{overall.share_apart:.1%} of the newest {terms.examples} have {terms.predictions} more than'
    beside = f'{thresholds.amount(record.apart, 2)} apart from those of version {record.version}, which serves'
    sentence = f'{what} {beside}; {limit:.1%} may at most (serving.shadow.max_share_apart)'
    yield Miss(Limit.SHARE_APART, sentence, overall.share_apart / limit)
  limit = shadow.max_slice_difference
  large = [found for found in record.slices if found.rides >= fewest]
  worst = max(large, key=lambda found: abs(found.change), default=None)
  if limit is not None and worst is not None and abs(worst.change) > limit:
    yield Miss(Limit.SLICE_DIFFERENCE, _changed(record, worst, limit, thresholds, terms), abs(worst.change) / limit)


def _changed(record: ShadowRecord, found: FareDifferences, limit: float, thresholds: Thresholds, terms: Terms) -> str:
  """The sentence on a mean that changed too much."""
  place, setting = '', 'max_mean_difference'
  if isinstance(found, SliceDifferences):
    place, setting = f" in the slice '{found.name}' ({found.rides:,} {terms.examples})", 'max_slice_difference'
  what = f'{terms.predictions} of the newest {terms.examples}{place} are on average {abs(found.change):.1%}'
  way = 'above' if found.mean > 0 else 'below'
  before = f'those of version {record.version}, which serves ({thresholds.amount(found.served_mean, 2)})'
  return f'{what} {way} {before}; {limit:.1%} is allowed (serving.shadow.{setting})'


def held(choice: Choice, missed: Iterable[Miss]) -> Choice:
  """The choice without the file that it would have pushed, which misses some limits beside what serves."""
  assert choice.chosen is not None
  sentences = '; '.join(miss.sentence for miss in missed)
  what = f'{choice.chosen} keeps the budget, but is held beside what serves'
  reasons: Mapping[str, str] = choice.reasons | {choice.chosen: f'Held beside what serves: {sentences}.'}
  reason = f'{what}: {sentences}. Nothing is pushed and the served model stays.'
  return Choice(None, reason, dict(reasons))


def remark(record: ShadowRecord, thresholds: Thresholds, terms: Terms) -> str:
  """The differences in a sentence."""
  found = record.overall
  where = f'Beside version {record.version}, which serves, on {found.rides:,} of the newest {terms.examples}'
  by = f'{"" if found.mean < 0 else "+"}{thresholds.amount(found.mean, 2)}'
  mean = f'{terms.predictions} are on average {found.change:+.1%} ({by})'
  spread = f'95 % are within {thresholds.amount(found.p95, 2)}'
  return f'{where}: {mean}, {spread}, {found.share_apart:.1%} are more than {thresholds.amount(record.apart, 2)} apart.'
