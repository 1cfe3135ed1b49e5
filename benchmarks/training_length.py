"""RMSE against optimizer steps, on real and on simulated rides, over seeds: what `training.max_steps` costs.

`python -m benchmarks.training_length --simulated 400000 --seeds 3`

Each seed divides the rides by time stamp into four fifths to train on and a fifth to test on, and seeds the weights and
the batches. One model is trained for each length, which is `training.max_steps` with epochs without end, so that the
schedule is as long as that. The interval is the 95 % t-interval over seeds of the paired ratio to the longest
training. `--rides nyc`, `chicago` or `simulated` takes one set alone.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
import tempfile
from collections.abc import Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.simulator import Format, write
from configs.loading import load
from models.error_intervals import root_mean_square
from models.training import predict
from pipeline.study.fare_models import FareModels
from pipeline.study.folds import divisions, read_kept, t_interval

FOLDS = 5
REAL_STEPS = (250, 500, 1000, 2000, 4000, 8000)
SIMULATED_STEPS = (2000, 5000, 10_000, 20_000, 50_000, 100_000)


def main(arguments: Sequence[str] | None = None) -> None:
  """Prints a table per set of rides; see `--help`."""
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.training_length',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  parser.add_argument(
    '--data', default='../shared/data/nyc/rides.csv', help="New York's rides, in the preset's columns"
  )
  parser.add_argument('--rides', choices=['nyc', 'chicago', 'simulated'], action='append')
  parser.add_argument('--simulated', type=int, default=400_000, help='how many rides to simulate')
  parser.add_argument('--steps', type=int, action='append', help='a length; several times for several')
  parser.add_argument('--seeds', type=int, default=3)
  options = parser.parse_args(arguments)
  if options.seeds < 2:
    parser.error(f'--seeds must be at least 2, got {options.seeds}.')
  console = Console(width=None if sys.stdout.isatty() else 120)
  for name in options.rides or ['nyc', 'chicago', 'simulated']:
    with tempfile.TemporaryDirectory() as folder:
      files, note = [options.data], ''
      config = load('chicago' if name == 'chicago' else 'nyc')
      if name == 'chicago':
        import tfx

        files = [str(pathlib.Path(tfx.__path__[0], 'examples/chicago_taxi_pipeline/data/simple/data.csv'))]
      if name == 'simulated':
        written = write(pathlib.Path(folder), options.simulated, file_format=Format.PARQUET)
        files, note = [str(path) for path in written.paths], f'; the noise alone is {written.noise_rmse:.4f}'
      rides = read_kept(files, config.dataset)
    steps = options.steps or (SIMULATED_STEPS if name == 'simulated' else REAL_STEPS)
    errors = np.empty([options.seeds, len(steps)])
    models = FareModels(config)
    for fold in divisions(config, rides, range(options.seeds), FOLDS):
      if fold.number:
        continue
      training, test = fold.engineered[~fold.test], fold.engineered[fold.test]
      for place, length in enumerate(steps):
        model, _ = models.fit(
          training, fold.seed, config.training.model_copy(update={'epochs': 10**9, 'max_steps': length})
        )
        errors[fold.seed, place] = root_mean_square(predict(model, test) - test.fares)
        print(name, fold.seed, length, errors[fold.seed, place], file=sys.stderr, flush=True)
    console.print(table(f'{name}, {len(training):,} rides to train on{note}', steps, errors, len(training) / 256))


def table(title: str, steps: Sequence[int], errors: np.ndarray, epoch: float) -> Table:
  """Of RMSEs [seeds, steps]."""
  found = Table(title=title)
  for header in ('steps', 'epochs', 'RMSE', 'ratio to the longest', '95 % over seeds'):
    found.add_column(header, justify='right')
  ratios = errors / errors[:, -1:]
  for place, length in enumerate(steps):
    low, high = t_interval(ratios[:, place])
    cells = (f'{errors[:, place].mean():.4f}', f'{ratios[:, place].mean():.4f}', f'{low:.4f} to {high:.4f}')
    found.add_row(f'{length:,}', f'{length / epoch:.1f}', *cells)
  return found


if __name__ == '__main__':
  main()
