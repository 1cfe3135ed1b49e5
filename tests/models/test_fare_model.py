"""The fare model's shape, its start, its clipping, and that the lite converter takes it."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from configs.model import Activation, Model
from models.compression.layers import DENSE_CORE, Clip
from models.fare_model import build_fare_model
from models.keras_compat import keras
from tests.models.lite.converters import from_keras
from transforms.catalogue import Categorical

CELL = Categorical('pickup_cell', 7, 3, 'a cell')


def _inputs(rides, width, cells=None, seed=0):
  generator = np.random.default_rng(seed)
  inputs = {'numeric': generator.normal(size=(rides, width)).astype(np.float32)}
  return inputs | ({} if cells is None else {'pickup_cell': generator.integers(0, cells, rides)})


def test_number_of_weights_is_that_of_the_dense_layers():
  model = build_fare_model(Model(hidden=(64, 32, 16)), 40, [], 10.0, seed=1)
  widths = [40, 64, 32, 16, 1]
  assert model.count_params() == sum((a + 1) * b for a, b in itertools.pairwise(widths))


def test_equals_the_same_layers_in_numpy():
  """Oracle: clip, then matrix products and ReLUs in float64."""
  model = build_fare_model(Model(hidden=(8, 4), clip=1.5), 5, [CELL], 10.0, seed=1)
  inputs = _inputs(50, 5, cells=7)
  core = model.get_layer(DENSE_CORE)
  layer = np.clip(inputs['numeric'].astype(np.float64), -1.5, 1.5)
  table = model.get_layer('pickup_cell_embedding').get_weights()[0]
  layer = np.concatenate([layer, table[inputs['pickup_cell']]], axis=1)
  for dense in core.layers:
    kernel, bias = dense.get_weights()
    layer = layer @ kernel.astype(np.float64) + bias
    layer = layer if dense.name == 'fare' else np.maximum(layer, 0)
  np.testing.assert_allclose(model(inputs).numpy(), layer, rtol=1e-5, atol=1e-5)


def test_starts_at_the_typical_fare():
  model = build_fare_model(Model(), 6, [], 8.5, seed=1)
  np.testing.assert_allclose(model({'numeric': np.zeros((3, 6), np.float32)}).numpy(), 8.5)


@pytest.mark.parametrize(
  ('seeds', 'same'), [pytest.param((3, 3), True, id='same_seed'), pytest.param((3, 4), False, id='other_seed')]
)
def test_initial_weights_follow_the_seed(seeds, same):
  first, second = (build_fare_model(Model(), 6, [CELL], 8.5, seed).get_weights() for seed in seeds)
  assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)) is same


def test_a_mistyped_coordinate_costs_what_the_farthest_ride_does():
  model = build_fare_model(Model(clip=6.0), 4, [], 8.5, seed=1)
  far, absurd = (model({'numeric': np.full((1, 4), value, np.float32)}).numpy() for value in (6.0, 1e6))
  np.testing.assert_array_equal(far, absurd)
  free = build_fare_model(Model(clip=None), 4, [], 8.5, seed=1)
  assert not any(isinstance(layer, Clip) for layer in free.layers)
  assert abs(free({'numeric': np.full((1, 4), 1e6, np.float32)}).numpy()[0, 0]) > 1000


def test_categories_alone_are_enough():
  model = build_fare_model(Model(), 0, [CELL], 8.5, seed=1)
  assert model.input_names == ['pickup_cell']
  assert model({'pickup_cell': np.arange(7)}).shape == (7, 1)


def test_no_feature_at_all_is_refused():
  with pytest.raises(ValueError, match='The feature blocks yield no feature; switch one on under features'):
    build_fare_model(Model(), 0, [], 8.5, seed=1)


def test_clip_survives_saving(tmp_path):
  model = keras.Sequential([keras.Input([2]), Clip(2.0)])
  model.save(tmp_path / 'clip.keras')
  again = keras.models.load_model(tmp_path / 'clip.keras')
  np.testing.assert_array_equal(again.predict(np.array([[-9.0, 1.0]]), verbose=0), [[-2.0, 1.0]])


@pytest.mark.parametrize('activation', [Activation.RELU, Activation.RELU6, Activation.TANH, Activation.LINEAR])
def test_converts_to_builtin_operations_alone(activation):
  """Oracle: the Keras model on the same rides; the converter refuses anything but builtins."""
  model = build_fare_model(Model(hidden=(8, 4), activation=activation, dropout=0.1), 5, [CELL], 10.0, seed=1)
  converter = from_keras(model)
  converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
  interpreter = tf.lite.Interpreter(model_content=converter.convert())
  runner = interpreter.get_signature_runner()
  for inputs in (_inputs(1, 5, cells=7), _inputs(1, 5, cells=7, seed=1)):
    got = next(iter(runner(**inputs).values()))
    np.testing.assert_allclose(got, model(inputs).numpy(), rtol=1e-5, atol=1e-5)
