"""Two runs side by side: what was set differently, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from components.compression_gate.records import CompressionRecord, JudgedVariant
from components.fare_evaluator.records import EvaluatedSlice
from configs.base import joined
from configs.records import Estimate, estimate
from pipeline.report.record import Difference, RunRecord, differences, read_variants
from pipeline.report.rides import PredictedRides, paired_ratio, read_rides, slice_rmse
from pipeline.report.run_charts import SIDES, Pair, draw_pairs
from pipeline.report.sections.model import BADGES
from pipeline.report.sections.variants import verdict_cell
from pipeline.report.tables import (
  MISSING,
  Cell,
  Heading,
  Picture,
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


class Side(NamedTuple):
  """One of the runs: A or B, the name of its folder, and what it left."""

  letter: str
  name: str
  record: RunRecord


@dataclasses.dataclass(frozen=True)
class RunComparison:
  """Two runs side by side: what came of it, and in what settings they differ.

  Attributes: picture: the errors of both, on all rides and by slice; `None` where neither came to one.
  """

  first: Side
  second: Side
  sentences: tuple[str, ...]
  outcomes: Table
  picture: Picture | None
  settings: tuple[Difference, ...]
  variants: Table | None
  slices: Table | None
  steps: Table | None


def compare(first: RunRecord, second: RunRecord) -> RunComparison:
  """Compares run A with run B."""
  a, b = (
    Side(letter, record.title, dataclasses.replace(record, variants=read_variants(record)))
    for letter, record in (('A', first), ('B', second))
  )
  settings = differences(first.config, second.config)
  return RunComparison(
    first=a,
    second=b,
    sentences=_sentences(a, b, settings),
    outcomes=_outcomes(a, b),
    picture=_picture(a, b),
    settings=settings,
    variants=_variants(a, b),
    slices=_slices(a, b),
    steps=_steps(a, b),
  )


def _sentences(a: Side, b: Side, settings: Sequence[Difference]) -> tuple[str, ...]:
  sentences = [_error_sentence(a, b)]
  first, second = a.record.chosen, b.record.chosen
  if first and second and first.bytes and second.bytes:
    sentences.append(f'A ships {first.name} in {size(first.bytes)}, B ships {second.name} in {size(second.bytes)}.')
  return (*sentences, f'{counted(len(settings), "setting")} {"differs" if len(settings) == 1 else "differ"}.')


def _error_sentence(a: Side, b: Side) -> str:
  first, second = a.record.shown_error('rmse'), b.record.shown_error('rmse')
  if first is None or second is None:
    missing = joined(side.letter for side in (a, b) if side.record.shown_error('rmse') is None)
    return f'{missing} did not come to an RMSE, so there is nothing to compare it by.'
  if a.record.currency != b.record.currency:
    return f'The fares are in {a.record.currency} and {b.record.currency}, so their errors are not comparable.'
  both = f'RMSE: {interval(first)} against {interval(second)} {a.record.currency}.'
  if (ratio := _paired(a, b)) is not None:
    sure = f'so {"A" if ratio.value < 1 else "B"} is better'
    verdict = 'a difference that may be chance' if ratio.bottom <= 1 <= ratio.top else sure
    return f"{both} Both predicted the same rides: there A's RMSE is {interval(ratio, 3)} times B's, {verdict}."
  if a.record.summary.rows != b.record.summary.rows:
    return f'{both} The two runs were judged on different rides, so the difference says little about the models.'
  if first.bottom <= second.top and second.bottom <= first.top:
    return f'{both} The intervals overlap: the difference ({signed(first.value - second.value)}) may be chance.'
  return f'{both} The intervals do not overlap: {"A" if first.value < second.value else "B"} is better.'


def _paired(a: Side, b: Side) -> Estimate | None:
  """The ratio of the RMSEs of the chosen files, where both predicted the same rides."""
  first, second = (_chosen_rides(side.record) for side in (a, b))
  resamples = max(a.record.resamples, b.record.resamples)
  return paired_ratio(first, second, resamples) if first and second else None


def _chosen_rides(record: RunRecord) -> PredictedRides | None:
  rides = read_rides(record)
  return rides if rides and record.chosen and rides.variant == record.chosen.name else None


_NONE = JudgedVariant(name='', recipe='', scheme='')
"""In the place of a variant that a run has not: nothing is known of it."""


def _outcomes(a: Side, b: Side) -> Table:
  first, second, units = _outcomes_of(a), _outcomes_of(b), dict.fromkeys(('RMSE', 'MAE'), a.record.currency)
  rows = (row(Cell(name, note=units.get(name, '')), first[name], second[name]) for name in first)
  headings = (*words(''), f'A: {a.name}', f'B: {b.name}')
  return table('RMSE and MAE are those of the chosen file, else of the trained model', headings, rows)


def _outcomes_of(side: Side) -> dict[str, Cell | str]:
  chosen, rows = side.record.chosen or _NONE, side.record.summary.rows
  return {
    'status': BADGES[side.record.summary.status],
    'RMSE': figures(side.record.shown_error('rmse')),
    'MAE': figures(side.record.shown_error('mae')),
    'chosen variant': chosen.name or MISSING,
    'size of its file': figure(chosen.bytes, size),
    'after gzip': figure(chosen.gzip_bytes, size),
    'median time for one ride': _latency(chosen),
    'rides kept': figure(rows.kept if rows else None, whole),
    'duration': figure(side.record.duration, seconds),
  }


ALL_RIDES = 'all rides'


def _picture(a: Side, b: Side) -> Picture | None:
  """The RMSE of both on all rides and by slice."""
  if a.record.currency != b.record.currency:
    return None
  (first, of_file), (second, of_other) = (errors_by_slice(side.record) for side in (a, b))
  if not first and not second:
    return None
  pairs = [Pair(name, first.get(name), second.get(name)) for name in dict.fromkeys([*first, *second])]
  drawn = draw_pairs(pairs, f'RMSE ({a.record.currency})'.replace(' ()', ''), 'RMSE of both runs by slice')
  legend = tuple((f'{side.letter}: {side.name}', style) for side, style in zip((a, b), SIDES, strict=True))
  of_first, of_second = (('the trained model', 'the chosen file')[is_file] for is_file in (of_file, of_other))
  source = f'Of {of_first}.' if of_first == of_second else f'A: of {of_first}; B: of {of_second}.'
  return Picture(
    'RMSE by slice', drawn, f'{source} A line holds 95 %; where there is none, it is not known.', '', legend
  )


def errors_by_slice(record: RunRecord) -> tuple[dict[str, Estimate], bool]:
  """RMSE of a run by slice, all rides first, with 95 % intervals where its predictions are still there.

  Args: record: with its variants.
  Returns: And whether these are the chosen file's, out of its predictions; else they are the trained model's.
  """
  rides, slices, overall = _chosen_rides(record), record.summary.slices, record.shown_error('rmse')
  if rides and overall:
    codes = {one.name: one.slice for one in slices if one.slice}
    return {ALL_RIDES: overall} | slice_rmse(rides, codes, record.resamples), True
  error = record.error('rmse')
  found = {one.name: Estimate(one.root_mean_squared_error) for one in slices if one.slice}
  return ({ALL_RIDES: error} if error else {}) | found, False


def _variants(a: Side, b: Side) -> Table | None:
  """All variants of both; RMSE, file size, latency and verdict of each side by side."""
  both = a.record.variants, b.record.variants
  first, second = ({variant.name: variant for variant in found.variants} if found else {} for found in both)
  figure_headings = (f'{name}, {letter}' for name in ('to float32', 'file', 'p50') for letter in 'AB')
  errors = (Heading(f'RMSE, {letter}', a.record.currency) for letter in 'AB')
  headings = (*words('variant'), *errors, *figure_headings, *words('budget, A', 'budget, B'))
  rows = []
  for name in dict.fromkeys([*first, *second]):
    found = [variants.get(name, _NONE) for variants in (first, second)]
    cells = [
      *(figures(variant.rmse) for variant in found),
      *(figures(variant.rmse_ratio, 3) for variant in found),
      *(figure(variant.bytes, size) for variant in found),
      *(_latency(variant) for variant in found),
      *(_verdict(variant, side.record.variants) for variant, side in zip(found, (a, b), strict=True)),
    ]
    chosen = joined(side.letter for side in (a, b) if side.record.variants and side.record.variants.chosen == name)
    note, style = (f'chosen by {chosen}', 'chosen') if chosen else ('', '')
    rows.append(row(Cell(name, note=note), *cells, style=style))
  return table('Variants of both runs', headings, rows, sortable=True) if rows else None


_INVOKE = 'without input and output'
"""Of a record from before the whole call was measured."""


def _latency(variant: JudgedVariant) -> Cell:
  latency = variant.latency_us
  return figure(latency.p50 if latency else None, microseconds, '' if not latency or latency.whole_call else _INVOKE)


def _verdict(variant: JudgedVariant, variants: CompressionRecord | None) -> Cell:
  shadow = variants.shadow if variants else None
  return Cell(MISSING, style='none') if variant.rmse is None else verdict_cell(variant, shadow)


def _slices(a: Side, b: Side) -> Table | None:
  """RMSE of the trained models by slice."""
  first, second = ({row.name: row for row in side.record.summary.slices} for side in (a, b))
  rmse = (Heading(f'RMSE, {side.letter}', side.record.currency) for side in (a, b))
  rows = [row(name, *_slice_cells(first.get(name), second.get(name))) for name in dict.fromkeys([*first, *second])]
  headings = (*words('slice'), 'rides, A', 'rides, B', *rmse, Heading('A minus B', a.record.currency))
  return table('RMSE of the trained models by slice', headings, rows, sortable=True) if rows else None


def _slice_cells(first: EvaluatedSlice | None, second: EvaluatedSlice | None) -> tuple[Cell, ...]:
  counts = [row.example_count if row else None for row in (first, second)]
  errors = [row.root_mean_squared_error if row else None for row in (first, second)]
  apart = errors[0] - errors[1] if errors[0] is not None and errors[1] is not None else None
  return (*(figure(n, whole) for n in counts), *(figures(estimate(error)) for error in errors), figure(apart, signed))


def _steps(a: Side, b: Side) -> Table | None:
  first, second = ({step.name: step for step in side.record.steps()} for side in (a, b))
  rows = []
  for name in dict.fromkeys([*first, *second]):
    found = [steps.get(name) for steps in (first, second)]
    rows.append(row(name, *(figure(s.seconds, seconds, s.state.value) if s else figure(None, seconds) for s in found)))
  return table('Time of each step', (*words('step'), 'A', 'B'), rows) if rows else None
