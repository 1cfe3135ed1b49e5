"""Reads a page as a person does: its tables by caption, its pictures by what they show, its text."""

from __future__ import annotations

import dataclasses
import html.parser
import re
from collections.abc import Sequence

_VOID = {'meta', 'wbr', 'br', 'hr', 'img', 'input', 'link'}


@dataclasses.dataclass
class PageCell:
  """One cell.

  Attributes:
    text: without notes and marks.
    note: the small text below it; of a heading, its unit.
    classes: of its element.
    value: what it is sorted by; `None` where it is not said.
    meaning: what a pointer over it shows.
    ticks: of the scale above bars: what it says, and its place in percent of the track.
    pieces: of a bar: class, left end and width in percent of the track; no width for a line across.
    best: whether it is marked as the best of its column.
  """

  text: str = ''
  note: str = ''
  classes: tuple[str, ...] = ()
  value: float | None = None
  meaning: str = ''
  ticks: list[tuple[str, float]] = dataclasses.field(default_factory=list)
  pieces: list[tuple[str, float, float | None]] = dataclasses.field(default_factory=list)
  best: bool = False


@dataclasses.dataclass
class PageTable:
  """A table: its headings, and the cells and the classes of each row."""

  caption: str = ''
  sortable: bool = False
  headings: list[PageCell] = dataclasses.field(default_factory=list)
  rows: list[list[PageCell]] = dataclasses.field(default_factory=list)
  styles: list[str] = dataclasses.field(default_factory=list)

  @property
  def names(self) -> list[str]:
    """The texts of the headings."""
    return [heading.text for heading in self.headings]

  def column(self, heading: str) -> list[PageCell]:
    """The cells below a heading."""
    position = self.names.index(heading)
    return [row[position] for row in self.rows]

  def texts(self, heading: str) -> list[str]:
    """What the cells below a heading say."""
    return [cell.text for cell in self.column(heading)]

  def values(self, heading: str) -> list[float | None]:
    """What the cells below a heading are sorted by."""
    return [cell.value for cell in self.column(heading)]

  def row(self, head: str) -> dict[str, PageCell]:
    """The cells of a row by heading."""
    [found] = [row for row in self.rows if row[0].text == head]
    return dict(zip(self.names, found, strict=True))


class _Tables(html.parser.HTMLParser):
  def __init__(self) -> None:
    super().__init__()
    self.tables: list[PageTable] = []
    self._cell: PageCell | None = None
    self._open: list[tuple[str, tuple[str, ...]]] = []

  def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
    found = {name: value or '' for name, value in attrs}
    classes = tuple(found.get('class', '').split())
    if tag not in _VOID:
      self._open.append((tag, classes))
    if tag == 'table':
      self.tables.append(PageTable(sortable='sortable' in classes))
    elif tag == 'tr' and self.tables and self._within('tbody'):
      self.tables[-1].rows.append([])
      self.tables[-1].styles.append(found.get('class', ''))
    elif tag in ('th', 'td'):
      self._cell = PageCell(classes=classes, meaning=found.get('title', ''))
      self._cell.value = float(found['data-value']) if found.get('data-value') else None
      (self.tables[-1].rows[-1] if self._within('tbody') else self.tables[-1].headings).append(self._cell)
    elif self._cell and (place := re.match(r'left:([\d.]+)%(?:;width:([\d.]+)%)?', found.get('style', ''))):
      if any('ruled' in names for _, names in self._open):
        self._cell.ticks.append(('', float(place[1])))
      else:
        self._cell.pieces.append((classes[-1], float(place[1]), float(place[2]) if place[2] else None))
    elif self._cell and 'mark' in classes:
      self._cell.best = True

  def handle_endtag(self, tag: str) -> None:
    if tag not in _VOID:
      self._open.pop()
    if tag in ('th', 'td'):
      self._cell = None

  def handle_data(self, data: str) -> None:
    if self._within('svg'):
      return
    text = data.replace('\N{NO-BREAK SPACE}', ' ')
    if self._within('caption'):
      self.tables[-1].caption += text
    elif self._cell and any('ruled' in names for _, names in self._open):
      self._cell.ticks[-1] = (text, self._cell.ticks[-1][1])
    elif self._cell and self._within('small'):
      self._cell.note += text
    elif self._cell and not any('unseen' in classes for _, classes in self._open):
      self._cell.text += text

  def _within(self, tag: str) -> bool:
    return any(name == tag for name, _ in self._open)


def tables(page: str) -> dict[str, PageTable]:
  """The tables of a page by caption."""
  reader = _Tables()
  reader.feed(re.sub(r'<(style|script)\b.*?</\1>', '', page, flags=re.DOTALL))
  return {table.caption: table for table in reader.tables}


def text(page: str) -> str:
  """What a person reads, on one line."""
  body = re.sub(r'<(style|script|title)\b.*?</\1>', ' ', page.replace('<wbr>', ''), flags=re.DOTALL)
  return ' '.join(html.unescape(re.sub(r'<[^>]+>', ' ', body)).replace('\N{NO-BREAK SPACE}', ' ').split())


def section(page: str, name: str) -> str:
  """The HTML of one section of the page."""
  [found] = re.findall(rf'<section id="{name}".*?</section>', page, flags=re.DOTALL)
  return str(found)


def pictures(page: str) -> dict[str, str]:
  """The pictures of a page by what they show to who can't see them."""
  _, *found = re.split(r'<svg [^>]*role="img" aria-label="([^"]*)">', page)
  labels = [html.unescape(label).replace('\N{NO-BREAK SPACE}', ' ') for label in found[::2]]
  return dict(zip(labels, (drawn.partition('</figure>')[0] for drawn in found[1::2]), strict=True))


class Axes:
  """The axes of a picture by their ticks: what figure lies at a place.

  Args:
    drawn: the picture.
    logarithmic: whether equal ratios of the horizontal axis take equal room.
  """

  def __init__(self, drawn: str, logarithmic: bool = False) -> None:
    import numpy as np

    self._log = np.log if logarithmic else np.asarray
    self._exp = np.exp if logarithmic else np.asarray
    tick = r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)" class="tick">([+−\d][^<]*)</text>'
    labels = re.findall(tick, drawn)
    self.x_ticks = [(_number(label), float(x)) for x, _, anchor, label in labels if anchor == 'middle']
    self.y_ticks = [(_number(label), float(y) - 4) for _, y, anchor, label in labels if anchor == 'end']

  def x(self, place: float) -> float:
    """The figure of the horizontal axis at a place."""
    figures, places = zip(*self.x_ticks, strict=True)
    return float(self._exp(_line(places, self._log(figures), place)))

  def y(self, place: float) -> float:
    """The figure of the vertical axis at a place."""
    figures, places = zip(*self.y_ticks, strict=True)
    return _line(places, figures, place)


def _line(places: Sequence[float], figures: Sequence[float], place: float) -> float:
  """The line through the first and the last tick, also beyond them."""
  slope = (figures[-1] - figures[0]) / (places[-1] - places[0])
  return figures[0] + slope * (place - places[0])


def _number(label: str) -> float:
  """A tick's figure, in the unit that it names."""
  found, _, unit = label.replace('\N{NO-BREAK SPACE}', ' ').replace('−', '-').replace(',', '').partition(' ')
  return float(found) * {'KB': 1e3, 'MB': 1e6, '%': 0.01}.get(unit, 1.0)
