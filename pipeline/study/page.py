"""Writes `study.html`, which needs no other file: tables, pictures and sentences computed from its rows."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from configs.base import joined
from configs.records import Estimate
from configs.study import StudyBlock
from models.charts import Series, draw_curves, standalone
from models.whole_files import write_whole
from pipeline.report.charts import Entry, draw_forest
from pipeline.report.frontier import Limits, Point, draw_frontier
from pipeline.report.page import render
from pipeline.report.tables import (
  MISSING,
  Cell,
  Heading,
  Picture,
  Row,
  Table,
  change,
  counted,
  interval,
  microseconds,
  number,
  percent,
  size,
  table,
  whole,
)
from pipeline.study.records import StudyRecord

Measured = Mapping[str, Any]
"""A row of `study.parquet`."""

_COLORS = 8

_WITHIN = 1.01
"""The aim: an RMSE within 1 % of the reference."""

_SMALLER = 0.75
"""The aim: a lite file smaller by a quarter."""


def pictures(block: StudyBlock, rows: Sequence[Measured], currency: str) -> list[Picture]:
  """Those of a block; none where nothing was measured."""
  known = [row for row in rows if row.get('ratio') is not None]
  if not known:
    return []
  if block is StudyBlock.DIMENSIONS:
    return [_dimensions_chart(known, currency)]
  if block is StudyBlock.REDUCTIONS:
    method = lambda row: str(row.get('method') or 'none')  # noqa: E731
    found = [
      _frontier('inputs', 'RMSE and number of inputs', known, 'inputs of the model', 'inputs', whole, method),
      _frontier('bytes', 'RMSE and size', known, 'size of the lite file', 'bytes', size, method),
    ]
  elif block is StudyBlock.COMPRESSION:
    recipe = lambda row: str(row.get('recipe'))  # noqa: E731
    found = [
      _frontier('size', 'RMSE and size', known, 'size of the lite file', 'bytes', size, recipe),
      _frontier('gzip', 'RMSE and download', known, 'size after gzip', 'gzip_bytes', size, recipe),
      _frontier('latency', 'RMSE and latency', known, 'time for one ride', 'latency_us', microseconds, recipe),
    ]
  else:
    found = [_forest(known)]
  return [picture for picture in found if picture]


def estimate_of(row: Measured, figure: str = 'ratio') -> Estimate:
  """A figure of a row with its interval."""
  return Estimate(row[figure], row[f'{figure}_low'], row[f'{figure}_high'])


def _forest(rows: Sequence[Measured]) -> Picture:
  reference = rows[0]['reference']
  entries = [Entry(str(row['variant']), estimate_of(row), int(row['variant'] == reference)) for row in rows]
  label = f"RMSE relative to '{reference}': " + '; '.join(f'{e.name} {number(e.estimate.value, 3)}' for e in entries)
  drawn = draw_forest(entries, 1.0, f"RMSE relative to '{reference}'", label)
  return Picture('RMSE, with 95 % intervals', drawn, 'An arrow: further off than the picture reaches.', 'ratios')


def _dimensions_chart(rows: Sequence[Measured], currency: str) -> Picture:
  series = []
  for position, training_rides in enumerate(dict.fromkeys(row['training_rides'] for row in rows)):
    own = [row for row in rows if row['training_rides'] == training_rides]
    points = sorted((row['kept_features'] + row['noise_features'], row['rmse']) for row in own)
    name = 'all rides' if training_rides == 'all' else f'{int(training_rides):,} rides'
    series.append(Series(name, f's{position % _COLORS}', [x for x, _ in points], [y for _, y in points]))
  values = [y for one in series for y in one.y]
  margin = 0.06 * (max(values) - min(values)) or 0.1
  total = max(row['kept_features'] for row in rows)
  drawn = draw_curves(
    series,
    'features, noise included',
    f'RMSE ({currency})',
    'RMSE against the number of features: '
    + '; '.join(f'{one.name}: {number(min(one.y))} at best, {number(one.y[-1])} with most noise' for one in series),
    y_range=(min(values) - margin, max(values) + margin),
    marks=[(total, 'noise from here on')],
    logarithmic=True,
  )
  return Picture('The more features, the more rides it takes', drawn, 'Training rides by colour.', 'features')


def _frontier(
  name: str,
  title: str,
  rows: Sequence[Measured],
  cost_label: str,
  key: str,
  written: Callable[[float], str],
  group: Callable[[Measured], str],
) -> Picture | None:
  """Cost against RMSE ratio; `None` where the cost was not measured."""
  costly = [row for row in rows if row.get(key)]
  if len(costly) < 2:
    return None
  groups = list(dict.fromkeys(group(row) for row in costly))
  best = _frontier_names(costly, key)
  points = [
    Point(
      name=str(row['variant']),
      color=groups.index(group(row)) % _COLORS,
      cost=float(row[key]),
      ratio=estimate_of(row),
      on_frontier=row['variant'] in best,
      within_budget=row['ratio'] <= _WITHIN,
      chosen=False,
      tooltip=f'{row["variant"]}: {written(row[key])}, RMSE ratio {interval(estimate_of(row), 3)}',
    )
    for row in costly
  ]
  reference = str(costly[0]['reference'])
  label = f'{title}: {len(points)} variants. On the frontier: {", ".join(sorted(best))}.'
  drawn, outside = draw_frontier(
    points, Limits(None, _WITHIN), cost_label, written, label, ratio_label=f"RMSE relative to '{reference}'"
  )
  caption = 'Filled, and below the dashed line: within 1 %.' + (
    f' Above the picture (▲): {", ".join(outside)}.' if outside else ''
  )
  legend = tuple((one, f's{position % _COLORS}') for position, one in enumerate(groups))
  return Picture(title, drawn, caption, name, legend)


def _frontier_names(rows: Sequence[Measured], key: str) -> set[str]:
  """Variants that no other one beats in both cost and error."""

  costs = [(row[key], row['ratio']) for row in rows]

  def dominated(own: tuple[float, float]) -> bool:
    return any(other != own and other[0] <= own[0] and other[1] <= own[1] for other in costs)

  return {str(row['variant']) for row, own in zip(rows, costs, strict=True) if not dominated(own)}


def findings(block: StudyBlock, rows: Sequence[Measured], about: StudyRecord) -> list[str]:
  """Sentences on a block, the most important one first."""
  known = {str(row['variant']): row for row in rows if row.get('ratio') is not None}
  if not known:
    return ['What the others are compared with could not be measured.']
  sentences_of = {
    StudyBlock.FEATURES: _features,
    StudyBlock.DIMENSIONS: _dimensions,
    StudyBlock.REDUCTIONS: _reductions,
    StudyBlock.EMBEDDINGS: _embeddings,
    StudyBlock.COMPRESSION: _compression,
    StudyBlock.REFERENCES: _references,
  }
  return [sentence for sentence in sentences_of[block](known, about) if sentence]


def _features(rows: Mapping[str, Measured], about: StudyRecord) -> list[str]:
  left = {
    name.removeprefix('everything less '): row for name, row in rows.items() if name.startswith('everything less')
  }
  costly = sorted((row['ratio'], name) for name, row in left.items() if row['ratio_low'] > 1)
  harmful = [name for name, row in left.items() if row['ratio_high'] < 1]
  idle = [name for name, row in left.items() if row['ratio_low'] <= 1 <= row['ratio_high']]
  sentences = []
  if 'raw' in rows:
    sentences.append(f'The raw baseline has an RMSE {interval(estimate_of(rows["raw"]), 3)} times that of everything.')
  if costly:
    parts = [f'{name} ({percent(ratio - 1)} more without it)' for ratio, name in reversed(costly)]
    sentences.append(f'Blocks that are missed when they are left out: {joined(parts)}.')
  if harmful:
    sentences.append(f'Blocks without which it is better, beyond chance: {joined(harmful)}.')
  if idle:
    sentences.append(f"Blocks whose absence can't be told from chance: {joined(idle)}.")
  return [*sentences, *_published_cross(rows, about)]


def _published_cross(rows: Mapping[str, Measured], about: StudyRecord) -> list[str]:
  cells = about.cells
  if 'published' not in cells or 'case study, published cells' not in rows:
    return []
  one, other = cells['published'], cells['fitted']
  pairs = f'{counted(one.pickup_cells, "pickup cell")} and {counted(one.pairs, "pair")} of cells'
  sentence = (
    f"Why the case study's published cross learned next to nothing: buckets of equal width over 8 × 8 degrees put "
    f'these rides into {pairs}, {percent(one.largest_share, 1)} of them into a single one, so the embedding sees '
    f'almost the same index for every ride. Boundaries at quantiles give {other.pickup_cells:,} pickup cells and '
    f'{other.pairs:,} pairs'
  )
  if 'case study, fitted cells' not in rows:
    return [f'{sentence}.']
  published, fitted = rows['case study, published cells']['rmse'], rows['case study, fitted cells']['rmse']
  rides = about.rides / other.pairs
  return [
    f'{sentence}, {number(rides, 1)} rides each; the RMSE is then {number(fitted)} in place of {number(published)} '
    f'{about.currency}, {change(fitted / published)} before.'
  ]


def _dimensions(rows: Mapping[str, Measured], about: StudyRecord) -> list[str]:
  sentences = []
  for size_of_training in dict.fromkeys(row['training_rides'] for row in rows.values()):
    own = [row for row in rows.values() if row['training_rides'] == size_of_training]
    rides = 'all training rides' if size_of_training == 'all' else f'{int(size_of_training):,} training rides'
    real = [row for row in own if not row['noise_features']]
    best = min(real, key=lambda row: row['rmse'])
    enough = min((row for row in real if row['ratio'] <= _WITHIN), key=lambda row: row['kept_features'])
    sentence = f'With {rides}, {best["kept_features"]} features are best'
    if enough['kept_features'] < best['kept_features']:
      sentence += f', and {enough["kept_features"]} come within 1 % of all'
    noisy = max(own, key=lambda row: row['noise_features'])
    if noisy['noise_features']:
      sentence += (
        f'; {noisy["noise_features"]} columns of noise beside all of them multiply the RMSE by '
        f'{interval(estimate_of(noisy), 3)}'
      )
    sentences.append(f'{sentence}.')
  return sentences


def _reductions(rows: Mapping[str, Measured], about: StudyRecord) -> list[str]:
  full = next((row for row in rows.values() if row['variant'] == row['reference']), None)
  if full is None:
    return []
  half = [row for row in rows.values() if row.get('inputs') and row['inputs'] <= full['inputs'] / 2]
  close = sorted((row['ratio'], str(row['variant'])) for row in half if row['ratio'] <= _WITHIN)
  sentences = []
  if close:
    parts = [f'{name} ({number(ratio, 3)})' for ratio, name in close]
    sentences.append(f'At most half of the inputs and an RMSE within 1 % of the full vector: {joined(parts)}.')
  elif half:
    best = min(half, key=lambda row: row['ratio'])
    sentences.append(
      f'No variant with at most half of the inputs comes within 1 % of the full vector; the nearest is '
      f'{best["variant"]} with {interval(estimate_of(best), 3)}.'
    )
  if full.get('bytes'):
    small = [row for row in half if row.get('bytes') and row['bytes'] <= _SMALLER * full['bytes']]
    both = [str(row['variant']) for row in small if row['ratio'] <= _WITHIN]
    least = min((row for row in half if row.get('bytes')), key=lambda row: row['bytes'], default=None)
    if both:
      sentences.append(
        f'Of these, a lite file smaller by a quarter than the full {size(full["bytes"])}: {joined(both)}.'
      )
    elif least is not None:
      sentences.append(
        f'None of them has a lite file smaller by a quarter than the full {size(full["bytes"])}: the smallest, of '
        f'{least["variant"]}, has {size(least["bytes"])}.'
      )
  return sentences


def _embeddings(rows: Mapping[str, Measured], about: StudyRecord) -> list[str]:
  reference = next((row for row in rows.values() if row['variant'] == row['reference']), None)
  sentences = []
  if reference is not None:
    better = [str(row['variant']) for row in rows.values() if row['ratio_high'] < 1]
    worse = [str(row['variant']) for row in rows.values() if row['ratio_low'] > 1]
    sentences.append(f'The fourth root rule makes {reference["parameters"]:,.0f} parameters.')
    sentences.append(f'Better than it beyond chance: {joined(better) if better else "none"}.')
    sentences.append(f'Worse beyond chance: {joined(worse) if worse else "none"}.')
  return sentences


def _compression(rows: Mapping[str, Measured], about: StudyRecord) -> list[str]:
  close = [row for row in rows.values() if row['ratio'] <= _WITHIN]
  sentences = []
  for key, what in (('bytes', 'file'), ('gzip_bytes', 'download')):
    if close and all(row.get(key) for row in close):
      least = min(close, key=lambda row: row[key])
      sentences.append(
        f'The smallest {what} within 1 %: {least["variant"]} with {size(least[key])}, an RMSE ratio of '
        f'{interval(estimate_of(least), 3)}.'
      )
  beyond = [str(row['variant']) for row in rows.values() if row['ratio_low'] > _WITHIN]
  if beyond:
    sentences.append(f'Worse than 1 % beyond chance: {joined(beyond)}.')
  return sentences


def _references(rows: Mapping[str, Measured], about: StudyRecord) -> list[str]:
  others = [row for row in rows.values() if row['variant'] != row['reference']]
  if not others:
    return []
  best = min(others, key=lambda row: row['ratio'])
  sentence = (
    f'The strongest of them, {best["variant"]}, has {interval(estimate_of(best), 3)} times the RMSE of this model'
  )
  if best['ratio_low'] <= 1 <= best['ratio_high']:
    return [f'{sentence}, a difference that may be chance.']
  return [f'{sentence}.']


@dataclasses.dataclass(frozen=True)
class StudyTable:
  """One block's table.

  Attributes:
    title: the question.
    note: how to read it.
    rows: of `study.parquet`.
    shown: the same for people, without columns that no row has a figure in.
  """

  block: str
  title: str
  note: str
  rows: tuple[Measured, ...]
  shown: Table


_TITLES = {
  StudyBlock.FEATURES: 'What each block of features is worth',
  StudyBlock.DIMENSIONS: 'The number of features, by the size of the training split',
  StudyBlock.REDUCTIONS: 'Reductions and selections',
  StudyBlock.EMBEDDINGS: 'Embedding widths',
  StudyBlock.COMPRESSION: 'Training recipes × schemes',
  StudyBlock.REFERENCES: 'Reference models',
}


def study_tables(rows: Sequence[Measured], about: StudyRecord) -> list[StudyTable]:
  """A table for each block that was measured."""
  tables = []
  for block, title in _TITLES.items():
    own = tuple(row for row in rows if row['block'] == block.value)
    if own:
      note = _note(own)
      tables.append(StudyTable(block.value, title, note, own, _table(f'{title}; {note}', own, about.currency)))
  return tables


def _table(caption: str, rows: Sequence[Measured], currency: str) -> Table:
  columns = [(heading, [cell(row) for row in rows]) for heading, cell in _columns(currency)]
  filled = [(heading, cells) for heading, cells in columns if any(cell.text != MISSING for cell in cells)]
  lines = zip(rows, zip(*(cells for _, cells in filled), strict=True), strict=True)
  styled = (Row(cells, 'strong' if of['variant'] == of['reference'] else '') for of, cells in lines)
  return table(caption, (heading for heading, _ in filled), styled, sortable=True)


def markdown(table: StudyTable) -> str:
  """A table as Markdown, with its title in bold."""
  headings = [heading.text for heading in table.shown.headings]
  lines = [f'**{table.title}** ({table.note})', '', _line(headings), _line(['---', *['---:'] * (len(headings) - 1)])]
  lines += [_line([cell.text.replace('|', '\\|') for cell in row.cells]) for row in table.shown.rows]
  return '\n'.join(lines) + '\n'


def _line(cells: Sequence[str]) -> str:
  return f'| {" | ".join(cells)} |'


def _note(rows: Sequence[Measured]) -> str:
  references = list(dict.fromkeys(row['reference'] for row in rows))
  to = f"that of '{references[0]}'" if len(references) == 1 else 'that of all features on as many rides'
  return f'ratio: RMSE to {to} on the same rides, with its 95 % interval by time stamp'


def _columns(currency: str) -> list[tuple[Heading, Callable[[Measured], Cell]]]:
  return [
    (Heading('variant', numeric=False), lambda row: Cell(str(row['variant']))),
    _figure('inputs', 'inputs', whole),
    _figure('parameters', 'parameters', whole),
    _figure(f'RMSE ({currency})', 'rmse', number),
    (Heading('ratio [95 %]'), lambda row: Cell(_ratio(row), row.get('ratio'))),
    _figure(f'MAE ({currency})', 'mae', number),
    _figure('training', 'train_seconds', lambda value: f'{number(value)} s'),
    _figure('zeros', 'zeros', lambda value: percent(value, 0)),
    _figure('file', 'bytes', size),
    _figure('gzip', 'gzip_bytes', size),
    _figure('one ride', 'latency_us', microseconds),
  ]


def _figure(heading: str, key: str, text: Callable[[float], str]) -> tuple[Heading, Callable[[Measured], Cell]]:
  return Heading(heading), lambda row: Cell(MISSING if row.get(key) is None else text(row[key]), row.get(key))


def _ratio(row: Measured) -> str:
  if row.get('ratio') is None:
    return MISSING
  if row['variant'] == row['reference']:
    return '1'
  return f'{number(row["ratio"], 3)} [{number(row["ratio_low"], 3)}, {number(row["ratio_high"], 3)}]'


PAGE = 'study.html'
PICTURES = 'pictures'


@dataclasses.dataclass(frozen=True)
class StudySection:
  """One block on the page: sentences, charts, everything that was measured, and what could not be."""

  sentences: Sequence[str]
  pictures: Sequence[Picture]
  table: StudyTable
  lost: Sequence[str]


def write(directory: pathlib.Path, rows: Sequence[Measured], about: StudyRecord) -> pathlib.Path:
  """Writes the page and its pictures. Returns the page."""
  sections = [_section(table, about) for table in study_tables(rows, about)]
  page = render('study.html', about=about, sections=sections)
  folder = directory / PICTURES
  folder.mkdir(exist_ok=True)
  for section in sections:
    for picture in section.pictures:
      write_whole(folder / f'{section.table.block}-{picture.name}.svg', standalone(picture.drawn))
  write_whole(directory / PAGE, page)
  return directory / PAGE


def _section(table: StudyTable, about: StudyRecord) -> StudySection:
  block = StudyBlock(table.block)
  return StudySection(
    findings(block, table.rows, about),
    pictures(block, table.rows, about.currency),
    table,
    [f'{lost.variant}: {lost.reason}' for lost in about.lost if lost.block == table.block],
  )
