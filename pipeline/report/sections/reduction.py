"""What the reduction made of the features: pictures, and why each feature was kept or dropped."""

from __future__ import annotations

import base64
import dataclasses
import pathlib

import numpy as np

from models.reduction.records import (
  ARRAYS_FILE,
  DETAILS_FILE,
  LOADINGS,
  POINTS,
  RECONSTRUCTION,
  SCORES,
  SCREE,
  ReductionDetails,
)
from pipeline.report.record import RunRecord
from pipeline.report.tables import Cell, Heading, Row, Table, figure
from pipeline.report.wording import counted, number, percent

_STRONGEST = 4
"""Features told of each component."""


@dataclasses.dataclass(frozen=True)
class ReductionPicture:
  """A PNG inside the page."""

  title: str
  told: str
  source: str


@dataclasses.dataclass(frozen=True)
class ReductionSection:
  """Sentences, pictures, and a table of features or of components."""

  told: tuple[str, ...]
  pictures: tuple[ReductionPicture, ...]
  summary: str
  table: Table


def reduction_section(record: RunRecord) -> ReductionSection | None:
  """The section, or `None` where no reduction ran."""
  folder = record.artifact('DimensionalityReduction', 'report')
  if folder is None:
    return None
  details = ReductionDetails.read(folder / DETAILS_FILE)
  titles = {
    SCREE: 'Variance by component, and the cut',
    LOADINGS: 'Correlation of each feature with each component',
    SCORES: 'What the selection thinks of each feature',
    POINTS: 'The first two components, coloured by fare',
    RECONSTRUCTION: 'What the inputs that are left miss of each feature',
  }
  pictures = [_picture(folder / name, title) for name, title in titles.items() if (folder / name).is_file()]
  if details.decisions:
    summary, table = f'All {len(details.decisions)} features, and why', _decisions(details)
  else:
    with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
      summary, table = f'All {counted(details.inputs, "component")}', _components(details, arrays['loadings'])
  return ReductionSection(_told(details), tuple(pictures), summary, table)


def _told(details: ReductionDetails) -> tuple[str, ...]:
  findings = details.findings
  first = (
    f'{details.method} made {counted(details.inputs, "input")} of {counted(details.features, "feature")}, '
    f'fitted on {findings.fitted_on:,} training rides. A linear reconstruction of all features from what is left '
    f'misses {percent(findings.lost)} of their variance.'
  )
  if 'solver_rms' in findings.figures:
    first += (
      f' The solution in graph, of {details.reduction.iterations} steps, misses the exact one by '
      f'{number(findings.figures["solver_rms"], 4)} standard deviations (root mean square).'
    )
  return (first, *findings.notes)


def _picture(path: pathlib.Path, title: str) -> ReductionPicture:
  content = base64.b64encode(path.read_bytes()).decode()
  return ReductionPicture(title, title, f'data:image/png;base64,{content}')


def _decisions(details: ReductionDetails) -> Table:
  headings = (
    Heading('feature', numeric=False),
    Heading('kept', numeric=False),
    Heading('score'),
    Heading('why', numeric=False),
  )
  rows = [
    Row(
      (
        Cell(found.name),
        Cell('kept' if found.kept else 'dropped'),
        figure(found.score, number(found.score, 4)),
        Cell(found.reason),
      )
    )
    for found in details.decisions
  ]
  return Table('Features, kept and dropped', headings, tuple(rows), sortable=True)


def _components(details: ReductionDetails, loadings: np.ndarray) -> Table:
  headings = (Heading('component', numeric=False), Heading('features that it follows most', numeric=False))
  rows = []
  for name, column in zip(details.outputs, loadings.T, strict=True):
    strongest = np.argsort(-np.abs(column), kind='stable')[:_STRONGEST]
    rows.append(Row((Cell(name), Cell(', '.join(f'{details.names[row]} {column[row]:+.2f}' for row in strongest)))))
  return Table('Components, by correlation with the features', headings, tuple(rows))
