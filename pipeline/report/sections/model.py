"""What came of the run: the sentence and figures at the top, the model card, the variants, and what served before."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from components.compression_gate.records import CompressionRecord, JudgedVariant, ShadowRecord
from configs.base import joined
from configs.columns import LABEL
from configs.compression import Budget, JudgedOn, Objective
from configs.records import RecordError
from models.release import EXTRA, LITE_FILE, MANIFEST, Manifest, lite_file
from models.served_versions import served_version, version_number
from pipeline.local.steps import StepState
from pipeline.report.charts import swatch
from pipeline.report.frontier import Limits, Point, draw_frontier
from pipeline.report.record import (
  ColumnSummary,
  Difference,
  RunRecord,
  Verdict,
  differences,
  period,
  read_config,
  verdict,
)
from pipeline.report.tables import (
  MISSING,
  Cell,
  Heading,
  Picture,
  Row,
  Table,
  bracket,
  change,
  counted,
  day,
  degrees,
  figure,
  figures,
  interval,
  microseconds,
  money,
  number,
  percent,
  row,
  seconds,
  size,
  steps_of,
  table,
  with_best,
  without_empty,
  words,
)
from pipeline.summary_record import Status

BADGES = {
  Status.PUSHED: 'Pushed',
  Status.NOT_BLESSED: 'Not pushed',
  Status.ANOMALIES: 'Stopped',
  Status.FAILED: 'Failed',
}

_UNSEEN = 'On rides that it was not trained on'


class Tile(NamedTuple):
  """One figure: its name, itself, and what goes with it."""

  name: str
  value: str
  note: str = ''


class Headline(NamedTuple):
  """What came of the run: its status (for people, the badge), in a sentence, how good it is, why, and in figures."""

  status: str
  badge: str
  title: str
  sentences: tuple[str, ...]
  reason: tuple[str, ...]
  tiles: tuple[Tile, ...]


def headline(record: RunRecord) -> Headline:
  """The top of the page of any run."""
  status, reason = record.summary.status, record.summary.reason
  if record.variants and record.variants.reason not in reason:
    reason += f'\n{record.variants.reason}'
  lines = (line.strip() for line in reason.splitlines())
  return Headline(
    status=status.value,
    badge=BADGES[status],
    title=_title(record),
    sentences=_sentences(record),
    reason=tuple(dict.fromkeys(line for line in lines if line)),
    tiles=_tiles(record),
  )


def _title(record: RunRecord) -> str:
  status = record.summary.status
  if status is Status.PUSHED:
    return f'{record.chosen.name if record.chosen else "The model"} was pushed'
  if status is Status.NOT_BLESSED:
    return 'Nothing was pushed; the served model stays'
  if status is Status.ANOMALIES:
    return 'Stopped before training: the rides are not what was expected'
  failed = [step.name for step in record.steps() if step.state is StepState.FAILED]
  return f'The run failed in {failed[0]}' if failed else 'The run failed before its first step'


def _sentences(record: RunRecord) -> tuple[str, ...]:
  """How good the chosen variant is, or else the trained model."""
  variants, chosen = record.variants, record.chosen
  if variants and chosen and chosen.rmse:
    return (_accuracy(record, variants, chosen), _cost(variants, chosen))
  rmse = record.error('rmse')
  return (f'{_UNSEEN}, the model has an RMSE of {interval(rmse)} {record.currency}.',) if rmse else ()


def _accuracy(record: RunRecord, variants: CompressionRecord, chosen: JudgedVariant) -> str:
  text = f'{_UNSEEN}, the file itself has an RMSE of {interval(chosen.rmse)} {record.currency}'
  if chosen.rmse_ratio is None or chosen.name == variants.baseline:
    return f'{text}.'
  return f'{text}: {change(chosen.rmse_ratio.value)} float32 (ratio {interval(chosen.rmse_ratio, 3)}).'


def _cost(variants: CompressionRecord, chosen: JudgedVariant) -> str:
  text = f'It takes {size(chosen.bytes)}, {size(chosen.gzip_bytes)} after gzip'
  base = variants.named(variants.baseline)
  if base and base is not chosen and base.bytes and chosen.bytes and base.gzip_bytes and chosen.gzip_bytes:
    share, zipped = chosen.bytes / base.bytes, chosen.gzip_bytes / base.gzip_bytes
    text += f' ({percent(share, 0)} and {percent(zipped, 0)} of float32)'
  if chosen.latency_us:
    text += f', and predicts a fare in {microseconds(chosen.latency_us.p50)}'
  return f'{text}.'


def _tiles(record: RunRecord) -> tuple[Tile, ...]:
  errors = {'RMSE': record.shown_error('rmse'), 'MAE': record.shown_error('mae') or record.error('mae')}
  tiles = [
    Tile(name, money(found.value, record.currency), f'95 % interval {bracket(found)}')
    for name, found in errors.items()
    if found
  ]
  if chosen := record.chosen:
    tiles.append(Tile('Size', size(chosen.bytes), f'{size(chosen.gzip_bytes)} after gzip'))
    if chosen.latency_us:
      what = 'set, invoke, get; ' if chosen.latency_us.whole_call else ''
      tail = f'{what}99 % of calls under {microseconds(chosen.latency_us.p99)}'
      tiles.append(Tile('One ride takes', microseconds(chosen.latency_us.p50), tail))
  if rows := record.summary.rows:
    tiles.append(Tile('Rides kept', f'{rows.kept:,}', f'of {rows.read:,} read'))
  if steps := record.steps():
    tiles.append(Tile('The run took', seconds(record.duration), steps_of(steps)))
  return tuple(tiles)


_MIN_RIDES = 50
"""A slice with fewer rides is no ground for a sentence."""


def model_card(record: RunRecord, columns: Sequence[ColumnSummary]) -> dict[str, Sequence[str]]:
  """The card: sentences by heading; empty where there is no model, or the config is lost."""
  dataset = record.config.get('dataset')
  if not dataset or not (record.summary.metrics or record.variants):
    return {}
  topics = {
    'What it is for': _use(record, dataset),
    'What it learned from': _data(record, dataset, columns),
    'How good it is': _metrics(record),
    'What it cannot do': _limits(record, columns),
    'What to keep in mind': _ethics(record),
  }
  return {title: found for title, sentences in topics.items() if (found := list(sentences))}


def _use(record: RunRecord, dataset: Mapping[str, Any]) -> Iterator[str]:
  yield (
    f"It estimates what a taxi ride of the dataset '{dataset['name']}' will cost, in {record.currency}, from what is "
    'known before the ride: the time of the pickup, where it begins and ends, and the number of passengers where it is '
    'told.'
  )
  yield (
    'It is made to show an expected fare and to notice unusual ones. It is no taximeter: do not charge what it says.'
  )


def _data(record: RunRecord, dataset: Mapping[str, Any], columns: Sequence[ColumnSummary]) -> Iterator[str]:
  rows, box = record.summary.rows, (dataset.get('rules') or {}).get('bounds')
  if rows:
    train, held = counted(rows.splits.get('train', 0), 'ride'), counted(rows.splits.get('eval', 0), 'other ride')
    yield f'{train} to learn from; {held}, of other moments, to judge it by.'
  if found := period(columns):
    yield f'Period: {day(found[0])} to {day(found[1])}, on the wall clock of the city.'
  if box:
    ranges = [f'{name} {degrees(box[name])}' for name in ('latitude', 'longitude')]
    yield f'Place: {joined(ranges)} (WGS84).'
  if fares := [column for column in columns if column.name == LABEL]:
    low, middle, high = (money(value, record.currency) for value in (fares[0].low, fares[0].median, fares[0].high))
    yield f'Fares: {low} to {high}, the middle one {middle}.'


def _metrics(record: RunRecord) -> Iterator[str]:
  known = [('The trained model', record.error('rmse'), record.error('mae'))]
  if chosen := record.chosen:
    known.append((f'The file that was chosen, {chosen.name}', chosen.rmse, chosen.mae))
  known = [(whose, rmse, mae) for whose, rmse, mae in known if rmse and mae]
  for whose, rmse, mae in known:
    yield f'{whose}: RMSE {interval(rmse)} {record.currency}, mean absolute error {interval(mae)} {record.currency}.'
  if known:
    yield 'Intervals hold 95 % and come from drawing the moments of pickup again and again (bootstrap).'


def _limits(record: RunRecord, columns: Sequence[ColumnSummary]) -> Iterator[str]:
  if found := period(columns):
    yield f'It knows no tariff that came after {found[1]:%B %Y}; train it again when fares change.'
  yield ('It knows nothing of traffic, weather, tolls or the way that is taken: two equal rides get one fare.')
  yield 'Outside of the place above it was never tried; there its fares mean nothing.'
  judged = [row for row in record.summary.slices if row.name != 'all' and row.example_count >= _MIN_RIDES]
  if worst := max(judged, key=lambda row: row.root_mean_squared_error, default=None):
    rmse, rides = money(worst.root_mean_squared_error, record.currency), f'{worst.example_count:,.0f} rides'
    yield f"It errs most in the slice '{worst.name}': RMSE {rmse} over {rides}."
  if unknown := [column.name for column in columns if column.missing == 1]:
    yield f'No ride that it learned from has {joined(unknown)}; it makes nothing of that.'
  if lacking := [f'{column.name} ({percent(column.missing, 2)})' for column in columns if 0 < column.missing < 1]:
    yield f'Some rides lack {joined(lacking)}; for those it falls back on the average, and errs more.'


def _ethics(record: RunRecord) -> Iterator[str]:
  yield (
    'The fares are what people were charged, mistakes included: what breaks a rule was set aside, what is merely odd '
    'was not. The model repeats the habits of its data.'
  )
  if (rows := record.summary.rows) and (aside := sum(rows.quarantined.values())):
    share = percent(aside / rows.read, 2)
    yield f'{counted(aside, "row")} of {rows.read:,} ({share}) broke a rule; the reasons are above.'
  yield (
    'Where few rides were taken, fares are less sure. Look at the map before its fares decide who gets a taxi, and '
    'where.'
  )
  yield 'Places and times of single rides can tell who went where. This page shows some: keep it as safe as the rides.'


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
  kept, held = sum(one.keeps_budget for one in found), Verdict.HELD in found
  lost = sum(variant.bytes is None for variant in variants.variants)
  unmade = f', {lost} of which could not be made' if lost else ''
  keeps = f'{kept or "none"} {"keeps" if kept < 2 else "keep"}'
  return VariantsSection(
    counts=f'{counted(len(variants.variants), "variant")}{unmade}; {keeps} the budget{_HELD if held else ""}.',
    budget=_budget(variants.budget, variants.objective) if variants.budget else '',
    served=_judged_against(record, variants),
    notes=(*variants.notes, *_metadata(variants), *_schemes(record)),
    table=_variants_table(record, variants),
    layers=_layers_table(variants),
    charts=_charts(variants),
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


def _budget(budget: Budget, objective: Objective) -> str:
  limits = []
  if budget.rmse_ratio is not None:
    limits.append(f"an RMSE of at most {budget.rmse_ratio:g} times float32's")
  if budget.worst_slice_ratio is not None:
    smallest = f' (of those with at least {budget.min_slice_rides} rides)'
    limits.append(f'at most {budget.worst_slice_ratio:g} times on the worst slice{smallest}')
  if budget.bytes is not None:
    limits.append(f'a file of at most {size(budget.bytes)}')
  if budget.gzip_bytes is not None:
    limits.append(f'a download of at most {size(budget.gzip_bytes)}')
  if budget.latency_us is not None:
    limits.append(f'at most {microseconds(budget.latency_us)} for one ride')
  if not limits:
    return ''
  what = '' if objective is objective.size else ' file'
  return (
    f'The budget asks for {joined(limits)}. The {objective.best}{what} that keeps it is pushed. '
    f'What counts is {_JUDGED[budget.judged_on]}.'
  )


_JUDGED = {
  JudgedOn.POINT: 'the ratio itself',
  JudgedOn.UPPER_BOUND: "the upper bound of the ratio's interval",
  JudgedOn.SIGNIFICANT: "the lower bound of the ratio's interval",
}


def _judged_against(record: RunRecord, variants: CompressionRecord) -> str:
  """What served when the files were judged, by its own file; empty where nothing did."""
  if variants.served_version is None or variants.served_rmse is None:
    return ''
  rmse = f'{interval(variants.served_rmse)} {record.currency}'
  return f'They were held against version {variants.served_version}: its file has an RMSE of {rmse} on the same rides.'


def _variants_table(record: RunRecord, variants: CompressionRecord) -> Table:
  batch = record.config.get('compression', {}).get('measurement', {}).get('batch')
  rides = f'{batch} rides, p50' if batch else 'batch, p50'
  by_download = variants.size is Objective.DOWNLOAD
  headings = (
    *words('variant'),
    Heading('RMSE', record.currency, meaning='Root mean squared error: large misses weigh more.'),
    Heading('to float32', meaning='Ratio of the RMSE to that of the float32 file, ride by ride; 1 is no loss.'),
    Heading('worst slice', meaning='The slice whose RMSE grows most, against the float32 file.'),
    Heading('file', 'KB', meaning='The file as it is, the features included.', sorted=not by_download),
    Heading('gzip', 'KB', meaning='What users download.', sorted=by_download),
    Heading('one ride, p50', 'µs', meaning='Median time of a call for one ride: inputs set, invoked, fare taken.'),
    Heading('one ride, p99', 'µs', meaning='99 of 100 calls for one ride are faster.'),
    Heading(rides, 'µs', meaning='Median time for a larger batch, all of its rides together.'),
    Heading('memory', 'MB', meaning='Peak memory of the process that runs it.'),
    Heading('zeros', '%', meaning='Share of weights that are zero, counted in the file.'),
    Heading(
      'step', record.currency, meaning='By how much two neighbouring fares of the file differ; 0 where they are float.'
    ),
    Heading('budget', numeric=False, meaning='Whether it keeps every limit.'),
    *words('why'),
  )
  # The order of the heading that says it is sorted; what could not be made comes last.
  ordered = sorted(variants.variants, key=lambda variant: (variant.bytes is None, variants.size_of(variant) or 0))
  rows = [_row(variant, variants) for variant in ordered]
  # Of all figures less is better, but of the last one, the share of zeros.
  rows_with_best = with_best(rows, smallest=range(1, 10), largest=[10])
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


def _row(variant: JudgedVariant, variants: CompressionRecord) -> Row:
  chosen = variant.name == variants.chosen
  marks = [word for word, true in (('chosen', chosen), ('baseline', variant.name == variants.baseline)) if true]
  worst, latency, batch = variant.worst_slice, variant.latency_us, variant.latency_batch_us
  spread = f'{number(latency.spread[0], 1)}–{number(latency.spread[1], 1)}' if latency else ''
  slowest = figures(worst.rmse_ratio if worst else None, 3)
  return row(
    Cell(variant.name, note=', '.join(marks)),
    figures(variant.rmse),
    figures(variant.rmse_ratio, 3),
    dataclasses.replace(slowest, note=f'{slowest.note}\n{worst.name}') if worst and worst.rmse_ratio else slowest,
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
  Verdict.KEPT: ('✓ ', 'good', ''),
  Verdict.MISSED: ('✗ ', 'bad', ''),
  Verdict.HELD: ('', 'warn', 'by serving.shadow'),
}


def _scaled(value: float | None, factor: float, note: str = '') -> Cell:
  """A figure in the unit of its heading, with one decimal; latencies over 1,000 without."""
  return figure(value, lambda value: number(value * factor, 0 if value * factor >= 1000 else 1), note)


def _charts(variants: CompressionRecord) -> tuple[Picture, ...]:
  budget, by_download = variants.budget, variants.size is Objective.DOWNLOAD
  limit = (budget.gzip_bytes if by_download else budget.bytes) if budget else None
  size_chart = _chart(
    variants, 'Accuracy and size', 'size of the download' if by_download else 'size of the file', size, limit,
    variants.size_of, lambda variant: variant.frontier_size,
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
) -> Picture | None:
  colors = {recipe: index for index, recipe in enumerate(variants.recipes)}
  points = [
    Point(
      name=variant.name,
      color=colors[variant.recipe],
      cost=value,
      ratio=variant.rmse_ratio,
      on_frontier=on_frontier(variant),
      within_budget=verdict(variant, variants.shadow).keeps_budget,
      chosen=variant.name == variants.chosen,
      tooltip=f'{variant.name}: {cost_format(value)}, RMSE {interval(variant.rmse_ratio, 3)} times float32',
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
  they = 'it lies' if len(outside) == 1 else 'they lie'
  above = f'So inaccurate that {they} above the picture (▲): {", ".join(outside)}.' if outside else ''
  return Picture(title, picture, ' '.join(filter(None, (above, _refused_below(variants)))))


_REASONS = 2
"""As many reasons have room below a picture; of more variants the names."""


def _refused_below(variants: CompressionRecord) -> str:
  """Why a variant whose RMSE is below the red line is beyond the budget all the same; empty where none is."""
  limit = variants.budget.rmse_ratio if variants.budget else None
  refused = [
    variant
    for variant in variants.variants
    if limit is not None
    and variant.rmse_ratio
    and variant.rmse_ratio.value <= limit
    and not verdict(variant, variants.shadow).keeps_budget
  ]
  if not refused:
    return ''
  if len(refused) > _REASONS:
    said = f'{joined([variant.name for variant in refused])}; the table says why'
  else:
    said = '; '.join(f'{variant.name}: {(variant.reason or "no reason is known").rstrip(".")}' for variant in refused)
  return f'Below the red line of the RMSE, and beyond the budget all the same: {said}.'


_NOT_OF_A_MODEL = ('dataset.path', 'dataset.rules.max_quarantined_share')
"""Settings in these sections that decide nothing of a model, and are not kept beside it."""


class ServedSection(NamedTuple):
  """The version that served before beside this run; without a table if it has no manifest; settings that differ."""

  version: str
  sentences: tuple[str, ...]
  table: Table | None
  changed: tuple[Difference, ...]


def served_section(record: RunRecord) -> ServedSection | None:
  """The section, or `None` if nothing served before."""
  before = _version_before(record)
  if before is None:
    return None
  pushed = record.summary.status is Status.PUSHED
  verb = 'served before this run' if pushed else 'goes on serving, as this run pushed nothing'
  table = None
  try:
    manifest = Manifest.read(before / MANIFEST)
  except (OSError, RecordError):
    sentence = 'It has no manifest, so there are no figures of it to compare with.'
  else:
    sentence = _verdict(record, manifest)
    table = _served_table(record, before.name, manifest)
  return ServedSection(before.name, (f'Version {before.name} {verb}.', sentence), table, _changed(record, before))


def _version_before(record: RunRecord) -> pathlib.Path | None:
  """What served before the version that this run pushed, or what serves now if it pushed none."""
  serving = record.output.serving
  pushed = pathlib.PurePath(record.summary.pushed_path or '').name
  version = served_version(serving, before=version_number(pushed))
  return None if version is None else serving / str(version)


def _changed(record: RunRecord, before: pathlib.Path) -> tuple[Difference, ...]:
  """What is set otherwise now, of what is kept beside a model: the sections that decide what it is."""
  earlier = read_config(before / EXTRA / 'config.yaml')
  now = {section: values for section, values in record.config.items() if section in earlier}
  return tuple(found for found in differences(earlier, now) if found.setting not in _NOT_OF_A_MODEL)


def _verdict(record: RunRecord, manifest: Manifest) -> str:
  now, then = record.shown_error('rmse'), manifest.metrics.rmse
  if now is None or then is None:
    return 'One of the two has no RMSE, so they can only be compared by their sizes and settings.'
  order = 'higher' if now.value > then.value else 'lower'
  overlap = now.bottom <= then.top and then.bottom <= now.top
  apart = 'but the intervals overlap: the difference may be chance' if overlap else 'and the intervals do not overlap'
  return f'The RMSE is {order} now, {apart}. Each was measured on the eval split of its own run.'


def _served_table(record: RunRecord, version: str, manifest: Manifest) -> Table:
  chosen, lite = record.chosen, manifest.files.get(lite_file(manifest.files) or LITE_FILE)
  rmse, mae = (record.shown_error(metric) for metric in ('rmse', 'mae'))
  sizes = (figure(made.bytes if made else None, size) for made in (chosen, lite))
  made = f'{manifest.created[:16].replace("T", " ")} UTC' if manifest.created else MISSING
  rows = (
    row(Cell('RMSE', note=record.currency), figures(rmse), figures(manifest.metrics.rmse)),
    row(Cell('MAE', note=record.currency), figures(mae), figures(manifest.metrics.mae)),
    row('size of the file', *sizes),
    row('variant', chosen.name if chosen else MISSING, f'{manifest.recipe}.{manifest.scheme}'),
    row('dataset', str(record.config.get('dataset', {}).get('name', MISSING)), manifest.dataset),
    row('made', f'{record.written:%Y-%m-%d %H:%M}', made),
  )
  return table('This run and the version that served before', (*words(''), 'this run', f'version {version}'), rows)
