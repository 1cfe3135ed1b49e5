"""What the model sees, how it was trained, and what each reduction and training recipe made of it."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from configs import loading
from configs.recipe import DENSE
from models.compression.records import RECIPES_FOLDER, TrainingReport, report_file
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
from pipeline.local import terminal
from pipeline.report.charts import Series, draw_curves, settled
from pipeline.report.record import RunRecord
from pipeline.report.tables import (
  MISSING,
  Cell,
  Heading,
  Row,
  Table,
  counted,
  figure,
  figures,
  interval,
  money,
  number,
  percent,
  seconds,
  spelled,
  with_best,
)

_HISTORY = 'history.json'


@dataclasses.dataclass(frozen=True)
class RecipeCourse:
  """The fine-tuning of a recipe: its name, what came of it, and its curves."""

  name: str
  told: str
  pictures: tuple[Markup, ...]


@dataclasses.dataclass(frozen=True)
class TrainingSection:
  """The training.

  Attributes:
    told: the training of the base, in a sentence.
    curves: its pictures.
    recipes: one row each, if there is more than the base.
    courses: their fine-tunings.
    layers: zeros by layer and recipe.
  """

  told: str
  curves: tuple[Markup, ...]
  recipes: Table | None
  courses: tuple[RecipeCourse, ...]
  layers: Table | None


def training_section(record: RunRecord) -> TrainingSection | None:
  """The section, or `None` if nothing was trained."""
  history = record.read_json('PruningTrainer', 'model_run', _HISTORY)
  reports = _reports(record)
  if history is None and not reports:
    return None
  compressed = [report for report in reports if report.recipe.name != DENSE and report.stages]
  return TrainingSection(
    told=_told(history, record.currency) if history else '',
    curves=_base_curves(history, record.currency) if history else (),
    recipes=_recipes(record, reports) if reports else None,
    courses=_courses(compressed),
    layers=_layers(reports) if compressed else None,
  )


def _reports(record: RunRecord) -> list[TrainingReport]:
  """The training report of each recipe, out of the trainer's own folder."""
  recipes = record.config.get('training', {}).get('recipes') or ()
  run = record.artifact('PruningTrainer', 'model_run')
  names = [recipe['name'] for recipe in recipes] or [recipe.name for recipe in record.summary.recipes]
  files = [pathlib.Path(report_file(str(run / RECIPES_FOLDER / name))) for name in names] if run else []
  return [TrainingReport.read(path) for path in files if path.is_file()]


def _told(history: Mapping[str, Any], currency: str) -> str:
  epochs, steps = history['epoch'][-1], history['step'][-1]
  text = f'The dense base was trained for {number(epochs, 0)} epochs ({counted(int(steps), "step")}).'
  if 'val_rmse' not in history:
    return text
  train, held = money(history['rmse'][-1], currency), money(history['val_rmse'][-1], currency)
  return f'{text} At the end its RMSE was {train} on the rides it learned from and {held} on the others.'


def _base_curves(history: Mapping[str, Any], currency: str) -> tuple[Markup, ...]:
  pictures = []
  for metric, label in (('loss', 'loss'), ('rmse', f'RMSE ({currency})' if currency else 'RMSE')):
    lines = [
      Series(name, style, history['epoch'], _finite(history[key]))
      for name, style, key in (('train', 's0', metric), ('eval', 's1', f'val_{metric}'))
      if key in history
    ]
    if lines:
      told = f'{label} of the dense base by epoch, ending at {number(lines[-1].y[-1])} on the {lines[-1].name} split.'
      pictures.append(draw_curves(lines, 'epoch', label, told))
  return tuple(pictures)


def _recipes(record: RunRecord, reports: Sequence[TrainingReport]) -> Table:
  served = record.config.get('training', {}).get('serve')
  headings = (
    Heading('recipe', numeric=False),
    Heading('RMSE', record.currency, meaning='On the eval split, before any conversion.'),
    Heading('to dense', meaning='Ratio of the RMSE to that of the dense base, ride by ride.'),
    Heading('weights', meaning='In kernels and embedding tables.'),
    Heading('zeros', meaning='Share of all weights.'),
    Heading('zeros of pruned layers', meaning='Share of the weights in the layers that the recipe prunes.'),
    Heading('distinct values', meaning='The most in one kernel that the recipe limits.'),
    Heading('fine-tuning'),
  )
  rows = [_recipe(report, served) for report in reports]
  return Table('Training recipes', headings, with_best(rows, smallest=(1, 2), largest=(4,)), sortable=True)


def _recipe(report: TrainingReport, served: str | None) -> Row:
  recipe, totals = report.recipe, report.totals
  note = recipe.summary + (' Judged by the evaluator.' if recipe.name == served else '')
  cells = (
    Cell(recipe.name, note=note),
    figures(report.metrics.rmse),
    figures(report.metrics.rmse_ratio, 3),
    figure(totals.parameters, f'{totals.parameters:,}'),
    figure(totals.sparsity, percent(totals.sparsity)),
    figure(totals.pruned_sparsity, percent(totals.pruned_sparsity)),
    figure(totals.distinct_weights, f'{totals.distinct_weights:,}'),
    figure(report.seconds, seconds(report.seconds)),
  )
  return Row(cells)


def _courses(reports: Sequence[TrainingReport]) -> tuple[RecipeCourse, ...]:
  """The recipes' courses, all on one scale of the loss, so that they can be compared."""
  losses = {report.recipe.name: _joined(report, 'loss') for report in reports}
  if not losses:
    return ()
  reach = settled([loss for loss in losses.values() if loss.x] or [Series('', '', [0], [0])])
  return tuple(_course(report, losses[report.recipe.name], reach) for report in reports)


def _course(report: TrainingReport, loss: Series, reach: tuple[float, float]) -> RecipeCourse:
  name, stages = report.recipe.name, _starts(report)
  marks = stages if len(stages) > 1 else []
  pictures = []
  if loss.x:
    pictures.append(
      draw_curves([loss], 'step', 'loss', f'Loss of {name} by step.', y_range=reach, marks=marks, height=170)
    )
  zeros = _joined(report, 'sparsity')
  if any(map(math.isfinite, zeros.y)):
    told = f'Share of zero weights of {name} by step, ending at {percent(_last(zeros.y))}.'
    pictures.append(
      draw_curves(
        [zeros], 'step', 'zero weights', told, (0.0, 1.0), lambda value: f'{100 * value:.0f} %', marks, height=150
      )
    )
  rmse = interval(report.metrics.rmse_ratio, 3)
  return RecipeCourse(
    name, f'{", then ".join(technique for _, technique in stages)}; RMSE {rmse} times the dense base.', tuple(pictures)
  )


def _starts(report: TrainingReport) -> list[tuple[float, str]]:
  """Where each stage begins, counted over all of them."""
  lengths = [max(stage.steps, default=0) for stage in report.stages]
  starts = [0, *itertools.accumulate(lengths)]
  return [(float(start), spelled(stage.technique)) for start, stage in zip(starts, report.stages, strict=False)]


def _joined(report: TrainingReport, curve: str) -> Series:
  """A curve over all stages, one behind the other; unknown where a stage has none."""
  x: list[float] = []
  y: list[float] = []
  for (start, _), stage in zip(_starts(report), report.stages, strict=True):
    x += [start + step for step in stage.steps]
    y += _finite(stage.curves.get(curve) or [None] * len(stage.steps))
  return Series(curve, 's0' if curve == 'loss' else 's2', x, y)


def _finite(values: Sequence[float | None]) -> list[float]:
  return [math.nan if value is None else value for value in values]


def _last(values: Sequence[float]) -> float:
  return [value for value in values if math.isfinite(value)][-1]


def _layers(reports: Sequence[TrainingReport]) -> Table:
  """Zeros by layer, a column for each recipe."""
  by_recipe = {report.recipe.name: {layer.name: layer.sparsity for layer in report.layers} for report in reports}
  headings = [Heading('layer', numeric=False), Heading('weights'), *(Heading(name) for name in by_recipe)]
  rows = []
  for layer in reports[0].layers:
    shares = [found.get(layer.name) for found in by_recipe.values()]
    cells = [
      Cell(layer.name, note=' × '.join(map(str, layer.shape))),
      figure(layer.parameters, f'{layer.parameters:,}'),
    ]
    cells += [
      figure(share, percent(share)) if share else Cell('0' if share == 0 else MISSING, share, style='none')
      for share in shares
    ]
    rows.append(Row(tuple(cells)))
  return Table('Share of zero weights by layer and recipe', tuple(headings), tuple(rows))


@dataclasses.dataclass(frozen=True)
class FeaturesSection:
  """The features: a sentence, the numeric ones, and those that are embedded."""

  told: str
  numeric: Table
  categorical: Table | None


def features_section(record: RunRecord) -> FeaturesSection | None:
  """The section, or `None` where the config is lost.

  Raises:
    ConfigError: the config is that of another version of this project.
  """
  if not record.config:
    return None
  config = loading.validate(record.config)
  terminal.prepare()
  # Brings TensorFlow along, which nothing else of the page needs.
  from transforms.catalogue import catalogue, categoricals

  numeric = [
    Row((Cell(feature.name), Cell(feature.meaning), Cell(feature.unit), Cell(feature.block)))
    for feature in catalogue(config.dataset, config.features)
  ]
  embedded = [
    Row(
      (
        Cell(found.name),
        Cell(found.meaning),
        figure(found.size, f'{found.size:,}'),
        figure(found.embedding_width, str(found.embedding_width)),
      )
    )
    for found in categoricals(config.dataset, config.features)
  ]
  told = (
    f'The model sees {counted(len(numeric), "number")}, standardized, and {len(embedded) or "no"} embedded categories.'
  )
  if config.reduction.is_on:
    told = f'There are {counted(len(numeric), "number")} and {len(embedded) or "no"} categories before the reduction.'
  return FeaturesSection(
    told=f'{told} All of it is computed from the raw ride inside the served file.',
    numeric=Table('Numeric features, in the order of the vector', _NUMERIC, tuple(numeric)),
    categorical=Table('Categories, one embedding each', _CATEGORICAL, tuple(embedded)) if embedded else None,
  )


_NUMERIC = tuple(Heading(name, numeric=False) for name in ('feature', 'meaning', 'unit', 'block'))
_CATEGORICAL = (
  *(Heading(name, numeric=False) for name in ('category', 'meaning')),
  Heading('values'),
  Heading('width of embedding'),
)


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
  return ReductionSection(_reduction_text(details), tuple(pictures), summary, table)


def _reduction_text(details: ReductionDetails) -> tuple[str, ...]:
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
