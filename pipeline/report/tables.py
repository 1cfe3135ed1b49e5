"""Tables of the page: every cell has its text, and a value to sort by where the text is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from markupsafe import Markup

from configs.records import Estimate
from pipeline.report.wording import MISSING, bracket, number


@dataclasses.dataclass(frozen=True)
class Heading:
  """The head of a column.

  Attributes:
    text: its name.
    unit: of its figures.
    numeric: whether it is right-aligned and sorted by value.
    meaning: a sentence that a pointer over it shows.
    sorted: whether the rows come in its rising order.
  """

  text: str
  unit: str = ''
  numeric: bool = True
  meaning: str = ''
  sorted: bool = False


@dataclasses.dataclass(frozen=True)
class Cell:
  """One cell.

  Attributes:
    text: what it says.
    value: what it is sorted by; the text itself where there is none.
    note: a second, smaller line, such as an interval.
    best: whether it is the best of its column.
    style: a class.
    picture: drawn instead of the text.
  """

  text: str
  value: float | None = None
  note: str = ''
  best: bool = False
  style: str = ''
  picture: Markup | None = None


@dataclasses.dataclass(frozen=True)
class Row:
  """One row; its first cell is its head."""

  cells: tuple[Cell, ...]
  style: str = ''


@dataclasses.dataclass(frozen=True)
class Table:
  """A table.

  Attributes:
    caption: what it shows, for who can't see it.
    headings: of its columns.
    rows: as many cells each as there are headings.
    sortable: whether a click on a heading sorts it.
  """

  caption: str
  headings: tuple[Heading, ...]
  rows: tuple[Row, ...]
  sortable: bool = False


def figure(value: float | None, text: str, note: str = '') -> Cell:
  """A cell that is sorted by its value; an empty one for `None`."""
  return Cell(text, value, note) if value is not None else Cell(MISSING, style='none')


def figures(estimate: Estimate | None, digits: int = 2) -> Cell:
  """A cell with an interval on its second line."""
  return figure(
    *((estimate.value, number(estimate.value, digits), bracket(estimate, digits)) if estimate else (None, ''))
  )


def with_best(rows: Sequence[Row], smallest: Sequence[int] = (), largest: Sequence[int] = ()) -> tuple[Row, ...]:
  """Marks the best figure of some columns, all that read the same; none where all do.

  Args:
    rows: of one table.
    smallest: columns where less is better.
    largest: columns where more is better.
  """
  best: dict[int, str] = {}
  for column in (*smallest, *largest):
    known = [row.cells[column] for row in rows if row.cells[column].value is not None]
    if len({cell.text for cell in known}) > 1:
      choose = min if column in smallest else max
      best[column] = choose(known, key=lambda cell: cell.value or 0.0).text
  return tuple(
    dataclasses.replace(
      row,
      cells=tuple(
        dataclasses.replace(cell, best=cell.value is not None and cell.text == best.get(column))
        for column, cell in enumerate(row.cells)
      ),
    )
    for row in rows
  )
