"""Calibration: which rides are looked at, and that the ranges are what they produce. Oracle: NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from models.compression.quantized_model import DenseStep, activation_ranges, calibration_examples
from models.rides import Rides


def _rides(count):
  fares = np.random.default_rng(1).gamma(2, 5, count).astype(np.float32)
  return Rides({'numeric': np.arange(count, dtype=np.float32)[:, None]}, fares, np.arange(count))


def test_few_rides_are_all_taken():
  rides = _rides(50)
  assert calibration_examples(rides, seed=1, most=50) is rides


def test_the_dearest_are_always_in_the_sample():
  rides = _rides(500)
  sample = calibration_examples(rides, seed=1, most=60, highest=20)
  assert len(sample) == 60
  np.testing.assert_array_equal(np.sort(sample.fares)[-20:], np.sort(rides.fares)[-20:])
  assert len(np.unique(sample.seconds)) == 60


def test_the_sample_follows_the_seed():
  first, again, other = (calibration_examples(_rides(500), seed, 60, 20).seconds for seed in (1, 1, 2))
  np.testing.assert_array_equal(first, again)
  assert not np.array_equal(first, other)


def _fake_quantized(values, low, high):
  """Oracle of 8 bits, asymmetric: the range is shifted so that zero is one of 256 levels."""
  scale = (high - low) / 255
  zero = np.rint(-low / scale)
  return (np.clip(np.rint(values / scale) + zero, 0, 255) - zero) * scale


def _step(name, shape, seed, activation, quantized=True):
  generator = np.random.default_rng(seed)
  return DenseStep(
    name=name,
    kernel=generator.normal(size=shape).astype(np.float32),
    bias=generator.normal(size=shape[1]).astype(np.float32),
    activation=activation,
    before_activation=activation is tf.tanh,
    quantized=quantized,
  )


@pytest.mark.parametrize('activation', [pytest.param(tf.nn.relu, id='relu'), pytest.param(tf.tanh, id='tanh')])
def test_each_layer_sees_the_quantized_outputs_of_those_before(activation):
  features = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
  steps = [_step('dense_0', (5, 4), 1, activation), _step('fare', (4, 1), 2, tf.identity)]
  found = activation_ranges(features, steps, True, {})

  def known(values):
    low, high = min(0, values.min()), max(0, values.max())
    return (low, high), _fake_quantized(values, low, high)

  expected = {}
  expected['input'], values = known(features)
  values = values @ steps[0].kernel + steps[0].bias
  if activation is tf.tanh:
    expected['dense_0'], values = known(values)
    values = np.tanh(values)
  else:
    expected['dense_0'], values = known(np.maximum(values, 0))
  expected['fare'], _ = known(values @ steps[1].kernel + steps[1].bias)
  assert list(found) == list(expected)
  for name, ends in expected.items():
    # Float32 rounds some value to the other neighbour on the grid: a step of one weight's share.
    assert found[name] == pytest.approx(ends, abs=0.01)


def test_ranges_hold_what_they_have_to():
  steps = [_step('fare', (2, 1), 1, tf.identity)]
  found = activation_ranges(np.ones((3, 2), np.float32), steps, True, {'fare': (0.0, 99.0), 'input': (-6.0, 6.0)})
  assert found['input'] == (-6.0, 6.0)
  assert found['fare'][1] == 99.0


def test_only_quantized_layers_get_a_range():
  steps = [_step('dense_0', (2, 3), 1, tf.nn.relu, quantized=False), _step('dense_1', (3, 1), 2, tf.nn.relu)]
  assert list(activation_ranges(np.ones((3, 2), np.float32), steps, False, {})) == ['dense_1']


def test_a_silent_layer_gets_a_range_with_a_width():
  silent = DenseStep('dense_0', np.zeros((2, 3), np.float32), np.full(3, -1, np.float32), tf.nn.relu, False, True)
  assert activation_ranges(np.ones((3, 2), np.float32), [silent], False, {}) == {'dense_0': (0.0, 1.0)}
