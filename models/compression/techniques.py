"""The techniques that train the variables of the plain model itself, and what they promise of its kernels.

Quantization-aware training is none of them: it trains a model of its own, see `models.compression.compressor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from configs.pruning import pruning_steps
from models.compression import clustering
from models.compression.clustering import Clusterer
from models.compression.pruning import Pruner
from models.compression.quantization import Preserved
from models.keras_compat import keras


class InPlace(Protocol):
  """A plain model with wrapped layers."""

  @property
  def model(self) -> keras.Model:
    """To train."""

  @property
  def probes(self) -> Mapping[str, Callable[[], float]]:
    """What is read after each epoch, a curve each."""

  def finish(self) -> None:
    """Writes what was trained into the variables that the plain model had."""


class Situation(NamedTuple):
  """Where a technique begins.

  Attributes:
    preserved: by layer, what earlier techniques reached and this one has to keep.
    steps: optimizer steps of its fine-tuning.
    seed: of whatever is random.
  """

  preserved: Mapping[str, Preserved]
  steps: int
  seed: int


IN_PLACE: dict[str, Callable[[keras.Model, Any, Situation], InPlace]] = {
  'pruning': lambda plain, config, situation: Pruner(plain, config, pruning_steps(config, situation.steps)),
  'clustering': lambda plain, config, situation: Clusterer(plain, config, situation.preserved, situation.seed),
}
"""By the technique's field of `configs.recipe.Recipe`: wraps a plain model, which has its weights, by the settings."""

PROMISES: dict[str, Callable[[Any, Sequence[str], Mapping[str, np.ndarray]], Iterator[tuple[str, str, str]]]] = {
  'clustering': clustering.broken_promises,
}
"""By the technique's field: takes its settings, the layers that it names and the exported kernels by layer, and yields
each broken promise as the layer, what it was to have, and what it has.

What depends on other techniques, too, as zeros do, is proven in `models.compression.proof`.
"""
