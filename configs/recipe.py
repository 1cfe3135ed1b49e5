"""Training recipes: how a copy of the dense base is pruned, clustered and trained for quantization.

A recipe's techniques run in the order of its fields, each with a fine-tuning of its own; what an earlier technique
reached (zeros, clusters) is kept by the later ones. A recipe without a technique is the dense base itself.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from configs.base import Config, Fraction, Identifier, PositiveFloat, PositiveInt, Problem, one_or_more
from configs.layer_names import OUTPUT_LAYER

HIDDEN = 'hidden'
"""In place of layer names: every hidden layer."""

CORE = 'core'
"""In place of layer names: every dense layer, the output too."""

GROUPS = (HIDDEN, CORE)


def _not_empty(names: tuple[str, ...]) -> tuple[str, ...]:
  if not names:
    raise ValueError('must name at least one layer, got an empty list.')
  return names


LayerNames = Annotated[tuple[str, ...], BeforeValidator(one_or_more), AfterValidator(_not_empty)]
"""Names of layers; groups among them stand for theirs."""


def layer_names(layers: str | Sequence[str], hidden: Sequence[str], output: str = OUTPUT_LAYER) -> tuple[str, ...]:
  """Layers by name, each one once, for names and groups, given the names of the hidden layers, first to last."""
  groups = {HIDDEN: tuple(hidden), CORE: (*hidden, output)}
  chosen = (layers,) if isinstance(layers, str) else layers
  return tuple(dict.fromkeys(name for part in chosen for name in groups.get(part, (part,))))


# A tag of each union names the branch that a value means, so that a mistake is reported once and not once per branch. A
# tag is no key, and its angle brackets keep it out of the place that an error names.
WORD, NAMES, SPARSITIES = '<word>', '<names>', '<sparsities>'


def layers_branch(value: object) -> str:
  """Which way of naming layers a value is meant to be."""
  if value in (HIDDEN, CORE):
    return WORD
  return SPARSITIES if isinstance(value, dict) else NAMES


Layers = Annotated[
  Annotated[Literal['hidden', 'core'], Tag(WORD)] | Annotated[LayerNames, Tag(NAMES)], Discriminator(layers_branch)
]
"""A group, or names of layers and groups."""


class TrainingLength(Config):
  """How long a training is.

  Attributes:
    epochs: passes over the training split; give this or `steps`, which take the place of epochs that are the default.
    steps: optimizer steps, rounded up to whole epochs where there are several.
  """

  epochs: PositiveInt | None = 40
  steps: PositiveInt | None = None

  @model_validator(mode='before')
  @classmethod
  def _steps_replace_the_default_epochs(cls, values: Any) -> Any:
    if isinstance(values, dict) and values.get('steps') is not None and 'epochs' not in values:
      return {**values, 'epochs': None}
    return values

  def problems(self) -> Iterator[Problem]:
    if (self.epochs is None) == (self.steps is None):
      yield Problem('', 'give either epochs or steps, and set the other one to null.')


class FineTuning(TrainingLength):
  """Length and learning rate of one technique's training.

  Attributes:
    epochs: passes over the training split; give this or `steps`.
    steps: optimizer steps, rounded up to whole epochs where there are several.
    learning_rate: at the start; a cosine schedule takes it to zero.
    weight_decay: AdamW's; unset takes the base training's.
  """

  epochs: PositiveInt | None = 20
  learning_rate: PositiveFloat = 5e-3
  weight_decay: Annotated[float, Field(ge=0)] | None = None


class Technique(Config):
  """What changes a copy of the dense base; each technique is a field of `Recipe`.

  Attributes:
    layers: which ones, `hidden`, `core` or names; a field of each technique.
    fine_tuning: length and learning rate; a field of each technique.
    dense_only: whether it takes no embedding table and no custom layer.
    leaves_zeros: whether later techniques keep the zeros of its layers.
    leaves_clusters: whether later techniques keep the distinct values of its layers.
  """

  if TYPE_CHECKING:  # The order of a technique's fields is that of files and digests.
    layers: Any
    fine_tuning: FineTuning

  dense_only: ClassVar[bool] = False
  leaves_zeros: ClassVar[bool] = False
  leaves_clusters: ClassVar[bool] = False

  def names(self, hidden: Sequence[str], output: str = OUTPUT_LAYER) -> tuple[str, ...]:
    """Its layers, given the names of the hidden ones and of the output."""
    return layer_names(self.layers, hidden, output)

  def layers_by_name(self, hidden: Sequence[str]) -> Any:
    """Its `layers` with names in place of groups."""
    return self.names(hidden)

  def with_layer_names(self, hidden: Sequence[str]) -> Any:
    """The same with `layers_by_name`."""
    return self.model_copy(update={'layers': self.layers_by_name(hidden)})


TWO_OF_FOUR = '2:4'
_TWO_OF_FOUR_IN_YAML = 124
"""What YAML makes of an unquoted 2:4: two minutes and four seconds."""


def _quoted(value: object) -> object:
  return TWO_OF_FOUR if value == _TWO_OF_FOUR_IN_YAML else value


def _structure(value: str) -> str:
  if value not in ('unstructured', TWO_OF_FOUR) and not re.fullmatch(r'[1-9]\d*x[1-9]\d*', value):
    raise ValueError(f"must be 'unstructured', '2:4' or a block such as '4x1' (inputs x units), got '{value}'.")
  return value


Structure = Annotated[str, BeforeValidator(_quoted), AfterValidator(_structure)]
"""Which weights are pruned together: `unstructured`, `2:4`, or blocks of inputs x units such as `16x1`."""


def _share(value: float) -> float:
  if not 0 <= value <= 1:
    raise ValueError(f'must be a share of all steps in [0, 1] or a whole number of steps, got {value:g}.')
  return value


Moment = Annotated[
  Annotated[int, Field(ge=0), Tag('<steps>')] | Annotated[float, AfterValidator(_share), Tag('<share>')],
  Discriminator(lambda value: '<steps>' if isinstance(value, int) else '<share>'),
]
"""A point of a fine-tuning: an integer counts steps, a float is a fraction of all steps."""

Sparsity = Annotated[Fraction, Field(gt=0)]
"""A share of zeros in (0, 1)."""


class SparsitySchedule(str, enum.Enum):
  """How the sparsity rises; tfmot's `PolynomialDecay` and `ConstantSparsity`."""

  POLYNOMIAL = 'polynomial'
  CONSTANT = 'constant'


_CUBIC = 3.0


class Pruning(Technique):
  """Magnitude pruning.

  Attributes:
    schedule: polynomial from `initial_sparsity`, or constant.
    initial_sparsity: at `begin`; polynomial alone.
    final_sparsity: share of a layer's weights that are zero at the end. 2:4 fixes it at 0.5, and a sparsity by layer
      name goes before it; in both cases it may be left out.
    begin: when pruning begins.
    end: when the final sparsity is reached; the rest of the fine-tuning recovers with fixed masks.
    power: of the polynomial (M. Zhu, S. Gupta, "To prune, or not to prune", 2017, uses 3).
    frequency: steps between two updates of the masks; unset divides the time between begin and end into 20.
    structure: which weights go together: `unstructured`, `2:4`, or blocks of inputs x units such as `16x1`.
    layers: `hidden`, a list of layer names, or a sparsity by layer name; the groups `hidden` and `core` may be among
      the names. The output layer is pruned only where it is named; embedding tables are named `<feature>_embedding`.
  """

  leaves_zeros = True

  schedule: SparsitySchedule = SparsitySchedule.POLYNOMIAL
  initial_sparsity: Fraction = 0.0
  final_sparsity: Sparsity
  begin: Moment = 0.0
  end: Moment = 0.6
  power: PositiveFloat = _CUBIC
  frequency: PositiveInt | None = None
  structure: Structure = 'unstructured'
  layers: Annotated[
    Annotated[Literal['hidden', 'core'], Tag(WORD)]
    | Annotated[LayerNames, Tag(NAMES)]
    | Annotated[dict[str, Sparsity], Field(min_length=1), Tag(SPARSITIES)],
    Discriminator(layers_branch),
  ] = 'hidden'
  fine_tuning: FineTuning = FineTuning()

  @model_validator(mode='before')
  @classmethod
  def _implied_final_sparsity(cls, values: Any) -> Any:
    if not isinstance(values, dict) or values.get('final_sparsity') is not None:
      return values
    if _quoted(values.get('structure')) == TWO_OF_FOUR:
      return {**values, 'final_sparsity': 0.5}
    layers = values.get('layers')
    if not isinstance(layers, dict):
      return values
    # A share that can't be is reported where it stands, not here too.
    possible = [s for s in layers.values() if isinstance(s, float) and 0 < s < 1]
    return {**values, 'final_sparsity': max(possible, default=0.5)}

  @property
  def block(self) -> tuple[int, int]:
    """Inputs and units of a block; (1, 1) where the structure is not one of blocks."""
    if 'x' not in self.structure:
      return 1, 1
    inputs, units = self.structure.split('x')
    return int(inputs), int(units)

  @property
  def two_of_four(self) -> bool:
    """Whether two of any four consecutive inputs of a unit are zero."""
    return self.structure == TWO_OF_FOUR

  def targets(self, hidden: Sequence[str], output: str = OUTPUT_LAYER) -> dict[str, float]:
    """Final sparsity by layer name, given the hidden ones; a layer's own one goes before its group's."""
    if not isinstance(self.layers, dict):
      return dict.fromkeys(layer_names(self.layers, hidden, output), self.final_sparsity)
    grouped = {name: self.layers[group] for group in GROUPS[::-1] if group in self.layers
               for name in layer_names(group, hidden, output)}  # fmt: skip
    return grouped | {name: sparsity for name, sparsity in self.layers.items() if name not in GROUPS}

  def names(self, hidden: Sequence[str], output: str = OUTPUT_LAYER) -> tuple[str, ...]:
    """Its layers, given the names of the hidden ones and of the output."""
    return tuple(self.targets(hidden, output))

  def layers_by_name(self, hidden: Sequence[str]) -> Any:
    """Its `layers` with names in place of groups, and with sparsities if it has any."""
    return self.targets(hidden) if isinstance(self.layers, dict) else self.names(hidden)

  def with_layer_names(self, hidden: Sequence[str]) -> Any:
    named = super().with_layer_names(hidden)
    if not isinstance(self.layers, dict) or self.final_sparsity != max(self.layers.values()):
      return named
    # The implied final sparsity goes with the layers that are left when each one's own has gone before its group's.
    return named.model_copy(update={'final_sparsity': max(named.layers.values())})

  def problems(self) -> Iterator[Problem]:
    if self.two_of_four:
      for name in ('schedule', 'initial_sparsity', 'begin', 'end', 'power', 'frequency'):
        if getattr(self, name) != type(self).model_fields[name].default:
          message = 'has no effect with structure 2:4, whose masks are set once, in the first step; leave it out.'
          yield Problem(name, message)
    # Steps and shares can be compared only once the length is known; see pruning_steps.
    elif isinstance(self.begin, float) == isinstance(self.end, float) and self.end <= self.begin:
      yield Problem('end', f'must be after begin, got begin {self.begin:g} and end {self.end:g}.')
    if not self.two_of_four and self.schedule is SparsitySchedule.CONSTANT and self.initial_sparsity:
      message = f'{self.initial_sparsity:g} has no effect: the constant schedule starts at final_sparsity'
      yield Problem('initial_sparsity', f'{message}; leave it out or set schedule to polynomial.')
    if not self.two_of_four and self.schedule is SparsitySchedule.CONSTANT and self.power != _CUBIC:
      yield Problem('power', 'has no effect with the constant schedule; leave it out or set schedule to polynomial.')
    by_layer = self.layers if isinstance(self.layers, dict) else {}
    finals = {f'layers.{name}': sparsity for name, sparsity in by_layer.items()}
    for place, final in (finals or {'final_sparsity': self.final_sparsity}).items():
      if self.two_of_four and final != 0.5:
        yield Problem(place, f'must be 0.5 with structure 2:4, got {final:g}; leave it out.')
      elif self.schedule is SparsitySchedule.POLYNOMIAL and self.initial_sparsity > final:
        message = f'must not be above {place}, got {self.initial_sparsity:g} above {final:g}.'
        yield Problem('initial_sparsity', message)


DENSE = 'dense'
"""Name of the recipe that leaves the base as it is."""


class Initialization(str, enum.Enum):
  """Where cluster centroids start; tfmot's `CentroidInitialization`."""

  KMEANS_PLUS_PLUS = 'kmeans_plus_plus'
  LINEAR = 'linear'
  DENSITY_BASED = 'density_based'
  RANDOM = 'random'


class Clustering(Technique):
  """Weight clustering: each layer's kernel holds few distinct values.

  Attributes:
    clusters: distinct values per kernel; zero is one of them where the kernel was pruned before.
    initialization: where the centroids start, as tfmot calls it.
    layers: `hidden` or a list of layer names, groups among them.
  """

  dense_only = True
  leaves_clusters = True

  clusters: Annotated[int, Field(ge=2, le=256)] = 16
  initialization: Initialization = Initialization.KMEANS_PLUS_PLUS
  layers: Layers = 'hidden'
  fine_tuning: FineTuning = FineTuning()


class Quantization(Technique):
  """Quantization-aware training: 8-bit weights and activations emulated in training.

  Attributes:
    layers: `core` (every dense layer, the output too), or a list of layer names, groups among them.
    quantize_configs: for custom layers, the dotted path of a tfmot `QuantizeConfig` by layer name, such as
      `clip: models.compression.quantize_configs.ClipQuantizeConfig`.
  """

  layers: Layers = 'core'
  quantize_configs: dict[str, str] = {}
  fine_tuning: FineTuning = FineTuning()

  def problems(self) -> Iterator[Problem]:
    for name, path in self.quantize_configs.items():
      if not re.fullmatch(r'[^\W\d]\w*(\.[^\W\d]\w*)+', path):
        message = 'must be the dotted path of a QuantizeConfig, such as my_package.my_module.MyQuantizeConfig, got'
        yield Problem(f'quantize_configs.{name}', f"{message} '{path}'.")


class Recipe(Config):
  """A named way from the dense base to a smaller model. Techniques are applied in the order of the fields.

  Attributes:
    name: of files and pipeline nodes.
    summary: one sentence for tables.
    pruning: first, if at all.
    clustering: then; zeros stay zero.
    quantization: last; zeros stay zero and clusters stay clusters.
  """

  name: Annotated[Identifier, Field(max_length=63)]
  summary: str = ''
  pruning: Pruning | None = None
  clustering: Clustering | None = None
  quantization: Quantization | None = None

  def problems(self) -> Iterator[Problem]:
    if self.is_dense and self.name != DENSE:
      *others, last = TECHNIQUES
      yield Problem('', f'has no technique: give {", ".join(others)} or {last}, or take the recipe {DENSE}.')
    if self.name == DENSE and not self.is_dense:
      yield Problem('name', f"'{DENSE}' is the base itself, without any technique; choose another name.")

  @property
  def is_dense(self) -> bool:
    """Whether this is the base itself."""
    return not self.techniques

  @property
  def techniques(self) -> tuple[str, ...]:
    """The fields of its techniques, in the order in which they are applied."""
    return tuple(name for name in TECHNIQUES if getattr(self, name) is not None)

  def technique(self, name: str) -> Technique:
    """The settings of one of its `techniques`."""
    found = getattr(self, name)
    assert isinstance(found, Technique)
    return found

  def before(self, technique: str) -> tuple[Technique, ...]:
    """What is applied before one of its `techniques`."""
    return tuple(self.technique(name) for name in self.techniques[: self.techniques.index(technique)])

  def with_layer_names(self, hidden: Sequence[str]) -> Recipe:
    """The same with names in place of the groups, given the hidden ones, but for each technique's own default."""
    changed: dict[str, Config] = {}
    for key in self.techniques:
      technique = self.technique(key)
      if technique.layers != type(technique).model_fields['layers'].default:
        changed[key] = technique.with_layer_names(hidden)
    return self.model_copy(update=changed) if changed else self


TECHNIQUES = tuple(name for name in Recipe.model_fields if name not in ('name', 'summary'))
"""The fields of a recipe that are techniques, in the order in which they are applied."""

DENSE_RECIPE = Recipe(name=DENSE, summary='The dense base itself, in full precision.')


def in_training_order(recipes: Iterable[Recipe]) -> list[Recipe]:
  """The shortest first, dense before all: while it is written and converted the others train."""
  return sorted(recipes, key=lambda recipe: len(recipe.techniques))
