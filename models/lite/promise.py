"""What a lite file has to keep, by its scheme and its training recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from configs.compression import Scheme
from configs.errors import FailedError
from configs.recipe import Recipe
from models.compression.layers import LayerOrder


class ValidationError(FailedError, ValueError):  # What the rewriter takes for a refusal.
  """A file is not what it should be; the message names the layer."""


@dataclasses.dataclass(frozen=True)
class Promise:
  """What a file has to keep.

  Attributes:
    kernels: of the plain model by layer name, embeddings first, then the others from first to last.
    quantized: names of the layers with kernels that the scheme's precision applies to.
    order: of the plain model's layers; those that it does not name are embeddings.
    whole: what goes for a model without a dense core.
  """

  scheme: Scheme
  recipe: Recipe
  kernels: Mapping[str, np.ndarray]
  quantized: Sequence[str]
  order: LayerOrder
  whole: WholePromise | None = None

  @property
  def clustered(self) -> Sequence[str]:
    """Layers that hold few distinct weights."""
    clustering = self.recipe.clustering
    return () if clustering is None else clustering.names(self.order.hidden, self.order.output)

  @property
  def pruned(self) -> Sequence[str]:
    """Layers with zeros."""
    pruning = self.recipe.pruning
    return () if pruning is None else pruning.names(self.order.hidden, self.order.output)

  @property
  def dense(self) -> list[str]:
    return list(self.order.kernels)

  @property
  def embeddings(self) -> list[str]:
    return [name for name in self.kernels if name not in self.order.kernels]


@dataclasses.dataclass(frozen=True)
class WholePromise:
  """What more a file of a model without a dense core has to keep.

  Attributes:
    convolutions: names of the layers that have a scale for each filter.
    normalized: names of the layers that a normalization is folded into, which gives each filter a factor.
    in_integers: whether nothing in it computes with floats.
    alone: whether nothing stands in front of the model in the file.
  """

  convolutions: frozenset[str]
  normalized: frozenset[str]
  in_integers: bool
  alone: bool
