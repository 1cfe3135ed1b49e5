"""What the model sees, how it was trained, and what each reduction and training recipe made of it."""

from __future__ import annotations

import dataclasses
import functools
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from configs import loading
from configs.base import joined
from configs.recipe import DENSE
from configs.records import Estimate
from configs.task import MetricName
from models.charts import settled
from models.compression.records import RECIPES_FOLDER, TrainingReport, report_file
from models.compression.training_charts import SMOOTHED, draw_base, draw_history, draw_weights, losses, stage_starts
from models.reduction.plots import draw, titles
from models.reduction.records import ARRAYS_FILE, DETAILS_FILE, ReductionDetails
from pipeline.report.judged import Judged, judged_in
from pipeline.report.record import RunRecord
from pipeline.report.tables import (
  Cell,
  Heading,
  Table,
  counted,
  figure,
  number,
  percent,
  row,
  seconds,
  table,
  whole,
  with_best,
  words,
)


class RecipeHistory(NamedTuple):
  """The fine-tuning of a recipe: its name, what came of it, its curves, and its weights by layer."""

  name: str
  sentence: str
  pictures: tuple[Markup, ...]
  weights: tuple[Markup, ...]


_OF_BATCHES = (
  f'mean over the batches since the point before, which leave out the last, partial batch of an epoch; '
  f'the line is its mean over {SMOOTHED} points'
)


class TrainingSection(NamedTuple):
  """The training of the base, in a sentence and curves, and what these are of; recipes, their fine-tunings, their zeros
  by layer; what the curves of recipes are of.
  """

  sentence: str
  curves: tuple[Markup, ...]
  curves_of: str
  recipes: Table | None
  histories: tuple[RecipeHistory, ...]
  layers: Table | None
  of_batches: str = _OF_BATCHES


def training_section(record: RunRecord) -> TrainingSection | None:
  """The section, or `None` if nothing was trained."""
  history = record.read_json('PruningTrainer', 'model_run', 'history.json')
  reports = _reports(record)
  if history is None and not reports:
    return None
  compressed = [report for report in reports if report.recipe.name != DENSE and report.stages]
  return TrainingSection(
    sentence=' '.join([*([_base_sentence(history, record)] if history else []), *_samples(reports)]),
    curves=draw_base(history, record.currency) if history else (),
    curves_of=_curves_of(history, record.judged.example) if history else '',
    recipes=_recipes(record, reports) if reports else None,
    histories=_histories(compressed, record.judged),
    layers=_layers(reports) if compressed else None,
  )


def _reports(record: RunRecord) -> list[TrainingReport]:
  """The training report of each recipe, out of the trainer's own folder."""
  recipes = record.config.get('training', {}).get('recipes') or ()
  run = record.artifact('PruningTrainer', 'model_run')
  names = [recipe['name'] for recipe in recipes] or [recipe.name for recipe in record.summary.recipes]
  if run and not names and (run / RECIPES_FOLDER).is_dir():
    names = sorted((path.name for path in (run / RECIPES_FOLDER).iterdir()), key=lambda name: (name != DENSE, name))
  files = [pathlib.Path(report_file(str(run / RECIPES_FOLDER / name))) for name in names] if run else []
  return [TrainingReport.read(path) for path in files if path.is_file()]


def _samples(reports: Sequence[TrainingReport]) -> list[str]:
  """Of which rides a sample was taken: the same for all recipes."""
  return [note for report in reports[:1] for note in (report.trained_on, report.measured_on) if note]


def _base_sentence(history: Mapping[str, Any], record: RunRecord) -> str:
  epochs, steps, usual = history['epoch'][-1], history['step'][-1], record.judged
  text = f'The dense base was trained for {counted(round(epochs), "epoch")} ({counted(int(steps), "step")}).'
  training = record.config.get('training', {})
  if (training.get('epochs') or 0) > epochs and (training.get('max_steps') or math.inf) <= steps * 2:
    text = f'{text[:-1]}; {counted(training["epochs"], "epoch")} would take more than training.max_steps.'
  metric = next((metric for metric in MetricName if f'val_{metric.value}' in history), None)
  if metric is None:
    return text
  judged = Judged.by(metric, usual.unit, record.of_rides)
  learned_from = history.get(f'train_{judged.metric.key}') or history[judged.metric.key]
  train, held = (judged.written(Estimate(curve[-1])) for curve in (learned_from, history[f'val_{judged.metric.key}']))
  what = f'{usual.example}s it learned from and {held} on the others'
  return f'{text} At the end its {judged.name} was {train} on the {what}.'


def _curves_of(history: Mapping[str, Any], example: str) -> str:
  """What the curves of the base show."""
  if any(name.startswith('train_') for name in history):
    return (
      f'Both lines are measured at each point, on the model as it stands there: on the {example}s that it learns from '
      '(of very many an even sample, the same at each point), and on the others.'
    )
  return f'Train, faint: {_OF_BATCHES}.'


def _recipes(record: RunRecord, reports: Sequence[TrainingReport]) -> Table:
  served, evaluated = record.config.get('training', {}).get('serve'), ' Judged by the evaluator.'
  judged = judged_in(reports[0].metrics, record.judged)
  before = 'On the eval split, before any conversion.'
  headings = (
    *words('recipe'),
    dataclasses.replace(judged.heading, meaning=before),
    judged.relative_heading('dense', 'the dense base'),
    *(dataclasses.replace(other.heading, meaning=before) for other in judged.others),
    Heading('weights', meaning='In kernels and embedding tables.'),
    Heading('zeros', meaning='Share of all weights.'),
    Heading('zeros of pruned layers', meaning='Share of the weights in the layers that the recipe prunes.'),
    Heading('distinct values', meaning='The most in one kernel that the recipe limits.'),
    'fine-tuning',
  )
  rows = [
    row(
      Cell(report.recipe.name, note=report.recipe.summary + (evaluated if report.recipe.name == served else '')),
      judged.cell(report.metrics),
      judged.relative_cell(report.metrics),
      *(other.cell(report.metrics) for other in judged.others),
      figure(report.totals.parameters, whole),
      figure(report.totals.sparsity, percent),
      figure(report.totals.pruned_sparsity, percent),
      figure(report.totals.distinct_weights, whole),
      figure(report.seconds, seconds),
    )
    for report in reports
  ]
  best, zeros = ((), (1,)) if judged.metric.larger_is_better else ((1,), ()), 4 + len(judged.others)
  return table('Training recipes', headings, with_best(rows, (*best[0], 2), (*best[1], zeros)), sortable=True)


_DENSE_BASE = 'the dense base'


def _histories(reports: Sequence[TrainingReport], usual: Judged) -> tuple[RecipeHistory, ...]:
  """The recipes' courses, all on one scale of the loss, so that they can be compared."""
  lines = [line for report in reports for line in losses(report)]
  reach = settled(lines) if lines else None
  histories = []
  for report in reports:
    stages = ', then '.join(technique for _, technique in stage_starts(report))
    judged = judged_in(report.metrics, usual)
    relative = judged.relative(report.metrics)
    sentence = f'{stages}{f"; {judged.short(relative, _DENSE_BASE)}" if relative else ""}.'
    histories.append(RecipeHistory(report.recipe.name, sentence, draw_history(report, reach), draw_weights(report)))
  return tuple(histories)


def _layers(reports: Sequence[TrainingReport]) -> Table:
  """Zeros by layer, a column for each recipe."""
  by_recipe = {report.recipe.name: {layer.name: layer.sparsity for layer in report.layers} for report in reports}
  rows = []
  for layer in reports[0].layers:
    shares = [found.get(layer.name) for found in by_recipe.values()]
    cells = (Cell('0', 0, style='none') if share == 0 else figure(share, percent) for share in shares)
    name = Cell(layer.name, note=' × '.join(map(str, layer.shape)))
    rows.append(row(name, figure(layer.parameters, whole), *cells))
  return table('Share of zero weights by layer and recipe', (*words('layer'), 'weights', *by_recipe), rows)


class FeaturesSection(NamedTuple):
  """The features: a sentence, how many they are, the numeric ones, and those that are embedded."""

  sentence: str
  counts: str
  numeric: Table
  categorical: Table | None


def features_section(record: RunRecord) -> FeaturesSection | None:
  """The section, or `None` where the config is lost.

  Raises `ConfigError` where the config is that of another version of this project.
  """
  if not record.config:
    return None
  config = loading.validate(record.config, kept=True)
  from transforms.catalogue import categoricals
  from transforms.engineering import catalogue

  features = config.dataset, config.features
  numeric = [row(found.name, found.meaning, found.unit, found.block) for found in catalogue(*features)]
  embedded = [
    row(found.name, found.meaning, figure(found.size, whole), figure(found.embedding_width, str))
    for found in categoricals(*features)
  ]
  numbers = counted(len(numeric), 'number')
  seen = counted(len(embedded), 'embedded category', 'embedded categories') if embedded else 'no embedded categories'
  sentence = f'The model sees {numbers}, standardized, and {seen}.'
  if config.reduction.is_on:
    sentence = f'Before the reduction: {numbers} and {seen}.'
  headings = (*words('category', 'meaning'), 'values', 'width of embedding')
  return FeaturesSection(
    f'{sentence} All of it is computed from the raw ride inside the served file.',
    joined(filter(None, (numbers, counted(len(embedded), 'category', 'categories') if embedded else ''))),
    table('Numeric features, in the order of the vector', words('feature', 'meaning', 'unit', 'block'), numeric),
    table('Categories, one embedding each', headings, embedded) if embedded else None,
  )


class ReductionSection(NamedTuple):
  """Sentences, pictures with their titles, and a table of features or of components."""

  sentences: tuple[str, ...]
  pictures: tuple[tuple[str, Markup], ...]
  summary: str
  table: Table


def reduction_section(record: RunRecord) -> ReductionSection | None:
  """The section, or `None` where no reduction ran."""
  folder = record.artifact('DimensionalityReduction', 'report')
  if folder is None:
    return None
  details = ReductionDetails.read(folder / DETAILS_FILE)
  with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
    drawn = draw(details, arrays, record.currency)
    loadings = arrays['loadings']
  if details.decisions:
    summary, table = f'All {len(details.decisions)} features, and why', _decisions(details)
  else:
    summary, table = f'All {counted(details.inputs, "component")}', _components(details, loadings)
  pictures = tuple((title, drawn[name]) for name, title in titles().items() if name in drawn)
  return ReductionSection(_reduction_text(details), pictures, summary, table)


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


def _decisions(details: ReductionDetails) -> Table:
  score = functools.partial(number, digits=4)
  rows = [
    row(one.name, 'kept' if one.kept else 'dropped', figure(one.score, score), one.reason) for one in details.decisions
  ]
  return table('Features, kept and dropped', (*words('feature', 'kept'), 'score', *words('why')), rows, sortable=True)


def _components(details: ReductionDetails, loadings: np.ndarray) -> Table:
  rows = []
  for name, column in zip(details.outputs, loadings.T, strict=True):
    strongest = np.argsort(-np.abs(column), kind='stable')[:4]
    rows.append(row(name, ', '.join(f'{details.names[i]} {column[i]:+.2f}' for i in strongest)))
  return table(
    'Components, by correlation with the features', words('component', 'features that it follows most'), rows
  )
