"""The layers of the fare model that a config yields, known before anything is built."""

from __future__ import annotations

import dataclasses
import enum

from configs.dataset import Dataset
from configs.features import Features, categorical_sizes
from configs.layer_names import CLIP_LAYER, OUTPUT_LAYER, embedding_name, hidden_name
from configs.model import Model
from configs.reduction import Reduction


class LayerKind(str, enum.Enum):
  """What a layer is, as far as compression cares."""

  DENSE = 'dense layer'
  EMBEDDING = 'embedding table'
  CUSTOM = 'custom layer'


@dataclasses.dataclass(frozen=True)
class Layer:
  """A layer that a recipe may name.

  Attributes:
    name: as in the Keras model.
    kind: dense, embedding or custom.
    inputs: rows of its weights: the inputs of a dense layer, the vocabulary of an embedding; `None` where it takes the
      data to know, as with the first dense layer, or where there are no weights.
    units: columns of its weights; `None` where there are none.
  """

  name: str
  kind: LayerKind
  inputs: int | None = None
  units: int | None = None

  @property
  def weights(self) -> int | None:
    """Number of weights, biases aside; `None` where it is not known."""
    return self.inputs * self.units if self.inputs and self.units else None

  @property
  def shape(self) -> str:
    """Such as '64x32'; '?' for an unknown number of inputs."""
    return f'{self.inputs or "?"}x{self.units}'


def model_layers(
  dataset: Dataset, features: Features, model: Model, reduction: Reduction | None = None
) -> tuple[Layer, ...]:
  """Every layer with a name of its own, inputs first.

  Args: reduction: one that takes the categorical columns leaves no embedding.
  """
  clip = [Layer(CLIP_LAYER, LayerKind.CUSTOM)] if model.clip and has_numeric(dataset, features) else []
  taken = reduction is not None and reduction.takes_categoricals
  embedded = [] if taken else embeddings(dataset, features)
  shapes = zip((*hidden_names(model), OUTPUT_LAYER), (None, *model.hidden), (*model.hidden, 1), strict=True)
  return (*clip, *embedded, *(Layer(name, LayerKind.DENSE, inputs, units) for name, inputs, units in shapes))


def hidden_names(model: Model) -> tuple[str, ...]:
  """Names of the hidden layers, first to last."""
  return tuple(hidden_name(depth) for depth in range(len(model.hidden)))


def embeddings(dataset: Dataset, features: Features) -> list[Layer]:
  """One per categorical column."""
  return [
    Layer(embedding_name(column), LayerKind.EMBEDDING, size, width)
    for column, (size, width) in categorical_sizes(dataset, features).items()
  ]


def has_numeric(dataset: Dataset, features: Features) -> bool:
  """Whether there is a standardized vector to clip; cells bring an indicator of missing ends with them."""
  return (
    features.crosses.has_cells
    or any(block.enabled for name, block in features if name != 'crosses')
    or any(extra.kind == 'numeric' for extra in dataset.extras)
  )
