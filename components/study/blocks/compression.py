"""Training recipes × schemes: every pair as a lite file, judged by what LiteRT makes of it in a process of its own."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Iterator

import numpy as np

from components.study.fare_models import FareModels
from components.study.lite_files import feature_file, predicted, raw_inputs, whole_file
from components.study.study_fold import StudyFold
from components.study.task import Outcome, Task, Variant
from configs.compression import FLOAT32, Precision, Scheme
from configs.layers import hidden_names
from configs.recipe import DENSE, Recipe
from configs.run import RunConfig
from configs.scheme_checks import applies
from configs.study import StudyBlock
from models.compression.compressor import Compressed, Compressor
from models.compression.final_models import FinalModel, FinalModels
from models.fare_model import build_fare_model
from models.intervals import root_mean_square
from models.lite.calibration import calibration_rides
from models.rides import Rides
from models.training import predict
from transforms import names

REFERENCE = f'{DENSE}.{FLOAT32}'


def tasks(config: RunConfig) -> Iterator[Task]:
  """One task per recipe; a fold of it makes a file for each scheme that applies."""
  sweep = config.study.compression
  bases = _Bases(config)
  for recipe in (recipe.with_layer_names(hidden_names(config.model)) for recipe in sweep.recipes):
    schemes = [scheme for scheme in sweep.schemes if applies(scheme, recipe)]
    yield Task(
      StudyBlock.COMPRESSION,
      recipe.name,
      tuple(
        Variant(f'{recipe.name}.{scheme.name}', REFERENCE, {'recipe': recipe.name, 'scheme': scheme.name})
        for scheme in schemes
      ),
      functools.partial(_measure, bases, recipe, schemes),
      about=recipe.model_dump_json() + ''.join(scheme.model_dump_json() for scheme in schemes),
      tested_folds=min(sweep.tested_folds, config.study.folds),
    )


def _measure(bases: _Bases, recipe: Recipe, schemes: list[Scheme], fold: StudyFold) -> dict[str, Outcome]:
  base = bases.of(fold)
  compressed = base.compressor.apply(recipe)
  final = FinalModels(base.build).of(compressed)
  outcomes = {}
  for scheme in schemes:
    outcomes[f'{recipe.name}.{scheme.name}'] = _outcome(bases.config, base, compressed, final, scheme, fold)
  return outcomes


def _outcome(
  config: RunConfig, base: _Base, compressed: Compressed, final: FinalModel, scheme: Scheme, fold: StudyFold
) -> Outcome:
  aware = compressed.recipe.quantization is not None and scheme.precision is Precision.INT8
  model = final.model if aware else final.plain
  calibration = calibration_rides(base.rides[~fold.test], scheme.calibration).inputs
  content = whole_file(base.features, model, scheme, calibration, aware)
  fares = predicted(content, raw_inputs(fold, config))
  difference: np.ndarray = fares - predict(model, base.rides[fold.test]).astype(np.float64)
  weights = np.concatenate([kernel.reshape(-1) for kernel in compressed.weights if kernel.ndim > 1])
  facts = {
    'parameters': final.plain.count_params(),
    'zeros': float(np.mean(weights == 0)),
    'bytes': len(content),
    'gzip_bytes': len(gzip.compress(content, 9, mtime=0)),
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
    numeric = self.rides.inputs.get(names.NUMERIC)
    self.build = functools.partial(
      build_fare_model,
      config.model,
      0 if numeric is None else numeric.shape[1],
      models.categoricals,
      float(np.median(training_rides.fares)),
      fold.seed,
    )
    self.compressor = Compressor(self.build, model.get_weights(), training_rides, training)
    self.features = feature_file(fold, config, self.build())


class _Bases:
  """The dense base of each fold, trained when a recipe first asks for it."""

  def __init__(self, config: RunConfig) -> None:
    self.config = config
    self._models = FareModels(config)
    self._found: dict[tuple[int, int], _Base] = {}

  def of(self, fold: StudyFold) -> _Base:
    """That of a fold."""
    key = (fold.seed, fold.number)
    if key not in self._found:
      self._found[key] = _Base(self.config, fold, self._models)
    return self._found[key]
