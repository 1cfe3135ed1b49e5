"""The course's tables: every variant's RMSE, bytes, gzip bytes and latency, for the small, the wide and the big model.

`python -m benchmarks.variants --data ../shared/data/nyc/rides.csv --output out/variants`

Runs the whole pipeline once per model, so each figure is the compression gate's, measured on the files themselves in
processes of their own. A call's time is the median for one ride as a ratio to that of `dense.float32`: the files take
turns, so it holds on a busy machine. What a ride takes by other ways: `python -m benchmarks.latency` on such a run.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')

from rich.console import Console

from components.compression_gate.choice import BASELINE
from pipeline.summary_record import Summary

RUNS = {
  'small': (
    'nyc',
    '[dense, pruned_80, qat, pqat_80, clustered_16]',
    '[float32, float16, dynamic_range, int8, int16x8]',
  ),
  # Recipes that are trained for 8 bits say themselves which layers stay float.
  'float_output': ('nyc', '[dense, pruned_80, clustered_16]', '[float32, int8_float_output]'),
  # Neither recipes that were trained for one scale nor clusters go with a scale for each unit.
  'per_channel': ('nyc', '[dense, pruned_80]', '[float32, int8, int8_per_channel]'),
  'wide': (
    'nyc-wide',
    '[dense, blocks_16x1_80, pqat_80]',
    '[float32, dynamic_range, int8, dynamic_range_sparse, int8_sparse]',
  ),
  'big': ('nyc-big', '[dense, pruned_80, pqat_80]', '[float32, dynamic_range, int8]'),
}


def main(arguments: list[str] | None = None) -> None:
  """Prints a table per model; see `--help`."""
  options = _options(arguments)
  console = Console(width=None if sys.stdout.isatty() else 132)
  for model in options.models:
    summary = run(model, options)
    console.print(_table(model, summary), soft_wrap=True, markup=False)


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


def _options(arguments: list[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.variants', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--data', default='../shared/data/nyc/rides.csv')
  parser.add_argument('--output', default='out/variants', help='a folder per model is made in it')
  parser.add_argument('--models', nargs='+', choices=RUNS, default=list(RUNS))
  parser.add_argument('--set', action='append', default=[], metavar='a.b=c', help='overrides the presets')
  return parser.parse_args(arguments)


def _table(model: str, summary: Summary) -> str:
  """A Markdown table, as the docs hold it."""
  headers = ('variant', 'RMSE', 'to dense float32 [95 %]', 'bytes', 'gzip', 'time', 'zero', 'budget')
  rows = [headers, ('---', *('---:',) * (len(headers) - 1))]
  base = next((variant.latency_us for variant in summary.variants if variant.name == BASELINE), None)
  for variant in summary.variants:
    ratio, latency = variant.rmse_ratio, variant.latency_us
    if variant.rmse is None or ratio is None or latency is None or base is None:
      rows.append((variant.name, *('',) * (len(headers) - 2), 'not made'))
      continue
    rows.append(
      (
        variant.name,
        f'{variant.rmse.value:.3f}',
        f'{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]',
        f'{variant.bytes:,}',
        f'{variant.gzip_bytes:,}',
        f'{latency.p50 / base.p50:.2f}',
        f'{variant.sparsity:.0%}',
        'chosen' if variant.name == summary.chosen else 'kept' if variant.within_budget else 'missed',
      )
    )
  lines = [f'| {" | ".join(row)} |' for row in rows]
  lost = [f'{variant.name}: {variant.reason}' for variant in summary.variants if variant.rmse is None]
  return '\n'.join([f'\n{model}: {summary.reason}\n', *lines, '', *lost])


if __name__ == '__main__':
  main()
