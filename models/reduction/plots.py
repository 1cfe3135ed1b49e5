"""A reduction as pictures."""

from __future__ import annotations

import io
import os

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from tensorflow.io import gfile

from models.reduction.fitted import Fitted
from models.reduction.records import LOADINGS, POINTS, RECONSTRUCTION, SCORES, SCREE

_DPI = 100
_KEPT, _DROPPED, _GUIDE = '#1f5fa8', '#b9bfc9', '#d9722b'
_MOST_BARS = 60
_NAMED_CELLS = 40
"""Largest number of components whose names still fit below a heat map."""


def draw(fitted: Fitted, directory: str, currency: str) -> list[str]:
  """Writes what there is to see of a reduction, PNG files, and gives their names.

  Args:
    fitted: a reduction.
    directory: made if need be; a bucket is fine.
    currency: of the fares, for labels.
  """
  if fitted.is_selection:
    pictures = {SCORES: _scores(fitted), RECONSTRUCTION: _reconstruction(fitted)}
  else:
    pictures = {
      SCREE: _explained(fitted),
      LOADINGS: _loadings(fitted),
      RECONSTRUCTION: _reconstruction(fitted),
      POINTS: _points(fitted, currency),
    }
  gfile.makedirs(directory)
  for name, figure in pictures.items():
    content = io.BytesIO()
    figure.savefig(content, dpi=_DPI)
    with gfile.GFile(os.path.join(directory, name), 'wb') as file:
      file.write(content.getvalue())
  return list(pictures)


def _figure(width: float, height: float, title: str) -> tuple[Figure, Axes]:
  figure = Figure(figsize=(width, height), layout='constrained')
  FigureCanvasAgg(figure)
  axes = figure.subplots()
  axes.set_title(title, loc='left', fontsize=11, fontweight='bold')
  axes.spines[['top', 'right']].set_visible(False)
  return figure, axes


def _explained(fitted: Fitted) -> Figure:
  """Share of the variance by component, its cumulative curve, and the cut."""
  shares = fitted.findings.explained[:_MOST_BARS]
  count, method = len(fitted.outputs), fitted.reduction.method.value
  figure, axes = _figure(8, 3.8, f'{method}: variance by component')
  numbers = np.arange(1, len(shares) + 1)
  axes.bar(numbers, shares, color=[_KEPT if number <= count else _DROPPED for number in numbers])
  axes.plot(numbers, np.cumsum(shares), color=_GUIDE, marker='.', label='cumulative')
  axes.axvline(count + 0.5, color=_GUIDE, linestyle='--', linewidth=1)
  kept = float(np.sum(shares[:count]))
  axes.annotate(
    f'{count} components, {kept:.1%}', (count + 0.5, 0.6 * kept), (8, 0), textcoords='offset points', va='center'
  )
  axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
  axes.xaxis.set_major_locator(MaxNLocator(integer=True))
  axes.set(xlabel='component', ylabel='share of the variance', ylim=(0, 1.05))
  axes.legend(frameon=False, loc='lower right', bbox_to_anchor=(1, 0.15))
  return figure


def _loadings(fitted: Fitted) -> Figure:
  """Correlation of every feature with every component."""
  loadings = fitted.findings.loadings
  rows, columns = loadings.shape
  figure, axes = _figure(
    min(14, 3.4 + 0.27 * columns), 1.4 + 0.17 * rows, f'{fitted.reduction.method.value}: loadings (correlations)'
  )
  shown = axes.imshow(loadings, cmap='RdBu_r', vmin=-1, vmax=1, aspect='auto')
  axes.set_yticks(range(rows), fitted.names, fontsize=7)
  if columns <= _NAMED_CELLS:
    axes.set_xticks(range(columns), [str(number) for number in range(columns)], fontsize=7)
  axes.set_xlabel('component')
  axes.spines[:].set_visible(False)
  figure.colorbar(shown, ax=axes, shrink=0.6)
  return figure


def _reconstruction(fitted: Fitted) -> Figure:
  """By feature, what a linear reconstruction from the model's inputs misses."""
  missed = fitted.findings.unexplained
  order = np.argsort(missed, kind='stable')
  figure, axes = _figure(8, 1.4 + 0.17 * len(order), f'Missed of each feature; {fitted.findings.lost:.2%} of all')
  axes.barh(range(len(order)), missed[order], color=_KEPT)
  axes.set_yticks(range(len(order)), [fitted.names[index] for index in order], fontsize=7)
  axes.set(xlabel='share of its variance that a linear reconstruction misses', ylim=(-0.7, len(order) - 0.3))
  axes.xaxis.set_major_formatter(PercentFormatter(1))
  return figure


def _points(fitted: Fitted, currency: str) -> Figure:
  """The first two components of a sample, coloured by fare."""
  points, fares = fitted.findings.points, fitted.findings.fares
  method = fitted.reduction.method.value
  figure, axes = _figure(7, 5, f'{method}: first components of {len(fares):,} rides')
  # The cheap ones first, so that the few dear ones are seen; a colour scale that outliers don't stretch.
  order = np.argsort(fares)
  second = points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
  shown = axes.scatter(
    points[order, 0],
    second[order],
    c=fares[order],
    s=7,
    cmap='viridis',
    vmin=float(fares.min()),
    vmax=float(np.quantile(fares, 0.98)),
  )
  axes.set(xlabel=f'{method}_0', ylabel=f'{method}_1' if points.shape[1] > 1 else '')
  figure.colorbar(shown, ax=axes, label=f'fare ({currency})' if currency else 'fare', extend='max')
  return figure


def _scores(fitted: Fitted) -> Figure:
  """What a selection thinks of each feature."""
  decisions = sorted(fitted.findings.decisions, key=lambda found: np.nan_to_num(found.score, nan=-np.inf))
  scores = np.array([decision.score for decision in decisions])
  finite = scores[np.isfinite(scores)]
  bottom = min(0.0, float(finite.min())) if len(finite) else 0.0
  kept = sum(decision.kept for decision in decisions)
  method = fitted.reduction.method.value
  figure, axes = _figure(8, 1.4 + 0.17 * len(decisions), f'{method}: {kept} of {len(decisions)} features kept')
  axes.barh(
    range(len(decisions)),
    np.nan_to_num(scores, nan=bottom) - bottom,
    left=bottom,
    color=[_KEPT if decision.kept else _DROPPED for decision in decisions],
  )
  axes.set_yticks(range(len(decisions)), [decision.name for decision in decisions], fontsize=7)
  axes.set(xlabel='score; grey: dropped', ylim=(-0.7, len(decisions) - 0.3))
  return figure
