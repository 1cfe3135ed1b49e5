"""Reduced and selected models beside the full one: inputs, RMSE, weights and bytes of whole lite files.

One fold by time stamp; features, reductions and models are fitted on the others. Every model is trained with the same
seeds, so that the ratio of the errors is paired.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from components.study.kept_rides import read_kept
from configs import loading
from configs.compression import FLOAT32_SCHEME, SCHEMES, Scheme
from configs.dataset import LABEL, TIME
from configs.reduction import Reduction
from configs.run import RunConfig
from models.fare_model import build_fare_model
from models.lite.conversion import assemble, convert_features, convert_model
from models.reduction.fitted import Fitted
from models.reduction.fitting import fit
from models.reduction.preprocessing import ReducedFeatures
from models.rides import Rides
from models.training import predict, train
from transforms import in_memory, names
from transforms.catalogue import catalogue
from transforms.constants import Constants

_FOLDS = 5

REDUCTIONS: dict[str, dict[str, object]] = {
  'pca, 99 % of the variance': {'method': 'pca', 'components': 0.99},
  'pca, half': {'method': 'pca', 'components': 24},
  'pca, half, not whitened': {'method': 'pca', 'components': 24, 'whiten': False},
  'svd, half': {'method': 'svd', 'components': 24},
  'ica, half': {'method': 'ica', 'components': 24},
  'nmf, a quarter': {'method': 'nmf', 'components': 12},
  'lda, 8 bands': {'method': 'lda'},
  'pls, half': {'method': 'pls', 'components': 24},
  'variance, half': {'method': 'variance', 'components': 24},
  'correlation, 0.95': {'method': 'correlation'},
  'correlation, half': {'method': 'correlation', 'components': 24},
  'mutual information, half': {'method': 'mutual_information', 'components': 24},
  'permutation, half': {'method': 'permutation', 'components': 24},
  'rfe, linear, half': {'method': 'rfe', 'components': 24, 'scorer': 'linear'},
  'l1, half': {'method': 'l1', 'components': 24},
}


@dataclasses.dataclass(frozen=True)
class Task:
  """Rides with the full vector, and which of them are for the test."""

  config: RunConfig
  constants: Constants
  rides: Rides
  test: np.ndarray


@dataclasses.dataclass(frozen=True)
class Result:
  """What a reduction came to; RMSE by seed, bytes by scheme."""

  inputs: int
  rmse: np.ndarray
  weights: int
  bytes: dict[str, int]
  seconds: float


def main(arguments: Sequence[str] | None = None) -> None:
  """Prints a Markdown table."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--data', required=True)
  parser.add_argument('--seeds', type=int, default=3)
  parser.add_argument('--only', help='a reduction whose name begins so')
  options = parser.parse_args(arguments)
  task = _task(options.data)
  full = _measure(task, None, options.seeds)
  print('| reduction | inputs | RMSE | to full | weights | float32 | int8 | fitted in |')
  print('|---|---|---|---|---|---|---|---|')
  _print('none', full, full)
  for name, reduction in REDUCTIONS.items():
    if name.startswith(options.only or ''):
      _print(name, _measure(task, Reduction.model_validate(reduction), options.seeds), full)


def _task(path: str) -> Task:
  config = loading.load('nyc', ['training.recipes=dense'])
  rides = read_kept([path], config.dataset)
  stamps, position = np.unique(rides[TIME], return_inverse=True)
  test = (np.random.default_rng(0).permutation(len(stamps)) % _FOLDS)[position] == 0
  training = {name: column[~test] for name, column in rides.items()}
  constants = in_memory.fit_constants(training, config.dataset, config.features)
  made = in_memory.transform(rides, config.dataset, config.features, config.evaluation.slices, constants)
  numeric = {names.NUMERIC: np.asarray(made[names.NUMERIC])}
  return Task(config, constants, Rides(numeric, rides[LABEL].astype(np.float32), rides[TIME]), test)


def _measure(task: Task, reduction: Reduction | None, seeds: int) -> Result:
  started = time.perf_counter()
  fitted = None if reduction is None else _fit(task, reduction)
  elapsed = time.perf_counter() - started
  rides = task.rides if fitted is None else fitted.apply_to(task.rides)
  config, width = task.config, rides.inputs[names.NUMERIC].shape[1]
  known, held = rides[~task.test], rides[task.test]
  errors = []
  for seed in range(seeds):
    model = build_fare_model(config.model, width, (), float(np.median(known.fares)), seed)
    train(model, known, config.training.model_copy(update={'seed': seed}))
    errors.append(float(np.sqrt(np.mean((predict(model, held) - held.fares) ** 2))))
  features = convert_features(_transform(task, fitted), model, config.dataset)
  schemes = {'float32': FLOAT32_SCHEME, 'int8': Scheme.model_validate(SCHEMES.spelled_out('int8'))}
  sizes = {
    name: len(assemble(features, convert_model(model, scheme, known.inputs, False))) for name, scheme in schemes.items()
  }
  return Result(width, np.array(errors), int(model.count_params()), sizes, elapsed)


def _fit(task: Task, reduction: Reduction) -> Fitted:
  config, known = task.config, task.rides[~task.test]
  found = [feature.name for feature in catalogue(config.dataset, config.features)]
  return fit(reduction, found, known.inputs[names.NUMERIC], known.fares, clip=config.model.clip)


class _Full(tf.Module):
  """The features without a reduction, as `ReducedFeatures` has them with one."""

  def __init__(self, task: Task) -> None:
    super().__init__()
    self._task = task

  def __call__(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    from transforms.engineering import engineer
    from transforms.outputs import compose

    config = self._task.config
    engineered = engineer(inputs, config.dataset, config.features)
    slices = config.evaluation.slices
    return compose(inputs, engineered, config.dataset, config.features, slices, self._task.constants)


def _transform(task: Task, fitted: Fitted | None) -> ReducedFeatures | _Full:
  if fitted is None:
    return _Full(task)
  config = task.config
  return ReducedFeatures(config.dataset, config.features, config.evaluation.slices, task.constants, fitted)


def _print(name: str, found: Result, full: Result) -> None:
  sizes = ' | '.join(f'{size:,} ({size / full.bytes[scheme] - 1:+.0%})' for scheme, size in found.bytes.items())
  ratios = found.rmse / full.rmse
  spread = f'{ratios.mean():.3f} ({ratios.min():.3f}–{ratios.max():.3f})'
  print(
    f'| {name} | {found.inputs} | {found.rmse.mean():.3f} | {spread} '
    f'| {found.weights:,} | {sizes} | {found.seconds:.1f} s |',
    flush=True,
  )


if __name__ == '__main__':
  main()
