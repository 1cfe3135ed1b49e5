"""The tables of a study, as rows of text: one maker for the terminal, the page and Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.study.study_record import StudyRecord
from configs.study import StudyBlock
from pipeline.report.wording import MISSING, microseconds, number, percent, size

Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class TableColumn:
  """A column of a table.

  Attributes:
    heading: its name, with its unit.
    text: what a row says in it.
    value: what a row is sorted by; `None` for text.
  """

  heading: str
  text: Callable[[Row], str]
  value: Callable[[Row], float | None] | None = None


@dataclasses.dataclass(frozen=True)
class StudyTable:
  """One block's table.

  Attributes:
    block: its name.
    title: the question.
    told: how to read it.
    columns: without those that no row has a figure in.
    rows: of `study.parquet`.
  """

  block: str
  title: str
  told: str
  columns: tuple[TableColumn, ...]
  rows: tuple[Row, ...]

  @property
  def headings(self) -> list[str]:
    """Of the columns."""
    return [column.heading for column in self.columns]

  @property
  def cells(self) -> list[list[str]]:
    """Texts, row by row."""
    return [[column.text(row) for column in self.columns] for row in self.rows]


_TITLES = {
  StudyBlock.FEATURES: 'What each block of features is worth',
  StudyBlock.DIMENSIONS: 'The number of features, by the size of the training split',
  StudyBlock.REDUCTIONS: 'Reductions and selections',
  StudyBlock.EMBEDDINGS: 'Embedding widths',
  StudyBlock.COMPRESSION: 'Training recipes × schemes',
  StudyBlock.REFERENCES: 'Reference models',
}


def study_tables(rows: Sequence[Row], about: StudyRecord) -> list[StudyTable]:
  """A table for each block that was measured.

  Args:
    rows: of `study.parquet`.
    about: of `study.json`.
  """
  currency = about.currency
  tables = []
  for block, title in _TITLES.items():
    own = tuple(row for row in rows if row['block'] == block.value)
    if own:
      columns = [column for column in _columns(currency) if any(column.text(row) != MISSING for row in own)]
      tables.append(StudyTable(block.value, title, _told(own), tuple(columns), own))
  return tables


def markdown(table: StudyTable) -> str:
  """A table as Markdown, with its title in bold."""
  lines = [f'**{table.title}** ({table.told})', '', _line(table.headings)]
  lines.append(_line(['---', *['---:'] * (len(table.headings) - 1)]))
  lines += [_line([cell.replace('|', '\\|') for cell in row]) for row in table.cells]
  return '\n'.join(lines) + '\n'


def _line(cells: Sequence[str]) -> str:
  return f'| {" | ".join(cells)} |'


def _told(rows: Sequence[Row]) -> str:
  references = list(dict.fromkeys(row['reference'] for row in rows))
  to = f"that of '{references[0]}'" if len(references) == 1 else 'that of all features on as many rides'
  return f'ratio: RMSE to {to} on the same rides, with its 95 % interval by time stamp'


def _columns(currency: str) -> list[TableColumn]:
  return [
    TableColumn('variant', lambda row: str(row['variant'])),
    _figure('inputs', 'inputs', lambda value: f'{value:,.0f}'),
    _figure('parameters', 'parameters', lambda value: f'{value:,.0f}'),
    _figure(f'RMSE ({currency})', 'rmse', number),
    TableColumn('ratio [95 %]', _ratio, lambda row: row.get('ratio')),
    _figure(f'MAE ({currency})', 'mae', number),
    _figure('training', 'train_seconds', lambda value: f'{number(value, 2)} s'),
    _figure('zeros', 'zeros', lambda value: percent(value, 0)),
    _figure('file', 'bytes', lambda value: size(value)),
    _figure('gzip', 'gzip_bytes', lambda value: size(value)),
    _figure('one ride', 'latency_us', lambda value: microseconds(value)),
  ]


def _figure(heading: str, key: str, text: Callable[[float], str]) -> TableColumn:
  return TableColumn(heading, lambda row: MISSING if row.get(key) is None else text(row[key]), lambda row: row.get(key))


def _ratio(row: Row) -> str:
  if row.get('ratio') is None:
    return MISSING
  if row['variant'] == row['reference']:
    return '1'
  return f'{number(row["ratio"], 3)} [{number(row["ratio_low"], 3)}, {number(row["ratio_high"], 3)}]'
