"""Real files, and the same ones damaged on purpose: each is refused with a sentence."""

import dataclasses
import os
import signal

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from configs.compression import Scheme
from configs.recipe import Clustering, Recipe
from models.compression import layers
from models.compression.layers import DENSE_CORE
from models.lite import validation
from models.lite.client import RideFile
from models.lite.inspection import LiteFile
from models.lite.interpreter import LiteRunner
from models.lite.promise import ValidationError
from models.lite.validation import check_predictions, check_structure, validate
from tests.models.lite import made_model
from tests.models.lite.converters import from_functions
from tests.models.lite.made_model import DENSE, EMBEDDING, fresh_model, promise, raw_rides, whole_file
from tests.models.lite.small_files import changed

FLOAT32 = Scheme(name='float32', precision='float32', tolerance=1e-3)
INT8 = Scheme(name='int8', precision='int8')
CLUSTERED = Recipe(name='clustered', clustering=Clustering(clusters=4, layers=('dense_0',)))


@pytest.fixture(scope='module')
def model():
  """Half of `dense_0` is zero and the rest has 4 values."""
  model = fresh_model()
  kernel = layers.kernel_layers(model)['dense_0'].kernel
  values = np.random.default_rng(0).choice(np.float32([-0.2, -0.1, 0.1, 0.2]), kernel.shape)
  kernel.assign(np.where(np.random.default_rng(1).random(kernel.shape) < 0.5, 0, values))
  return model


@pytest.fixture(scope='module')
def float32(model):
  return whole_file(model, FLOAT32)


@pytest.fixture(scope='module')
def int8(model):
  return whole_file(model, INT8)


def _kernel(lite, model, name):
  """The tensor and the buffer of a dense layer, by its shape."""
  shape = list(layers.kernel_layers(model)[name].kernel.shape[::-1])
  [graph] = lite.subgraphs
  [tensor] = [one for one in graph.tensors if list(one.shape) == shape and lite.buffers[one.buffer].data is not None]
  return tensor, lite.buffers[tensor.buffer]


def _refused(content, kept, model=None):
  """The sentence that a file is refused with; by its structure alone, or by its fares as well."""
  with pytest.raises(ValidationError) as caught:
    if model is None:
      check_structure(content, kept)
    else:
      check_predictions(content, kept.scheme, raw_rides(model), made_model.fares(model), RideFile())
  return str(caught.value)


@pytest.mark.parametrize(
  'scheme',
  [
    pytest.param({'precision': 'float32', 'tolerance': 1e-3}, id='float32'),
    pytest.param({'precision': 'float16', 'tolerance': 0.01}, id='float16'),
    pytest.param({'precision': 'dynamic_range', 'tolerance': 0.02}, id='dynamic_range'),
    pytest.param({'precision': 'int8'}, id='int8'),
    pytest.param({'precision': 'int8', 'integer_only': True}, id='integer_only'),
    pytest.param({'precision': 'int16x8', 'tolerance': 0.02}, id='int16x8'),
    pytest.param(
      {'precision': 'weight_only_int8', 'tolerance': 0.02}, id='weight_only_int8', marks=made_model.needs_quantizer
    ),
    # Kernels of an untrained model don't keep their fares with 15 values per unit.
    pytest.param({'precision': 'dynamic_int4', 'tolerance': 0.4}, id='dynamic_int4', marks=made_model.needs_quantizer),
    pytest.param({'precision': 'int8', 'float_layers': ('fare',)}, id='int8_float_output'),
    pytest.param({'precision': 'int8', 'float_layers': ('dense_0',)}, id='int8_float_input'),
    pytest.param({'precision': 'float16', 'float_layers': ('dense_0',)}, id='float16_float_input'),
  ],
)
def test_what_the_converter_makes_is_accepted(model, scheme):
  """Oracle: zeros counted in the model; nothing here is damaged."""
  scheme = Scheme(name='some', **scheme)
  kept = promise(model, scheme, quantized=[name for name in DENSE if name not in scheme.float_layers])
  found, difference = validate(whole_file(model, scheme), kept, raw_rides(model), made_model.fares(model), RideFile())
  assert [layer.name for layer in found] == [EMBEDDING, *DENSE]
  assert found[1].zeros >= np.count_nonzero(kept.kernels['dense_0'] == 0) > 100
  assert 0 <= difference <= scheme.tolerance


@pytest.mark.parametrize(
  ('left_float', 'layer'),
  [
    pytest.param('dense_1', 'dense_1', id='hidden'),
    pytest.param('fare', 'fare', id='output'),
    pytest.param('dense_0', EMBEDDING, id='embedding'),
  ],
)
def test_a_kernel_left_float(model, left_float, layer):
  content = whole_file(model, Scheme(name='int8', precision='int8', float_layers=[left_float]))
  assert _refused(content, promise(model, INT8)) == f"Layer '{layer}' holds float32 weights, but int8 says int8."


def test_activations_of_another_type(model):
  content = whole_file(model, Scheme(name='int16x8', precision='int16x8'))
  kept = promise(model, INT8)
  assert _refused(content, kept) == f"Layer '{EMBEDDING}' holds int16 weights, but int8 says int8."


def test_a_float_operator_where_integers_alone_are_promised(model):
  """The promise does not count the middle layer, as with a recipe that leaves it in float."""
  content = whole_file(model, Scheme(name='some', precision='int8', float_layers=['dense_1']))
  scheme = Scheme(name='int8_integer_only', precision='int8', integer_only=True)
  assert _refused(content, promise(model, scheme, quantized=('dense_0', 'fare'))) == (
    'DEQUANTIZE, FULLY_CONNECTED, QUANTIZE in the dense core compute with floats; int8_integer_only allows none.'
  )


@pytest.mark.parametrize('scheme', [pytest.param(FLOAT32, id='float32'), pytest.param(INT8, id='int8')])
def test_lost_zeros(model, scheme, request):
  def damage(lite):
    _, buffer = _kernel(lite, model, 'dense_0')
    values = np.asarray(buffer.data, np.uint8).view(np.int8 if scheme is INT8 else np.float32).copy()
    zeros.append(np.count_nonzero(values == 0))
    values[np.flatnonzero(values == 0)[0]] = 1
    buffer.data = values.view(np.uint8)

  zeros = []
  content = changed(request.getfixturevalue(scheme.name), damage)
  assert _refused(content, promise(model, scheme)) == (
    f"Layer 'dense_0' has {zeros[0] - 1} zeros in the file and {zeros[0]} in the model."
  )


def test_lost_clusters(model, float32):
  """4 values and zero in the model, one more in the damaged file."""

  def damage(lite):
    _, buffer = _kernel(lite, model, 'dense_0')
    values = np.asarray(buffer.data, np.uint8).view(np.float32).copy()
    values[np.flatnonzero(values)[0]] = 0.15
    buffer.data = values.view(np.uint8)

  kept = promise(model, FLOAT32, CLUSTERED)
  check_structure(float32, kept)
  assert _refused(changed(float32, damage), kept) == (
    "Layer 'dense_0' has 6 distinct weights in the file and 5 in the model."
  )


def test_clusters_of_float16_are_counted_on_every_processor():
  """Oracle: Python's set; NumPy 2.4 sorts float16 wrongly on CPUs with AVX-512 FP16, from some thousand values on."""
  generator = np.random.default_rng(3)
  kernel = generator.choice(generator.normal(size=5), [48, 64]).astype(np.float32)
  module = tf.Module()
  module.run = tf.function(lambda x: {'y': tf.matmul(x, kernel)})
  converter = from_functions([module.run.get_concrete_function(tf.TensorSpec([None, 48], name='x'))], module)
  converter.optimizations, converter.target_spec.supported_types = [tf.lite.Optimize.DEFAULT], [tf.float16]
  [layer] = LiteFile(converter.convert()).weights()
  assert (layer.type, layer.distinct) == ('float16', len(set(kernel.astype(np.float16).reshape(-1).tolist())))


def test_a_sparse_kernel_with_a_scale_per_unit(model, int8):
  """Marked as sparse in place: TensorFlow 2.16 can't make such a file, and 2.21 makes it by default."""

  def damage(lite):
    tensor, _ = _kernel(lite, model, 'dense_0')
    tensor.sparsity = schema.SparsityParametersT()
    tensor.quantization.scale = [0.1] * 16

  assert _refused(changed(int8, damage), promise(model, INT8)) == (
    "Layer 'dense_0' is encoded sparsely with 16 scales, of which TFLite's kernel reads one."
  )


def test_a_layer_of_another_size(model, float32):
  kept = promise(model, FLOAT32)
  other = {**kept.kernels, 'dense_1': np.ones((16, 9), np.float32)}
  assert (
    _refused(float32, dataclasses.replace(kept, kernels=other))
    == "Layer 'dense_1' has 128 weights in the file and 144 in the model."
  )


def test_a_missing_layer(model, float32):
  kept = promise(model, FLOAT32)
  more = {f'dense_{number}': np.ones((8, 8), np.float32) for number in range(2, 20)}
  kept = dataclasses.replace(kept, kernels=kept.kernels | more, order=layers.LayerOrder((*DENSE, *more)))
  assert _refused(float32, kept).startswith('The file has ')


def test_a_custom_operator(model, float32):
  def damage(lite):
    code = schema.OperatorCodeT()
    code.builtinCode, code.customCode, code.version = schema.BuiltinOperator.CUSTOM, b'FlexErf', 1
    lite.operatorCodes.append(code)

  assert _refused(changed(float32, damage), promise(model, FLOAT32)) == (
    'FlexErf are no TFLite builtins; a phone would refuse the file.'
  )


def test_nothing_encoded_sparsely(model, float32):
  scheme = Scheme(name='float32_sparse', precision='float32', sparse=True)
  assert _refused(float32, promise(model, scheme)) == (
    'No layer is encoded sparsely: no kernel has enough zero blocks for it.'
  )


@pytest.mark.parametrize('factor', [0.5, 1.5])
def test_a_changed_scale(model, int8, factor):
  def damage(lite):
    tensor, _ = _kernel(lite, model, 'dense_1')
    tensor.quantization.scale = np.float32(tensor.quantization.scale) * factor

  check_predictions(int8, INT8, raw_rides(model), made_model.fares(model), RideFile())
  assert _refused(changed(int8, damage), promise(model, INT8), model).startswith(
    "Its fares differ from the float model's by 0."
  )


def test_a_saturated_output(model):
  """Calibrated with the cheaper half of the rides."""
  fares = made_model.fares(model)
  cheaper = {name: column[fares < np.median(fares)] for name, column in made_model.inputs().items()}
  sentence = _refused(whole_file(model, INT8, cheaper), promise(model, INT8), model)
  assert sentence.startswith('The output saturates: ')
  assert sentence.endswith(', where the float model gives more.')


def test_fares_that_are_no_numbers(model):
  broken = fresh_model()
  broken.get_layer(DENSE_CORE).get_layer('fare').bias.assign([np.nan])
  assert _refused(whole_file(broken, FLOAT32), promise(model, FLOAT32), model) == '300 of 300 fares are no numbers.'


def test_a_batch_of_one_alone(model, float32):
  """The last RESHAPE gives one fare, however many rides there are."""

  def damage(lite):
    [graph] = lite.subgraphs
    reshape = graph.operators[-1]
    shape = lite.buffers[graph.tensors[reshape.inputs[1]].buffer]
    assert np.asarray(shape.data, np.uint8).view(np.int32).tolist() == [-1]
    shape.data = np.int32([1]).view(np.uint8)

  assert 'batch of 300' in _refused(changed(float32, damage), promise(model, FLOAT32), model)


@pytest.mark.parametrize(
  ('fare', 'off', 'kept'),
  [
    pytest.param(10.0, 0.004, True, id='equal_fares_and_next_to_no_difference'),
    pytest.param(10.0, 0.2, False, id='equal_fares_and_two_percent'),
    pytest.param(0.0, 1e-8, True, id='fares_of_zero'),
  ],
)
def test_fares_that_do_not_differ_are_held_against_their_size(fare, off, kept):
  """A tolerance is a share of a deviation, which is nothing here. Oracle: 5 % of 1 % of the fare is 0.005 of 10."""
  fares, scheme = np.full(300, fare, np.float32), Scheme(name='some', precision='int8')
  if kept:
    assert validation._compare(fares + np.float32(off), fares, scheme, RideFile().terms) <= scheme.tolerance
  else:
    with pytest.raises(ValidationError, match=r'differ from the float model.s by 2\.0000 of their standard deviation'):
      validation._compare(fares + np.float32(off), fares, scheme, RideFile().terms)


def test_a_cut_file(model, float32):
  assert _refused(float32[: len(float32) // 2], promise(model, FLOAT32), model) == (
    'The lite model is cut off or damaged; copy or write it again.'
  )


def test_the_fresh_process_is_asked_further_questions(model, float32):
  answers = []

  def ask(process):
    answers.append(process.predict(raw_rides(model).columns))

  validate(float32, promise(model, FLOAT32), raw_rides(model), made_model.fares(model), RideFile(), beside=ask)
  [found] = answers
  np.testing.assert_array_equal(found, LiteRunner(float32, contract=RideFile()).predict(raw_rides(model).columns))


@pytest.mark.parametrize('trouble', ['refused', 'crashed'])
def test_what_becomes_of_further_questions_changes_no_verdict(model, float32, trouble):
  def ask(process):
    if trouble == 'crashed':
      os.kill(process.pid, signal.SIGKILL)
    process.predict({})

  arguments = float32, promise(model, FLOAT32), raw_rides(model), made_model.fares(model), RideFile()
  _, difference = validate(*arguments, beside=ask)
  assert difference == validate(*arguments)[1]
