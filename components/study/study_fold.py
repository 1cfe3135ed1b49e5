"""A fold that makes its features once for all variants of the study."""

from __future__ import annotations

import functools

from components.study.cross_validation import Fold
from configs.features import Cross, Features
from configs.run import RunConfig
from models.rides import Rides
from transforms import names
from transforms.catalogue import catalogue, categoricals


class StudyFold(Fold):
  """A division of the rides whose features are made once, with every block on; a variant gets the columns it names.

  That is the same as making them for the variant alone, as each feature is standardized by itself.
  """

  @functools.cached_property
  def _everything(self) -> Rides:
    return super().features_of(with_features(self.config, everything(self.config.features)))

  def features_of(self, config: RunConfig) -> Rides:
    """All rides with the features of `config`, fitted on the training rides alone."""
    if not _is_part(config.features, self.config.features):
      return super().features_of(config)
    every = everything(self.config.features)
    position = {feature.name: i for i, feature in enumerate(catalogue(config.dataset, every))}
    wanted = [position[feature.name] for feature in catalogue(config.dataset, config.features)]
    made = self._everything
    inputs = {names.NUMERIC: made.inputs[names.NUMERIC][:, wanted]}
    inputs |= {feature.name: made.inputs[feature.name] for feature in categoricals(config.dataset, config.features)}
    return Rides(inputs, made.fares, made.seconds)


def with_features(config: RunConfig, features: Features) -> RunConfig:
  """The same config with other features."""
  return config.model_copy(update={'features': features})


def everything(features: Features) -> Features:
  """The same settings with every block and every cross on."""
  on = {name: getattr(features, name).model_copy(update={'enabled': True}) for name in type(features).model_fields}
  on['crosses'] = on['crosses'].model_copy(update={'crosses': tuple(Cross)})
  return Features(**on)


def _is_part(features: Features, own: Features) -> bool:
  """Whether they differ in what is on and how wide embeddings are alone."""
  free = {'enabled': True, 'embedding': None, 'crosses': ()}

  def settings(value: Features) -> list[dict[str, object]]:
    return [block | {key: free[key] for key in block if key in free} for block in value.model_dump().values()]

  return settings(features) == settings(own)
