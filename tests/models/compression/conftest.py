"""One trained base and one compressor for all tests of this folder: what recipes share is trained once."""

import pytest

from models.compression.compressor import Compressor
from models.training import train
from tests.models.compression.simulated import TRAINING, build, simulated_rides


@pytest.fixture(scope='session')
def rides():
  return simulated_rides()


@pytest.fixture(scope='session')
def base_weights(rides):
  model = build()
  train(model, rides, TRAINING)
  return model.get_weights()


@pytest.fixture(scope='session')
def compressor(base_weights, rides):
  return Compressor(build, base_weights, rides, TRAINING)
