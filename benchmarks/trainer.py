"""The trainer with five recipes beside the trainer with the dense base alone, on the Chicago rides.

`python -m benchmarks.trainer --rounds 5`

First the step as `farelite run` has it, each time in a new output directory and a new process: TFX's driver and
publisher, the import of the toolkit, the training, the copies into artifacts.

Then TFX's `run_fn` alone, imports left out, in a process of its own per measurement, in turn. Where the time of the
main thread goes is printed for the last round; trainings run in another thread, so both cores have to be free: on a
busy machine look at the CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from concurrent import futures

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')

import numpy as np

from pipeline.summary_record import Summary

RECIPES = {'dense alone': '[dense]', 'five recipes': '[dense, pruned_80, pqat_80, qat, clustered_16]'}


def main(arguments: list[str] | None = None) -> None:
  """Prints seconds and their ratio; see `--help`."""
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.trainer', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--output', help=argparse.SUPPRESS)
  parser.add_argument('--measure', help=argparse.SUPPRESS)
  options = parser.parse_args(arguments)
  if options.measure:
    print(json.dumps(_measure(options.measure, pathlib.Path(options.output))))
    return
  with tempfile.TemporaryDirectory() as folder:
    steps = [
      {name: _step(recipes, f'{folder}/{number}-{len(recipes)}') for name, recipes in RECIPES.items()}
      for number in range(options.rounds)
    ]
    _show('the step', steps)
    output = next(pathlib.Path(folder).iterdir())
    rounds = [{name: _child(recipes, str(output)) for name, recipes in RECIPES.items()} for _ in range(options.rounds)]
  _show('run_fn', [{name: measured[name]['seconds'] for name in RECIPES} for measured in rounds])
  for name in RECIPES:
    print(f'run_fn, {name}: CPU {np.median([measured[name]["cpu"] for measured in rounds]):.1f} s')
  print('where the main thread of five recipes takes it:')
  for part, seconds in rounds[-1]['five recipes']['parts'].items():
    print(f'  {part:<40} {seconds:5.1f} s')


def _show(what: str, rounds: list[dict[str, float]]) -> None:
  """Medians, ranges, and the ratio of the rounds."""
  for name in RECIPES:
    seconds = [measured[name] for measured in rounds]
    print(f'{what}, {name}: {np.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})')
  ratios = [measured['five recipes'] / measured['dense alone'] for measured in rounds]
  print(f'{what}, ratio: {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})', flush=True)


def _step(recipes: str, output: str) -> float:
  """Seconds of the step in a whole run from nothing."""
  command = [sys.executable, '-m', 'pipeline', 'run', '--output', output, '--set', f'training.recipes={recipes}']
  subprocess.run(command, check=True, capture_output=True)
  return Summary.read(pathlib.Path(output, 'summary.json')).timings['PruningTrainer']


def _child(recipes: str, output: str) -> dict:
  command = [sys.executable, '-m', 'benchmarks.trainer', '--measure', recipes, '--output', output]
  return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]))


def places() -> list[tuple[object, str, str]]:
  """What is timed within `run_fn`: whose function, its name, and what it does."""
  from models import recipe_training, training
  from models.compression import report
  from models.error_intervals import RMSE

  return [
    (training.TrainingRun, '__init__', 'compiling the training steps'),
    (futures.Future, 'result', 'waiting for trainings'),
    (recipe_training.RecipeTraining, '_export', 'exporting'),
    (report, 'draw_report', 'drawing'),
    (recipe_training.FinalModels, 'of', 'building the exported models'),
    (RMSE, 'compare', 'intervals'),
  ]


def _measure(recipes: str, output: pathlib.Path) -> dict:
  """One call of `run_fn`, and the time inside of its parts."""
  from tfx.components.trainer.fn_args_utils import FnArgs

  from configs.loading import load
  from models import run_fn

  parts: dict[str, float] = {}

  def timed(owner: object, name: str, label: str) -> None:
    function = getattr(owner, name)

    def wrapper(*arguments: object, **keywords: object) -> object:
      start = time.perf_counter()
      try:
        return function(*arguments, **keywords)
      finally:
        parts[label] = parts.get(label, 0.0) + time.perf_counter() - start

    setattr(owner, name, wrapper)

  for place in places():
    timed(*place)
  config = load('chicago', [f'training.recipes={recipes}'])
  examples, graph = (
    next((output / 'artifacts' / 'FeatureEngineering' / key).iterdir())
    for key in ('transformed_examples', 'transform_graph')
  )
  with tempfile.TemporaryDirectory() as directory:
    arguments = FnArgs(
      train_files=[f'{examples}/Split-train/*'],
      eval_files=[f'{examples}/Split-eval/*'],
      transform_output=str(graph),
      serving_model_dir=f'{directory}/model/Format-Serving',
      model_run_dir=f'{directory}/run',
      base_model=None,
      custom_config={
        **{name: getattr(config, name).model_dump_json() for name in ('dataset', 'features', 'model', 'training')},
        'checkpoints': f'{directory}/checkpoints',
      },
    )
    start, used = time.perf_counter(), os.times()
    run_fn.run_fn(arguments)
    seconds, now = time.perf_counter() - start, os.times()
  parts['the rest: wrapping, reading, checking'] = seconds - sum(parts.values())
  cpu = now.user + now.system - used.user - used.system
  return {'seconds': seconds, 'cpu': cpu, 'parts': parts}


if __name__ == '__main__':
  main()
