"""Tables of the page: numbers as people read them, each with its unit, and a value to sort by."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from markupsafe import Markup

from configs.amounts import amount_digits
from configs.records import Estimate
from models.charts import MISSING, SPACE, number, percent, united
from pipeline.local.steps import is_look_up
from pipeline.summary_record import StepRecord

_SIZES = ('bytes', 'KB', 'MB', 'GB')


def whole(value: float | None) -> str:
  """A number without decimals, such as a count."""
  return number(value, 0)


def signed(value: float | None, digits: int | None = None) -> str:
  """A difference, with its sign; zero has none. See `number` for `digits`."""
  text = number(value, digits)
  return f'+{text}' if value is not None and value > 0 and text.strip('0.,') else text


def money(value: float | None, currency: str) -> str:
  """An amount with its currency."""
  return united(number(value), currency)


def interval(estimate: Estimate | None, digits: int | None = None) -> str:
  """A value with its interval: `3.52 [3.11, 4.02]`."""
  if estimate is None:
    return MISSING
  bounds = bracket(estimate, digits)
  return f'{number(estimate.value, digits)} {bounds}' if bounds else number(estimate.value, digits)


def bracket(estimate: Estimate | None, digits: int | None = None) -> str:
  """The interval alone: `[3.11, 4.02]`; empty where none is known. Its bounds have as many decimals as its value."""
  if estimate is None or estimate.low is None or estimate.high is None:
    return ''
  digits = amount_digits(estimate.value) if digits is None else digits
  return f'[{number(estimate.low, digits)},{SPACE}{number(estimate.high, digits)}]'


def change(ratio: float) -> str:
  """A ratio as a change in words: `0.4 % more than`, `12 % less than`, `the same as`."""
  share = abs(ratio - 1)
  digits = 1 if share < 0.1 else 0
  if number(100 * share, digits).strip('0.') == '':
    return 'the same as'
  return f'{percent(share, digits)} {"more" if ratio > 1 else "less"} than'


def size(count: float | None) -> str:
  """A number of bytes, 1 KB being 1,000 bytes: `35.1 KB`."""
  if count is None:
    return MISSING
  power = min(int(math.log10(max(count, 1)) // 3), len(_SIZES) - 1)
  return united(number(count / 1000**power, 1 if power else 0), _SIZES[power])


def microseconds(value: float | None) -> str:
  """A latency: `12.3 µs`, `2,140 µs`."""
  return united(number(value, 1 if value is not None and value < 100 else 0), 'µs')


def seconds(value: float | None) -> str:
  """A duration: `0.4 s`, `58 s`, `4 min 12 s`."""
  if value is None or value < 60:
    return united(number(value, 1 if value is not None and value < 10 else 0), 's')
  minutes, rest = divmod(round(value), 60)
  return f'{minutes}{SPACE}min {rest}{SPACE}s'


def day(time: datetime.datetime) -> str:
  """A day: `4 September 2012`."""
  return f'{time.day}{SPACE}{time:%B %Y}'


def degrees(ends: Mapping[str, float]) -> str:
  """A range of degrees, `min` and `max`: `41.50° to 42.30°`."""
  return f'{number(ends["min"])}° to {number(ends["max"])}°'


def counted(count: int, noun: str, several: str = '') -> str:
  """A number of things: `1 ride`, `1,804 rides`; `several` is the plural where it is not the noun with an s."""
  return f'{count:,}{SPACE}{noun if count == 1 else several or f"{noun}s"}'


def steps_of(steps: Sequence[StepRecord]) -> str:
  """How many steps these are, look-ups counted apart: `13 steps and 2 look-ups`."""
  look_ups = sum(is_look_up(step.name) for step in steps)
  found = counted(len(steps) - look_ups, 'step')
  return f'{found} and {counted(look_ups, "look-up")}' if look_ups else found


@dataclasses.dataclass(frozen=True)
class Heading:
  """The head of a column.

  Attributes:
    numeric: whether it is right-aligned and sorted by value.
    meaning: a sentence that a pointer over it shows.
    scale: of the bars below it.
    sorted: whether the rows come in its rising order.
  """

  text: str
  unit: str = ''
  numeric: bool = True
  meaning: str = ''
  scale: Markup | None = None
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

  @property
  def is_empty(self) -> bool:
    """Whether there is nothing in it."""
    return self.text in ('', MISSING) and self.value is None and not self.note and self.picture is None


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


@dataclasses.dataclass(frozen=True)
class Picture:
  """A chart of a page.

  Attributes:
    title: above it.
    drawn: SVG.
    caption: below it.
    name: of its file, where it has one of its own.
    legend: names by the class of their colour.
  """

  title: str
  drawn: Markup
  caption: str = ''
  name: str = ''
  legend: tuple[tuple[str, str], ...] = ()


def words(*names: str) -> tuple[Heading | str, ...]:
  """Headings of columns that hold text."""
  return tuple(Heading(name, numeric=False) for name in names)


def row(*cells: Cell | str, style: str = '') -> Row:
  """A row; mere text is a cell, too."""
  return Row(tuple(Cell(cell) if isinstance(cell, str) else cell for cell in cells), style)


def table(caption: str, headings: Iterable[Heading | str], rows: Iterable[Row], sortable: bool = False) -> Table:
  """A table; mere text is the heading of a column of figures."""
  heads = (Heading(one) if isinstance(one, str) else one for one in headings)
  return Table(caption, tuple(heads), tuple(rows), sortable)


def figure(value: float | None, written: Callable[[float], str], note: str = '') -> Cell:
  """A cell that is sorted by its value; an empty one for `None`."""
  return Cell(MISSING, style='none') if value is None else Cell(written(value), value, note)


def figures(estimate: Estimate | None, digits: int | None = None) -> Cell:
  """A cell with an interval on its second line."""
  value = estimate.value if estimate else None
  return figure(value, lambda value: number(value, digits), bracket(estimate, digits))


def picture(drawn: Markup | None) -> Cell:
  """A cell with a picture in it; none where nothing is drawn."""
  return Cell('', picture=drawn, style='bar')


def without_empty(table: Table) -> Table:
  """The table without the columns in which no row has a figure or a text."""
  columns = [i for i in range(len(table.headings)) if any(not row.cells[i].is_empty for row in table.rows)]
  rows = tuple(dataclasses.replace(row, cells=tuple(row.cells[i] for i in columns)) for row in table.rows)
  return dataclasses.replace(table, headings=tuple(table.headings[i] for i in columns), rows=rows)


def with_best(rows: Sequence[Row], smallest: Sequence[int] = (), largest: Sequence[int] = ()) -> tuple[Row, ...]:
  """Marks the best figure of some columns, all that read the same; none where all do.

  Args:
    smallest: columns where less is better.
    largest: columns where more is better.
  """
  best: dict[int, str] = {}
  for column in (*smallest, *largest):
    known = [row.cells[column] for row in rows if row.cells[column].value is not None]
    if len({cell.text for cell in known}) > 1:
      choose = min if column in smallest else max
      best[column] = choose(known, key=lambda cell: cell.value or 0.0).text
  marked = (
    tuple(
      dataclasses.replace(cell, best=cell.value is not None and cell.text == best.get(column))
      for column, cell in enumerate(row.cells)
    )
    for row in rows
  )
  return tuple(Row(cells, row.style) for cells, row in zip(marked, rows, strict=True))
