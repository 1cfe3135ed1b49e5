"""The trainer with rides in memory beside rides streamed from disk: peak memory by rides, and accuracy over seeds.

`python -m benchmarks.streaming --output out --seeds 10`

Memory: TFX's `run_fn` (dense base and `pqat_80`, a pass over the rides each) on the shards of a finished run, repeated
as often as asked, each measurement in a process of its own; VmHWM of that, and bytes per ride between the smallest and
the largest split. Files in the page cache are not in it. `auto` is the default of `training.memory_mb`, `memory` has no
limit, and `disk` has 100 MB, so that all splits but small ones are streamed.

Accuracy: the dense model of the preset `nyc` on real rides, a fifth of the time stamps held out by each seed, the rides
in the order of their fares, which is the worst for windows, streamed in windows of a quarter of the split; beside the
loop in memory with the same seeds. The interval is the 95 % t-interval of the paired ratio of RMSEs over the seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')

import numpy as np

from configs.loading import load
from pipeline.study.fare_models import FareModels, numeric_width
from pipeline.study.folds import divisions, read_kept, t_interval

FOLDS, WINDOWS = 5, 4
LIMITS: Mapping[str, tuple[str, ...]] = {
  'auto': (),
  'memory': ('training.memory_mb=1000000',),
  'disk': ('training.memory_mb=100',),
}


def main(arguments: Sequence[str] | None = None) -> None:
  """Prints both; see `--help`."""
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.streaming', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument(
    '--output', type=pathlib.Path, default='out', help='output directory of a run of the preset chicago'
  )
  parser.add_argument('--repeat', type=int, nargs='*', default=[16, 48, 192], help='how often the rides are repeated')
  parser.add_argument('--limit', choices=list(LIMITS), action='append', help='these alone')
  parser.add_argument('--data', default='../shared/data/nyc/rides.csv', help="New York's rides")
  parser.add_argument('--seeds', type=int, default=10)
  parser.add_argument('--measure', nargs=2, help=argparse.SUPPRESS)
  options = parser.parse_args(arguments)
  if options.measure:
    print(json.dumps(_measure(options.output, options.measure[0], int(options.measure[1]))))
    return
  for limit in (options.limit or LIMITS) if options.repeat else ():
    found = []
    for repeat in options.repeat:
      rides, peak, cpu = _child(options.output, limit, repeat)
      found.append((rides, peak))
      print(f'{limit:<6} {rides:>9,} rides  peak {peak / 1e6:>7,.0f} MB  CPU {cpu:.0f} s', flush=True)
    if len(found) > 1:
      slope = (found[-1][1] - found[0][1]) / (found[-1][0] - found[0][0])
      print(f'{limit:<6} {slope:.0f} bytes a ride from {found[0][0]:,} to {found[-1][0]:,} rides', flush=True)
  if options.seeds:
    _accuracy(options.data, options.seeds)


def _child(output: pathlib.Path, limit: str, repeat: int) -> tuple[int, int, float]:
  command = [sys.executable, '-m', 'benchmarks.streaming', '--output', str(output), '--measure', limit, str(repeat)]
  ran = subprocess.run(command, check=True, capture_output=True, text=True)
  rides, peak, cpu = json.loads(ran.stdout.splitlines()[-1])
  return rides, peak, cpu


def _measure(output: pathlib.Path, limit: str, repeat: int) -> tuple[int, int, float]:
  """Rides, peak memory in bytes and CPU seconds of one call of `run_fn`, imports included."""
  from tfx.components.trainer.fn_args_utils import FnArgs

  from models import run_fn
  from pipeline.summary_record import Summary

  examples, graph = (
    next((output / 'artifacts' / 'FeatureEngineering' / key).iterdir())
    for key in ('transformed_examples', 'transform_graph')
  )
  rows = Summary.read(output / 'summary.json').rows
  assert rows is not None, 'the run read no rides'
  rides = rows.splits['train'] * repeat
  with tempfile.TemporaryDirectory() as directory:
    for split in ('train', 'eval'):
      for number in range(repeat):
        for shard in sorted((examples / f'Split-{split}').iterdir()):
          folder = pathlib.Path(directory, split)
          folder.mkdir(exist_ok=True)
          shutil.copy(shard, folder / f'{number}-{shard.name}')
    lengths = ['training.recipes=[dense,pqat_80]', 'training.epochs=1', f'training.max_steps={rides // 256}']
    config = load('chicago', [*lengths, *LIMITS[limit]])
    settings = {name: getattr(config, name).model_dump_json() for name in ('dataset', 'features', 'model', 'training')}
    run_fn.run_fn(
      FnArgs(
        train_files=[f'{directory}/train/*'],
        eval_files=[f'{directory}/eval/*'],
        transform_output=str(graph),
        serving_model_dir=f'{directory}/model/Format-Serving',
        model_run_dir=f'{directory}/run',
        base_model=None,
        custom_config={**settings, 'checkpoints': f'{directory}/checkpoints'},
      )
    )
  status = pathlib.Path('/proc/self/status').read_text(encoding='utf-8')
  peak = int(status.partition('VmHWM:')[2].split()[0]) * 1024
  used = os.times()
  return rides, peak, used.user + used.system


def _accuracy(data: str, seeds: int) -> None:
  from models.error_intervals import root_mean_square
  from models.fare_model import build_fare_model
  from models.rides import Rides
  from models.streaming import COPIES, Stream, record_type
  from models.training import predict, train

  config = load('nyc')
  models = FareModels(config)
  errors = []
  for fold in divisions(config, read_kept([data], config.dataset), range(seeds), FOLDS):
    if fold.number:
      continue
    training, test = fold.engineered[~fold.test], fold.engineered[fold.test]
    training = training[np.argsort(training.fares, kind='stable')]
    columns = {**training.inputs, 'fares': training.fares, 'seconds': training.seconds}

    def rides(found: dict[str, np.ndarray], names: Sequence[str] = tuple(training.inputs)) -> Rides:
      return Rides({name: found[name] for name in names}, found['fares'], found['seconds'])

    memory = COPIES * record_type(columns).itemsize * (len(training) // WINDOWS)
    with Stream(rides, Rides.terms, memory) as stream:
      stream.add(columns)
      found = []
      for examples in (training, stream):
        median, width = float(np.median(training.fares)), numeric_width(training)
        model = build_fare_model(config.model, width, models.categoricals, median, fold.seed)
        train(model, examples, config.training.model_copy(update={'seed': fold.seed}))
        found.append(root_mean_square(predict(model, test) - test.fares))
    errors.append(found)
    print(f'seed {fold.seed}: RMSE {found[0]:.4f} in memory, {found[1]:.4f} streamed', flush=True)
  memory_errors, disk_errors = np.array(errors).T
  ratios = disk_errors / memory_errors
  interval = ' to '.join(f'{end:.4f}' for end in t_interval(ratios)) if seeds > 1 else 'no interval'
  print(
    f'RMSE over {seeds} seeds: {memory_errors.mean():.4f} in memory, {disk_errors.mean():.4f} streamed; '
    f'ratio {ratios.mean():.4f} ({interval})'
  )


if __name__ == '__main__':
  main()
