"""Which features are worth what: the raw baseline, each block added to it, all of them, and all less one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from components.study.case_study import TrainedNet, case_study_baseline, case_study_net
from components.study.fare_models import FareModels
from components.study.study_fold import StudyFold, everything, with_features
from components.study.task import Outcome, Task, Variant
from configs.features import Features
from configs.run import RunConfig
from configs.study import StudyBlock

EVERYTHING = 'everything'
"""What the others are compared with: every block, the config's own crosses."""

RAW = 'raw'
AS_CONFIGURED = 'as configured'
PUBLISHED, FITTED = 'case study, published cells', 'case study, fitted cells'
CASE_STUDY_BASELINE = 'case study, baseline net'

_BASELINE = ('raw', 'passengers')
"""The blocks of the case study's baseline: coordinates and passengers as they come."""

_ADDED = ('temporal', 'geographic', 'buckets', 'crosses')


def tasks(config: RunConfig) -> Iterator[Task]:
  """One task per set of features, the config's own among them."""
  blocks = tuple(Features.model_fields)
  sets: dict[str, tuple[str, ...]] = {RAW: _BASELINE}
  sets |= {f'raw + {block}': (*_BASELINE, block) for block in _ADDED}
  sets |= {EVERYTHING: blocks}
  sets |= {f'everything less {left}': tuple(block for block in blocks if block != left) for left in blocks}
  for name, on in sets.items():
    yield _task(config, name, _only(config.features, on))
  yield _task(config, AS_CONFIGURED, config.features)
  yield from _case_study()


def _task(config: RunConfig, name: str, features: Features) -> Task:
  of_variant = with_features(config, features)
  models = FareModels(of_variant)
  on = [block for block in type(features).model_fields if getattr(features, block).enabled]
  return Task(
    StudyBlock.FEATURES,
    name,
    (Variant(name, EVERYTHING, {'features': ' + '.join(on)}),),
    lambda fold: {name: models.measure(fold, fold.features_of(of_variant))},
    about=features.model_dump_json(),
  )


def _only(features: Features, on: tuple[str, ...]) -> Features:
  """The config's own settings with just these blocks on."""
  every = everything(features)
  own = every.crosses.model_copy(update={'crosses': features.crosses.crosses})
  blocks = {name: getattr(every, name) for name in type(features).model_fields} | {'crosses': own}
  return Features(**{name: block.model_copy(update={'enabled': name in on}) for name, block in blocks.items()})


def _case_study() -> Iterator[Task]:
  """The case study's own nets, trained as published."""
  nets: dict[str, Callable[[StudyFold], TrainedNet]] = {
    CASE_STUDY_BASELINE: case_study_baseline,
    PUBLISHED: functools.partial(case_study_net, fitted=False),
    FITTED: functools.partial(case_study_net, fitted=True),
  }
  for name, net in nets.items():

    def measure(fold: StudyFold, name: str = name, net: Callable[[StudyFold], TrainedNet] = net) -> dict[str, Outcome]:
      trained = net(fold)
      return {name: Outcome(trained.fares, {'parameters': trained.parameters, 'train_seconds': trained.seconds})}

    yield Task(
      StudyBlock.FEATURES, name, (Variant(name, EVERYTHING, {'features': 'those of the case study'}),), measure
    )
