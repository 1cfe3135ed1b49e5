"""The shape of the fare model and how it is trained."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from configs.base import Config, Fraction, PositiveFloat, PositiveInt, Problem, nearest, overridden
from configs.presets import RECIPES
from configs.recipe import DENSE_RECIPE, Recipe, TrainingLength


class Loss(str, enum.Enum):
  """What training minimizes."""

  HUBER = 'huber'
  MSE = 'mse'


class Activation(str, enum.Enum):
  """Activations that every later compression step supports."""

  RELU = 'relu'
  RELU6 = 'relu6'
  TANH = 'tanh'
  LINEAR = 'linear'


class Model(Config):
  """Dense layers on the standardized features.

  Attributes:
    hidden: width of each hidden layer, first to last.
    activation: of the hidden layers.
    l2: factor of the L2 penalty on the kernels.
    dropout: share of inputs dropped before each hidden layer but the first.
    clip: standardized numeric features are clipped to this many standard deviations, so that a mistyped coordinate
      can't cost hundreds; `null` leaves them as they are.
  """

  hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=16)] = (64, 32, 16)
  activation: Activation = Activation.RELU
  l2: Annotated[float, Field(ge=0)] = 0.0
  dropout: Fraction = 0.0
  clip: PositiveFloat | None = 6.0


class EarlyStopping(Config):
  """Stop when the loss on a held-out part of the training split stalls.

  Attributes:
    enabled: off by default: the cosine schedule ends the training.
    patience: epochs without improvement.
    holdout: share of the training split, taken by time stamp.
  """

  enabled: bool = False
  patience: PositiveInt = 5
  holdout: Annotated[Fraction, Field(gt=0)] = 0.1


Recipes = Annotated[
  tuple[Annotated[Recipe, BeforeValidator(RECIPES.spelled_out)], ...],
  BeforeValidator(RECIPES.listed),
  AfterValidator(lambda recipes: RECIPES.with_first(DENSE_RECIPE, recipes)),
]
"""Packaged ones by name, a user's own ones by path, or spelled out; `dense` is always among them, and first."""


MEASURED_SHARE = 0.25
"""What the eval split may take in the trainer, of the examples and of the memory that the training split may: it is
smaller as a rule."""


class Training(TrainingLength):
  """Optimizer, length and randomness of the training.

  Attributes:
    epochs: passes over the training split; give this or `steps`.
    steps: optimizer steps, rounded up to whole epochs where there are several.
    max_steps: the most optimizer steps that `epochs` may mean, in the training and in each fine-tuning; of more, there
      are fewer epochs, of equal length, and the schedule is that of the steps taken. `null` sets no limit.
    sample_rides: the most rides of the training split that are trained on: of a split with more, a random sample of so
      many, by `seed`; of the eval split, a quarter as many at most are measured. `null` takes all.
    memory_mb: MB (10^6 bytes) that the rides of the training split may take in the trainer, with their copies. A larger
      split is read into a scratch file in the folder of `TMPDIR`, and trained on in shuffled windows that take as much;
      of an eval split that takes more than a quarter of it a seeded sample is measured.
    batch_size: rides per step.
    learning_rate: at the start; a cosine schedule takes it to zero.
    warmup: share of the steps over which the rate rises from zero.
    weight_decay: AdamW's decoupled weight decay; biases are left alone.
    loss: Huber or mean squared error.
    huber_delta: where Huber turns linear, in the city's currency; `huber_delta_share` places it when unset.
    huber_delta_share: the same as a share of the median of the fares trained on.
    early_stopping: when to stop before the end.
    warm_start: start from the weights of the model that serves now.
    seed: of initialisation, shuffling and dropout.
    recipes: what is made of the dense base, see `Recipes`.
    serve: name of the recipe that is judged and pushed; when unset, the first one that the user listed.
  """

  max_steps: PositiveInt | None = 100_000
  sample_rides: PositiveInt | None = 1_000_000
  memory_mb: PositiveInt = 1000
  batch_size: PositiveInt = 256
  learning_rate: PositiveFloat = 7e-3
  warmup: Fraction = 0.0
  weight_decay: Annotated[float, Field(ge=0)] = 0.2
  loss: Loss = Loss.HUBER
  huber_delta: PositiveFloat | None = None
  huber_delta_share: PositiveFloat = 0.6
  early_stopping: EarlyStopping = EarlyStopping()
  warm_start: bool = False
  seed: Annotated[int, Field(ge=0, lt=2**31)] = 7
  recipes: Recipes = (DENSE_RECIPE,)
  serve: str | None = None

  @model_validator(mode='before')
  @classmethod
  def _first_one_listed_is_served(cls, values: Any) -> Any:
    # Before dense goes first, which the training reads back as if it had been listed.
    if not isinstance(values, dict) or values.get('serve') is not None:
      return values
    try:
      recipes = RECIPES.listed(values.get('recipes') or DENSE_RECIPE)
    except ValueError:
      return values  # Reported by the field itself.
    return {**values, 'serve': RECIPES.name_of(recipes[0])}

  @property
  def most_measured(self) -> int | None:
    """The most examples of the eval split that the trainer measures on; `None` takes all."""
    return None if self.sample_rides is None else max(1, int(self.sample_rides * MEASURED_SHARE))

  def problems(self) -> Iterator[Problem]:
    names = [recipe.name for recipe in self.recipes]
    yield from RECIPES.doubled(names)
    if self.serve not in names:
      hint = nearest(self.serve or '', names)
      yield Problem('serve', f"no recipe '{self.serve}' is trained, only {', '.join(names)}.{hint}")
    if self.huber_delta is not None:
      yield from overridden(self, 'training', 'huber_delta_share', 'huber_delta')
    yield from super().problems()

  @property
  def lengths(self) -> tuple[TrainingLength, ...]:
    """Of the training itself and of every fine-tuning."""
    tunings = [recipe.technique(name).fine_tuning for recipe in self.recipes for name in recipe.techniques]
    return self, *tunings

  @property
  def served_recipe(self) -> Recipe:
    """The recipe that is judged and pushed."""
    return next(recipe for recipe in self.recipes if recipe.name == self.serve)
