"""A whole run: the dataset, its splits, and every step's settings."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

from pydantic import ValidationInfo, field_validator

from configs.base import Config, Problem, nearest
from configs.beam import Beam
from configs.checks import budget_problems, recipe_problems, reduction_problems, scheme_problems, slice_problems
from configs.compression import Compression
from configs.dataset import LABEL, Dataset
from configs.effects import idle_settings
from configs.evaluation import Evaluation
from configs.features import Features
from configs.layers import hidden_names, model_layers
from configs.model import Model, Training
from configs.notify import Notify
from configs.operations import Metadata, Retention, Retraining
from configs.platform import Platform
from configs.reduction import Reduction
from configs.serving import Serving
from configs.split import Split, SplitMethod
from configs.study import Study
from configs.tracking import Tracking
from configs.validation import Validation, leakage_problems

_NAME = re.compile(r'[a-z0-9][a-z0-9-]{0,127}')


class RunConfig(Config):
  """Everything that decides a run's result.

  Attributes:
    name: the pipeline's name, as Vertex allows it.
    beam: where the Beam steps run; no part of the result.
    notify: who is told what a run came to; no part of the result.
    platform: for runs away from this machine; no result depends on it.
    tracking: where else a run is noted after its end; no part of the result.
    study: what `farelite study` compares; a run does not look at it.
  """

  name: str
  dataset: Dataset
  split: Split = Split()
  validation: Validation = Validation()
  features: Features = Features()
  reduction: Reduction = Reduction()
  model: Model = Model()
  training: Training = Training()
  evaluation: Evaluation = Evaluation()
  compression: Compression = Compression()
  serving: Serving = Serving()
  beam: Beam = Beam()
  metadata: Metadata = Metadata()
  retention: Retention = Retention()
  retraining: Retraining = Retraining()
  notify: Notify = Notify()
  platform: Platform = Platform()
  tracking: Tracking = Tracking()
  study: Study = Study()

  @field_validator('name')
  @classmethod
  def _as_vertex_allows_it(cls, value: str) -> str:
    if not _NAME.fullmatch(value):
      raise ValueError(
        'must have lower-case letters, digits and hyphens alone, begin with a letter or digit and have at most 128 '
        f"characters, got '{value}'."
      )
    return value

  @field_validator('retraining', mode='after')
  @classmethod
  def _a_window_evaluates_on_its_newest_span(cls, retraining: Retraining, info: ValidationInfo) -> Retraining:
    split = info.data.get('split')
    if split is not None and retraining.spans > 1 and 'method' not in split.model_fields_set:
      info.data['split'] = split.model_copy(update={'method': SplitMethod.NEWEST_SPAN})
    elif split is not None and retraining.spans < 2 and split.method is SplitMethod.NEWEST_SPAN:
      raise ValueError('split.method newest_span needs a retraining.window of 2 spans or more.')
    return retraining

  @field_validator('training', mode='after')
  @classmethod
  def _recipes_name_their_layers(cls, training: Training, info: ValidationInfo) -> Training:
    if 'model' not in info.data:
      return training
    hidden = hidden_names(info.data['model'])
    return training.model_copy(update={'recipes': tuple(r.with_layer_names(hidden) for r in training.recipes)})

  def problems(self) -> Iterator[Problem]:
    yield from idle_settings(self)
    yield from reduction_problems(self.reduction, self.dataset, self.features)
    yield from (found.under('evaluation.slices') for found in slice_problems(self.evaluation.slices, self.dataset))
    columns = (*self.dataset.raw_inputs(), LABEL)
    for name in self.validation.max_missing_share:
      if name not in columns:
        yield Problem('validation.max_missing_share', f"unknown column '{name}'.{nearest(name, columns)}")
    yield from leakage_problems(self.dataset, self.validation)
    if self.dataset.bigquery and self.retraining.window:
      yield Problem('retraining.window', 'is for files in spans; for BigQuery put the period into the query.')
    yield from self._excluded_spans_of_another_kind()
    layers = model_layers(self.dataset, self.features, self.model, self.reduction)
    recipes = self.training.recipes
    for recipe in recipes:
      yield from (problem.under('training.recipes') for problem in recipe_problems(recipe, self.model, layers))
    for scheme in self.compression.schemes:
      yield from (problem.under('compression.schemes') for problem in scheme_problems(scheme, recipes, layers))
    for problem in budget_problems(self.compression, recipes, layers):
      yield problem.under('compression.budget')

  def _excluded_spans_of_another_kind(self) -> Iterator[Problem]:
    """Days where the path has numbers, and numbers where it has days: nothing would be left out."""
    path = self.dataset.path or ''
    for one in self.retraining.exclude:
      is_day = isinstance(one, datetime.date)
      if is_day and '{SPAN' in path:
        yield Problem(
          'retraining.exclude', f'must name spans by their numbers, as dataset.path has {{SPAN}}, got {one}.'
        )
      elif not is_day and '{DD' in path:
        message = f'must name days such as 2024-03-12, as dataset.path has {{YYYY}}, {{MM}} and {{DD}}, got {one}.'
        yield Problem('retraining.exclude', message)
