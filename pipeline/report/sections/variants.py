"""The variants side by side: a table, frontiers, the budget, and where files lose accuracy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from components.compression_gate.records import BudgetVerdict, CompressionRecord, JudgedVariant, ShadowRecord, verdict
from configs.base import joined
from configs.compression import Budget, JudgedOn, Objective
from configs.records import Estimate
from pipeline.report.charts import swatch
from pipeline.report.frontier import Limits, Point, draw_frontier
from pipeline.report.judged import Judged
from pipeline.report.record import RunRecord
from pipeline.report.tables import (
  Cell,
  Heading,
  Picture,
  Row,
  Table,
  counted,
  figure,
  microseconds,
  number,
  row,
  size,
  table,
  with_best,
  without_empty,
  words,
)


class VariantsSection(NamedTuple):
  """The variants side by side: how many keep what budget, what served, the gate's notes, frontiers, recipes by name and
  colour."""

  counts: str
  budget: str
  served: str
  notes: tuple[str, ...]
  table: Table
  layers: Table | None
  charts: tuple[Picture, ...]
  recipes: tuple[tuple[str, str], ...]


_HELD = ', of which the one to push is held by the limits of serving.shadow'


def variants_section(record: RunRecord) -> VariantsSection | None:
  """The section, or `None` if no variant was made."""
  variants = record.variants
  if variants is None:
    return None
  found = [verdict(variant, variants.shadow) for variant in variants.variants]
  kept, held = sum(one.keeps_budget for one in found), BudgetVerdict.HELD in found
  lost = sum(variant.bytes is None for variant in variants.variants)
  unmade = f', {lost} of which could not be made' if lost else ''
  keeps = f'{kept or "none"} {"keeps" if kept < 2 else "keep"}'
  return VariantsSection(
    counts=f'{counted(len(variants.variants), "variant")}{unmade}; {keeps} the budget{_HELD if held else ""}.',
    budget=_budget(variants.budget, variants.objective, record.judged) if variants.budget else '',
    served=_judged_against(record, variants),
    notes=(*variants.notes, *_metadata(variants), *_schemes(record)),
    table=_variants_table(record, variants),
    layers=_layers_table(variants),
    charts=_charts(variants, record.judged),
    recipes=tuple((recipe, swatch(index)) for index, recipe in enumerate(variants.recipes)),
  )


def _metadata(variants: CompressionRecord) -> Iterator[str]:
  """What the files' own descriptions take, where they have any."""
  if taken := max((variant.metadata_bytes or 0 for variant in variants.variants), default=0):
    yield f'Of its bytes, each file spends {taken:,} on TFLite metadata (compression.metadata).'


def _schemes(record: RunRecord) -> Iterator[str]:
  """What each scheme does, where the config says it."""
  for scheme in record.config.get('compression', {}).get('schemes', ()):
    if isinstance(scheme, Mapping) and scheme.get('summary'):
      yield f'{scheme["name"]}: {scheme["summary"]}'


def _budget(budget: Budget, objective: Objective, judged: Judged) -> str:
  limits = []
  how = 'less' if judged.is_loss else 'times'
  if budget.rmse_ratio is not None:
    most = f'at most {budget.rmse_ratio:g}'
    ratio = f"{judged.article} of {most} times float32's"
    limits.append(f'{most} less {judged.name} than float32' if judged.is_loss else ratio)
  if budget.worst_slice_ratio is not None:
    smallest = f' (of those with at least {budget.min_slice_rides} {judged.example}s)'
    limits.append(f'at most {budget.worst_slice_ratio:g} {how} on the worst slice{smallest}')
  if budget.bytes is not None:
    limits.append(f'a file of at most {size(budget.bytes)}')
  if budget.gzip_bytes is not None:
    limits.append(f'a download of at most {size(budget.gzip_bytes)}')
  if budget.latency_us is not None:
    limits.append(f'at most {microseconds(budget.latency_us)} for one {judged.example}')
  if not limits:
    return ''
  what = '' if objective is objective.size else ' file'
  return (
    f'The budget asks for {joined(limits)}. The {objective.best}{what} that keeps it is pushed. '
    f'What counts is {_JUDGED[budget.judged_on].format("loss" if judged.is_loss else "ratio")}.'
  )


_JUDGED = {
  JudgedOn.POINT: 'the {} itself',
  JudgedOn.UPPER_BOUND: "the upper bound of the {}'s interval",
  JudgedOn.SIGNIFICANT: "the lower bound of the {}'s interval",
}


def _judged_against(record: RunRecord, variants: CompressionRecord) -> str:
  """What served when the files were judged, by its own file; empty where nothing did."""
  judged = record.judged
  served: Estimate | None = getattr(variants, f'served_{judged.metric.key}')
  if variants.served_version is None or served is None:
    return ''
  return (
    f'They were held against version {variants.served_version}: its file has {judged.article} of '
    f'{judged.written(served)} on the same {judged.example}s.'
  )


def _variants_table(record: RunRecord, variants: CompressionRecord) -> Table:
  batch = record.config.get('compression', {}).get('measurement', {}).get('batch')
  judged = record.judged
  falls, got = 'falls' if judged.is_loss else 'grows', f'{judged.answer} taken'
  one, several = f'one {judged.example}', f'{batch} {judged.example}s, p50' if batch else 'batch, p50'
  by_download = variants.size is Objective.DOWNLOAD
  headings = (
    *words('variant'),
    judged.heading,
    judged.relative_heading('float32', 'the float32 file'),
    *(other.heading for other in judged.others),
    Heading('worst slice', meaning=f'The slice whose {judged.name} {falls} most, against the float32 file.'),
    Heading('file', 'KB', meaning='The file as it is, the features included.', sorted=not by_download),
    Heading('gzip', 'KB', meaning='What users download.', sorted=by_download),
    Heading(f'{one}, p50', 'µs', meaning=f'Median time of a call for {one}: inputs set, invoked, {got}.'),
    Heading(f'{one}, p99', 'µs', meaning=f'99 of 100 calls for {one} are faster.'),
    Heading(several, 'µs', meaning=f'Median time for a larger batch, all of its {judged.example}s together.'),
    Heading('memory', 'MB', meaning='Peak memory of the process that runs it.'),
    Heading('zeros', '%', meaning='Share of weights that are zero, counted in the file.'),
    Heading(
      'step',
      judged.unit,
      meaning=f'By how much two neighbouring {judged.answer}s of the file differ; 0 where they are float.',
    ),
    Heading('budget', numeric=False, meaning='Whether it keeps every limit.'),
    *words('why'),
  )
  # The order of the heading that says it is sorted; what could not be made comes last.
  ordered = sorted(variants.variants, key=lambda variant: (variant.bytes is None, variants.size_of(variant) or 0))
  rows = [_row(variant, variants, judged) for variant in ordered]
  metrics = [judged, *judged.others]
  # Of all figures less is better, but of some metrics, and of the last one, the share of zeros.
  places = [1, *range(3, 2 + len(metrics))]
  largest = [place for place, one in zip(places, metrics, strict=True) if one.metric.larger_is_better]
  zeros = 9 + len(metrics)
  smallest = [place for place in range(1, zeros) if place not in largest]
  rows_with_best = with_best(rows, smallest=smallest, largest=[*largest, zeros])
  return without_empty(table(f'Variants, {variants.size.best} first', headings, rows_with_best, sortable=True))


def _layers_table(variants: CompressionRecord) -> Table | None:
  """Where files with integer weights lose accuracy; `None` where no file says so."""
  found = [variant for variant in variants.variants if variant.layer_errors]
  if not found:
    return None
  layers = dict.fromkeys(layer.name for variant in found for layer in variant.layer_errors or ())
  meaning = "Difference of the layer's outputs from the float model's, in % of their standard deviation."
  headings = (*words('variant'), *(Heading(layer, '%', meaning=meaning) for layer in layers), *words('loses most in'))
  rows = []
  for variant in found:
    by_name = {layer.name: layer for layer in variant.layer_errors or ()}
    cells = [
      figure(100 * one.error, lambda value: number(value, 2), f'{number(100 * one.own_error, 2)} of its own')
      if (one := by_name.get(layer))
      else figure(None, str)
      for layer in layers
    ]
    worst = max(by_name.values(), key=lambda layer: layer.own_error)
    rows.append(row(variant.name, *cells, worst.name, style='chosen' if variant.name == variants.chosen else ''))
  return table('Accuracy lost up to each layer, and by it alone', headings, rows, sortable=True)


def _row(variant: JudgedVariant, variants: CompressionRecord, judged: Judged) -> Row:
  chosen = variant.name == variants.chosen
  marks = [word for word, true in (('chosen', chosen), ('baseline', variant.name == variants.baseline)) if true]
  worst, latency, batch = variant.worst_slice, variant.latency_us, variant.latency_batch_us
  spread = f'{number(latency.spread[0], 1)}–{number(latency.spread[1], 1)}' if latency else ''
  slowest = judged.relative_cell(worst) if worst else figure(None, str)
  if worst and slowest.value is not None:
    slowest = dataclasses.replace(slowest, note=f'{slowest.note}\n{worst.name}')
  return row(
    Cell(variant.name, note=', '.join(marks)),
    judged.cell(variant),
    judged.relative_cell(variant),
    *(other.cell(variant) for other in judged.others),
    slowest,
    _scaled(variant.bytes, 1e-3),
    _scaled(variant.gzip_bytes, 1e-3),
    _scaled(latency.p50 if latency else None, 1, spread),
    _scaled(latency.p99 if latency else None, 1),
    _scaled(batch.p50 if batch else None, 1),
    _scaled(variant.peak_bytes, 1e-6),
    _scaled(variant.sparsity, 100),
    figure(variant.output_step, lambda step: number(step, 3 if step < 1000 else 0) if step else '0'),
    verdict_cell(variant, variants.shadow),
    Cell(variant.reason or '', style='reason'),
    style='chosen' if chosen else '' if variant.bytes is not None else 'faint',
  )


def verdict_cell(variant: JudgedVariant, shadow: ShadowRecord | None) -> Cell:
  """Whether a variant keeps the budget; or that it does, but is held."""
  found = verdict(variant, shadow)
  mark, style, note = _VERDICTS.get(found, ('', 'bad', ''))
  return Cell(f'{mark}{found.value}', note=note, style=style)


_VERDICTS = {
  BudgetVerdict.KEPT: ('✓ ', 'good', ''),
  BudgetVerdict.MISSED: ('✗ ', 'bad', ''),
  BudgetVerdict.HELD: ('', 'warn', 'by serving.shadow'),
}


def _scaled(value: float | None, factor: float, note: str = '') -> Cell:
  """A figure in the unit of its heading, with one decimal; latencies over 1,000 without."""
  return figure(value, lambda value: number(value * factor, 0 if value * factor >= 1000 else 1), note)


def _charts(variants: CompressionRecord, judged: Judged) -> tuple[Picture, ...]:
  budget, by_download = variants.budget, variants.size is Objective.DOWNLOAD
  limit = (budget.gzip_bytes if by_download else budget.bytes) if budget else None
  size_chart = _chart(
    variants, judged, 'Accuracy and size', 'size of the download' if by_download else 'size of the file', size, limit,
    variants.size_of, lambda variant: variant.frontier_size,
  )  # fmt: skip
  latency_chart = _chart(
    variants, judged, 'Accuracy and latency', f'median time for one {judged.example}', microseconds,
    budget.latency_us if budget else None,
    lambda variant: variant.latency_us.p50 if variant.latency_us else None, lambda variant: variant.frontier_latency,
  )  # fmt: skip
  return tuple(chart for chart in (size_chart, latency_chart) if chart)


def _chart(
  variants: CompressionRecord,
  judged: Judged,
  title: str,
  cost_label: str,
  cost_format: Callable[[float], str],
  cost_limit: float | None,
  cost: Callable[[JudgedVariant], float | None],
  on_frontier: Callable[[JudgedVariant], bool],
) -> Picture | None:
  colors = {recipe: index for index, recipe in enumerate(variants.recipes)}
  points = [
    Point(
      name=variant.name,
      color=colors[variant.recipe],
      cost=value,
      ratio=relative,
      on_frontier=on_frontier(variant),
      within_budget=verdict(variant, variants.shadow).keeps_budget,
      chosen=variant.name == variants.chosen,
      tooltip=f'{variant.name}: {cost_format(value)}, {judged.short(relative)}',
    )
    for variant in variants.variants
    if (value := cost(variant)) and (relative := judged.relative(variant))
  ]
  if not points:
    return None
  names = joined([point.name for point in sorted(points, key=lambda point: point.cost) if point.on_frontier])
  label = f'{title}: {len(points)} variants. On the frontier: {names or "none"}.'
  limits = Limits(cost_limit, variants.budget.rmse_ratio if variants.budget else None)
  base = 0.0 if judged.is_loss else 1.0
  picture, outside = draw_frontier(points, limits, cost_label, cost_format, label, judged.axis(), base)
  they = 'it lies' if len(outside) == 1 else 'they lie'
  above = f'So inaccurate that {they} above the picture (▲): {", ".join(outside)}.' if outside else ''
  return Picture(title, picture, ' '.join(filter(None, (above, _refused_below(variants, judged)))))


_REASONS = 2
"""As many reasons have room below a picture; of more variants the names."""


def _refused_below(variants: CompressionRecord, judged: Judged) -> str:
  """Why a variant that is below the red line is beyond the budget all the same; empty where none is."""
  limit = variants.budget.rmse_ratio if variants.budget else None
  refused = [
    variant
    for variant in variants.variants
    if limit is not None
    and (relative := judged.relative(variant))
    and relative.value <= limit
    and not verdict(variant, variants.shadow).keeps_budget
  ]
  if not refused:
    return ''
  if len(refused) > _REASONS:
    said = f'{joined([variant.name for variant in refused])}; the table says why'
  else:
    said = '; '.join(f'{variant.name}: {(variant.reason or "no reason is known").rstrip(".")}' for variant in refused)
  return f'Below the red line of the {judged.name}, and beyond the budget all the same: {said}.'
