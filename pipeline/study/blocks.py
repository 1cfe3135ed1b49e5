"""The questions of the study about features, dimensions, embeddings and other models: what is compared, fold by fold.

Every model takes as many optimizer steps, whatever rides it has, so that no size is trained less.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator

import numpy as np
from sklearn.linear_model import lars_path

from configs.dataset import Dataset
from configs.features import Features
from configs.run import RunConfig
from configs.study import FOURTH_ROOT, StudyBlock
from models.rides import Rides
from models.training import predict, total_steps
from pipeline.study.fare_models import FareModels
from pipeline.study.folds import (
  Method,
  Outcome,
  StudyFold,
  StudyTask,
  StudyVariant,
  everything,
  first_stamps,
  single,
  with_features,
)
from pipeline.study.reference_models import case_study_baseline, case_study_net, plain_methods
from transforms import names
from transforms.engineering import catalogue

EVERYTHING = 'everything'
"""What the others are compared with: every block, the config's own crosses."""

RAW = 'raw'
AS_CONFIGURED = 'as configured'
PUBLISHED, FITTED = 'case study, published cells', 'case study, fitted cells'
CASE_STUDY_BASELINE = 'case study, baseline net'

PASSENGERS_BLOCK = 'passengers'
_BASELINE = ('raw', PASSENGERS_BLOCK)
"""The blocks of the case study's baseline: coordinates and passengers as they come."""


def _blocks_of(dataset: Dataset) -> tuple[str, ...]:
  """The blocks that the dataset has columns for: some count no passengers."""
  lacking = {PASSENGERS_BLOCK} if dataset.columns.passenger_count is None else set()
  return tuple(block for block in Features.model_fields if block not in lacking)


def feature_tasks(config: RunConfig) -> Iterator[StudyTask]:
  """One task per set of features, the config's own among them."""
  blocks = _blocks_of(config.dataset)
  baseline = tuple(block for block in _BASELINE if block in blocks)
  sets: dict[str, tuple[str, ...]] = {RAW: baseline}
  sets |= {f'raw + {block}': (*baseline, block) for block in blocks if block not in baseline}
  sets |= {EVERYTHING: blocks}
  sets |= {f'everything less {left}': tuple(block for block in blocks if block != left) for left in blocks}
  variants = {name: _only(config.features, on) for name, on in sets.items()} | {AS_CONFIGURED: config.features}
  for name, features in variants.items():
    on = ' + '.join(block for block in blocks if getattr(features, block).enabled)
    yield _features_task(config, StudyBlock.FEATURES, StudyVariant(name, EVERYTHING, {'features': on}), features)
  yield from _case_study()


def _features_task(config: RunConfig, block: StudyBlock, variant: StudyVariant, features: Features) -> StudyTask:
  """The fare model of the config with other features."""
  of_variant = with_features(config, features)
  models = FareModels(of_variant)
  measure = lambda fold: models.measure(fold, fold.features_of(of_variant))  # noqa: E731
  return single(block, variant, measure, about=features.model_dump_json())


def _only(features: Features, on: tuple[str, ...]) -> Features:
  """The config's own settings with just these blocks on."""
  every = everything(features)
  own = every.crosses.model_copy(update={'crosses': features.crosses.crosses})
  blocks = {name: getattr(every, name) for name in type(features).model_fields} | {'crosses': own}
  return Features(**{name: block.model_copy(update={'enabled': name in on}) for name, block in blocks.items()})


def _case_study() -> Iterator[StudyTask]:
  """The case study's own nets, trained as published."""
  nets: dict[str, Callable[[StudyFold], Outcome]] = {
    CASE_STUDY_BASELINE: case_study_baseline,
    PUBLISHED: functools.partial(case_study_net, fitted=False),
    FITTED: functools.partial(case_study_net, fitted=True),
  }
  for name, net in nets.items():
    yield single(StudyBlock.FEATURES, StudyVariant(name, EVERYTHING, {'features': 'those of the case study'}), net)


def dimension_tasks(config: RunConfig) -> Iterator[StudyTask]:
  """One task per number of features and size of the training split; embeddings are left out."""
  off = {name: getattr(config.features, name).model_copy(update={'enabled': False}) for name in ('buckets', 'crosses')}
  config = with_features(config, config.features.model_copy(update=off))
  total = len(catalogue(config.dataset, config.features))
  dimensions = config.study.dimensions
  counts = [(count, 0) for count in sorted(dimensions.features) if count < total]
  counts += [(total, 0), *((total, noise) for noise in sorted(dimensions.noise))]
  for rides in (*sorted(dimensions.training_rides), None):
    for count, noise in counts:
      yield _dimension_task(config, rides, count, noise, total)


def variant_name(features: int, noise: int, rides: int | None) -> str:
  """Such as `48 features + 50 noise, 2,000 rides`."""
  noisy = f' + {noise} noise' if noise else ''
  return f'{features} features{noisy}, {f"{rides:,}" if rides else "all"} rides'


def _dimension_task(config: RunConfig, rides: int | None, count: int, noise: int, total: int) -> StudyTask:
  name = variant_name(count, noise, rides)
  settings = {'training_rides': rides or 'all', 'kept_features': count, 'noise_features': noise}
  models = FareModels(config)

  def measure(fold: StudyFold) -> Outcome:
    made = fold.features_of(config)
    training = np.flatnonzero(~fold.test)
    steps = total_steps(len(training), config.training)
    if rides:
      training = training[first_stamps(made.seconds[training], rides, fold.seed)]
    columns = _columns(made.inputs[names.NUMERIC], made.fares, training, count)
    if noise:
      generator = np.random.default_rng([fold.seed, fold.number])
      columns = np.concatenate([columns, generator.normal(size=(len(columns), noise)).astype(np.float32)], axis=1)
    reduced = Rides({names.NUMERIC: columns}, made.fares, made.seconds)
    as_long = config.training.model_copy(update={'steps': steps, 'epochs': None})
    model, facts = models.fit(reduced[training], fold.seed, as_long)
    return Outcome(predict(model, reduced[fold.test]), facts)

  variant = StudyVariant(name, variant_name(total, 0, rides), settings)
  return single(StudyBlock.DIMENSIONS, variant, measure, about=name + config.features.model_dump_json())


def _columns(numeric: np.ndarray, fares: np.ndarray, training: np.ndarray, count: int) -> np.ndarray:
  """The first features, in the order in which least angle regression takes them on the training rides."""
  if count == numeric.shape[1]:
    return numeric
  known = numeric[training].astype(np.float64)
  target = fares[training].astype(np.float64)
  # Correlations of standardized columns; a subset of the rides has means of its own.
  _, order, _ = lars_path(known - known.mean(axis=0), target - target.mean(), method='lar')
  rest = [column for column in range(numeric.shape[1]) if column not in set(order)]
  return numeric[:, [*order, *rest][:count]]


REFERENCE = 'fourth root'
NONE = 'no embedding'


def embedding_tasks(config: RunConfig) -> Iterator[StudyTask]:
  """One task per width, beside the config's own features."""
  which = config.study.embeddings.crosses
  changes: dict[str, tuple[int | str, dict[str, object]]] = {NONE: (0, {'enabled': False})}
  for width in dict.fromkeys((*config.study.embeddings.widths, FOURTH_ROOT)):
    widths = {} if width == FOURTH_ROOT else dict.fromkeys(which, width)
    name = REFERENCE if width == FOURTH_ROOT else f'width {width}'
    changes[name] = width, {'enabled': True, 'crosses': which, 'embedding': widths}
  for name, (shown_width, changed) in changes.items():
    features = config.features.model_copy(update={'crosses': config.features.crosses.model_copy(update=changed)})
    variant = StudyVariant(name, REFERENCE, {'width': str(shown_width)})
    yield _features_task(config, StudyBlock.EMBEDDINGS, variant, features)


THIS_MODEL = 'this model'


@functools.cache
def lightgbm_missing() -> str | None:
  """Why LightGBM is not among the reference models, in a sentence; `None` where it is."""
  try:
    importlib.import_module('lightgbm')
  except ImportError:
    return "LightGBM is not installed, so it is not among the reference models: pip install 'farelite[dev]'."
  except OSError as error:  # Its wheel takes OpenMP from the system.
    return (
      f"LightGBM can't be loaded ({error}), so it is not among the reference models: apt-get install libgomp1, or what "
      'your system calls the OpenMP library of GCC.'
    )
  return None


def reference_tasks(config: RunConfig) -> Iterator[StudyTask]:
  """One task per model; LightGBM where it can be loaded."""
  for name, method in plain_methods(lightgbm=lightgbm_missing() is None).items():
    yield single(StudyBlock.REFERENCES, StudyVariant(name, THIS_MODEL), functools.partial(_outcome, method))
  models, variant = FareModels(config), StudyVariant(THIS_MODEL, THIS_MODEL)
  yield single(StudyBlock.REFERENCES, variant, lambda fold: models.measure(fold, fold.engineered))


def _outcome(method: Method, fold: StudyFold) -> Outcome:
  return Outcome(np.asarray(method(fold), np.float32))
