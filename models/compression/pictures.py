"""A compression as pictures: its course, its weights before and after; and the process that draws them.

Each line of the standard input is the path of a report's JSON; its pictures get beside it. It imports no TensorFlow.
"""

from __future__ import annotations

import io
import itertools
import math
import os
import pathlib
import sys
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, PercentFormatter, StrMethodFormatter

from models.compression.records import ReportedLayer, ReportedStage, TrainingReport

_DPI = 100
_BEFORE, _AFTER = '#b9bfc9', '#1f5fa8'
_TRAIN, _EVAL, _OTHER = '#1f5fa8', '#d9722b', '#3d7d4f'
_GUIDE = '#8a8f98'
_COLUMNS = 4
"""Largest number of layers beside each other."""

TRAINING_PICTURE = 'training.png'
WEIGHTS_PICTURE = 'weights.png'


def draw_report(report: TrainingReport) -> dict[str, bytes]:
  """Draws a training report.

  Args: report: from `models.compression.report`.
  Returns: PNG files by name: the weights, and the training where there was one.
  """
  name = report.recipe.name
  pictures = {WEIGHTS_PICTURE: draw_weights(name, report.layers)}
  if report.stages:
    pictures[TRAINING_PICTURE] = draw_training(name, report.stages)
  return pictures


def draw_training(name: str, stages: Sequence[ReportedStage]) -> bytes:
  """Draws loss, learning rate and sparsity against the step, one stage after the other.

  Args:
    name: of the recipe, for the title.
    stages: of the training report; at least one. Sparsity gets a panel where a stage has a curve of it.
  Returns: A PNG file.
  """
  pruned = any('sparsity' in stage.curves for stage in stages)
  figure = Figure(figsize=(8, 6 if pruned else 4.4), dpi=_DPI)
  FigureCanvasAgg(figure)
  panels = figure.subplots(3 if pruned else 2, 1, sharex=True, height_ratios=(3, 1.6, 1.6)[: 3 if pruned else 2])
  figure.subplots_adjust(left=0.1, right=0.98, top=0.9, bottom=0.1 if pruned else 0.13, hspace=0.12)
  starts = [0, *itertools.accumulate(int(max(stage.steps, default=0)) for stage in stages)]
  for stage, start in zip(stages, starts, strict=False):
    _plot(panels[0], stage, start, 'loss', _TRAIN, 'training')
    _plot(panels[0], stage, start, 'val_loss', _EVAL, 'eval split')
    _plot(panels[1], stage, start, 'learning_rate', _TRAIN)
    if pruned:
      _plot_sparsity(panels[2], stage, start)
  _label_training(panels, pruned)
  _mark_stages(panels, stages, starts)
  figure.suptitle(f'{name}: fine-tuning', x=0.1, ha='left', fontsize=12, fontweight='bold')
  return _png(figure)


def draw_weights(name: str, layers: Sequence[ReportedLayer]) -> bytes:
  """Draws a histogram of each layer's weights before and after, with log counts.

  Args:
    name: of the recipe, for the title.
    layers: of the training report; at least one.
  Returns: A PNG file.
  """
  columns = min(_COLUMNS, math.ceil(len(layers) / math.ceil(len(layers) / _COLUMNS)))
  rows = math.ceil(len(layers) / columns)
  width, height = max(7.2, 2.9 * columns), 0.9 + 2.35 * rows
  figure = Figure(figsize=(width, height), dpi=_DPI)
  FigureCanvasAgg(figure)
  panels = figure.subplots(rows, columns, squeeze=False)
  figure.subplots_adjust(
    left=0.5 / width, right=1 - 0.12 / width, bottom=0.42 / height, top=1 - 0.86 / height, wspace=0.28, hspace=0.55
  )
  for axes, layer in itertools.zip_longest(panels.flat, layers):
    if layer is None:
      axes.set_visible(False)
    else:
      _histogram(axes, layer)
  handles, labels = panels[0, 0].get_legend_handles_labels()
  figure.legend(handles, labels, loc='upper right', ncols=2, frameon=False, fontsize=9, borderaxespad=0.3)
  figure.suptitle(
    f'{name}: number of weights by value', x=0.5 / width, y=1 - 0.1 / height, ha='left', fontsize=12, fontweight='bold'
  )
  return _png(figure)


def _plot(axes: Axes, stage: ReportedStage, start: int, curve: str, color: str, label: str | None = None) -> None:
  values = stage.curves.get(curve)
  if values:
    steps = [start + step for step in stage.steps[: len(values)]]
    # A label once, or the legend would repeat it for each stage.
    known = label in axes.get_legend_handles_labels()[1]
    numbers = [math.nan if value is None else value for value in values]
    axes.plot(steps, numbers, color=color, linewidth=1.6, label=None if known else label)


def _plot_sparsity(axes: Axes, stage: ReportedStage, start: int) -> None:
  for curve in stage.curves:
    if curve.startswith('sparsity/'):
      _plot(axes, stage, start, curve, _BEFORE, 'each layer')
  _plot(axes, stage, start, 'sparsity', _OTHER, 'in total')


def _label_training(panels: Sequence[Axes], pruned: bool) -> None:
  for axes, label in zip(panels, ('loss', 'learning rate', 'sparsity'), strict=False):
    axes.set_ylabel(label)
    axes.grid(alpha=0.25)
    axes.spines[['top', 'right']].set_visible(False)
    axes.yaxis.set_major_locator(MaxNLocator(4))
  panels[1].yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
  if pruned:
    panels[2].set_ylim(0, 1)
    panels[2].yaxis.set_major_formatter(PercentFormatter(1, 0))
  for axes in (panels[0], *panels[2:]):
    axes.legend(frameon=False, fontsize=9)
  panels[-1].set_xlabel('step')
  panels[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True))
  panels[-1].set_xlim(left=0)
  panels[0].figure.align_ylabels()


def _mark_stages(panels: Sequence[Axes], stages: Sequence[ReportedStage], starts: Sequence[int]) -> None:
  for axes in panels:
    for start in starts[1:-1]:
      axes.axvline(start, color=_GUIDE, linewidth=0.9, linestyle=(0, (4, 3)))
  for stage, (start, end) in zip(stages, itertools.pairwise(starts), strict=True):
    middle = (start + end) / 2
    panels[0].text(
      middle, 1.02, stage.technique, transform=panels[0].get_xaxis_transform(), ha='center', fontsize=9, color=_GUIDE
    )


def _histogram(axes: Axes, layer: ReportedLayer) -> None:
  bins = layer.histogram
  axes.stairs(bins.before, bins.edges, fill=True, color=_BEFORE, label='dense base')
  axes.stairs(bins.after, bins.edges, color=_AFTER, linewidth=1.3, label='compressed')
  axes.set_yscale('log')
  axes.set_ylim(0.7, 2 * max(*bins.before, *bins.after, 6))
  axes.yaxis.set_major_locator(LogLocator(10, numticks=5))
  # Powers as mathematical text would take a third of the drawing time.
  axes.yaxis.set_major_formatter(EngFormatter(sep=''))
  axes.minorticks_off()
  axes.xaxis.set_major_locator(MaxNLocator(4))
  axes.tick_params(labelsize=8)
  axes.spines[['top', 'right']].set_visible(False)
  shape = '×'.join(f'{size:,}' for size in layer.shape)
  axes.set_title(
    f'{layer.name}  {shape}\n{100 * layer.sparsity:.1f} % zero, {layer.distinct:,} distinct',
    fontsize=9,
    loc='left',
    # Else matplotlib measures all labels of the panel, to keep clear of them.
    y=1.0,
  )


def _png(figure: Figure) -> bytes:
  picture = io.BytesIO()
  # Compressing harder takes longer than drawing, for a few kilobytes.
  figure.savefig(picture, pil_kwargs={'compress_level': 1})
  return picture.getvalue()


_NICENESS = 5
"""The trainings go first."""


def main() -> None:
  """Draws until the input ends."""
  os.nice(_NICENESS)
  for line in sys.stdin:
    report = pathlib.Path(line.rstrip('\n'))
    for name, picture in draw_report(TrainingReport.read(report)).items():
      report.with_name(name).write_bytes(picture)


if __name__ == '__main__':
  main()
