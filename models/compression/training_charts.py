"""Trainings as charts: the curves of the base, a recipe's course, its weights before and after. Needs no TensorFlow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from models.charts import (
  WIDTH,
  Frame,
  Series,
  draw_curves,
  grid,
  horizontal,
  number,
  percent,
  picture,
  polyline,
  standalone,
  vertical,
)
from models.compression.records import ReportedLayer, TrainingReport

CURVES_PICTURE = 'loss_curve.svg'
TRAINING_PICTURE = 'training.svg'
WEIGHTS_PICTURE = 'weights.svg'

SMOOTHED = 5
"""Points whose mean is drawn of a curve over batches."""

_LOSS, _LOW, _WEIGHTS = 170.0, 150.0, 150.0
"""Heights of the charts."""

_FEWEST = 0.7
"""Where the axis of counts begins: one weight has to be seen."""


def draw_base(curves: Mapping[str, Sequence[float | None]], unit: str) -> tuple[Markup, ...]:
  """Draws the loss, and RMSE or accuracy, against the epoch, each of both splits.

  Args:
    curves: of `history.json`, by name; one that is missing is left out. Of a training split that was not measured the
      batches are drawn, see `losses`.
    unit: of the RMSE.
  """
  charts = []
  figures = {'loss': 'loss', 'rmse': f'RMSE ({unit})' if unit else 'RMSE', 'accuracy': 'accuracy'}
  for metric, label in figures.items():
    epochs = _known(curves['epoch'])
    if f'train_{metric}' in curves:
      lines = [Series('train', 's0', epochs, _known(curves[f'train_{metric}']))]
    else:
      lines = [*_batches(epochs, [_known(curves[metric])], 'train')] if metric in curves else []
    if f'val_{metric}' in curves:
      lines.append(Series('eval', 's1', epochs, _known(curves[f'val_{metric}'])))
    if lines:
      text = f'{label} of the dense base by epoch, ending at {number(lines[-1].y[-1])} on the {lines[-1].name} split.'
      charts.append(draw_curves(lines, 'epoch', label, text))
  return tuple(charts)


def draw_report(report: TrainingReport) -> dict[str, str]:
  """SVG files of a training report by name: the weights, and the training where there was one."""
  name = report.recipe.name
  title = f'{name}: number of weights by value; filled: dense base, line: this model'
  files = {WEIGHTS_PICTURE: standalone(grid(draw_weights(report), 2, title))}
  history = draw_history(report)
  if history:
    files[TRAINING_PICTURE] = standalone(grid(history, 1, f'{name}: training; faint: batches, line: their mean'))
  return files


def draw_history(report: TrainingReport, reach: tuple[float, float] | None = None) -> tuple[Markup, ...]:
  """Draws loss, learning rate and share of zeros against the step, one stage after the other.

  Args: reach: of the axis of the loss; fits its settled part when `None`.
  Returns: Charts below each other; what no stage has a curve of is left out.
  """
  name, stages = report.recipe.name, stage_starts(report)
  marks = stages if len(stages) > 1 else []
  charts = []
  loss = losses(report)
  if loss:
    charts.append(draw_curves(loss, 'step', 'loss', f'Loss of {name} by step.', reach, marks=marks, height=_LOSS))
  rate = _joined(report, 'learning_rate', 's0')
  if _is_known(rate):
    text = f'Learning rate of {name} by step.'
    charts.append(draw_curves([rate], 'step', 'learning rate', text, y_format='{:g}'.format, marks=marks, height=_LOW))
  zeros = _joined(report, 'sparsity', 's2', 'in total')
  if _is_known(zeros):
    layers = dict.fromkeys(key for stage in report.stages for key in stage.curves if key.startswith('sparsity/'))
    # Named once, however many they are.
    names = itertools.chain(['each layer'], itertools.repeat(''))
    own = [_joined(report, layer, 's7', label) for layer, label in zip(layers, names, strict=False)]
    last = [value for value in zeros.y if math.isfinite(value)][-1]
    text = f'Share of zero weights of {name} by step, ending at {percent(last)}.'
    charts.append(draw_curves([*own, zeros], 'step', 'zero weights', text, (0.0, 1.0), _share, marks, height=_LOW))
  return tuple(charts)


def losses(report: TrainingReport) -> list[Series]:
  """The loss by step: of the training's batches since the point before, faint, as they jump with the few examples that
  an epoch leaves out; their mean over `SMOOTHED` points; and, where it was looked at, of the eval split.
  """
  steps = _joined(report, 'loss', 's0').x
  stages = [_known(stage.curves.get('loss') or [None] * len(stage.steps)) for stage in report.stages]
  lines = [*_batches(steps, stages, 'training'), _joined(report, 'val_loss', 's1', 'eval split')]
  return [line for line in lines if _is_known(line)]


def _batches(x: Sequence[float], stages: Sequence[Sequence[float]], name: str) -> Iterator[Series]:
  """A curve over batches, stage after stage, faint; and its running mean within each stage."""
  yield Series('', 's0 faint', x, [*itertools.chain(*stages)])
  yield Series(name, 's0', x, [*itertools.chain(*map(_running_mean, stages))])


def _running_mean(values: Sequence[float]) -> list[float]:
  """The mean of each known value and its known neighbours, `SMOOTHED` in all, fewer at the ends."""
  half = SMOOTHED // 2
  windows = ([*filter(math.isfinite, values[max(0, at - half) : at + half + 1])] for at in range(len(values)))
  known = zip(values, windows, strict=True)
  return [sum(window) / len(window) if math.isfinite(value) else math.nan for value, window in known]


def stage_starts(report: TrainingReport) -> list[tuple[float, str]]:
  """Where each stage begins, counted over all of them, and what it was for."""
  starts = itertools.accumulate((max(stage.steps, default=0) for stage in report.stages), initial=0)
  names = [stage.technique.replace('_', ' ') for stage in report.stages]
  return [(float(start), name) for start, name in zip(starts, names, strict=False)]


def draw_weights(report: TrainingReport) -> tuple[Markup, ...]:
  """Draws a histogram of each layer's weights in the dense base and in the model; equal ratios of counts look equal."""
  return tuple(_histogram(layer) for layer in report.layers)


def _histogram(layer: ReportedLayer) -> Markup:
  bins = layer.histogram
  shape = '×'.join(f'{size:,}' for size in layer.shape)
  text = f'{layer.name} {shape}: {percent(layer.sparsity)} zero, {layer.distinct:,} distinct'
  frame = Frame(
    x=horizontal(bins.edges[0], bins.edges[-1]),
    y=vertical(_FEWEST, 2.0 * max(*bins.before, *bins.after, 6), _WEIGHTS, logarithmic=True),
    x_label='weight',
    y_label=text,
    x_format='{:g}'.format,
    y_format='{:,.0f}'.format,
  )
  before, after = (
    [
      (frame.x(edge), frame.y(count))
      for sides, count in zip(itertools.pairwise(bins.edges), counts, strict=True)
      for edge in sides
    ]
    for counts in (bins.before, bins.after)
  )
  # Down to the axis at both ends.
  filled = [(frame.x.start, frame.y.start), *before, (frame.x.end, frame.y.start)]
  return picture(WIDTH, _WEIGHTS, text, frame.drawn(), polyline(filled, 'half'), polyline(after, 'curve s0'))


def _joined(report: TrainingReport, curve: str, style: str, name: str = '') -> Series:
  """A curve over all stages, one behind the other; unknown where a stage has none."""
  x: list[float] = []
  y: list[float] = []
  for (start, _), stage in zip(stage_starts(report), report.stages, strict=True):
    x += [start + step for step in stage.steps]
    y += _known(stage.curves.get(curve) or [None] * len(stage.steps))
  return Series(name, style, x, y)


def _is_known(series: Series) -> bool:
  return any(map(math.isfinite, series.y))


def _known(values: Sequence[float | None]) -> list[float]:
  return [math.nan if value is None else value for value in values]


def _share(value: float) -> str:
  return f'{100 * value:.0f} %'
