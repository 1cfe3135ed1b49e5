"""The trainer with five recipes beside the trainer with the dense base alone, on the Chicago rides.

`python -m benchmarks.trainer --rounds 5`

The features are made once by a whole run; then TFX's `run_fn` is called in a fresh process per measurement, in turn.
Imports are left out, as a step of a local run shares them. Where the time of the main thread goes is told for the last
round; trainings run in another thread and pictures are drawn by another process, so both cores have to be free: on a
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

RECIPES = {'dense alone': '[dense]', 'five recipes': '[dense, pruned_80, pqat_80, qat, clustered_16]'}


def main(arguments: list[str] | None = None) -> None:
  """Prints seconds and their ratio; see `--help`."""
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.trainer', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--output', default='out/trainer', help='of the run that makes the features')
  parser.add_argument('--measure', help=argparse.SUPPRESS)
  options = parser.parse_args(arguments)
  if options.measure:
    print(json.dumps(_measure(options.measure, pathlib.Path(options.output))))
    return
  command = [sys.executable, '-m', 'pipeline', 'run', '--output', options.output, '--set', 'training.recipes=dense']
  subprocess.run(command, check=True, capture_output=True)
  rounds = [{name: _child(recipes, options.output) for name, recipes in RECIPES.items()} for _ in range(options.rounds)]
  for name in RECIPES:
    seconds = [measured[name]['seconds'] for measured in rounds]
    own, drawing = (np.median([measured[name]['cpu'][kind] for measured in rounds]) for kind in ('own', 'drawing'))
    print(
      f'{name}: {np.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f}); '
      f'CPU {own:.1f} s, and {drawing:.1f} s in the process that draws'
    )
  ratios = [measured['five recipes']['seconds'] / measured['dense alone']['seconds'] for measured in rounds]
  print(f'ratio: {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})')
  print('where the main thread of five recipes takes it:')
  for part, seconds in rounds[-1]['five recipes']['parts'].items():
    print(f'  {part:<40} {seconds:5.1f} s')


def _child(recipes: str, output: str) -> dict:
  command = [sys.executable, '-m', 'benchmarks.trainer', '--measure', recipes, '--output', output]
  return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]))


def _measure(recipes: str, output: pathlib.Path) -> dict:
  """One call of `run_fn`, and the time inside of its parts."""
  from tfx.components.trainer.fn_args_utils import FnArgs

  from configs.loading import load
  from models import recipe_training, run_fn, training
  from models.compression import drawing, final_models, report

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

  timed(training.TrainingRun, '__init__', 'compiling the training steps')
  timed(futures.Future, 'result', 'waiting for trainings')
  timed(recipe_training.RecipeTraining, '_export', 'exporting')
  timed(drawing.Drawing, '__exit__', 'waiting for pictures')
  timed(final_models.FinalModels, 'of', 'building the exported models')
  timed(report, 'ratio_interval', 'intervals')
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
  cpu = {
    'own': now.user + now.system - used.user - used.system,
    'drawing': now.children_user + now.children_system - used.children_user - used.children_system,
  }
  return {'seconds': seconds, 'cpu': cpu, 'parts': parts}


if __name__ == '__main__':
  main()
