"""Puts a page together, sections into templates, style and script into the page, and writes it beside the run."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any

import jinja2
from markupsafe import Markup, escape

from components.compression_gate.records import CompressionRecord
from models import charts
from models.whole_files import write_whole
from pipeline.report.comparison import compare
from pipeline.report.record import RunRecord, read_columns, read_record, read_variants
from pipeline.report.rides import read_rides
from pipeline.report.sections.data import again_section, data_section, steps_section
from pipeline.report.sections.errors import errors_section
from pipeline.report.sections.model import headline, model_card, served_section, variants_section
from pipeline.report.sections.training import features_section, reduction_section, training_section

TEMPLATES = pathlib.Path(__file__).parent / 'templates'


@dataclasses.dataclass(frozen=True)
class PagePart:
  """A section of the page.

  Attributes:
    id: where links to it lead; also names its template.
    title: its heading, and its name in the navigation.
    make: makes what the template shows; nothing where the run has no such section.
    expected: whether a run that came to its end has it.
  """

  id: str
  title: str
  make: Callable[[], Any]
  expected: bool = True


def run_page(record: RunRecord) -> str:
  """The page of one run, whatever it came to. Returns HTML that needs no other file and no network."""
  notes: list[str] = []
  variants = _made(PagePart('variants', 'Variants', lambda: read_variants(record)), notes)
  made = [(part, _made(part, notes)) for part in _parts(record, variants, notes)]
  sections = [(part, content) for part, content in made if content]
  absent = [part.title for part, content in made if part.expected and not content]
  head = headline(record, variants)
  return render('run.html', record=record, headline=head, sections=sections, absent=absent, notes=notes)


def _parts(record: RunRecord, variants: CompressionRecord | None, notes: list[str]) -> list[PagePart]:
  """The sections of a run, in the order of the page."""
  columns = _made(PagePart('columns', 'Statistics', lambda: read_columns(record)), notes) or ()
  rides = _made(PagePart('rides', 'Predicted rides', lambda: read_rides(record, variants)), notes)
  return [
    PagePart('variants', 'Variants', lambda: variants_section(record, variants)),
    PagePart('served', 'Before', lambda: served_section(record, variants), expected=False),
    PagePart('errors', 'Errors', lambda: errors_section(record, variants, rides)),
    PagePart('training', 'Training', lambda: training_section(record)),
    PagePart('data', 'Rides', lambda: data_section(record, columns)),
    PagePart('steps', 'Steps', lambda: steps_section(record)),
    PagePart('features', 'Features', lambda: features_section(record)),
    PagePart('reduction', 'Reduction', lambda: reduction_section(record), expected=False),
    PagePart('card', 'Model card', lambda: model_card(record, variants, columns)),
    PagePart('again', 'Run again', lambda: again_section(record)),
  ]


def _made(part: PagePart, notes: list[str]) -> Any:
  """Makes a part; one that can't be made must not cost the page: the run may be of another version, or half written."""
  try:
    return part.make()
  except Exception as error:
    notes.append(f"'{part.title}' can't be shown: {type(error).__name__}: {error}")
    return None


def render(template: str, **content: Any) -> str:
  """A page out of a template of this package."""
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.filters['breakable'] = _breakable
  environment.globals['chart_style'] = Markup(charts.STYLE)
  return environment.get_template(template).render(content)


def _breakable(name: str) -> Markup:
  """A name that may go on in a new line after a dot or an underscore, as on a phone."""
  return Markup(re.sub(r'([._])(?=\w)', r'\1<wbr>', str(escape(name))))


PAGE = 'report.html'


def write(directory: str | os.PathLike[str]) -> pathlib.Path:
  """Writes `report.html` from what a run left; also for one that failed or pushed nothing.

  Args: directory: the output directory of the run, with its `summary.json`.
  Returns the page. Raises `UserError` where there is no summary, or it is none; `OSError` where the page can't be
  written.
  """
  record = read_record(directory)
  path = record.output.path / PAGE
  write_whole(path, run_page(record))
  return path


def write_comparison(directory: str | os.PathLike[str], against: str | os.PathLike[str]) -> pathlib.Path:
  """Writes `report-against-NAME.html` into the first run's directory.

  Args: against: that of another run, whose folder's name is NAME.
  Returns the page. Raises `UserError` where one of them holds no summary; `OSError` where the page can't be written.
  """
  first, second = read_record(directory), read_record(against)
  page = render('against.html', comparison=compare(first, second))
  path = first.output.path / f'report-against-{second.output.path.name}.html'
  write_whole(path, page)
  return path
