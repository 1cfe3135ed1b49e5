"""RMSE of the fare model on one fixed set of rides against the number of rides that it was trained on, over seeds.

`python -m benchmarks.learning_curve --config nyc --data ../shared/data/nyc/rides.csv` takes real rides: those of the
config's eval split judge, the others train. `python -m benchmarks.learning_curve --simulated 400000` takes simulated
ones, where `--judges` others judge and the lowest reachable RMSE is known.

Each seed draws its own rides, whole time stamps in random order and fewer always a part of more, and its own initial
weights; features are fitted on the rides drawn alone. The excess is the RMSE over that of all rides of the same seed,
a paired 95 % t-interval over seeds. The last line says from where on the upper end of it stays under `--excess`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmarks import simulator
from components.ride_example_gen.canonical import canonicalize
from components.ride_example_gen.splitting import in_eval
from configs.dataset import TIME
from configs.loading import load
from configs.run import RunConfig
from models.error_intervals import WORST, rmse_without_worst, root_mean_square
from models.training import predict
from pipeline.study.fare_models import FareModels
from pipeline.study.folds import Fold, read_kept, sampled, t_interval

Columns = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Point:
  """Models of one number of rides, one for each seed.

  Attributes:
    rides: drawn to train on.
    steps: optimizer steps of a model.
    rmse: on the judging rides, in the dataset's currency; by seed.
    without_worst: RMSE without the `WORST` largest errors.
    cpu: CPU seconds of a training, on the features as they are.
  """

  rides: int
  steps: int
  rmse: list[float]
  without_worst: list[float]
  cpu: list[float]


def main(arguments: list[str] | None = None) -> None:
  """Prints a table; see `--help`."""
  options = _options(arguments)
  config = load(options.config, options.set)
  pool, judges = _simulated(config, options) if options.simulated else _real(config, options.data)
  everything = len(pool[TIME])
  sizes = [size for size in options.sizes if size < everything] + [everything]
  models = FareModels(config)
  console, points = Console(width=132), []
  for size in sizes:
    points.append(_point(config, models, pool, judges, size, range(options.seeds)))
    console.print(f'{size:,} rides: RMSE {np.mean(points[-1].rmse):.4f}', style='dim')
  console.print(_table(points, f'{config.name}; {len(judges[TIME]):,} rides judge; {options.seeds} seeds'))
  if options.simulated:
    console.print(f'Lowest RMSE that a model can reach on the judging rides: {options.floor:.4f}.')
  enough = enough_rides(points, options.excess)
  found = f'from {enough:,} on' if enough < everything else f'not below {everything:,} rides'
  console.print(f'All rides lower the RMSE by less than {options.excess:.1%} (upper end of the interval): {found}.')
  if options.output:
    content = {
      'config': config.name,
      'settings': options.set,
      'points': [dataclasses.asdict(point) for point in points],
    }
    pathlib.Path(options.output).write_text(json.dumps(content, indent=2), encoding='utf-8')


def _options(arguments: list[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.learning_curve',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  source = parser.add_mutually_exclusive_group(required=True)
  source.add_argument('--data', help='files of real rides, in the columns of the config', nargs='+')
  source.add_argument('--simulated', type=int, metavar='N', help='so many simulated rides to draw from')
  parser.add_argument('--config', default='nyc', help='preset or file')
  parser.add_argument('--set', action='append', default=[], metavar='a.b=c', help='overrides the config')
  parser.add_argument('--judges', type=int, default=50_000, help='simulated rides that judge')
  parser.add_argument(
    '--sizes', type=int, nargs='+', default=[500, 1000, 2000, 4000, 8000, 25_000, 50_000, 100_000, 200_000, 400_000]
  )
  parser.add_argument('--seeds', type=int, default=5, help='at least 2')
  parser.add_argument('--excess', type=float, default=0.01, help='what is as good: the RMSE over that of all rides')
  parser.add_argument('--output', help='a JSON file to write')
  options = parser.parse_args(arguments)
  if options.seeds < 2:
    parser.error(f'--seeds must be at least 2, got {options.seeds}.')
  return options


def _real(config: RunConfig, files: Sequence[str]) -> tuple[Columns, Columns]:
  """The rides to draw from and those that judge."""
  rides = read_kept(files, config.dataset)
  judges = in_eval(rides[TIME], config.split)
  return _chosen(rides, ~judges), _chosen(rides, judges)


def _simulated(config: RunConfig, options: argparse.Namespace) -> tuple[Columns, Columns]:
  judging = pa.Table.from_batches(simulator.simulate(options.judges, seed=1))
  [batch] = judging.combine_chunks().to_batches()
  options.floor = root_mean_square(batch.column('fare_amount').to_numpy() - simulator.tariff(batch))
  return _canonical(config, simulator.simulate(options.simulated, seed=0)), _canonical(config, [batch])


def _canonical(config: RunConfig, batches: Iterable[pa.RecordBatch]) -> Columns:
  rides = pa.Table.from_batches([canonicalize(batch, config.dataset).valid_rides for batch in batches])
  return {name: rides.column(name).to_numpy() for name in rides.schema.names}


def _chosen(rides: Columns, chosen: np.ndarray) -> Columns:
  return {name: column[chosen] for name, column in rides.items()}


def _point(
  config: RunConfig, models: FareModels, pool: Columns, judges: Columns, size: int, seeds: Sequence[int]
) -> Point:
  """Draws, trains and judges once for each seed."""
  rmse, without_worst, cpu, steps = [], [], [], 0
  for seed in seeds:
    drawn = sampled(pool, size, seed)
    count = len(drawn[TIME])
    both = {name: np.concatenate([drawn[name], judges[name]]) for name in pool}
    fold = Fold(config, both, np.arange(len(both[TIME])) >= count, seed)
    model, facts = models.fit(fold.engineered[~fold.test], seed)
    errors = predict(model, fold.engineered[fold.test]) - fold.fares[fold.test].astype(np.float64)
    rmse.append(float(root_mean_square(errors)))
    without_worst.append(float(rmse_without_worst(errors)))
    cpu.append(facts['train_seconds'])
    passes = -(-count // config.training.batch_size)
    steps = config.training.steps or passes * (config.training.epochs or 1)
  return Point(size, steps, rmse, without_worst, cpu)


def excess(values: Sequence[float], of_all: Sequence[float]) -> tuple[float, float, float]:
  """How much larger errors are than those of all rides, as a share: mean, lower and upper end over paired seeds."""
  logs = np.log(np.asarray(values) / np.asarray(of_all))
  low, high = t_interval(logs)
  return float(np.expm1(logs.mean())), float(np.expm1(low)), float(np.expm1(high))


def enough_rides(points: Sequence[Point], most: float) -> int:
  """The fewest rides from which on, at every size, the upper end of the excess is at most `most`."""
  enough = points[-1].rides
  for point in reversed(points[:-1]):
    if excess(point.rmse, points[-1].rmse)[2] > most:
      break
    enough = point.rides
  return enough


def _table(points: Sequence[Point], caption: str) -> Table:
  table = Table(caption=caption)
  for header in ('rides', 'steps', 'RMSE', 'over all rides, %', f'without worst {WORST}', 'over all rides, %', 'CPU s'):
    table.add_column(header, justify='right')
  for point in points:
    cells = [f'{point.rides:,}', f'{point.steps:,}']
    for values, of_all in ((point.rmse, points[-1].rmse), (point.without_worst, points[-1].without_worst)):
      mean, low, high = excess(values, of_all)
      last = point is points[-1]
      cells += [f'{np.mean(values):.3f}', '' if last else f'{mean:+.1%} [{low:+.1%}, {high:+.1%}]'.replace('%', '')]
    table.add_row(*cells, f'{np.mean(point.cpu):.1f}')
  return table


if __name__ == '__main__':
  main()
