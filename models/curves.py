"""The course of a training as data and as a picture."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tensorflow.io import gfile


def write_curves(history: Mapping[str, Sequence[float]], directory: str, currency: str) -> None:
  """Writes `history.json` and `loss_curve.png` into `directory`.

  Args:
    history: `loss`, `rmse` and, where there was validation, `val_loss` and
      `val_rmse`; one value per epoch.
    directory: where to write; made if need be, a bucket is fine.
    currency: of the RMSE axis.
  """
  gfile.makedirs(directory)
  with gfile.GFile(os.path.join(directory, 'history.json'), 'w') as file:
    file.write(json.dumps(history, indent=2))
  figure = Figure(figsize=(9, 3.6), layout='constrained')
  FigureCanvasAgg(figure)
  for axes, metric, unit in zip(figure.subplots(1, 2), ('loss', 'rmse'), ('', f' ({currency})'), strict=True):
    for name, label in ((metric, 'train'), (f'val_{metric}', 'eval')):
      if name in history:
        axes.plot(range(1, len(history[name]) + 1), history[name], label=label)
    axes.set(
      xlabel='epoch', ylabel=f'{metric.upper() if metric == "rmse" else metric}{unit}', ylim=_limits(history, metric)
    )
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
  picture = io.BytesIO()
  figure.savefig(picture, dpi=120)
  with gfile.GFile(os.path.join(directory, 'loss_curve.png'), 'wb') as file:
    file.write(picture.getvalue())


def _limits(history: Mapping[str, Sequence[float]], metric: str) -> tuple[float, float]:
  """Room for all epochs but the first, whose errors would flatten the rest."""
  curves = [history[name] for name in (metric, f'val_{metric}') if name in history]
  values = [value for curve in curves for value in (curve[1:] or curve)]
  margin = 0.1 * (max(values) - min(values)) or 0.1 * max(values)
  return min(values) - margin, max(values) + 3 * margin
