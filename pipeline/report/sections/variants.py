"""The table of variants, and what accuracy costs in bytes and microseconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from markupsafe import Markup

from components.compression_gate.records import CompressionRecord, JudgedVariant
from configs.compression import JudgedOn
from configs.problems import joined
from pipeline.report.charts.frontier import Limits, Point, draw_frontier
from pipeline.report.record import RunRecord
from pipeline.report.tables import Cell, Heading, Row, Table, figure, figures, with_best
from pipeline.report.wording import bracket, counted, interval, microseconds, number, size

_RMSE, _RATIO, _WORST, _FILE, _GZIP, _P50, _P99, _BATCH, _MEMORY, _ZEROS = range(1, 11)
"""Columns of figures."""


@dataclasses.dataclass(frozen=True)
class FrontierChart:
  """A frontier, and the variants that lie above its picture."""

  title: str
  picture: Markup
  outside: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class VariantsSection:
  """The variants, side by side.

  Attributes:
    counts: how many there are and how many keep the budget.
    budget: what was asked for.
    notes: of the gate.
    table: one row each.
    charts: the frontiers.
    recipes: name and colour of each recipe.
  """

  counts: str
  budget: str
  notes: tuple[str, ...]
  table: Table
  charts: tuple[FrontierChart, ...]
  recipes: tuple[tuple[str, str], ...]


def variants_section(record: RunRecord, variants: CompressionRecord | None) -> VariantsSection | None:
  """The section, or `None` if no variant was made."""
  if variants is None:
    return None
  kept = sum(variant.within_budget for variant in variants.variants)
  made = sum(variant.bytes is not None for variant in variants.variants)
  lost = len(variants.variants) - made
  told = f', {lost} of which could not be made' if lost else ''
  keeps = f'{kept or "none"} {"keeps" if kept < 2 else "keep"}'
  counts = f'{counted(len(variants.variants), "variant")}{told}; {keeps} the budget.'
  return VariantsSection(
    counts=counts,
    budget=_budget(variants, record.currency),
    notes=variants.notes,
    table=_table(record, variants),
    charts=_charts(variants),
    recipes=tuple((recipe, f's{index % 8}') for index, recipe in enumerate(variants.recipes)),
  )


def _budget(variants: CompressionRecord, currency: str) -> str:
  budget = variants.budget
  if budget is None:
    return ''
  limits = []
  if budget.rmse_ratio is not None:
    limits.append(f"an RMSE of at most {budget.rmse_ratio:g} times float32's")
  if budget.worst_slice_ratio is not None:
    smallest = f' (of those with at least {budget.min_slice_rides} rides)'
    limits.append(f'at most {budget.worst_slice_ratio:g} times on the worst slice{smallest}')
  if budget.bytes is not None:
    limits.append(f'a file of at most {size(budget.bytes)}')
  if budget.latency_us is not None:
    limits.append(f'at most {microseconds(budget.latency_us)} for one ride')
  if not limits:
    return ''
  judged = {JudgedOn.POINT: 'the ratio itself', JudgedOn.UPPER_BOUND: "the upper bound of the ratio's interval"}
  held = f' What counts is {judged[budget.judged_on]}.'
  return f'The budget asks for {joined(limits)}. The smallest file that keeps it is pushed.{held}'


def _table(record: RunRecord, variants: CompressionRecord) -> Table:
  batch = record.config.get('compression', {}).get('measurement', {}).get('batch')
  headings = (
    Heading('variant', numeric=False),
    Heading('RMSE', record.currency, meaning='Root mean squared error: large misses weigh more.'),
    Heading('to float32', meaning='Ratio of the RMSE to that of the float32 file, ride by ride; 1 is no loss.'),
    Heading('worst slice', meaning='The slice whose RMSE grows most, against the float32 file.'),
    Heading('file', 'KB', meaning='The file as it is, the features included.', sorted=True),
    Heading('gzip', 'KB', meaning='What users download.'),
    Heading('one ride, p50', 'µs', meaning='Median time for one ride.'),
    Heading('one ride, p99', 'µs', meaning='99 of 100 calls for one ride are faster.'),
    Heading(
      f'{batch} rides, p50' if batch else 'batch, p50',
      'µs',
      meaning='Median time for a larger batch, all of its rides together.',
    ),
    Heading('memory', 'MB', meaning='Peak memory of the process that runs it.'),
    Heading('zeros', '%', meaning='Share of weights that are zero, counted in the file.'),
    Heading('budget', numeric=False, meaning='Whether it keeps every limit.'),
    Heading('why', numeric=False),
  )
  # The order of the heading that says it is sorted; what could not be made comes last.
  ordered = sorted(variants.variants, key=lambda variant: (variant.bytes is None, variant.bytes or 0))
  rows = [_row(variant, variants) for variant in ordered]
  rows_with_best = with_best(rows, (_RMSE, _RATIO, _WORST, _FILE, _GZIP, _P50, _P99, _BATCH, _MEMORY), (_ZEROS,))
  filled = [i for i in range(len(headings)) if any(row.cells[i].style != 'none' for row in rows)]
  return Table(
    caption='Variants, smallest file first',
    headings=tuple(headings[i] for i in filled),
    rows=tuple(dataclasses.replace(row, cells=tuple(row.cells[i] for i in filled)) for row in rows_with_best),
    sortable=True,
  )


def _row(variant: JudgedVariant, variants: CompressionRecord) -> Row:
  chosen = variant.name == variants.chosen
  marks = [word for word, true in (('chosen', chosen), ('baseline', variant.name == variants.baseline)) if true]
  worst, latency, batch = variant.worst_slice, variant.latency_us, variant.latency_batch_us
  ratio = worst.rmse_ratio if worst else None
  spread = f'{number(latency.spread[0], 1)}–{number(latency.spread[1], 1)}' if latency else ''
  made = variant.bytes is not None
  verdict = ('✓ kept' if variant.within_budget else '✗ missed') if made and variant.rmse else 'not made'
  cells = (
    Cell(variant.name, note=', '.join(marks)),
    figures(variant.rmse),
    figures(variant.rmse_ratio, 3),
    figure(ratio.value, number(ratio.value, 3), f'{bracket(ratio, 3)}\n{worst.name}')
    if ratio and worst
    else figure(None, ''),
    _scaled(variant.bytes, 1e-3),
    _scaled(variant.gzip_bytes, 1e-3),
    _scaled(latency.p50 if latency else None, 1, spread),
    _scaled(latency.p99 if latency else None, 1),
    _scaled(batch.p50 if batch else None, 1),
    _scaled(variant.peak_bytes, 1e-6),
    _scaled(variant.sparsity, 100),
    Cell(verdict, style='good' if variant.within_budget else 'bad'),
    Cell(variant.reason or '', style='reason'),
  )
  return Row(cells, 'chosen' if chosen else '' if made else 'faint')


def _scaled(value: float | None, factor: float, note: str = '') -> Cell:
  """A figure in the unit of its heading, with one decimal; latencies over 1,000 without."""
  shown = None if value is None else value * factor
  return figure(value, number(shown, 0 if shown is not None and shown >= 1000 else 1), note)


def _charts(variants: CompressionRecord) -> tuple[FrontierChart, ...]:
  budget = variants.budget
  size_chart = _chart(
    variants, 'Accuracy and size', 'size of the file', size, budget.bytes if budget else None,
    lambda variant: variant.bytes, lambda variant: variant.frontier_size,
  )  # fmt: skip
  latency_chart = _chart(
    variants, 'Accuracy and latency', 'median time for one ride', microseconds, budget.latency_us if budget else None,
    lambda variant: variant.latency_us.p50 if variant.latency_us else None, lambda variant: variant.frontier_latency,
  )  # fmt: skip
  return tuple(chart for chart in (size_chart, latency_chart) if chart)


def _chart(
  variants: CompressionRecord,
  title: str,
  cost_label: str,
  cost_format: Callable[[float], str],
  cost_limit: float | None,
  cost: Callable[[JudgedVariant], float | None],
  on_frontier: Callable[[JudgedVariant], bool],
) -> FrontierChart | None:
  colors = {recipe: index % 8 for index, recipe in enumerate(variants.recipes)}
  points = [
    Point(
      name=variant.name,
      color=colors[variant.recipe],
      cost=value,
      ratio=variant.rmse_ratio,
      on_frontier=on_frontier(variant),
      within_budget=variant.within_budget,
      chosen=variant.name == variants.chosen,
      told=f'{variant.name}: {cost_format(value)}, RMSE {interval(variant.rmse_ratio, 3)} times float32',
    )
    for variant in variants.variants
    if (value := cost(variant)) and variant.rmse_ratio
  ]
  if not points:
    return None
  names = joined([point.name for point in sorted(points, key=lambda point: point.cost) if point.on_frontier])
  label = f'{title}: {len(points)} variants. On the frontier: {names or "none"}.'
  limits = Limits(cost_limit, variants.budget.rmse_ratio if variants.budget else None)
  picture, outside = draw_frontier(points, limits, cost_label, cost_format, label)
  return FrontierChart(title, picture, tuple(outside))
