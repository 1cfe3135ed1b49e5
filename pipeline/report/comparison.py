"""Two runs side by side: what was set differently, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from components.compression_gate.records import CompressionRecord, JudgedVariant
from components.fare_evaluator.records import EvaluatedSlice
from configs.base import joined
from configs.records import Estimate, estimate
from pipeline.report.record import Difference, RunRecord, differences, read_variants
from pipeline.report.rides import PredictedRides, paired_ratio, read_rides
from pipeline.report.sections.model import BADGES
from pipeline.report.tables import (
  MISSING,
  Cell,
  Heading,
  Table,
  counted,
  figure,
  figures,
  interval,
  microseconds,
  row,
  seconds,
  signed,
  size,
  table,
  whole,
  words,
)


@dataclasses.dataclass(frozen=True)
class Side:
  """One of the runs.

  Attributes:
    letter: A or B, its name in tables.
    variants: its variants, if it made any.
  """

  letter: str
  name: str
  record: RunRecord
  variants: CompressionRecord | None

  @property
  def chosen(self) -> JudgedVariant | None:
    """The variant that was chosen."""
    return self.variants.named(self.variants.chosen) if self.variants else None

  def error(self, metric: str) -> Estimate | None:
    """RMSE or MAE: of the chosen file, else of the trained model."""
    chosen = self.chosen
    if chosen and chosen.rmse:
      return chosen.rmse if metric == 'rmse' else chosen.mae
    return self.record.error(metric)

  @property
  def seconds(self) -> float:
    """All of its steps."""
    return sum(step.seconds for step in self.record.steps())


@dataclasses.dataclass(frozen=True)
class RunComparison:
  """Two runs side by side: what came of it, and in what settings they differ."""

  first: Side
  second: Side
  sentences: tuple[str, ...]
  outcomes: Table
  settings: tuple[Difference, ...]
  variants: Table | None
  slices: Table | None
  steps: Table | None


def compare(first: RunRecord, second: RunRecord) -> RunComparison:
  """Compares run A with run B."""
  a, b = (
    Side(letter, record.output.path.name, record, read_variants(record))
    for letter, record in (('A', first), ('B', second))
  )
  settings = differences(first.config, second.config)
  return RunComparison(
    first=a,
    second=b,
    sentences=_sentences(a, b, settings),
    outcomes=_outcomes(a, b),
    settings=settings,
    variants=_variants(a, b),
    slices=_slices(a, b),
    steps=_steps(a, b),
  )


def _sentences(a: Side, b: Side, settings: Sequence[Difference]) -> tuple[str, ...]:
  sentences = [_error_sentence(a, b)]
  first, second = a.chosen, b.chosen
  if first and second and first.bytes and second.bytes:
    sentences.append(f'A ships {first.name} in {size(first.bytes)}, B ships {second.name} in {size(second.bytes)}.')
  sentences.append(f'{counted(len(settings), "setting")} {"differs" if len(settings) == 1 else "differ"}.')
  return tuple(sentence for sentence in sentences if sentence)


def _error_sentence(a: Side, b: Side) -> str:
  first, second = a.error('rmse'), b.error('rmse')
  if first is None or second is None:
    missing = joined(side.letter for side in (a, b) if side.error('rmse') is None)
    return f'{missing} did not come to an RMSE, so there is nothing to compare it by.'
  if a.record.currency != b.record.currency:
    return f'The fares are in {a.record.currency} and {b.record.currency}, so their errors are not comparable.'
  texts = f'{interval(first)} against {interval(second)} {a.record.currency}'
  if (paired := _paired(a, b)) is not None:
    return f'RMSE: {texts}. {_paired_sentence(paired)}'
  if a.record.summary.rows != b.record.summary.rows:
    different = 'The two runs were judged on different rides, so the difference says little about the models.'
    return f'RMSE: {texts}. {different}'
  if first.bottom <= second.top and second.bottom <= first.top:
    return f'RMSE: {texts}. The intervals overlap: the difference ({signed(first.value - second.value)}) may be chance.'
  better = 'A' if first.value < second.value else 'B'
  return f'RMSE: {texts}. The intervals do not overlap: {better} is better.'


def _paired(a: Side, b: Side) -> Estimate | None:
  """The ratio of the RMSEs of the chosen files, where both predicted the same rides."""
  first, second = (_chosen_rides(side) for side in (a, b))
  resamples = max(a.record.resamples, b.record.resamples)
  return paired_ratio(first, second, resamples) if first and second else None


def _chosen_rides(side: Side) -> PredictedRides | None:
  rides = read_rides(side.record, side.variants)
  return rides if rides and side.chosen and rides.variant == side.chosen.name else None


def _paired_sentence(ratio: Estimate) -> str:
  text = f"Both predicted the same rides: there A's RMSE is {interval(ratio, 3)} times B's"
  if ratio.bottom <= 1 <= ratio.top:
    return f'{text}, a difference that may be chance.'
  return f'{text}, so {"A" if ratio.value < 1 else "B"} is better.'


def _outcomes(a: Side, b: Side) -> Table:
  first, second, units = _outcomes_of(a), _outcomes_of(b), dict.fromkeys(('RMSE', 'MAE'), a.record.currency)
  rows = (row(Cell(name, note=units.get(name, '')), first[name], second[name]) for name in first)
  headings = (*words(''), f'A: {a.name}', f'B: {b.name}')
  return table('RMSE and MAE are those of the chosen file, else of the trained model', headings, rows)


def _outcomes_of(side: Side) -> dict[str, Cell | str]:
  chosen, rows = side.chosen, side.record.summary.rows
  return {
    'status': BADGES[side.record.summary.status],
    'RMSE': figures(side.error('rmse')),
    'MAE': figures(side.error('mae')),
    'chosen variant': chosen.name if chosen else MISSING,
    'size of its file': figure(chosen.bytes if chosen else None, size),
    'after gzip': figure(chosen.gzip_bytes if chosen else None, size),
    'median time for one ride': _latency(chosen),
    'rides kept': figure(rows.kept if rows else None, whole),
    'duration': figure(side.seconds, seconds),
  }


def _variants(a: Side, b: Side) -> Table | None:
  """All variants of both; RMSE, file size, latency and verdict of each side by side."""
  names = list(dict.fromkeys(variant.name for side in (a, b) if side.variants for variant in side.variants.variants))
  if not names:
    return None
  currency = a.record.currency
  headings = list(words('variant'))
  for name, unit in (('RMSE', currency), ('to float32', ''), ('file', ''), ('p50', '')):
    headings += [Heading(f'{name}, {side.letter}', unit) for side in (a, b)]
  headings += words('budget, A', 'budget, B')
  rows = []
  for name in names:
    found = [side.variants.named(name) if side.variants else None for side in (a, b)]
    chosen = [side.letter for side in (a, b) if side.variants and side.variants.chosen == name]
    cells = [
      *(figures(variant.rmse if variant else None) for variant in found),
      *(figures(variant.rmse_ratio if variant else None, 3) for variant in found),
      *(figure(variant.bytes if variant else None, size) for variant in found),
      *(_latency(variant) for variant in found),
      *(_verdict(variant) for variant in found),
    ]
    note = f'chosen by {joined(chosen)}' if chosen else ''
    rows.append(row(Cell(name, note=note), *cells, style='chosen' if chosen else ''))
  return table('Variants of both runs', headings, rows, sortable=True)


def _latency(variant: JudgedVariant | None) -> Cell:
  latency = variant.latency_us if variant else None
  return figure(latency.p50 if latency else None, microseconds)


def _verdict(variant: JudgedVariant | None) -> Cell:
  if variant is None or variant.rmse is None:
    return Cell(MISSING, style='none')
  return Cell('✓ kept', style='good') if variant.within_budget else Cell('✗ missed', style='bad')


def _slices(a: Side, b: Side) -> Table | None:
  """RMSE of the trained models by slice."""
  first, second = ({row.name: row for row in side.record.summary.slices} for side in (a, b))
  names = list(dict.fromkeys([*first, *second]))
  if not names:
    return None
  headings = (
    *words('slice'),
    'rides, A',
    'rides, B',
    Heading('RMSE, A', a.record.currency),
    Heading('RMSE, B', b.record.currency),
    Heading('A minus B', a.record.currency),
  )
  rows = (row(name, *_slice_cells(first.get(name), second.get(name))) for name in names)
  return table('RMSE of the trained models by slice', headings, rows, sortable=True)


def _slice_cells(first: EvaluatedSlice | None, second: EvaluatedSlice | None) -> tuple[Cell, ...]:
  counts = [row.example_count if row else None for row in (first, second)]
  errors = [row.root_mean_squared_error if row else None for row in (first, second)]
  apart = errors[0] - errors[1] if errors[0] is not None and errors[1] is not None else None
  return (
    *(figure(count, whole) for count in counts),
    *(figures(estimate(error)) for error in errors),
    figure(apart, signed),
  )


def _steps(a: Side, b: Side) -> Table | None:
  first, second = ({step.name: step for step in side.record.steps()} for side in (a, b))
  names = list(dict.fromkeys([*first, *second]))
  if not names:
    return None
  rows = []
  for name in names:
    found = [steps.get(name) for steps in (first, second)]
    rows.append(row(name, *(figure(s.seconds, seconds, s.state.value) if s else figure(None, seconds) for s in found)))
  return table('Time of each step', (*words('step'), 'A', 'B'), rows)
