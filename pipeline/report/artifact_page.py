"""A page of a run that knows no rides: from what PruningTrainer and CompressionGate left, in any pipeline."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from components.compression_gate.records import JudgedVariant, SliceError
from configs.records import Estimate
from models.whole_files import write_whole
from pipeline.local.output import OutputDirectory
from pipeline.report.charts import dot_bar, reach, ruler
from pipeline.report.confusion import Confusion, confusion
from pipeline.report.judged import Judged
from pipeline.report.page import PagePart, made_parts, render
from pipeline.report.record import GATE, RunRecord, read_variants
from pipeline.report.sections.model import file_headline
from pipeline.report.sections.training import training_section
from pipeline.report.sections.variants import variants_section
from pipeline.report.tables import Heading, Table, figure, picture, row, table, whole, words
from pipeline.summary_record import Status, Summary


class ExtraSection(NamedTuple):
  """A section of one's own: its id, its title, and its content as HTML, which is taken as it is."""

  id: str
  title: str
  content: str


class SlicesSection(NamedTuple):
  """The slices: of which file these are, and the table."""

  sentence: str
  table: Table


class ConfusionSection(NamedTuple):
  """The classes: of which file these are, and what it takes for what."""

  name: str
  found: Confusion


def artifact_page(
  title: str,
  *,
  compression: str | os.PathLike[str] | None = None,
  model_run: str | os.PathLike[str] | None = None,
  classes: Sequence[str] = (),
  unit: str = '',
  sections: Sequence[ExtraSection] = (),
) -> str:
  """A page of artifacts, each a folder; what an artifact that is left out would show is left out.

  Args:
    title: of the page.
    compression: CompressionGate's `report`. It gives the head, the variants, the slices and, of classes, which are
      taken for which.
    model_run: PruningTrainer's `model_run`. It gives the curves of the base, the recipes and their weights.
    classes: names of the classes, in their order.
    unit: of the labels of a regression.
    sections: more, after these.
  Returns: HTML that needs no other file and no network.
  Raises: RecordError: an artifact holds a file of another kind.
  """
  artifacts = {
    step: {key: os.fspath(folder)}
    for step, key, folder in ((GATE, 'report', compression), ('PruningTrainer', 'model_run', model_run))
    if folder is not None
  }
  # The record of a run that left nothing else. Its status is not shown.
  summary = Summary(status=Status.NOT_BLESSED, reason='', name=title, artifacts=artifacts)
  record = RunRecord(OutputDirectory(pathlib.Path.cwd()), summary, {'dataset': {'currency': unit}}, of_rides=False)
  record = dataclasses.replace(record, variants=read_variants(record))
  notes: list[str] = []
  parts = (
    PagePart('variants', 'Variants', lambda: variants_section(record)),
    PagePart('slices', 'Slices', lambda: _slices_section(record), expected=False),
    PagePart('confusion', 'Classes', lambda: _confusion_section(record, classes), expected=False),
    PagePart('training', 'Training', lambda: training_section(record)),
  )
  made = [(part, content) for part, content in made_parts(parts, notes) if content]
  head = file_headline(record, title)
  return render('artifacts.html', record=record, headline=head, sections=made, own=sections, absent=(), notes=notes)


def write_artifact_page(path: str | os.PathLike[str], title: str, **content: object) -> pathlib.Path:
  """Writes what `artifact_page` makes. Returns the page's path. Raises: OSError: it can't be written."""
  page = pathlib.Path(path)
  write_whole(page, artifact_page(title, **content))  # type: ignore[arg-type]
  return page


def _shown(record: RunRecord) -> JudgedVariant | None:
  """The file that was chosen, else the one that others are compared with."""
  return record.chosen or (record.variants.named(record.variants.baseline) if record.variants else None)


def _slices_section(record: RunRecord) -> SlicesSection | None:
  """The section; `None` where no slice was judged."""
  file, judged = _shown(record), record.judged
  if file is None or not file.slices:
    return None
  whole_split = judged.error(file)
  known = [error for error in map(judged.error, file.slices) if error]
  top = reach(max((error.top for error in known), default=0.0))
  rows = [
    row(
      one.name,
      figure(one.rides, whole),
      picture(dot_bar(error, top, whole_split.value if whole_split else None)),
      judged.cell(one),
      judged.relative_cell(one),
    )
    for one, error in _with_errors(file, judged)
  ]
  line = f'{judged.name}, the line is that of all {judged.example}s'
  headings = (
    *words('slice'),
    f'{judged.example}s',
    Heading(line, judged.heading.unit, numeric=False, scale=ruler(top)),
    judged.heading,
    judged.relative_heading('float32', 'the float32 file'),
  )
  return SlicesSection(f'Shown is the file {file.name}.', table('Slices', headings, rows, sortable=True))


def _with_errors(file: JudgedVariant, judged: Judged) -> Iterator[tuple[SliceError, Estimate]]:
  for one in file.slices:
    if error := judged.error(one):
      yield one, error


def _confusion_section(record: RunRecord, classes: Sequence[str]) -> ConfusionSection | None:
  """The section; `None` where the file tells no classes, or too many."""
  file = _shown(record)
  return ConfusionSection(file.name, confusion(file.confusion, classes)) if file and file.confusion else None
