"""A whole run: the dataset, its splits, and every step's settings."""

from __future__ import annotations

import enum
import re
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator, model_validator

from configs.base import Config, Fraction, PositiveFloat
from configs.beam import Beam
from configs.budget_checks import budget_problems
from configs.compression import Compression
from configs.dataset import LABEL, Dataset
from configs.features import Features
from configs.layers import hidden_names, model_layers
from configs.metadata import Metadata
from configs.model import Model, Training
from configs.platform import Platform
from configs.problems import Problem, nearest, raise_any
from configs.recipe_checks import recipe_problems
from configs.reduction import Reduction
from configs.reduction_checks import reduction_problems
from configs.retention import Retention
from configs.retraining import Retraining
from configs.scheme_checks import scheme_problems
from configs.study import Study

_NAME = re.compile(r'[a-z0-9][a-z0-9-]{0,127}')


class SplitMethod(str, enum.Enum):
  """How rides are divided; rides of one time stamp always stay together."""

  HASH = 'hash'
  CHRONOLOGICAL = 'chronological'
  NEWEST_SPAN = 'newest_span'


class Split(Config):
  """The train and eval splits.

  Attributes:
    method: a hash of the time stamp, the newest part for evaluation, or the newest span of a window, which a
      `retraining.window` of two and more always takes.
    eval_share: share of the rides in the eval split.
    seed: of the hash.
  """

  method: SplitMethod = SplitMethod.HASH
  eval_share: Annotated[Fraction, Field(gt=0)] = 0.2
  seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class Severity(str, enum.Enum):
  """The mildest anomaly that stops a run; `never` only reports."""

  ERROR = 'error'
  WARNING = 'warning'
  NEVER = 'never'


class Validation(Config):
  """What the statistics of the rides must look like.

  Attributes:
    severity: the mildest anomaly that stops the run before training.
    max_missing_share: largest share of missing values, by canonical column;
      columns that are not named may be missing freely.
    drift_threshold: largest Jensen-Shannon divergence, in [0, 1], of a column
      from the previous span. TFDV compares histograms; random parts of the same
      rides already differ by up to 0.15.
    skew_threshold: the same between train and eval.
    drift_stops: whether drift and skew stop the run, or are only shown.
  """

  severity: Severity = Severity.ERROR
  max_missing_share: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
  drift_threshold: PositiveFloat = 0.2
  skew_threshold: PositiveFloat = 0.2
  drift_stops: bool = False


class Slices(Config):
  """How the evaluation is sliced.

  Attributes:
    hours: lower ends of the time bands; the first one must be 0.
    distance_km: lower ends of the great-circle distance bands, kilometres;
      the first one must be 0.
    airport_km: a ride is an airport ride if either end is this near to an
      airport landmark, kilometres.
  """

  hours: Annotated[tuple[float, ...], Field(min_length=1)] = (0.0, 6.0, 10.0, 16.0, 20.0)
  distance_km: Annotated[tuple[float, ...], Field(min_length=1)] = (0.0, 1.0, 3.0, 8.0)
  airport_km: PositiveFloat = 2.0

  @field_validator('hours', 'distance_km')
  @classmethod
  def _rising_from_zero(cls, value: tuple[float, ...]) -> tuple[float, ...]:
    if value[0] != 0 or list(value) != sorted(set(value)):
      raise ValueError(f'must start at 0 and rise, got {list(value)}.')
    return value


class Evaluation(Config):
  """What a candidate must reach before it is blessed.

  Attributes:
    slices: see `Slices`.
    max_rmse: largest RMSE on the eval split, in the city's currency.
    max_rmse_increase: largest relative increase of the RMSE over the model
      that serves now; 0.02 means 2 %.
    bootstrap: number of draws behind each 95 % interval, in the gate, the report and the study alike; the training
      reports of recipes draw the default number, as another one must not train them again.
  """

  slices: Slices = Slices()
  max_rmse: PositiveFloat = 10.0
  max_rmse_increase: Annotated[float, Field(ge=0)] = 0.02
  bootstrap: Annotated[int, Field(ge=100, le=100_000)] = 1000


class RunConfig(Config):
  """Everything that decides a run's result.

  Attributes:
    name: the pipeline's name, as Vertex allows it.
    beam: where the Beam steps run; no part of the result.
    platform: for runs away from this machine; no result depends on it.
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
  beam: Beam = Beam()
  metadata: Metadata = Metadata()
  retention: Retention = Retention()
  retraining: Retraining = Retraining()
  platform: Platform = Platform()
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
    if split is not None and retraining.spans > 1:
      info.data['split'] = split.model_copy(update={'method': SplitMethod.NEWEST_SPAN})
    elif split is not None and split.method is SplitMethod.NEWEST_SPAN:
      raise ValueError('split.method newest_span needs a retraining.window of 2 spans or more.')
    return retraining

  @field_validator('training', mode='after')
  @classmethod
  def _recipes_name_their_layers(cls, training: Training, info: ValidationInfo) -> Training:
    if 'model' not in info.data:
      return training
    hidden = hidden_names(info.data['model'])
    return training.model_copy(update={'recipes': tuple(r.with_layer_names(hidden) for r in training.recipes)})

  @model_validator(mode='after')
  def _sections_fit(self) -> RunConfig:
    layers = model_layers(self.dataset, self.features, self.model, self.reduction)
    recipes = self.training.recipes
    of_recipes = [problem for recipe in recipes for problem in recipe_problems(recipe, self.model, layers)]
    schemes = self.compression.schemes
    of_schemes = [problem for scheme in schemes for problem in scheme_problems(scheme, recipes, layers)]
    of_budget = budget_problems(self.compression, recipes, layers)
    raise_any(
      [
        *reduction_problems(self.reduction, self.dataset, self.features),
        *self._unknown_columns(),
        *self._windows_of_files(),
        *(problem.under('training', 'recipes') for problem in of_recipes),
        *(problem.under('compression', 'schemes') for problem in of_schemes),
        *(problem.under('compression', 'budget') for problem in of_budget),
      ]
    )
    return self

  def _windows_of_files(self) -> list[Problem]:
    if self.dataset.bigquery is None or self.retraining.window is None:
      return []
    return [Problem(('retraining', 'window'), 'is for files in spans; for BigQuery put the period into the query.')]

  def _unknown_columns(self) -> list[Problem]:
    known = (*self.dataset.raw_inputs(), LABEL)
    return [
      Problem(('validation', 'max_missing_share'), f"unknown column '{name}'.{nearest(name, known)}")
      for name in self.validation.max_missing_share
      if name not in known
    ]
