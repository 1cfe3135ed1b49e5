"""The techniques that train the variables of the plain model itself, and what they promise of its kernels.

Quantization-aware training is none of them: it trains a model of its own, see `models.compression.compressor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from configs.pruning import pruning_steps
from models.compression import clustering
from models.compression.clustering import Clusterer
from models.compression.pruning import Pruner
from models.compression.quantization import Preserved
from models.keras_compat import keras

IN_PLACE: dict[str, Callable[[keras.Model, Any, Mapping[str, Preserved], int, int], Pruner | Clusterer]] = {
  'pruning': lambda plain, config, preserved, steps, seed: Pruner(plain, config, pruning_steps(config, steps)),
  'clustering': lambda plain, config, preserved, steps, seed: Clusterer(plain, config, preserved, seed),
}
"""By the technique's field of `configs.recipe.Recipe`: wraps a plain model, which has its weights, by the settings.

It also gets, by layer, what earlier techniques reached and this one has to keep; the optimizer steps of its
fine-tuning; and the seed of whatever is random. The result has the `model` to train, `probes`, which are read at each
record point, a curve each, and `finish`, which writes what was trained into the variables of the plain model.
"""

PROMISES: dict[str, Callable[[Any, Sequence[str], Mapping[str, np.ndarray]], Iterator[tuple[str, str, str]]]] = {
  'clustering': clustering.broken_promises,
}
"""By the technique's field: takes its settings, the layers that it names and the exported kernels by layer, and yields
each broken promise as the layer, what it was to have, and what it has.

What depends on other techniques, too, as zeros do, is proven in `models.compression.proof`.
"""
