"""Simulated rides and a small fare model with two embeddings and dropout, for tests of compression."""

import numpy as np

from configs.model import Model, Training
from models.fare_model import build_fare_model
from models.rides import Rides
from transforms.catalogue import Categorical

NUMERIC = 6
CELLS = (Categorical('pickup_cell', 7, 3, 'a cell'), Categorical('cell_pair', 20, 3, 'two cells'))
MODEL = Model(hidden=(16, 12, 8), dropout=0.1, clip=4.0)
TRAINING = Training(epochs=8, batch_size=64, learning_rate=1e-2, weight_decay=0.05)
TUNING = {'epochs': 3, 'learning_rate': 3e-3}
CLIP = {'clip': 'models.compression.quantize_configs.ClipQuantizeConfig'}
DEAREST = 200.0
"""One ride costs this much; the others stay below 40."""


def simulated_rides(count=640, seed=0):
  """Fares of a simple rule over all inputs, and a single far dearer one."""
  generator = np.random.default_rng(seed)
  numeric = generator.normal(size=(count, NUMERIC)).astype(np.float32)
  cell, pair = generator.integers(0, CELLS[0].size, count), generator.integers(0, CELLS[1].size, count)
  fares = 12 + 3 * numeric[:, 0] - 2 * np.abs(numeric[:, 1]) + cell + pair % 3
  numeric[5, :2] = 9, 0
  fares[5] = DEAREST
  inputs = {'numeric': numeric, 'pickup_cell': cell, 'cell_pair': pair}
  return Rides(inputs, fares.astype(np.float32), np.arange(count))


def build(config=MODEL, numeric=NUMERIC, cells=CELLS):
  """A fresh untrained fare model."""
  return build_fare_model(config, numeric, cells, 12.0, seed=3)


def kernels(weights):
  """Kernels and embedding tables by layer name, of weights in the order of `get_weights()`."""
  named = zip((variable.name.split('/')[0] for variable in build().weights), weights, strict=True)
  return {name: value for name, value in named if value.ndim > 1}
