"""Writes `study.html`, which needs no other file: tables, pictures and sentences computed from its rows."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from configs.study import StudyBlock
from models.charts import COLORS, Series, draw_curves, standalone
from models.whole_files import write_whole
from pipeline.report.charts import Entry, draw_forest, swatch
from pipeline.report.frontier import Limits, Point, draw_frontier
from pipeline.report.page import render
from pipeline.report.tables import (
  MISSING,
  Cell,
  Heading,
  Picture,
  Row,
  Table,
  interval,
  microseconds,
  number,
  percent,
  size,
  table,
  whole,
  without_empty,
)
from pipeline.study.findings import BLOCKS, WITHIN, Measured, estimate_of, findings
from pipeline.study.records import StudyRecord


class _Frontier(NamedTuple):
  """A chart of cost against RMSE ratio: its file and title, the costs' name and column, and how they are written."""

  name: str
  title: str
  cost_label: str
  cost: str
  written: Callable[[float], str]


_FRONTIERS = {
  StudyBlock.REDUCTIONS: [
    _Frontier('inputs', 'RMSE and number of inputs', 'inputs of the model', 'inputs', whole),
    _Frontier('bytes', 'RMSE and size', 'size of the lite file', 'bytes', size),
  ],
  StudyBlock.COMPRESSION: [
    _Frontier('size', 'RMSE and size', 'size of the lite file', 'bytes', size),
    _Frontier('gzip', 'RMSE and download', 'size after gzip', 'gzip_bytes', size),
    _Frontier('latency', 'RMSE and latency', 'time for one ride', 'latency_us', microseconds),
  ],
}


def pictures(block: StudyBlock, rows: Sequence[Measured], currency: str) -> list[Picture]:
  """Those of a block; none where nothing was measured."""
  known = [row for row in rows if row.get('ratio') is not None]
  if not known:
    return []
  if block is StudyBlock.DIMENSIONS:
    return [_dimensions_chart(known, currency)]
  if block not in _FRONTIERS:
    return [_forest(known)]
  colored_by = 'recipe' if block is StudyBlock.COMPRESSION else 'method'
  found = (_frontier(chart, [row for row in known if row.get(chart.cost)], colored_by) for chart in _FRONTIERS[block])
  return [picture for picture in found if picture]


def _forest(rows: Sequence[Measured]) -> Picture:
  reference = rows[0]['reference']
  entries = [Entry(row['variant'], estimate_of(row), int(row['variant'] == reference)) for row in rows]
  label = f"RMSE relative to '{reference}': " + '; '.join(f'{e.name} {number(e.estimate.value, 3)}' for e in entries)
  drawn = draw_forest(entries, 1.0, f"RMSE relative to '{reference}'", label)
  return Picture('RMSE, with 95 % intervals', drawn, 'An arrow: further off than the picture reaches.', 'ratios')


def _dimensions_chart(rows: Sequence[Measured], currency: str) -> Picture:
  series = []
  for position, training_rides in enumerate(dict.fromkeys(row['training_rides'] for row in rows)):
    own = [row for row in rows if row['training_rides'] == training_rides]
    points = sorted((row['kept_features'] + row['noise_features'], row['rmse']) for row in own)
    name = 'all rides' if training_rides == 'all' else f'{int(training_rides):,} rides'
    series.append(Series(name, f's{position % COLORS}', [x for x, _ in points], [y for _, y in points]))
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


def _frontier(chart: _Frontier, rows: Sequence[Measured], colored_by: str) -> Picture | None:
  """The chart; `None` where the cost of fewer than two variants was measured."""
  if len(rows) < 2:
    return None
  groups = {row['variant']: str(row.get(colored_by) or 'none') for row in rows}
  colors = {group: position for position, group in enumerate(dict.fromkeys(groups.values()))}
  costs = {row['variant']: (row[chart.cost], row['ratio']) for row in rows}
  best = {name for name, own in costs.items() if not any(_dominates(other, own) for other in costs.values())}
  points = [
    Point(
      name=row['variant'],
      color=colors[groups[row['variant']]],
      cost=float(row[chart.cost]),
      ratio=estimate_of(row),
      on_frontier=row['variant'] in best,
      within_budget=row['ratio'] <= WITHIN,
      chosen=False,
      tooltip=f'{row["variant"]}: {chart.written(row[chart.cost])}, RMSE ratio {interval(estimate_of(row), 3)}',
    )
    for row in rows
  ]
  label = f'{chart.title}: {len(points)} variants. On the frontier: {", ".join(sorted(best))}.'
  ratio_label = f"RMSE relative to '{rows[0]['reference']}'"
  # A study has no budget: what is pushed is a run's concern.
  limits = Limits(None, WITHIN, f'+{percent(WITHIN - 1, 0)}')
  drawn, outside = draw_frontier(points, limits, chart.cost_label, chart.written, label, ratio_label)
  above = f' Above the picture (▲): {", ".join(outside)}.' if outside else ''
  legend = tuple((group, swatch(color)) for group, color in colors.items())
  return Picture(chart.title, drawn, f'Filled, and below the dashed line: within 1 %.{above}', chart.name, legend)


def _dominates(other: tuple[float, float], own: tuple[float, float]) -> bool:
  return other != own and other[0] <= own[0] and other[1] <= own[1]


class StudyTable(NamedTuple):
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
  rows: Sequence[Measured]
  shown: Table


def study_tables(rows: Sequence[Measured], about: StudyRecord) -> list[StudyTable]:
  """A table for each block that was measured."""
  tables = []
  for block, (title, _) in BLOCKS.items():
    if own := [row for row in rows if row['block'] == block.value]:
      note = _note(own)
      tables.append(StudyTable(block.value, title, note, own, _table(f'{title}; {note}', own, about.currency)))
  return tables


def _note(rows: Sequence[Measured]) -> str:
  references = list(dict.fromkeys(row['reference'] for row in rows))
  to = f"that of '{references[0]}'" if len(references) == 1 else 'that of all features on as many rides'
  return f'ratio: RMSE to {to} on the same rides, with its 95 % interval by time stamp'


def _table(caption: str, rows: Sequence[Measured], currency: str) -> Table:
  columns = {
    Heading('variant', numeric=False): lambda row: Cell(row['variant']),
    Heading('inputs'): _figure('inputs', whole),
    Heading('parameters'): _figure('parameters', whole),
    Heading(f'RMSE ({currency})'): _figure('rmse', number),
    Heading('ratio [95 %]'): lambda row: Cell(_ratio(row), row.get('ratio')),
    Heading(f'MAE ({currency})'): _figure('mae', number),
    Heading('training'): _figure('train_seconds', lambda value: f'{number(value)} s'),
    Heading('zeros'): _figure('zeros', lambda value: percent(value, 0)),
    Heading('file'): _figure('bytes', size),
    Heading('gzip'): _figure('gzip_bytes', size),
    Heading('one ride'): _figure('latency_us', microseconds),
  }
  styles = ('strong' if row['variant'] == row['reference'] else '' for row in rows)
  lines = (Row(tuple(cell(row) for cell in columns.values()), style) for row, style in zip(rows, styles, strict=True))
  return without_empty(table(caption, columns, lines, sortable=True))


def _figure(key: str, text: Callable[[float], str]) -> Callable[[Measured], Cell]:
  return lambda row: Cell(MISSING if row.get(key) is None else text(row[key]), row.get(key))


def _ratio(row: Measured) -> str:
  if row.get('ratio') is None:
    return MISSING
  if row['variant'] == row['reference']:
    return '1'
  return f'{number(row["ratio"], 3)} [{number(row["ratio_low"], 3)}, {number(row["ratio_high"], 3)}]'


def markdown(table: StudyTable) -> str:
  """A table as Markdown, with its title in bold."""
  headings = [heading.text for heading in table.shown.headings]
  lines = [f'**{table.title}** ({table.note})', '', _line(headings), _line(['---', *['---:'] * (len(headings) - 1)])]
  lines += [_line([cell.text.replace('|', '\\|') for cell in row.cells]) for row in table.shown.rows]
  return '\n'.join(lines) + '\n'


def _line(cells: Sequence[str]) -> str:
  return f'| {" | ".join(cells)} |'


PAGE = 'study.html'
PICTURES = 'pictures'


class StudySection(NamedTuple):
  """One block on the page: sentences, charts, everything that was measured, and what could not be."""

  sentences: Sequence[str]
  pictures: Sequence[Picture]
  table: StudyTable
  lost: Sequence[str]


def write(directory: pathlib.Path, rows: Sequence[Measured], about: StudyRecord) -> pathlib.Path:
  """Writes the page and its pictures. Returns the page."""
  sections = [
    StudySection(
      findings(StudyBlock(table.block), table.rows, about),
      pictures(StudyBlock(table.block), table.rows, about.currency),
      table,
      [f'{lost.variant}: {lost.reason}' for lost in about.lost if lost.block == table.block],
    )
    for table in study_tables(rows, about)
  ]
  page = render('study.html', about=about, sections=sections)
  folder = directory / PICTURES
  folder.mkdir(exist_ok=True)
  for section in sections:
    for picture in section.pictures:
      write_whole(folder / f'{section.table.block}-{picture.name}.svg', standalone(picture.drawn))
  write_whole(directory / PAGE, page)
  return directory / PAGE
