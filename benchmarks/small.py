"""Accuracy and download of smaller models: widths × inputs, over several seeds grouped by time stamp.

`python -m benchmarks.small --data ../shared/data/nyc/rides.csv`

Each seed divides the rides into five folds by time stamp and tests on the first one, so that no stamp is on both sides.
Every model is trained by the recipe, written as a whole file by the scheme without names of inner tensors, and judged
by the fares that LiteRT gives for the raw rides of the test fold. A preset is trained by its own recipe. The RMSE is
the mean over the seeds; the ratio to the first row is that of the same seeds, with its 95 % t-interval over them. Bytes
are the median of the files.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')

import numpy as np

from configs.compression import packaged_schemes
from configs.dataset import LABEL, TIME
from configs.errors import UserError
from configs.loading import load
from configs.pairs import is_aware
from configs.reduction import Reduction
from configs.run import RunConfig
from models.compression.compressor import Compressor
from models.error_intervals import root_mean_square
from models.fare_model import build_fare_model
from models.lite.conversion import assemble, convert_features, convert_model
from models.lite.rides import RideInputs
from models.recipe_training import FinalModels
from models.reduction.fitting import fit
from pipeline.study.fare_models import (
  FareModels,
  feature_transform,
  numeric_width,
  predicted,
  raw_inputs,
  reduced_transform,
)
from pipeline.study.folds import StudyFold, grouped_folds, read_kept, t_interval
from transforms import names
from transforms.engineering import catalogue

MODELS = ('64-32-16', 'nyc-small', '32-16', '32-16/32', '32-16/20', '32-16/12', '24-12', '16-8', '16-8/32')
"""Widths of the hidden layers, then the inputs that a selection keeps, without a number all; or a preset."""

FOLDS = 5


class Row(NamedTuple):
  """What a model came to, a value per seed."""

  name: str
  rmse: list[float]
  bytes: list[int]
  gzip_bytes: list[int]


def main(arguments: list[str] | None = None) -> None:
  """Prints a Markdown table; see `--help`. The exit status is 2, with a sentence, for rides or models that can't be."""
  options = _options(arguments)
  try:
    _compare(options)
  except UserError as error:
    print(error, file=sys.stderr)
    sys.exit(2)


def _compare(options: argparse.Namespace) -> None:
  try:
    packaged_schemes(options.scheme)
  except ValueError as error:
    raise UserError(str(error)) from None
  config = load('nyc', options.set)
  rides = read_kept([options.data], config.dataset)
  folds = [
    StudyFold(config, rides, grouped_folds(rides[TIME], FOLDS, seed) == 0, seed) for seed in range(options.seeds)
  ]
  print(f'\n{len(rides[LABEL]):,} rides, seeds 0 to {options.seeds - 1}, {options.recipe}.{options.scheme}\n')
  print('| model | RMSE | to the first row [95 %] | bytes | gzip |\n| --- | ---: | ---: | ---: | ---: |', flush=True)
  first: Row | None = None
  for model in options.models:
    row = _measured(folds, model, options)
    first = first or row
    print(_line(row, first), flush=True)


def _measured(folds: Sequence[StudyFold], model: str, options: argparse.Namespace) -> Row:
  widths, _, inputs = model.partition('/')
  settings = [*options.set, 'compression.keep_names=none']
  preset, name = model, model
  if widths[0].isdigit():
    settings += [f'model.hidden=[{widths.replace("-", ",")}]', f'training.recipes=[{options.recipe}]']
    preset, name = 'nyc', f'{widths}, {inputs or "all"} inputs'
  if inputs:
    settings.append(f'reduction={{method: permutation, components: {inputs}}}')
  narrow = load(preset, settings)
  models = FareModels(narrow)
  row = Row(name, [], [], [])
  for fold in folds:
    content = _file(narrow, models, fold, options.scheme)
    fares = predicted(content, raw_inputs(fold, narrow))
    row.rmse.append(float(root_mean_square(fares.astype(np.float64) - fold.fares[fold.test])))
    row.bytes.append(len(content))
    row.gzip_bytes.append(len(gzip.compress(content, 9, mtime=0)))
  return row


def _file(config: RunConfig, models: FareModels, fold: StudyFold, scheme_name: str) -> bytes:
  rides = fold.features_of(config)
  transform = feature_transform(fold, config)
  if config.reduction.is_on:
    features = [feature.name for feature in catalogue(config.dataset, config.features)]
    reduction: Reduction = config.reduction.model_copy(update={'seed': fold.seed})
    known = rides[~fold.test]
    fitted = fit(reduction, features, known.inputs[names.NUMERIC], known.fares, clip=config.model.clip)
    rides, transform = fitted.apply_to(rides), reduced_transform(fold, config, fitted)
  known = rides[~fold.test]
  base, _ = models.fit(known, fold.seed)
  typical_fare = float(np.median(known.fares))
  structure = (config.model, numeric_width(rides), models.categoricals, typical_fare, fold.seed)
  build = functools.partial(build_fare_model, *structure)
  training = config.training.model_copy(update={'seed': fold.seed})
  [recipe] = (recipe for recipe in config.training.recipes if not recipe.is_dense)
  final = FinalModels(build).of(Compressor(build, base.get_weights(), known, training).apply(recipe))
  [scheme] = (scheme for scheme in packaged_schemes(scheme_name))
  aware = is_aware(scheme, recipe)
  part = convert_model(final.model if aware else final.plain, scheme, known.inputs, aware, LABEL)
  return assemble(convert_features(transform, build(), RideInputs(config.dataset)), part, config.compression.keep_names)


def _line(row: Row, first: Row) -> str:
  ratios = np.array(row.rmse) / np.array(first.rmse)
  interval = '' if len(ratios) < 2 else ' [{:.3f}, {:.3f}]'.format(*t_interval(ratios))
  sizes = f'{np.median(row.bytes):,.0f} | {np.median(row.gzip_bytes):,.0f}'
  return f'| {row.name} | {np.mean(row.rmse):.3f} | {ratios.mean():.3f}{interval} | {sizes} |'


def _options(arguments: list[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.small', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--data', default='../shared/data/nyc/rides.csv')
  parser.add_argument(
    '--models', nargs='+', default=MODELS, help='such as 32-16, 32-16/12 of 12 selected inputs, or a preset'
  )
  parser.add_argument('--recipe', default='pqat_80')
  parser.add_argument('--scheme', default='int8')
  parser.add_argument('--seeds', type=int, default=5)
  parser.add_argument('--set', action='append', default=[], metavar='a.b=c', help='overrides the preset')
  return parser.parse_args(arguments)


if __name__ == '__main__':
  main()
