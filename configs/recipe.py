"""Training recipes: how a copy of the dense base is pruned, clustered and trained for quantization.

A recipe's techniques run in the order of its fields, each with a fine-tuning of its own; what an earlier technique
reached (zeros, clusters) is kept by the later ones. A recipe without a technique is the dense base itself.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from configs.base import Config
from configs.fine_tuning import (
  CLIP_LAYER,
  NAMES,
  OUTPUT_LAYER,
  WORD,
  FineTuning,
  LayerNames,
  layer_names,
  layers_branch,
)
from configs.problems import Problem, raise_any
from configs.pruning import Moment, Pruning, SparsitySchedule, Structure

__all__ = [
  'CLIP_LAYER',
  'DENSE',
  'DENSE_RECIPE',
  'OUTPUT_LAYER',
  'Clustering',
  'FineTuning',
  'Initialization',
  'Moment',
  'Pruning',
  'Quantization',
  'Recipe',
  'SparsitySchedule',
  'Structure',
]

DENSE = 'dense'
"""Name of the recipe that leaves the base as it is."""


class Initialization(str, enum.Enum):
  """Where cluster centroids start; tfmot's `CentroidInitialization`."""

  KMEANS_PLUS_PLUS = 'kmeans_plus_plus'
  LINEAR = 'linear'
  DENSITY_BASED = 'density_based'
  RANDOM = 'random'


class Clustering(Config):
  """Weight clustering: each layer's kernel holds few distinct values.

  Attributes:
    clusters: distinct values per kernel; zero is one of them where the kernel
      was pruned before.
    initialization: of the centroids.
    layers: `hidden` or a list of layer names, groups among them.
    fine_tuning: length and learning rate.
  """

  clusters: Annotated[int, Field(ge=2, le=256)] = 16
  initialization: Initialization = Initialization.KMEANS_PLUS_PLUS
  layers: Annotated[
    Annotated[Literal['hidden', 'core'], Tag(WORD)] | Annotated[LayerNames, Tag(NAMES)], Discriminator(layers_branch)
  ] = 'hidden'
  fine_tuning: FineTuning = FineTuning()

  def names(self, hidden: Sequence[str]) -> tuple[str, ...]:
    """Clustered layers, given the names of the hidden ones."""
    return layer_names(self.layers, hidden)


class Quantization(Config):
  """Quantization-aware training: 8-bit weights and activations emulated in training.

  Attributes:
    layers: `core` (every dense layer, the output too), or a list of layer
      names, groups among them.
    quantize_configs: for custom layers, the dotted path of a tfmot
      `QuantizeConfig` by layer name, such as
      `clip: models.compression.quantize_configs.ClipQuantizeConfig`.
    fine_tuning: length and learning rate.
  """

  layers: Annotated[
    Annotated[Literal['core', 'hidden'], Tag(WORD)] | Annotated[LayerNames, Tag(NAMES)], Discriminator(layers_branch)
  ] = 'core'
  quantize_configs: dict[str, str] = {}
  fine_tuning: FineTuning = FineTuning()

  @model_validator(mode='after')
  def _dotted_paths(self) -> Quantization:
    told = 'must be the dotted path of a QuantizeConfig, such as my_package.my_module.MyQuantizeConfig, got'
    raise_any(
      Problem(('quantize_configs', name), f"{told} '{path}'.")
      for name, path in self.quantize_configs.items()
      if not re.fullmatch(r'[^\W\d]\w*(\.[^\W\d]\w*)+', path)
    )
    return self

  def names(self, hidden: Sequence[str]) -> tuple[str, ...]:
    """Quantized layers, given the names of the hidden ones."""
    return layer_names(self.layers, hidden)


class Recipe(Config):
  """A named way from the dense base to a smaller model.

  Attributes:
    name: of files and pipeline nodes.
    summary: one sentence for tables.
    pruning: first, if at all.
    clustering: then; zeros stay zero.
    quantization: last; zeros stay zero and clusters stay clusters.
  """

  name: str = Field(pattern=r'^[a-z][a-z0-9_]{0,62}$')
  summary: str = ''
  pruning: Pruning | None = None
  clustering: Clustering | None = None
  quantization: Quantization | None = None

  @model_validator(mode='after')
  def _only_dense_has_no_technique(self) -> Recipe:
    if self.is_dense and self.name != DENSE:
      told = f'has no technique: give pruning, clustering or quantization, or take the recipe {DENSE}.'
      raise_any([Problem((), told)])
    if self.name == DENSE and not self.is_dense:
      raise_any([Problem(('name',), f"'{DENSE}' is the base itself, without any technique; choose another name.")])
    return self

  @property
  def is_dense(self) -> bool:
    """Whether this is the base itself."""
    return not self.techniques

  @property
  def techniques(self) -> tuple[str, ...]:
    """The fields of its techniques, in the order in which they are applied."""
    return tuple(name for name in ('pruning', 'clustering', 'quantization') if getattr(self, name) is not None)

  def with_layer_names(self, hidden: Sequence[str]) -> Recipe:
    """The same with names in place of the groups, but for each technique's own default.

    Args:
      hidden: names of the hidden layers, first to last.
    """
    changed: dict[str, Config] = {}
    if self.pruning and self.pruning.layers != type(self.pruning).model_fields['layers'].default:
      pruning = self.pruning
      named = pruning.targets(hidden) if isinstance(pruning.layers, dict) else layer_names(pruning.layers, hidden)
      changed['pruning'] = pruning.model_copy(update={'layers': named})
    for key, technique in (('clustering', self.clustering), ('quantization', self.quantization)):
      if technique and technique.layers != type(technique).model_fields['layers'].default:
        changed[key] = technique.model_copy(update={'layers': technique.names(hidden)})
    return self.model_copy(update=changed) if changed else self


DENSE_RECIPE = Recipe(name=DENSE, summary='The dense base itself, in full precision.')
