"""The unit of a training. Oracle: the same training on labels in another unit, bit by bit."""

import math

import numpy as np
import pytest

from configs.model import Model, Training
from models.fare_model import build_fare_model
from models.labels import label_spread, label_unit
from models.rides import Rides
from models.training import RepeatedTraining, train

CONFIG = Training(epochs=3, batch_size=32, recipes=())


def _rides(unit=1.0, count=400):
  generator = np.random.default_rng(3)
  columns = generator.normal(size=(count, 3)).astype(np.float32)
  fares = np.maximum(2.5, 10 + 4 * columns[:, 0] - 2 * np.abs(columns[:, 1])).astype(np.float32)
  return Rides({'numeric': columns}, fares * np.float32(unit), np.arange(count))


def _build(typical, seed):
  return build_fare_model(Model(hidden=(8, 4)), 3, [], typical, seed)


@pytest.mark.parametrize(
  ('typical', 'unit'),
  [
    pytest.param(8.5, 1, id='new_york'),
    pytest.param(15.9, 1, id='dear'),
    pytest.param(4.1, 1, id='cheap'),
    pytest.param(250, 16, id='rupees'),
    pytest.param(7650, 1024, id='pesos'),
    pytest.param(0.9, 0.0625, id='dinars'),
    pytest.param(0, 1, id='nothing'),
    pytest.param(-3, 1, id='negative'),
    pytest.param(math.nan, 1, id='unknown'),
  ],
)
def test_a_typical_label_is_4_to_16_units(typical, unit):
  assert label_unit(typical) == unit


@pytest.mark.parametrize('absolute', [False, True], ids=['relative', 'absolute'])
@pytest.mark.parametrize('unit', [1024, 1 / 4], ids=['pesos', 'dinars'])
def test_labels_in_another_unit_give_the_same_model(unit, absolute):
  trained, curves = {}, {}
  for each in (1, unit):
    rides = _rides(each)
    config = CONFIG.model_copy(update={'huber_delta': 5.0 * each if absolute else None})
    trained[each] = _build(float(np.median(rides.fares)), 7)
    curves[each] = train(trained[each], rides, config, validation=rides).curves
  *hidden, kernel, bias = trained[1].get_weights()
  *own_hidden, own_kernel, own_bias = trained[unit].get_weights()
  for one, other in zip(hidden, own_hidden, strict=True):
    np.testing.assert_array_equal(one, other)
  np.testing.assert_array_equal(kernel * unit, own_kernel)
  np.testing.assert_array_equal(bias * unit, own_bias)
  np.testing.assert_allclose(curves[unit]['val_rmse'], np.multiply(curves[1]['val_rmse'], unit), rtol=1e-6)
  np.testing.assert_allclose(curves[unit]['val_loss'], np.multiply(curves[1]['val_loss'], unit**2), rtol=1e-6)


def test_a_repeated_training_takes_the_unit_of_its_labels():
  repeated = RepeatedTraining(_build)
  for unit in (1, 1024, 1):
    model, _ = repeated.train(_rides(unit), CONFIG)
    alone = _build(float(np.median(_rides(unit).fares)), CONFIG.seed)
    train(alone, _rides(unit), CONFIG)
    for one, other in zip(model.get_weights(), alone.get_weights(), strict=True):
      np.testing.assert_array_equal(one, other)


def test_the_spread_is_that_of_numpy():
  rides = _rides()
  assert label_spread(rides) == pytest.approx((np.median(rides.fares), np.std(rides.fares.astype(np.float64))))


def test_no_share_of_labels_around_zero():
  rides = _rides(-1)
  with pytest.raises(ValueError, match=r'the median of the labels is -.* set training.huber_delta'):
    train(_build(10.0, 0), rides, CONFIG)
  train(_build(10.0, 0), rides, CONFIG.model_copy(update={'huber_delta': 1.0, 'epochs': 1}))
