"""The questions of the study about size: training recipes × schemes as lite files, and fewer model inputs."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from configs.compression import FLOAT32, FLOAT32_SCHEME, Scheme, applies
from configs.dataset import LABEL
from configs.layers import hidden_names
from configs.pairs import is_aware
from configs.recipe import DENSE, Recipe
from configs.reduction import Reduction, ReductionMethod
from configs.run import RunConfig
from configs.study import StudyBlock
from models.compression.compressor import Compressed, Compressor
from models.error_intervals import root_mean_square
from models.fare_model import build_fare_model
from models.keras_compat import keras
from models.lite.conversion import assemble, calibration_sample, convert_features, convert_model
from models.lite.rides import RideInputs
from models.recipe_training import FinalModel, FinalModels
from models.reduction.fitted import Fitted
from models.reduction.fitting import fit
from models.reduction.mappings import Selection
from models.rides import Rides
from models.training import predict
from pipeline.study.fare_models import (
  FareModels,
  Transform,
  feature_transform,
  numeric_width,
  predicted,
  raw_inputs,
  reduced_transform,
)
from pipeline.study.folds import Outcome, StudyFold, StudyTask, StudyVariant, single
from transforms import names
from transforms.engineering import catalogue

COMPRESSION_REFERENCE = f'{DENSE}.{FLOAT32}'


def compression_tasks(config: RunConfig) -> Iterator[StudyTask]:
  """One task per recipe; a fold of it makes a file for each scheme that applies."""
  sweep = config.study.compression
  models = FareModels(config)
  bases: dict[tuple[int, int], _Base] = {}

  def measure(recipe: Recipe, schemes: Mapping[str, Scheme], fold: StudyFold) -> dict[str, Outcome]:
    if (fold.seed, fold.number) not in bases:
      bases[fold.seed, fold.number] = _Base(config, fold, models)
    base, raw = bases[fold.seed, fold.number], raw_inputs(fold, config)
    compressed = base.compressor.apply(recipe)
    final = FinalModels(base.build).of(compressed)
    return {name: _outcome(base, compressed, final, scheme, fold, raw) for name, scheme in schemes.items()}

  for recipe in (recipe.with_layer_names(hidden_names(config.model)) for recipe in sweep.recipes):
    schemes = {f'{recipe.name}.{scheme.name}': scheme for scheme in sweep.schemes if applies(scheme, recipe)}
    settings = {name: {'recipe': recipe.name, 'scheme': scheme.name} for name, scheme in schemes.items()}
    yield StudyTask(
      StudyBlock.COMPRESSION,
      recipe.name,
      tuple(StudyVariant(name, COMPRESSION_REFERENCE, values) for name, values in settings.items()),
      functools.partial(measure, recipe, schemes),
      about=recipe.model_dump_json() + ''.join(scheme.model_dump_json() for scheme in schemes.values()),
      tested_folds=min(sweep.tested_folds, config.study.folds),
    )


def _outcome(
  base: _Base,
  compressed: Compressed,
  final: FinalModel,
  scheme: Scheme,
  fold: StudyFold,
  raw: Mapping[str, np.ndarray],
) -> Outcome:
  aware = is_aware(scheme, compressed.recipe)
  model = final.model if aware else final.plain
  calibration = calibration_sample(base.rides[~fold.test], scheme.calibration).inputs
  content = assemble(base.features, convert_model(model, scheme, calibration, aware, LABEL))
  fares = predicted(content, raw)
  difference: np.ndarray = fares - predict(model, base.rides[fold.test]).astype(np.float64)
  weights = np.concatenate([kernel.reshape(-1) for kernel in compressed.weights if kernel.ndim > 1])
  facts = {
    'parameters': final.plain.count_params(),
    'zeros': float(np.mean(weights == 0)),
    **_sizes(content),
    'difference': float(root_mean_square(difference)),
  }
  return Outcome(fares, facts, content)


class _Base:
  """The dense base of one fold, and what all recipes share."""

  def __init__(self, config: RunConfig, fold: StudyFold, models: FareModels) -> None:
    self.rides: Rides = fold.features_of(config)
    training = config.training.model_copy(update={'seed': fold.seed})
    training_rides = self.rides[~fold.test]
    model, _ = models.fit(training_rides, fold.seed)
    width, typical_fare = numeric_width(self.rides), float(np.median(training_rides.fares))
    structure = (config.model, width, models.categoricals, typical_fare, fold.seed)
    self.build = functools.partial(build_fare_model, *structure)
    self.compressor = Compressor(self.build, model.get_weights(), training_rides, training)
    # The part that all files of one fold have in common.
    self.features = convert_features(feature_transform(fold, config), self.build(), RideInputs(config.dataset))


REDUCTION_REFERENCE = 'all features'

_RANKED = (
  ReductionMethod.VARIANCE,
  ReductionMethod.MUTUAL_INFORMATION,
  ReductionMethod.PERMUTATION,
  ReductionMethod.RFE,
  ReductionMethod.L1,
)
"""Selections that keep the first features of a ranking: one fit serves all sizes."""


def reduction_tasks(config: RunConfig) -> Iterator[StudyTask]:
  """The full vector, then one task per method and size, or per method where its ranking serves all sizes."""
  sweep = config.study.reductions
  models = FareModels(config)
  variant = StudyVariant(REDUCTION_REFERENCE, REDUCTION_REFERENCE, {'method': 'none'})
  tested_folds = min(sweep.tested_folds, config.study.folds)
  yield single(StudyBlock.REDUCTIONS, variant, functools.partial(_full, config, models), tested_folds=tested_folds)
  total = len(catalogue(config.dataset, config.features))
  counts = sorted({max(1, round(share * total)) for share in sweep.shares})
  for method in map(ReductionMethod, sweep.methods):
    for sizes in [counts] if method in _RANKED else [[count] for count in counts]:
      yield _task(config, method, sizes)


def _full(config: RunConfig, models: FareModels, fold: StudyFold) -> Outcome:
  rides = fold.features_of(config)
  model, facts = models.fit(rides[~fold.test], fold.seed)
  return _with_file(config, fold, feature_transform(fold, config), model, rides[fold.test], facts)


def _with_file(
  config: RunConfig,
  fold: StudyFold,
  transform: Transform,
  model: keras.Model,
  test: Rides,
  facts: Mapping[str, float],
) -> Outcome:
  """Predictions of the test rides; with the float32 file on the first fold, as it would be as large on the others."""
  fares = predict(model, test)
  if (fold.seed, fold.number) != (config.study.first_seed, 0):
    return Outcome(fares, facts)
  features = convert_features(transform, model, RideInputs(config.dataset))
  file = assemble(features, convert_model(model, FLOAT32_SCHEME, test.inputs, quantization_aware=False, output=LABEL))
  difference: np.ndarray = predicted(file, raw_inputs(fold, config)) - fares.astype(np.float64)
  if (off := float(root_mean_square(difference))) > FLOAT32_SCHEME.tolerance * float(np.std(fares)):
    raise ValueError(f'the lite file misses the fares of its model by {off:.3g} on average.')
  return Outcome(fares, {**facts, **_sizes(file)}, file)


def _sizes(file: bytes) -> dict[str, float]:
  return {'bytes': len(file), 'gzip_bytes': len(gzip.compress(file, 9, mtime=0))}


def ranked(fitted: Fitted, count: int) -> Fitted:
  """A selection of `count` features out of one that was fitted for fewer, by a method that ranks."""
  scores = np.array([decision.score for decision in fitted.findings.decisions])
  # A constant feature has no score and is never kept.
  order = np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind='stable')
  kept = np.sort(order[: min(count, int(np.isfinite(scores).sum()))])
  return dataclasses.replace(
    fitted,
    reduction=fitted.reduction.model_copy(update={'components': count}),
    outputs=tuple(fitted.names[index] for index in kept),
    mapping=Selection(kept),
    mean=np.zeros(len(kept)),
    scale=np.ones(len(kept)),
  )


def _reduction(method: ReductionMethod, count: int) -> Reduction:
  if method is ReductionMethod.LDA:
    # It has at most one component less than classes; many rides have the same fare, so some bands fall together.
    return Reduction(method=method, components=count, fare_bands=2 * count + 2)
  return Reduction(method=method, components=count)


def _task(config: RunConfig, method: ReductionMethod, counts: Sequence[int]) -> StudyTask:
  """Sizes of one method, fewest first."""
  sizes = {f'{method.value}, {count}': count for count in counts}
  reductions = [_reduction(method, count) for count in counts]
  models = FareModels(config)
  features = [feature.name for feature in catalogue(config.dataset, config.features)]

  def measure(fold: StudyFold) -> dict[str, Outcome]:
    rides = fold.features_of(config)
    training = rides[~fold.test]
    start = time.process_time()
    seeded = reductions[0].model_copy(update={'seed': fold.seed})
    first = fit(seeded, features, training.inputs[names.NUMERIC], training.fares, clip=config.model.clip)
    fit_seconds = time.process_time() - start
    outcomes = {}
    for name, count in sizes.items():
      fitted = first if count == counts[0] else ranked(first, count)
      model, facts = models.fit(fitted.apply_to(training), fold.seed)
      test, transform = fitted.apply_to(rides[fold.test]), reduced_transform(fold, config, fitted)
      outcomes[name] = _with_file(config, fold, transform, model, test, facts | {'fit_seconds': fit_seconds})
    return outcomes

  settings = {name: {'method': method.value, 'components': count} for name, count in sizes.items()}
  return StudyTask(
    StudyBlock.REDUCTIONS,
    method.value if len(counts) > 1 else next(iter(sizes)),
    tuple(StudyVariant(name, REDUCTION_REFERENCE, values) for name, values in settings.items()),
    measure,
    about=''.join(reduction.model_dump_json() for reduction in reductions),
    tested_folds=min(config.study.reductions.tested_folds, config.study.folds),
  )
