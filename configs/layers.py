"""The layers of the fare model that a config yields, known before anything is built."""

from __future__ import annotations

import dataclasses
import enum

from configs.dataset import COORDINATES, Dataset
from configs.features import Cross, Features, fourth_root
from configs.model import Model
from configs.recipe import CLIP_LAYER, OUTPUT_LAYER
from configs.reduction import Reduction

_CELLS = (Cross.PICKUP_CELL, Cross.DROPOFF_CELL, Cross.CELL_PAIR)
_HOURS_PER_WEEK = 168


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
  return tuple(f'dense_{depth}' for depth in range(len(model.hidden)))


def _dense(model: Model) -> list[Layer]:
  widths = [None, *model.hidden]
  hidden = zip(hidden_names(model), widths[:-1], model.hidden, strict=True)
  output = Layer(OUTPUT_LAYER, LayerKind.DENSE, widths[-1], 1)
  return [*(Layer(name, LayerKind.DENSE, inputs, units) for name, inputs, units in hidden), output]


def embeddings(dataset: Dataset, features: Features) -> list[Layer]:
  """One per categorical column."""
  sizes: dict[str, tuple[int, int | None]] = {}
  if features.buckets.enabled:
    sizes |= {f'{name}_bucket': (features.buckets.count + 1, features.buckets.embedding) for name in COORDINATES}
  if features.crosses.enabled:
    widths = features.crosses.embedding
    sizes |= {cross.value: (_cross_size(cross, features), widths.get(cross)) for cross in features.crosses.crosses}
  sizes |= {extra.name: (len(extra.vocabulary) + 2, None) for extra in dataset.extras if extra.kind == 'categorical'}
  return [
    Layer(f'{name}_embedding', LayerKind.EMBEDDING, size, width or fourth_root(size))
    for name, (size, width) in sizes.items()
  ]


def _cross_size(cross: Cross, features: Features) -> int:
  axis = features.buckets.count + 1
  powers = {Cross.PICKUP_CELL: 2, Cross.DROPOFF_CELL: 2, Cross.CELL_PAIR: 4}
  return min(axis ** powers[cross] if cross in powers else _HOURS_PER_WEEK, features.crosses.max_exact)


def has_numeric(dataset: Dataset, features: Features) -> bool:
  """Whether there is a standardized vector to clip; cells bring an indicator of missing ends with them."""
  blocks = (features.raw, features.passengers, features.temporal, features.geographic, features.buckets)
  cells = features.crosses.enabled and any(cross in _CELLS for cross in features.crosses.crosses)
  return cells or any(block.enabled for block in blocks) or any(extra.kind == 'numeric' for extra in dataset.extras)
