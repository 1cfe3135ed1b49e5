"""A training as a picture and for TensorBoard, and training reports as pictures, drawn beside the training."""

from __future__ import annotations

import io
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO

import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tensorflow.io import gfile

import models
from configs.errors import FailedError
from models.compression import pictures
from models.compression.records import TrainingReport
from models.training import Course

_TAGS = {'val_loss': 'eval/loss', 'val_rmse': 'eval/rmse'}
"""TensorBoard draws tags of one prefix together."""

_UNSETTLED = 20
"""One in so many points, the first ones, may lie outside the picture: their errors would flatten the rest."""


def write_curves(course: Course, directory: str, unit: str) -> None:
  """Writes `history.json` and `loss_curve.png` into `directory`.

  Args:
    course: of a training; `history.json` gets its curves as they are.
    directory: where to write; made if need be, a bucket is fine.
    unit: of the RMSE axis.
  """
  gfile.makedirs(directory)
  with gfile.GFile(os.path.join(directory, 'history.json'), 'w') as file:
    file.write(json.dumps(course.curves, indent=2))
  figure = Figure(figsize=(9, 3.6), layout='constrained')
  FigureCanvasAgg(figure)
  for axes, metric, told in zip(figure.subplots(1, 2), ('loss', 'rmse'), ('', f' ({unit})'), strict=True):
    for name, label in ((metric, 'train'), (f'val_{metric}', 'eval')):
      if name in course.curves:
        axes.plot(course.curves['epoch'], course.curves[name], label=label)
    title = metric.upper() if metric == 'rmse' else metric
    axes.set(xlabel='epoch', ylabel=f'{title}{told}', ylim=_limits(course.curves, metric))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
  picture = io.BytesIO()
  figure.savefig(picture, dpi=120)
  with gfile.GFile(os.path.join(directory, 'loss_curve.png'), 'wb') as file:
    file.write(picture.getvalue())


def write_tensorboard(course: Course, directory: str) -> None:
  """Writes every curve against the step as TensorBoard scalars.

  Args:
    course: of a training; `val_rmse` becomes `eval/rmse`, `val_loss`
      `eval/loss`, and the others keep their names.
    directory: where to write; made if need be, a bucket is fine.
  """
  names = [name for name in course.curves if name not in ('step', 'epoch')]
  writer = tf.summary.create_file_writer(directory)
  with writer.as_default():
    for step, *values in zip(*(course.curves[name] for name in ('step', *names)), strict=True):
      # All of a step in one operation: `tf.summary.scalar` takes ten times as long.
      summary = tf.compat.v1.Summary()
      for name, value in zip(names, values, strict=True):
        summary.value.add(tag=_TAGS.get(name, name), simple_value=value)
      tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=int(step))
  writer.close()


def _limits(curves: Mapping[str, Sequence[float]], metric: str) -> tuple[float, float]:
  """Room for all points but the first few."""
  shown = [curves[name] for name in (metric, f'val_{metric}') if name in curves]
  values = [value for curve in shown for value in curve[-(-len(curve) // _UNSETTLED) :] or curve]
  values = [value for value in values if math.isfinite(value)] or [0.0]
  margin = 0.1 * (max(values) - min(values)) or 0.1 * max(values) or 1.0
  return min(values) - margin, max(values) + 3 * margin


_ROOT = pathlib.Path(models.__file__).resolve().parent.parent


class Drawing:
  """A process that draws reports one after the other; use it with `with`.

  Drawing is Python alone, a tenth of a second per layer of ten: in this process it would hold up whatever trains.
  """

  def __enter__(self) -> Drawing:
    self._folder = tempfile.TemporaryDirectory()
    self._errors: IO[bytes] = tempfile.TemporaryFile()
    self._targets: dict[pathlib.Path, str] = {}
    # From this folder, `models` is this package and none that lies where the caller stands.
    self._process = subprocess.Popen(
      [sys.executable, '-m', pictures.__name__],
      cwd=_ROOT,
      stdin=subprocess.PIPE,
      stdout=subprocess.DEVNULL,
      stderr=self._errors,
    )
    return self

  def draw(self, report: TrainingReport, directory: str) -> None:
    """Queues the pictures of a report; they are in `directory`, a bucket is fine, when the block has ended."""
    folder = pathlib.Path(self._folder.name) / str(len(self._targets))
    folder.mkdir()
    self._targets[folder] = directory
    # By a file, as a pipe that is full would make this process wait for the other one.
    (folder / 'report.json').write_text(report.to_json(), encoding='utf-8')
    assert self._process.stdin is not None
    try:
      self._process.stdin.write(f'{folder / "report.json"}\n'.encode())
      self._process.stdin.flush()
    except BrokenPipeError:
      # Told at the end of the block.
      pass

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
  ) -> None:
    """Waits for all pictures, unless the block failed.

    Raises:
      FailedError: the process failed.
    """
    with self._folder, self._errors:
      if kind is not None:
        self._process.kill()
        self._process.communicate()
        return
      self._process.communicate()
      if self._process.returncode:
        self._errors.seek(0)
        told = self._errors.read().decode(errors='replace').strip().splitlines() or ['it says nothing']
        raise FailedError(
          f'The process that draws the training reports ended with code {self._process.returncode}: {told[-1]}'
        )
      for folder, directory in self._targets.items():
        tf.io.gfile.makedirs(directory)
        for picture in sorted(folder.glob('*.png')):
          tf.io.gfile.copy(str(picture), f'{directory}/{picture.name}', overwrite=True)
