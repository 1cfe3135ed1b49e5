"""A loop compiled once trains as one compiled each time. Oracle: `models.training.train`, to the bit."""

import numpy as np
import pytest

from configs.model import Model, Training
from models import training
from models.fare_model import build_fare_model
from models.rides import Rides
from models.training import DivergedError, RepeatedTraining, train
from transforms.catalogue import Categorical

CELLS = [Categorical('cell', 5, 2, 'a cell')]


def _rides(count, seed):
  generator = np.random.default_rng(seed)
  columns = generator.normal(size=(count, 3)).astype(np.float32)
  cells = generator.integers(0, 5, count)
  fares = 10 + 3 * columns[:, 0] - 2 * np.abs(columns[:, 1]) + cells
  return Rides({'numeric': columns, 'cell': cells}, fares.astype(np.float32), np.arange(count))


def _builder(config):
  return lambda typical, seed: build_fare_model(config, 3, CELLS, typical, seed)


@pytest.mark.parametrize('dropout', [pytest.param(0.0, id='plain'), pytest.param(0.5, id='dropout')])
def test_other_rides_and_seeds_give_what_a_loop_of_their_own_gives(dropout, monkeypatch):
  build = _builder(Model(hidden=(8, 4), dropout=dropout))
  repeated, compiled = RepeatedTraining(build), []
  steps = training.compiled_steps
  monkeypatch.setattr(training, 'compiled_steps', lambda *arguments: compiled.append(1) or steps(*arguments))
  # 300 and 310 rides make as many steps of 32; 200 make fewer, and need a trace of their own.
  for count, seed in ((300, 1), (310, 2), (200, 2)):
    rides, config = _rides(count, seed), Training(epochs=3, batch_size=32, seed=seed)
    model, seconds = repeated.train(rides, config)
    traced = len(compiled)
    alone = build(float(np.median(rides.fares)), seed)
    train(alone, rides, config)
    del compiled[traced:]  # What a loop of its own compiles doesn't count.
    for first, second in zip(model.get_weights(), alone.get_weights(), strict=True):
      np.testing.assert_array_equal(first, second)
    assert seconds > 0
  assert len(compiled) == (3 if dropout else 2)


def test_a_loss_that_is_not_finite_is_reported():
  rides = _rides(64, 0)
  rides.fares[3] = np.inf
  with pytest.raises(DivergedError, match=r'became .* within 4 steps: lower training.learning_rate \(now 0.007\)'):
    RepeatedTraining(_builder(Model(hidden=(4,)))).train(rides, Training(epochs=2, batch_size=32))
