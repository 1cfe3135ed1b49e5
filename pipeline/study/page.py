"""Writes `study.html`, which needs no other file and no network, and the pictures as files of their own."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from components.study.study_record import StudyRecord
from configs.study import StudyBlock
from models.whole_files import write_whole
from pipeline.report import tables as page_tables
from pipeline.report.page import TEMPLATES, render
from pipeline.study.charts import Picture, pictures
from pipeline.study.findings import findings
from pipeline.study.tables import StudyTable, study_tables

PAGE = 'study.html'
PICTURES = 'pictures'


@dataclasses.dataclass(frozen=True)
class StudySection:
  """One block on the page.

  Attributes:
    id: where links to it lead.
    title: the question.
    told: sentences that answer it.
    pictures: charts.
    table: everything that was measured.
    lost: what could not be measured, as sentences.
  """

  id: str
  title: str
  told: tuple[str, ...]
  pictures: tuple[Picture, ...]
  table: page_tables.Table
  lost: tuple[str, ...]

  @property
  def count(self) -> int:
    """Variants that were measured."""
    return len(self.table.rows)


def write(directory: pathlib.Path, rows: Sequence[Mapping[str, Any]], about: StudyRecord) -> pathlib.Path:
  """Writes the page and its pictures.

  Args:
    directory: of the study.
    rows: of `study.parquet`.
    about: of `study.json`.

  Returns:
    The page.
  """
  sections = [_section(table, about) for table in study_tables(rows, about)]
  page = render('study.html', about=about, sections=sections)
  folder = directory / PICTURES
  folder.mkdir(exist_ok=True)
  for section in sections:
    for picture in section.pictures:
      write_whole(folder / f'{section.id}-{picture.name}.svg', _standalone(picture.drawn))
  write_whole(directory / PAGE, page)
  return directory / PAGE


def _section(table: StudyTable, about: StudyRecord) -> StudySection:
  block = StudyBlock(table.block)
  return StudySection(
    table.block,
    table.title,
    tuple(findings(block, table.rows, about)),
    tuple(pictures(block, table.rows, about.currency)),
    _table(table),
    tuple(f'{lost.variant}: {lost.reason}' for lost in about.lost if lost.block == table.block),
  )


def _table(table: StudyTable) -> page_tables.Table:
  """The table with headings that sort."""
  headings = tuple(page_tables.Heading(column.heading, numeric=column.value is not None) for column in table.columns)
  rows = tuple(
    page_tables.Row(
      tuple(
        page_tables.Cell(text, column.value(row) if column.value else None)
        for column, text in zip(table.columns, texts, strict=True)
      ),
      'strong' if row['variant'] == row['reference'] else '',
    )
    for row, texts in zip(table.rows, table.cells, strict=True)
  )
  return page_tables.Table(f'{table.title}; {table.told}', headings, rows, sortable=True)


def _standalone(drawn: Markup) -> str:
  """A picture with the page's own style inside, so that it shows anywhere, light or dark."""
  style = (TEMPLATES / 'style.css').read_text(encoding='utf-8')
  own = f'<style>{style} svg {{ background: var(--ground); font: 11px system-ui, sans-serif; }}</style>'
  return re.sub(r'^<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ', str(drawn), count=1).replace('>', f'>{own}', 1)
