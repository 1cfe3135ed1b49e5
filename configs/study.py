"""What `farelite study` compares, and how thoroughly."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from configs.base import Config, Idle, PositiveInt, Problem, one_or_more, unknown
from configs.compression import FLOAT32, Schemes, packaged_schemes
from configs.features import Cross
from configs.layering import Implied
from configs.model import Recipes
from configs.presets import RECIPES
from configs.recipe import DENSE, Recipe
from configs.reduction import ReductionMethod


class StudyBlock(str, enum.Enum):
  """A question that the study answers."""

  FEATURES = 'features'
  DIMENSIONS = 'dimensions'
  REDUCTIONS = 'reductions'
  EMBEDDINGS = 'embeddings'
  COMPRESSION = 'compression'
  REFERENCES = 'references'


FOURTH_ROOT: Literal['fourth_root'] = 'fourth_root'
"""In place of an embedding's width: the fourth root of its vocabulary."""

REDUCTION_METHODS = tuple(method.value for method in ReductionMethod if method is not ReductionMethod.NONE)


def study_block(name: object) -> object:
  """Checks the name of a block. Raises `ValueError`: there is none of that name; names the nearest."""
  known = [block.value for block in StudyBlock]
  if name not in known:
    raise ValueError(unknown('study block', str(name), known))
  return name


class Dimensions(Config):
  """The number of features against the RMSE: the curse of dimensionality.

  Attributes:
    features: how many of the engineered features a model gets, in the order in which least angle regression takes them;
      all of them always come last.
    noise: columns of pure noise beside all of them.
    training_rides: sizes of the training split; all of it always comes last.
  """

  features: tuple[PositiveInt, ...] = (3, 6, 12, 24)
  noise: tuple[PositiveInt, ...] = (50, 200)
  training_rides: tuple[PositiveInt, ...] = (500, 2000)

  def problems(self) -> Iterator[Problem]:
    if not (self.features or self.noise or self.training_rides):
      yield Problem('', 'has no number to compare; give some, or leave dimensions out of study.blocks.')


class Reductions(Config):
  """Reductions and selections of the feature vector, each in several sizes.

  Attributes:
    methods: as `reduction.method` names them.
    shares: model inputs as shares of the features; lda has at most one less than its fare bands, which grow with it.
    tested_folds: folds per seed in which all of it is made; ranking features by fitting trees over and over takes
      longer than a training.
  """

  methods: Annotated[tuple[str, ...], Field(min_length=1)] = REDUCTION_METHODS
  shares: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = (0.125, 0.25, 0.375, 0.5)
  tested_folds: PositiveInt = 2

  @field_validator('methods')
  @classmethod
  def _known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
    for name in methods:
      if name not in REDUCTION_METHODS:
        raise ValueError(unknown('method', name, REDUCTION_METHODS))
    return methods


class Embeddings(Config):
  """Embedding widths.

  Attributes:
    widths: of every cross's embedding; `fourth_root` is what the others are compared with, and always there.
    crosses: which crosses are embedded, beside the features of the config.
  """

  widths: Annotated[tuple[PositiveInt | Literal['fourth_root'], ...], Field(min_length=1)] = (
    1,
    2,
    4,
    FOURTH_ROOT,
    16,
    100,
  )
  crosses: Annotated[tuple[Cross, ...], Field(min_length=1)] = tuple(Cross)


class CompressionSweep(Config):
  """Training recipes × schemes.

  Attributes:
    recipes: as `training.recipes` lists them; dense is always trained.
    schemes: as `compression.schemes` lists them; float32 is always made.
    tested_folds: folds per seed in which all of it is made; a recipe trains longer than the base.
  """

  recipes: Recipes = tuple(
    Recipe.model_validate(RECIPES.spelled_out(name)) for name in (DENSE, 'pruned_80', 'clustered_16', 'qat', 'pqat_80')
  )
  schemes: Schemes = packaged_schemes(FLOAT32, 'float16', 'dynamic_range', 'int8')
  tested_folds: PositiveInt = 2


class Study(Config):
  """What `farelite study` compares, and how thoroughly; a run of the pipeline does not look at it.

  Attributes:
    blocks: the questions.
    seeds: divisions into folds, each with initial weights of its own.
    first_seed: the others count on from it.
    folds: of each division, by time stamp: every ride is predicted once per seed by a model that has not seen its
      stamp.
    max_rides: of more rides, a sample of whole time stamps is taken.
  """

  blocks: Annotated[
    tuple[Annotated[StudyBlock, BeforeValidator(study_block)], ...], BeforeValidator(one_or_more), Field(min_length=1)
  ] = tuple(StudyBlock)
  seeds: Annotated[int, Field(ge=1, le=100)] = 3
  first_seed: Annotated[int, Field(ge=0, lt=2**30)] = 0
  folds: Annotated[int, Field(ge=2, le=100)] = 5
  max_rides: Annotated[int, Field(ge=100)] = 50_000
  dimensions: Dimensions = Dimensions()
  reductions: Reductions = Reductions()
  embeddings: Embeddings = Embeddings()
  compression: CompressionSweep = CompressionSweep()

  def problems(self) -> Iterator[Problem]:
    for name in ('reductions', 'compression'):
      tested = getattr(self, name).tested_folds
      if tested > self.folds:
        message = f'must be at most study.folds, as there are no more: got {tested} of {self.folds} folds.'
        yield Idle(f'{name}.tested_folds', message, ('folds',))


_SWIFT = tuple(name for name in REDUCTION_METHODS if name not in ('permutation', 'rfe'))

QUICK = tuple(map(Implied, (
  'study.seeds=1',
  'study.folds=2',
  'study.dimensions={features: [6, 24], noise: [200], training_rides: [500]}',
  f'study.reductions={{methods: [{", ".join(_SWIFT)}], shares: [0.5], tested_folds: 1}}',
  'study.embeddings.widths=[1, fourth_root, 16]',
  'study.compression={recipes: [dense, pqat_80], schemes: [float32, int8], tested_folds: 1}',
)))  # fmt: skip
"""Overrides that `--quick` stands for: every question, roughly answered; what fits trees over and over is left out."""
