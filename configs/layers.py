"""The layers of the fare model that a config yields, known before anything is built."""

from __future__ import annotations

import dataclasses
import enum

from configs.dataset import COORDINATES, Dataset
from configs.features import Cross, Features, fourth_root
from configs.model import Model
from configs.recipe import CLIP_LAYER, OUTPUT_LAYER
from configs.reduction import Reduction

_HOURS_PER_WEEK = 168
_HIDDEN = 'dense_'
_EMBEDDING = '_embedding'


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
    inputs: rows of its weights: the inputs of a dense layer, the vocabulary of
      an embedding; `None` where it takes the data to know, as with the first
      dense layer, or where there are no weights.
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

  Args:
    dataset: its extras.
    features: buckets and crosses have an embedding each.
    model: the dense layers.
    reduction: one that takes the categorical columns leaves no embedding.
  """
  clip = [Layer(CLIP_LAYER, LayerKind.CUSTOM)] if model.clip and has_numeric(dataset, features) else []
  taken = reduction is not None and reduction.takes_categoricals
  embedded = [] if taken else embeddings(dataset, features)
  return (*clip, *embedded, *_dense(model))


def hidden_names(model: Model) -> tuple[str, ...]:
  """Names of the hidden layers, first to last."""
  return tuple(f'{_HIDDEN}{depth}' for depth in range(len(model.hidden)))


def hidden_depth(layer: str) -> int | None:
  """Which hidden layer has this name, 0 the first; `None` where none has."""
  depth = layer.removeprefix(_HIDDEN)
  return int(depth) if depth != layer and depth.isdecimal() else None


def _dense(model: Model) -> list[Layer]:
  widths = [None, *model.hidden]
  hidden = zip(hidden_names(model), widths[:-1], model.hidden, strict=True)
  output = Layer(OUTPUT_LAYER, LayerKind.DENSE, widths[-1], 1)
  return [*(Layer(name, LayerKind.DENSE, inputs, units) for name, inputs, units in hidden), output]


def embeddings(dataset: Dataset, features: Features) -> list[Layer]:
  """One per categorical column."""
  return [
    Layer(embedding_name(column), LayerKind.EMBEDDING, size, width)
    for column, (size, width) in categorical_sizes(dataset, features).items()
  ]


def embedding_name(column: str) -> str:
  """The layer of a categorical column."""
  return f'{column}{_EMBEDDING}'


def is_embedding(layer: str) -> bool:
  """Whether a layer's name is that of an embedding."""
  return layer.endswith(_EMBEDDING)


def categorical_sizes(dataset: Dataset, features: Features) -> dict[str, tuple[int, int]]:
  """The categorical columns in their order: buckets, crosses, extras.

  Returns:
    By column, the number of distinct indices, the one for missing values
    included, and the width of its embedding.
  """
  sizes: dict[str, tuple[int, int | None]] = {}
  if features.buckets.enabled:
    sizes |= {bucket_column(name): (bucket_axis(features), features.buckets.embedding) for name in COORDINATES}
  if features.crosses.enabled:
    widths = features.crosses.embedding
    sizes |= {cross.value: (cross_size(cross, features), widths.get(cross)) for cross in features.crosses.crosses}
  sizes |= {extra.name: (len(extra.vocabulary) + 2, None) for extra in dataset.extras if extra.kind == 'categorical'}
  return {column: (size, width or fourth_root(size)) for column, (size, width) in sizes.items()}


def bucket_column(coordinate: str) -> str:
  """The column of a coordinate's buckets."""
  return f'{coordinate}_bucket'


def bucket_axis(features: Features) -> int:
  """Number of buckets of a coordinate, the one for missing values included."""
  return features.buckets.count + 1


def exact_cross_size(cross: Cross, features: Features) -> int:
  """Number of distinct values of a cross, the buckets of missing coordinates included."""
  powers = {Cross.PICKUP_CELL: 2, Cross.DROPOFF_CELL: 2, Cross.CELL_PAIR: 4}
  return bucket_axis(features) ** powers[cross] if cross in powers else _HOURS_PER_WEEK


def cross_size(cross: Cross, features: Features) -> int:
  """Number of indices of a cross: exact, or the number of bins where the product is too large."""
  return min(exact_cross_size(cross, features), features.crosses.max_exact)


def has_numeric(dataset: Dataset, features: Features) -> bool:
  """Whether there is a standardized vector to clip; cells bring an indicator of missing ends with them."""
  return (
    features.crosses.has_cells
    or any(block.enabled for name, block in features if name != 'crosses')
    or any(extra.kind == 'numeric' for extra in dataset.extras)
  )
