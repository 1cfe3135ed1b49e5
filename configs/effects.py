"""Which settings have an effect only where others allow it: one table for those that no config model knows by itself.

What hangs on the settings of one section alone is said by that section's own `problems`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from configs.base import Idle, at, written
from configs.columns import PASSENGERS
from configs.dataset import FileFormat
from configs.features import Cross
from configs.layers import has_numeric
from configs.model import Loss
from configs.split import SplitMethod
from configs.study import StudyBlock
from configs.validation import Severity

RunSettings: TypeAlias = Any
"""A `configs.run.RunConfig`, which asks here and so can't be imported."""


class Effect(NamedTuple):
  """When settings have an effect.

  Attributes:
    settings: dotted keys; what lies below counts, too.
    deciders: dotted keys of the settings that decide; see `Idle`.
    holds: whether they have an effect.
    cause: why they have none: the rest of a sentence.
    mend: what to do, besides to remove them; empty where there is nothing else.
  """

  settings: tuple[str, ...]
  deciders: tuple[str, ...]
  holds: Callable[[RunSettings], bool]
  cause: str
  mend: str = ''

  def sentence(self, setting: str) -> str:
    """What is wrong with one of the settings."""
    return f'has no effect {self.cause}; {f"{self.mend}, or " if self.mend else ""}remove {setting}.'


def _switched(section: str, *names: str) -> Effect:
  """Settings of a section that has a switch."""
  switch = f'{section}.enabled'
  settings = tuple(f'{section}.{name}' for name in names)
  holds = lambda config: bool(at(config, switch))  # noqa: E731
  return Effect(settings, (switch,), holds, f'while {switch} is false', 'set that to true')


def _asked(block: StudyBlock) -> Effect:
  """Settings of a study's question."""
  section = f'study.{block.value}'
  holds = lambda config: block in config.study.blocks  # noqa: E731
  return Effect((section,), ('study.blocks',), holds, f'while study.blocks lacks {block.value}', 'add it there')


def _has_spans(config: RunSettings) -> bool:
  """Whether nights may come: in a pattern with spans, or one that is given later."""
  path = config.dataset.path
  return config.dataset.bigquery is None and (path is None or bool(_SPAN.search(path)))


_SPAN = re.compile(r'\{(SPAN|YYYY|MM|DD)(:\d+)?\}')


def _has_days(config: RunSettings) -> bool:
  """Whether spans are days, in a pattern or in one that is given later."""
  path = config.dataset.path
  return config.dataset.bigquery is None and (path is None or '{DD' in path)


_SPANS_MEND = 'put {SPAN} or {YYYY}/{MM}/{DD} there, as in rides/{YYYY}/{MM}/{DD}/*.csv'

_LANDMARKS = ('dataset.city.landmarks',)
_CELLS = ('features.buckets.enabled', 'features.crosses.enabled', 'features.crosses.crosses')
_RATIOS = ('compression.budget.rmse_ratio', 'compression.budget.worst_slice_ratio')
_SLICE_DIFFERENCE = 'serving.shadow.max_slice_difference'

EFFECTS = (
  Effect(
    ('dataset.format', 'dataset.delimiter'),
    ('dataset.bigquery',),
    lambda config: config.dataset.bigquery is None,
    'on rides from dataset.bigquery, only on those from files',
  ),
  Effect(
    ('dataset.delimiter',),
    ('dataset.format', 'dataset.path'),
    lambda config: config.dataset.named_format is not FileFormat.PARQUET,
    'on Parquet (dataset.format, or the name of dataset.path), only on CSV',
    'set dataset.format to csv if it is CSV',
  ),
  Effect(
    ('dataset.rules.passengers',),
    ('dataset.columns.passenger_count',),
    lambda config: config.dataset.columns.passenger_count is not None,
    f'while dataset.columns.{PASSENGERS} is null',
    'name the column there',
  ),
  Effect(
    ('split.method',),
    ('retraining.window',),
    lambda config: config.retraining.spans < 2 or config.split.method is SplitMethod.NEWEST_SPAN,
    'with a retraining.window of 2 spans and more, which is always evaluated on its newest span',
  ),
  Effect(
    ('split.seed',),
    ('split.method',),
    lambda config: config.split.method is not SplitMethod.CHRONOLOGICAL,
    'with split.method chronological, which draws nothing',
    'set that to hash',
  ),
  Effect(
    ('validation.leakage', 'validation.drift_stops'),
    ('validation.severity',),
    lambda config: config.validation.severity is not Severity.NEVER,
    'while validation.severity is never, with which no finding stops a run',
    'set that to error',
  ),
  Effect(
    ('validation.max_off_day_share',),
    ('dataset.path', 'dataset.bigquery'),
    _has_days,
    'while dataset.path has no {YYYY}, {MM} and {DD}, without which no ride has a day to be on',
    'put them there, as in rides/{YYYY}/{MM}/{DD}/*.csv',
  ),
  _switched('features.temporal', 'rush_hours', 'cyclic'),
  _switched('features.geographic', 'max_distance_km', 'landmark_cap_km', 'proximity_km'),
  Effect(
    ('features.geographic.landmark_cap_km', 'features.geographic.proximity_km'),
    _LANDMARKS,
    lambda config: not config.features.geographic.enabled or bool(config.dataset.city.landmarks),
    'while dataset.city.landmarks is empty',
    'name a landmark there',
  ),
  Effect(
    ('features.buckets.count', 'features.buckets.fit'),
    _CELLS,
    lambda config: config.features.buckets.enabled or config.features.crosses.has_cells,
    'while features.buckets.enabled is false and no cross has cells',
    'set it to true',
  ),
  _switched('features.buckets', 'embedding'),
  _switched('features.crosses', 'crosses', 'embedding', 'max_exact'),
  Effect(
    ('features.crosses.max_exact',),
    ('features.crosses.crosses',),
    lambda config: not config.features.crosses.enabled or config.features.crosses.has_cells,
    'while no cross has cells, as those of hours alone are always exact',
    'add such a cross',
  ),
  Effect(
    ('features.buckets.embedding', 'features.crosses.embedding'),
    ('reduction.method', 'reduction.categoricals'),
    lambda config: not config.reduction.takes_categoricals,
    'with reduction.categoricals, which leaves no embedding',
    'set that to false',
  ),
  Effect(
    ('reduction',),
    ('reduction.method',),
    lambda config: config.reduction.is_on,
    'while reduction.method is none',
    'set a method (pca, …)',
  ),
  Effect(
    ('model.clip',),
    ('features', 'dataset.extras'),
    lambda config: has_numeric(config.dataset, config.features),
    'while no feature block and no extra column yields a number',
    'switch a block on under features',
  ),
  Effect(
    ('model.dropout',),
    ('model.hidden',),
    lambda config: len(config.model.hidden) > 1,
    'with a single layer in model.hidden, as nothing is dropped before the first one',
    'add a layer',
  ),
  Effect(
    ('training.huber_delta', 'training.huber_delta_share'),
    ('training.loss',),
    lambda config: config.training.loss is Loss.HUBER,
    'while training.loss is mse',
    'set that to huber',
  ),
  Effect(
    ('training.max_steps',),
    ('training.epochs', 'training.steps', 'training.recipes'),
    lambda config: any(length.epochs is not None for length in config.training.lengths),
    'while no training has epochs, which it limits; steps are taken as they are',
  ),
  _switched('training.early_stopping', 'patience', 'holdout'),
  _switched('compression.metadata', 'license'),
  _switched('serving.shadow', 'apart', 'max_mean_difference', 'max_share_apart', 'max_slice_difference'),
  Effect(
    ('evaluation.slices.airport_km',),
    _LANDMARKS,
    lambda config: any(landmark.airport for landmark in config.dataset.city.landmarks),
    'while no landmark of dataset.city.landmarks is an airport',
    'name one there',
  ),
  Effect(
    ('compression.budget.min_slice_rides',),
    (_RATIOS[1], _SLICE_DIFFERENCE),
    lambda config: any(at(config, limit) is not None for limit in (_RATIOS[1], _SLICE_DIFFERENCE)),
    f'while {_RATIOS[1]} and {_SLICE_DIFFERENCE} are null',
    'set a limit there',
  ),
  Effect(
    ('compression.budget.judged_on',),
    _RATIOS,
    lambda config: any(at(config, ratio) is not None for ratio in _RATIOS),
    'while compression.budget.rmse_ratio and worst_slice_ratio are null',
    'set a limit there',
  ),
  Effect(
    ('compression.calibration_rides',),
    ('compression.schemes',),
    lambda config: any(scheme.precision.is_calibrated for scheme in config.compression.schemes),
    'while no scheme of compression.schemes takes ranges from rides, as int8 does',
    'add one',
  ),
  Effect(
    ('beam.components.DimensionalityReduction',),
    ('reduction.method',),
    lambda config: config.reduction.is_on,
    'while reduction.method is none, which leaves that step out',
    'set a method (pca, …)',
  ),
  Effect(
    ('beam.components.BaseEvaluator',),
    ('training.serve', 'training.recipes'),
    lambda config: not config.training.served_recipe.is_dense,
    'while the dense base itself is served, which leaves that step out',
    'set training.serve to another recipe',
  ),
  Effect(
    # What names the rides is no reason to do without a window that was asked for. One of a single span is as none.
    ('retraining.window',),
    (),
    lambda config: config.retraining.spans < 2 or config.dataset.bigquery is not None or _has_spans(config),
    'while dataset.path (--data) has no spans',
    _SPANS_MEND,
  ),
  Effect(
    ('retraining.triggers', 'retraining.exclude'),
    ('dataset.path', 'dataset.bigquery'),
    _has_spans,
    'while dataset.path has no spans, without which nothing is retrained',
    _SPANS_MEND,
  ),
  *(_asked(block) for block in (
    StudyBlock.DIMENSIONS, StudyBlock.REDUCTIONS, StudyBlock.EMBEDDINGS, StudyBlock.COMPRESSION,
  )),
)  # fmt: skip
"""Every setting that others of several sections, or a switch, can leave without effect."""


def idle_settings(config: RunSettings) -> Iterator[Idle]:
  """Settings that are not the default and have no effect, each one once; located from the config down."""
  told: set[str] = set()
  for effect in EFFECTS:
    if effect.holds(config):
      continue
    for setting in effect.settings:
      for place in _written(config, setting):
        if place not in told and place not in effect.deciders:
          told.add(place)
          yield Idle(place, effect.sentence(place), effect.deciders)
  yield from _widths_of_no_cross(config)


def _written(config: RunSettings, setting: str) -> Iterator[str]:
  """What of a setting, or below it, is not the default."""
  section, _, name = setting.rpartition('.')
  if section == 'beam.components':
    yield from (setting,) if name in config.beam.components else ()
  elif setting == 'split.method':
    yield setting  # What was not written, a window has replaced.
  else:
    yield from written(config, setting)


def _widths_of_no_cross(config: RunSettings) -> Iterator[Idle]:
  crosses = config.features.crosses
  if not crosses.enabled:
    return
  for cross in crosses.embedding:
    if cross not in crosses.crosses:
      place = f'features.crosses.embedding.{Cross(cross).value}'
      message = 'has no effect while that cross is not among features.crosses.crosses; add it there'
      yield Idle(place, f'{message}, or remove {place}.', ('features.crosses.crosses',))
