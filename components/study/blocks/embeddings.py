"""How wide an embedding has to be: the fourth-root rule beside other widths, and no embedding at all."""

from __future__ import annotations

from collections.abc import Iterator

from components.study.fare_models import FareModels
from components.study.study_fold import with_features
from components.study.task import Task, Variant
from configs.features import Features
from configs.run import RunConfig
from configs.study import FOURTH_ROOT, StudyBlock

REFERENCE = 'fourth root'
NONE = 'no embedding'


def tasks(config: RunConfig) -> Iterator[Task]:
  """One task per width, beside the config's own features."""
  off = config.features.crosses.model_copy(update={'enabled': False})
  yield _task(config, NONE, 0, config.features.model_copy(update={'crosses': off}))
  for width in dict.fromkeys((*config.study.embeddings.widths, FOURTH_ROOT)):
    name = REFERENCE if width == FOURTH_ROOT else f'width {width}'
    crosses = config.study.embeddings.crosses
    widths = {} if width == FOURTH_ROOT else dict.fromkeys(crosses, width)
    block = config.features.crosses.model_copy(update={'enabled': True, 'crosses': crosses, 'embedding': widths})
    yield _task(config, name, width, config.features.model_copy(update={'crosses': block}))


def _task(config: RunConfig, name: str, width: int | str, features: Features) -> Task:
  of_variant = with_features(config, features)
  models = FareModels(of_variant)
  return Task(
    StudyBlock.EMBEDDINGS,
    name,
    (Variant(name, REFERENCE, {'width': str(width)}),),
    lambda fold: {name: models.measure(fold, fold.features_of(of_variant))},
    about=features.model_dump_json(),
  )
