"""RMSE against sparsity, by structure, for the small and the wide model: the course's pruning table on this task.

`python -m benchmarks.sparsity --model small --seeds 5` and `--model wide --folds 1`

Each seed divides the rides of the preset into five folds by time stamp; `--folds` says how many of them are tested. On
each one the dense base is trained once, and every recipe fine-tunes a copy of it. What is shown is the ratio of a
recipe's RMSE to the dense base's of the same seed, and its 95 % t-interval over seeds: the pairs share the rides and
the initial weights, so the interval is far narrower than that of either RMSE.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')

import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from configs.loading import load
from configs.recipe import FineTuning, Pruning, Recipe
from configs.run import RunConfig
from models.charts import (
  WIDTH,
  Frame,
  Series,
  element,
  horizontal,
  legend,
  line,
  padded,
  percent,
  picture,
  polyline,
  standalone,
  vertical,
)
from models.compression.compressor import Compressor
from models.error_intervals import root_mean_square
from models.fare_model import build_fare_model
from models.keras_compat import keras
from models.recipe_training import FinalModels
from models.training import predict, train
from pipeline.study.folds import Fold, divisions, read_kept, t_interval
from transforms import names
from transforms.catalogue import categoricals

PRESETS = {'small': 'nyc', 'wide': 'nyc-wide'}
FOLDS = 5
LEVELS = (0.5, 0.75, 0.8, 0.875, 0.9, 0.95)
BLOCKS = ('unstructured', '4x1', '16x1')
AIMS = {('small', 0.8): 1.01, ('small', 0.9): 1.02, ('wide', 0.9): 1.01}
"""The RMSE ratios that the project aims at."""

_HEIGHT = 260.0


@dataclasses.dataclass(frozen=True)
class Variant:
  """One cell of the table; sparsity 0 is the dense base."""

  structure: str
  sparsity: float

  def recipe(self, tuning: FineTuning) -> Recipe:
    """The recipe of a pruned variant."""
    pruning = Pruning(structure=self.structure, final_sparsity=self.sparsity, fine_tuning=tuning)
    return Recipe(name='variant', pruning=pruning)


DENSE = Variant('dense', 0.0)


def variants(levels: Sequence[float]) -> list[Variant]:
  """All pruned cells: every block structure at every level, and 2:4, which is always a half."""
  return [Variant(structure, level) for structure in BLOCKS for level in levels] + [Variant('2:4', 0.5)]


def predictions(fold: Fold, cells: Sequence[Variant], tuning: FineTuning) -> Iterator[tuple[Variant, np.ndarray]]:
  """Fares of the fold's test rides, by variant; the dense base first."""
  config, rides = fold.config, fold.engineered
  keras.backend.clear_session()
  keras.utils.set_random_seed(fold.seed)
  training = config.training.model_copy(update={'seed': fold.seed})
  training_rides, test = rides[~fold.test], rides[fold.test]
  build = functools.partial(
    build_fare_model,
    config.model,
    rides.inputs[names.NUMERIC].shape[1],
    categoricals(config.dataset, config.features),
    float(np.median(training_rides.fares)),
    fold.seed,
  )
  base = build()
  train(base, training_rides, training)
  yield DENSE, predict(base, test)
  compressor = Compressor(build, base.get_weights(), training_rides, training)
  final_models = FinalModels(build)
  for cell in cells:
    yield cell, predict(final_models.of(compressor.apply(cell.recipe(tuning))).model, test)


def measure(
  config: RunConfig, rides: Mapping[str, np.ndarray], options: argparse.Namespace, console: Console
) -> dict[Variant, np.ndarray]:
  """RMSE by variant, float64 [seeds], over the tested rides of each seed."""
  cells = variants(options.levels)
  tuning = FineTuning(epochs=options.epochs, learning_rate=options.learning_rate)
  errors: dict[Variant, dict[int, list[np.ndarray]]] = {}
  columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
  with Progress(*columns, console=console, transient=True) as progress:
    task = progress.add_task('models', total=options.seeds * options.folds * (len(cells) + 1))
    for number, fold in enumerate(divisions(config, rides, range(options.seeds), FOLDS)):
      if number % FOLDS >= options.folds:
        continue
      for variant, fares in predictions(fold, cells, tuning):
        error = fares - fold.fares[fold.test].astype(np.float64)
        errors.setdefault(variant, {}).setdefault(fold.seed, []).append(error)
        progress.advance(task)
  return {
    variant: np.array([root_mean_square(np.concatenate(parts)) for parts in by_seed.values()])
    for variant, by_seed in errors.items()
  }


def main(arguments: list[str] | None = None) -> None:
  """Prints a table; see `--help`."""
  options = _options(arguments)
  config = load(PRESETS[options.model], options.set)
  console = Console(width=None if sys.stdout.isatty() else 132)
  rmse = measure(config, read_kept([options.data], config.dataset), options, console)
  rows = [_row(variant, values, rmse[DENSE]) for variant, values in rmse.items()]
  console.print(_table(rows, options))
  for row in rows:
    aim = AIMS.get((options.model, row['sparsity']))
    if aim:
      kept = 'kept' if row['ratio'] <= aim else 'missed'
      console.print(
        f'aim for {row["structure"]} {row["sparsity"]:.0%}: at most {aim:g}, got {row["ratio"]:.4f}: {kept}'
      )
  if options.output:
    setting = {'model': options.model, 'seeds': options.seeds, 'folds': options.folds, 'epochs': options.epochs}
    pathlib.Path(options.output).write_text(json.dumps({**setting, 'rows': rows}, indent=2), encoding='utf-8')
  if options.picture:
    pathlib.Path(options.picture).write_text(draw(rows, options.model), encoding='utf-8')


def _options(arguments: list[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.sparsity', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--data', default='../shared/data/nyc/rides.csv', help='a file in the columns of the preset')
  parser.add_argument('--model', choices=PRESETS, default='small')
  parser.add_argument('--set', action='append', default=[], metavar='a.b=c', help='overrides the preset')
  parser.add_argument('--seeds', type=int, default=5)
  parser.add_argument('--folds', type=int, default=FOLDS, choices=range(1, FOLDS + 1), help='tested folds per seed')
  parser.add_argument('--levels', type=float, nargs='+', default=LEVELS, help='sparsities')
  parser.add_argument('--epochs', type=int, default=FineTuning().epochs, help='of the fine-tuning')
  parser.add_argument('--learning-rate', type=float, default=FineTuning().learning_rate, help='of the fine-tuning')
  parser.add_argument('--output', help='a JSON file to write')
  parser.add_argument('--picture', help='an SVG file to write')
  options = parser.parse_args(arguments)
  if options.seeds < 2:
    parser.error(f'--seeds must be at least 2 for an interval, got {options.seeds}.')
  return options


def _row(variant: Variant, rmse: np.ndarray, dense: np.ndarray) -> dict:
  ratio = rmse / dense
  low, high = t_interval(ratio)
  return {
    **dataclasses.asdict(variant),
    'rmse': float(rmse.mean()),
    'ratio': float(ratio.mean()),
    'low': low,
    'high': high,
  }


def _table(rows: list[dict], options: argparse.Namespace) -> Table:
  levels = sorted({row['sparsity'] for row in rows if row['sparsity']})
  dense = next(row for row in rows if not row['sparsity'])
  caption = (
    f'{options.model} model, dense RMSE {dense["rmse"]:.3f}; RMSE ratio to dense and its 95 % interval over '
    f'{options.seeds} seeds, {options.folds} of {FOLDS} folds each, {options.epochs} epochs of fine-tuning'
  )
  table = Table(caption=caption)
  table.add_column('structure', no_wrap=True)
  for level in levels:
    table.add_column(f'{level:.1%}', justify='right')
  for structure in (*BLOCKS, '2:4'):
    found = {row['sparsity']: row for row in rows if row['structure'] == structure}
    cells = [found.get(level) for level in levels]
    table.add_row(structure, *(f'{c["ratio"]:.3f}\n{c["low"]:.3f} to {c["high"]:.3f}' if c else '' for c in cells))
  return table


def draw(rows: list[dict], model: str) -> str:
  """The table as an SVG file: a line for each structure, with its intervals."""
  found = {
    structure: sorted((row for row in rows if row['structure'] == structure), key=lambda row: row['sparsity'])
    for structure in (*BLOCKS, '2:4')
  }
  ends = [row[end] for of_structure in found.values() for row in of_structure for end in ('low', 'high')]
  frame = Frame(
    x=horizontal(0.45, 0.98),
    y=vertical(*padded([1.0, *ends]), _HEIGHT),
    x_label=f'sparsity, {model} model',
    y_label='RMSE, ratio to dense',
    x_format=lambda value: percent(value, 0),
  )
  parts = [line(frame.x.start, frame.y(1), frame.x.end, frame.y(1), 'axis')]
  for place, of_structure in enumerate(found.values()):
    # Beside each other, or equal ones would hide each other.
    points = [(frame.x(row['sparsity'] + 0.004 * (place - 1.5)), row) for row in of_structure]
    parts += [line(x, frame.y(row['low']), x, frame.y(row['high']), f'whisker s{place}') for x, row in points]
    parts.append(polyline([(x, frame.y(row['ratio'])) for x, row in points], f'curve s{place}'))
    parts += [element('circle', cx=x, cy=frame.y(row['ratio']), r=3, class_=f'fill s{place}') for x, row in points]
  parts += legend([Series(structure, f's{place}', (), ()) for place, structure in enumerate(found)])
  label = f'RMSE against sparsity by structure, {model} model.'
  return standalone(picture(WIDTH, _HEIGHT, label, frame.drawn(), *parts))


if __name__ == '__main__':
  main()
