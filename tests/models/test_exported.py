"""Weights read from the files are those that TensorFlow loads; quantization is seen where it is run."""

import numpy as np
import pytest
import tensorflow as tf

from models.keras_compat import keras
from models.serving import biases, fake_quantized, kernel_ranges, kernels, ranges, read_weights
from tests.models.small_exports import SHAPES, Serving, export, quantized, rewritten, small_model


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
  model = small_model()
  return model, export(model, tmp_path_factory.mktemp('plain') / 'model')


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  model = quantized()
  return model, export(model, tmp_path_factory.mktemp('whole') / 'model')


@pytest.fixture(scope='module')
def partial(tmp_path_factory):
  model = quantized('dense_1')
  return model, export(model, tmp_path_factory.mktemp('partial') / 'model')


@pytest.mark.parametrize('case', ['plain', 'whole', 'partial'])
def test_weights_are_those_that_tensorflow_loads(case, request):
  """Oracle: the variables of the Keras model, and those that the loaded signature uses."""
  model, directory = request.getfixturevalue(case)
  found = read_weights(directory)
  assert list(found) == sorted(variable.name.removesuffix(':0') for variable in model.variables)
  for variable in model.variables:
    np.testing.assert_array_equal(found[variable.name.removesuffix(':0')], variable.numpy())
  loaded = tf.saved_model.load(directory)
  used = loaded.signatures['serving_default'].variables
  assert len(used) >= 7
  for variable in used:
    np.testing.assert_array_equal(found[variable.name.removesuffix(':0')], variable.numpy())


@pytest.mark.parametrize('case', ['plain', 'whole', 'partial'])
def test_kernels_and_biases_are_under_their_layers(case, request):
  _, directory = request.getfixturevalue(case)
  weights = read_weights(directory)
  found = kernels(weights)
  assert {name: kernel.shape for name, kernel in found.items()} == SHAPES
  assert list(found) == list(SHAPES)
  assert {name: bias.shape for name, bias in biases(weights).items()} == {
    'dense_0': (16,), 'dense_1': (8,), 'fare': (1,)
  }  # fmt: skip


def test_layers_are_in_the_order_of_their_numbers():
  weights = {f'{name}/kernel': np.zeros([1, 1]) for name in ('dense_10', 'fare', 'dense_2', 'dense_0')}
  assert list(kernels(weights)) == ['dense_0', 'dense_2', 'dense_10', 'fare']


@pytest.mark.parametrize(
  ('case', 'outputs', 'inside', 'nodes'),
  [
    pytest.param('plain', [], [], {}, id='plain'),
    pytest.param(
      'whole', ['dense_0', 'dense_1', 'fare'], ['dense_0', 'dense_1', 'fare'],
      {'': 1, 'dense_0': 2, 'dense_1': 2, 'fare': 2}, id='whole_core',
    ),
    # tfmot quantizes what goes into the layer, which is what the layer before puts out.
    pytest.param('partial', ['dense_0', 'dense_1'], ['dense_1'], {'dense_0': 1, 'dense_1': 2}, id='one_layer'),
  ],
)  # fmt: skip
def test_ranges_and_quantization_nodes_are_those_of_the_wrapped_layers(case, outputs, inside, nodes, request):
  _, directory = request.getfixturevalue(case)
  weights = read_weights(directory)
  assert ranges(weights) == dict.fromkeys(outputs, (0.0, 50.0))
  assert kernel_ranges(weights) == dict.fromkeys(inside, pytest.approx((-1.27, 1.27)))
  assert fake_quantized(directory) == nodes


def test_a_range_before_the_activation_counts_too():
  """tfmot quantizes the input of tanh, and its output not at all."""
  weights = {'quant_dense_0/pre_activation_min': np.float32(-3), 'quant_dense_0/pre_activation_max': np.float32(2)}
  assert ranges(weights) == {'dense_0': (-3.0, 2.0)}


def test_quantization_that_no_signature_runs_is_not_counted(tmp_path):
  """Oracle: Keras stores its own functions, with quantization in them, beside a signature without any."""
  model = quantized()

  @tf.function(input_signature=[tf.TensorSpec([None])])
  def double(numbers):
    return {'doubled': 2 * numbers}

  tf.saved_model.save(Serving(model), str(tmp_path), signatures={'serving_default': double.get_concrete_function()})
  assert b'FakeQuantWithMinMaxVars' in (tmp_path / 'saved_model.pb').read_bytes()
  assert fake_quantized(str(tmp_path)) == {}


def test_a_changed_file_is_seen(plain, tmp_path):
  _, directory = plain
  changed = np.full(SHAPES['fare'], 3.5, np.float32)
  copy = rewritten(directory, tmp_path / 'copy', {'fare/kernel': changed})
  np.testing.assert_array_equal(kernels(read_weights(copy))['fare'], changed)


def test_two_variables_of_one_name_are_refused(tmp_path):
  first, second = (keras.Sequential([keras.Input([2]), keras.layers.Dense(1, name='fare')]) for _ in range(2))
  both = Serving(first)
  both.other = second
  tf.saved_model.save(both, str(tmp_path))
  with pytest.raises(ValueError, match=r"Two variables of .* are called 'fare/(kernel|bias)'"):
    read_weights(str(tmp_path))
