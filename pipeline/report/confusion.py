"""Which classes a model takes for which: the confusion matrix as a picture, with recall and precision of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from models.charts import WIDTH, element, percent, picture, room, text
from pipeline.report.tables import Cell, Table, counted, figure, row, table, whole, words

_WIDEST, _TOP, _BOTTOM, _SLANT = 40.0, 20.0, 6.0, 0.75
_LONGEST = 16
"""Characters of a name; of more, the beginning is shown."""

_FEWEST_WIDTH = 20.0
"""Cells that are narrower have no numbers, and not every one a name."""

_DARK = 0.55
"""From this share on a cell is so dark that what is written on it is light."""


class Confusion(NamedTuple):
  """The matrix, and what it comes to for each class."""

  drawn: Markup
  table: Table
  sentence: str


def confusion(counts: Sequence[Sequence[int]], names: Sequence[str] = ()) -> Confusion:
  """What a model makes of each class.

  Args:
    counts: int [classes, classes]: how many examples of a class (row) are taken for which (column).
    names: of the classes, in their order; their numbers where there are none.
  Raises: ValueError: the matrix is not square, is empty, or has another number of classes than there are names.
  """
  cells = np.asarray(counts, dtype=np.int64)
  if cells.ndim != 2 or cells.shape[0] != cells.shape[1] or not cells.sum():
    raise ValueError(f'A confusion matrix counts classes by classes, got shape {cells.shape}.')
  named = [*map(str, names)] or [*map(str, range(len(cells)))]
  if len(named) != len(cells):
    raise ValueError(f'There are {len(cells)} classes and {len(named)} names.')
  return Confusion(draw_confusion(cells, named), _table(cells, named), _sentence(cells, named))


def draw_confusion(cells: np.ndarray, names: Sequence[str]) -> Markup:
  """Draws the matrix: the darker a cell, the larger its share of the row, so of its true class.

  Args: cells: see `confusion`.
  """
  count, said = len(names), [name if len(name) <= _LONGEST else f'{name[: _LONGEST - 1]}…' for name in names]
  longest = max(map(room, said))
  left = max(longest + 10, 36.0)
  width = min(_WIDEST, (WIDTH - left) / count)
  slanted = longest > width
  if slanted:
    # The last name goes on to the right of its column.
    width = min(_WIDEST, (WIDTH - left - _SLANT * longest) / (count - 0.5))
  shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
  # Below each other names need eleven units.
  stride = max(1, -(-11 // int(max(width, 1))))
  top = _TOP + (_SLANT * longest if slanted else 8.0)
  parts = [text(left, 11, 'taken for', 'start', 'label'), text(left - 8, top - 6, 'true', 'end', 'label')]
  for place in range(0, count, stride):
    middle = (place + 0.5) * width
    parts.append(text(left - 8, top + middle + 4, said[place], 'end', 'tick'))
    parts.append(_column_name(left + middle, top - 6, said[place], slanted))
  for true, taken in np.argwhere(cells):
    x, y = left + taken * width, top + true * width
    parts.append(_cell(x, y, width, int(cells[true, taken]), float(shares[true, taken]), (names[true], names[taken])))
  frame = element('rect', x=left, y=top, width=width * count, height=width * count, class_='frame')
  label = f'Confusion matrix of {count} classes: {percent(np.trace(cells) / cells.sum())} are on the diagonal.'
  return picture(WIDTH, top + width * count + _BOTTOM, label, *parts, frame)


def _column_name(x: float, y: float, name: str, slanted: bool) -> Markup:
  if not slanted:
    return text(x, y, name, 'middle', 'tick')
  return element('text', name, x=x, y=y, class_='tick', transform=f'rotate(-45 {x:.1f} {y:.1f})')


def _cell(x: float, y: float, width: float, count: int, share: float, of: tuple[str, str]) -> Markup:
  title = element('title', f'{of[0]}, taken for {of[1]}: {counted(count, "example")}, {percent(share)}')
  square = element('rect', title, x=x, y=y, width=width, height=width, class_='share', fill_opacity=f'{share:.2f}')
  if width < _FEWEST_WIDTH or room(f'{count:,}') > width:
    return square
  written = text(x + width / 2, y + width / 2 + 4, f'{count:,}', 'middle', 'on dark' if share > _DARK else 'on')
  return square + written


def _table(cells: np.ndarray, names: Sequence[str]) -> Table:
  headings = (*words('class'), 'examples', 'recall', 'precision', *words('most often taken for'))
  rows = []
  for place, name in enumerate(names):
    own, true, taken = int(cells[place, place]), int(cells[place].sum()), int(cells[:, place].sum())
    wrong = np.where(np.arange(len(names)) == place, 0, cells[place])
    other = int(wrong.argmax())
    rows.append(
      row(
        name,
        figure(true, whole),
        figure(own / true if true else None, percent),
        figure(own / taken if taken else None, percent),
        Cell(f'{names[other]} ({int(wrong[other]):,})' if wrong[other] else ''),
      )
    )
  return table('Recall and precision of each class', headings, rows, sortable=True)


def _sentence(cells: np.ndarray, names: Sequence[str]) -> str:
  """How many are told right, and what is confused most."""
  right, all_of = int(np.trace(cells)), int(cells.sum())
  said = f'{right:,} of {counted(all_of, "example")} are told right ({percent(right / all_of)}).'
  wrong = cells - np.diag(np.diag(cells))
  if not wrong.any():
    return said
  true, taken = np.unravel_index(wrong.argmax(), wrong.shape)
  count = int(wrong[true, taken])
  return f'{said} Most often {names[true]} is taken for {names[taken]} ({counted(count, "time")}).'
