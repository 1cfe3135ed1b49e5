"""Fewer model inputs: every reduction and selection in several sizes, beside the full vector."""

from __future__ import annotations

import time
from collections.abc import Iterator

from components.study.fare_models import FareModels
from components.study.study_fold import StudyFold
from components.study.task import Outcome, Task, Variant
from configs.reduction import Reduction, ReductionMethod
from configs.run import RunConfig
from configs.study import StudyBlock
from models.reduction.fitting import fit
from models.training import predict
from transforms import names
from transforms.catalogue import catalogue

REFERENCE = 'all features'


def tasks(config: RunConfig) -> Iterator[Task]:
  """One task per method and size, after the full vector."""
  models = FareModels(config)
  yield Task(
    StudyBlock.REDUCTIONS,
    REFERENCE,
    (Variant(REFERENCE, REFERENCE, {'method': 'none'}),),
    lambda fold: {REFERENCE: models.measure(fold, fold.features_of(config))},
  )
  total = len(catalogue(config.dataset, config.features))
  for method in config.study.reductions.methods:
    for count in sorted({max(1, round(share * total)) for share in config.study.reductions.shares}):
      yield _task(config, _reduction(ReductionMethod(method), count))


def _reduction(method: ReductionMethod, count: int) -> Reduction:
  if method is ReductionMethod.LDA:
    # It has at most one component less than classes; many rides have the same fare, so some bands fall together.
    return Reduction(method=method, components=count, fare_bands=2 * count + 2)
  return Reduction(method=method, components=count)


def _task(config: RunConfig, reduction: Reduction) -> Task:
  name = f'{reduction.method.value}, {reduction.components}'
  models = FareModels(config)
  features = [feature.name for feature in catalogue(config.dataset, config.features)]

  def measure(fold: StudyFold) -> dict[str, Outcome]:
    rides = fold.features_of(config)
    training = rides[~fold.test]
    seeded = reduction.model_copy(update={'seed': fold.seed})
    start = time.process_time()
    fitted = fit(seeded, features, training.inputs[names.NUMERIC], training.fares, clip=config.model.clip)
    fit_seconds = time.process_time() - start
    model, facts = models.fit(fitted.apply_to(training), fold.seed)
    fares = predict(model, fitted.apply_to(rides[fold.test]))
    return {name: Outcome(fares, {**facts, 'fit_seconds': fit_seconds})}

  settings = {'method': reduction.method.value, 'components': int(reduction.components or 0)}
  variant = Variant(name, REFERENCE, settings)
  return Task(StudyBlock.REDUCTIONS, name, (variant,), measure, about=reduction.model_dump_json())
