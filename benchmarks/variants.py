"""The course's tables: every variant's RMSE, bytes, gzip bytes and latency, for the small, the wide and the big model.

`python -m benchmarks.variants --data ../shared/data/nyc/rides.csv --output out/variants`

Runs the whole pipeline once per model, so each figure is the compression gate's, measured on the files themselves in
processes of their own. Beside it, in the same rounds: a single ride through the SavedModel (`serving_raw`) and through
LightGBM on ready-made features.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')

import numpy as np
from rich.console import Console

from pipeline.summary_record import Summary

RUNS = {
  'small': (
    'nyc',
    '[dense, pruned_80, qat, pqat_80, clustered_16]',
    '[float32, float16, dynamic_range, int8, int16x8]',
  ),
  # Recipes that are trained for 8 bits say themselves which layers stay float.
  'float_output': ('nyc', '[dense, pruned_80, clustered_16]', '[float32, int8_float_output]'),
  'wide': ('nyc-wide', '[dense, blocks_16x1_80, pqat_80]', '[float32, dynamic_range, int8, dynamic_range_sparse]'),
  'big': ('nyc-big', '[dense, pruned_80, pqat_80]', '[float32, dynamic_range, int8]'),
}
ROUNDS, CALLS = 15, 100


def main(arguments: list[str] | None = None) -> None:
  """Prints a table per model; see `--help`."""
  options = _options(arguments)
  console = Console(width=None if sys.stdout.isatty() else 132)
  for model in options.models:
    summary = run(model, options)
    console.print(_table(model, summary), soft_wrap=True, markup=False)
    if options.single:
      for name, (median, low, high) in single_ride(summary, options).items():
        console.print(f'  {name}, a single ride: {median:,.0f} µs ({low:,.0f} to {high:,.0f} over rounds)')


def run(model: str, options: argparse.Namespace) -> Summary:
  """The summary of a run; exits with the run's own words where it fails."""
  preset, recipes, schemes = RUNS[model]
  output = pathlib.Path(options.output, model)
  settings = [f'training.recipes={recipes}', f'compression.schemes={schemes}', 'training.serve=dense', *options.set]
  command = [sys.executable, '-m', 'pipeline', 'run', '--config', preset, '--data', options.data]
  command += ['--output', str(output), *(part for setting in settings for part in ('--set', setting))]
  finished = subprocess.run(command, capture_output=True, text=True)
  if finished.returncode:
    raise SystemExit(finished.stdout[-2000:] + finished.stderr[-2000:])
  return Summary.read(output / 'summary.json')


def single_ride(summary: Summary, options: argparse.Namespace) -> dict[str, tuple[float, float, float]]:
  """Median microseconds of one ride, with the smallest and largest round, by what predicts it."""
  timed = {'SavedModel, serving_raw': _saved_model(summary), 'LightGBM, ready-made features': _lightgbm(options)}
  rounds: dict[str, list[float]] = {name: [] for name in timed}
  for _ in range(ROUNDS):
    for name, call in timed.items():
      seconds = []
      for _ in range(CALLS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
      rounds[name].append(1e6 * float(np.median(seconds)))
  return {name: (float(np.median(values)), min(values), max(values)) for name, values in rounds.items()}


def _saved_model(summary: Summary) -> Callable[[], object]:
  import tensorflow as tf

  dense = next(recipe for recipe in summary.recipes if recipe.name == 'dense')
  model = tf.saved_model.load(str(pathlib.Path(dense.path, 'Format-Serving')))
  serve = model.signatures['serving_raw']
  _, specs = serve.structured_input_signature
  ride = {name: tf.zeros([1], spec.dtype) for name, spec in specs.items()}
  return lambda: (model, serve(**ride))


def _lightgbm(options: argparse.Namespace) -> Callable[[], object]:
  import lightgbm

  from configs.loading import load
  from pipeline.study.folds import divisions, read_kept
  from pipeline.study.reference_models import LIGHTLY_TUNED
  from transforms import names

  config = load('nyc')
  fold = next(divisions(config, read_kept([options.data], config.dataset), [0], 5))
  features = fold.engineered.inputs[names.NUMERIC]
  model = lightgbm.LGBMRegressor(random_state=0, n_jobs=1, verbose=-1)
  model.set_params(**LIGHTLY_TUNED).fit(features[~fold.test], fold.fares[~fold.test])
  ride = features[:1].astype(np.float64)
  return lambda: model.booster_.predict(ride, num_threads=1)


def _options(arguments: list[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.variants', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--data', default='../shared/data/nyc/rides.csv')
  parser.add_argument('--output', default='out/variants', help='a folder per model is made in it')
  parser.add_argument('--models', nargs='+', choices=RUNS, default=list(RUNS))
  parser.add_argument('--set', action='append', default=[], metavar='a.b=c', help='overrides the presets')
  parser.add_argument('--no-single', dest='single', action='store_false', help='leave SavedModel and LightGBM out')
  return parser.parse_args(arguments)


def _table(model: str, summary: Summary) -> str:
  """A Markdown table, as the docs hold it."""
  headers = ('variant', 'RMSE', 'to dense float32 [95 %]', 'bytes', 'gzip', 'µs p50', 'µs p99', 'zero', 'budget')
  rows = [headers, ('---', *('---:',) * (len(headers) - 1))]
  for variant in summary.variants:
    ratio, latency = variant.rmse_ratio, variant.latency_us
    if variant.rmse is None or ratio is None or latency is None:
      rows.append((variant.name, *('',) * (len(headers) - 2), 'not made'))
      continue
    rows.append(
      (
        variant.name,
        f'{variant.rmse.value:.3f}',
        f'{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]',
        f'{variant.bytes:,}',
        f'{variant.gzip_bytes:,}',
        f'{latency.p50:.1f}',
        f'{latency.p99:.1f}',
        f'{variant.sparsity:.0%}',
        'chosen' if variant.name == summary.chosen else 'kept' if variant.within_budget else 'missed',
      )
    )
  lines = [f'| {" | ".join(row)} |' for row in rows]
  lost = [f'{variant.name}: {variant.reason}' for variant in summary.variants if variant.rmse is None]
  return '\n'.join([f'\n{model}: {summary.reason}\n', *lines, '', *lost])


if __name__ == '__main__':
  main()
