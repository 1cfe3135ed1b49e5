"""Puts a page together, sections into templates, style and script into the page, and writes it beside the run."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup, escape

from models import charts
from models.whole_files import write_whole
from pipeline.report.comparison import compare
from pipeline.report.record import RunRecord, read_columns, read_record, read_variants
from pipeline.report.rides import read_rides
from pipeline.report.sections.data import again_section, data_section, steps_section
from pipeline.report.sections.errors import errors_section
from pipeline.report.sections.model import headline, model_card, served_section
from pipeline.report.sections.shadow import shadow_section
from pipeline.report.sections.training import features_section, reduction_section, training_section
from pipeline.report.sections.variants import variants_section


class PagePart(NamedTuple):
  """A section: its id and template's name, its title, what makes its content, whether each finished run has it."""

  id: str
  title: str
  make: Callable[[], Any]
  expected: bool = True


def run_page(record: RunRecord) -> str:
  """The page of one run, whatever it came to. Returns HTML that needs no other file and no network."""
  notes: list[str] = []
  record = dataclasses.replace(record, variants=_made('Variants', lambda: read_variants(record), notes))
  columns = _made('Statistics', lambda: read_columns(record), notes) or ()
  rides = _made('Predicted rides', lambda: read_rides(record), notes)
  parts = (
    PagePart('variants', 'Variants', lambda: variants_section(record)),
    PagePart('served', 'Before', lambda: served_section(record), expected=False),
    PagePart('shadow', 'Beside', lambda: shadow_section(record), expected=False),
    PagePart('errors', 'Errors', lambda: errors_section(record, rides)),
    PagePart('training', 'Training', lambda: training_section(record)),
    PagePart('data', 'Rides', lambda: data_section(record, columns)),
    PagePart('steps', 'Steps', lambda: steps_section(record)),
    PagePart('features', 'Features', lambda: features_section(record)),
    PagePart('reduction', 'Reduction', lambda: reduction_section(record), expected=False),
    PagePart('card', 'Model card', lambda: model_card(record, columns)),
    PagePart('again', 'Run again', lambda: again_section(record)),
  )
  made = made_parts(parts, notes)
  sections = [(part, content) for part, content in made if content]
  absent = [part.title for part, content in made if part.expected and not content]
  head = headline(record)
  return render('run.html', record=record, headline=head, sections=sections, absent=absent, notes=notes)


def made_parts(parts: Sequence[PagePart], notes: list[str]) -> list[tuple[PagePart, Any]]:
  """Sections with their contents, which are empty where there is nothing; what could not be made is noted."""
  return [(part, _made(part.title, part.make, notes)) for part in parts]


def _made(title: str, make: Callable[[], Any], notes: list[str]) -> Any:
  """Makes a part; one that can't be made must not cost the page: the run may be of another version, or half written."""
  try:
    return make()
  except Exception as error:
    notes.append(f"'{title}' can't be shown: {type(error).__name__}: {error}")
    return None


_BREAK = re.compile(r'(?<=[._])(?=\w)|(?<=[a-z])(?=[A-Z])')
"""Where a name may go on in a new line, as on a phone: after a dot or an underscore, before a word of its own."""


def render(template: str, **content: Any) -> str:
  """A page out of a template of this package."""
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent / 'templates'),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.filters['breakable'] = lambda name: Markup(_BREAK.sub('<wbr>', str(escape(name))))
  environment.globals['chart_style'] = Markup(charts.STYLE)
  return environment.get_template(template).render(content)


def write(directory: str | os.PathLike[str]) -> pathlib.Path:
  """Writes `report.html` into the output directory of a run; also of one that failed or pushed nothing.

  Returns the page. Raises `UserError` where there is no summary, or it is none; `OSError` where the page can't be
  written.
  """
  record = read_record(directory)
  path = record.output.page
  write_whole(path, run_page(record))
  return path


def write_comparison(directory: str | os.PathLike[str], against: str | os.PathLike[str]) -> pathlib.Path:
  """Writes `report-against-NAME.html` into the first run's directory; NAME is that of the other run's folder.

  Returns the page. Raises `UserError` where one of them holds no summary; `OSError` where the page can't be written.
  """
  first, second = read_record(directory), read_record(against)
  page = render('against.html', comparison=compare(first, second))
  path = first.output.path / f'report-against-{second.output.path.name}.html'
  write_whole(path, page)
  return path
