"""Shrunk files against the converter's own: the same answers bit for bit, on real conversions of every kind.

The oracle is the file before: nothing that an interpreter, a delegate or a person who calls the model can see may
change but the names of inner tensors.
"""

import functools

import ai_edge_litert.interpreter as litert
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from configs import loading
from configs.compression import KeepNames
from models.lite.flatbuffer import pack, shrink
from models.serving import raw_tensor_specs
from tests.models.lite.converters import from_functions
from transforms.constants import Constants
from transforms.engineering import catalogue, engineer, standardize

WIDTH, UNITS, CODES = 24, 64, 40
KINDS = ('float32', 'float16', 'dynamic_range', 'int8', 'int8_throughout', 'sparse', 'sparse_dynamic_range')
BATCHES = (1, 3, 17)


def _weights(sparse):
  """Kernels and an embedding table; in a sparse one, four of five blocks of 16 inputs are zero."""
  generator = np.random.default_rng(3)
  kernels = [generator.normal(0, 0.3, shape).astype(np.float32) for shape in ((WIDTH + 8, UNITS), (UNITS, UNITS))]
  if sparse:
    for kernel in kernels:
      kernel *= np.repeat(generator.random((len(kernel) // 16, UNITS)) < 0.2, 16, axis=0)
  return generator.normal(size=(CODES, 8)).astype(np.float32), kernels


@functools.cache
def _converted(kind):
  """A small model with an embedding, converted by the real converter."""
  table, kernels = _weights('sparse' in kind)

  @tf.function
  def fares(numeric, code):
    hidden = tf.concat([numeric, tf.gather(table, code)], axis=1)
    for kernel in kernels:
      hidden = tf.nn.relu(tf.matmul(hidden, kernel) + 0.1)
    return {'fare_amount': tf.reduce_sum(hidden, axis=1)}

  specs = tf.TensorSpec([None, WIDTH], tf.float32, 'numeric'), tf.TensorSpec([None], tf.int32, 'code')
  converter = from_functions([fares.get_concrete_function(*specs)], tf.Module())
  if 'sparse' in kind:
    converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
  if kind not in ('float32', 'sparse'):
    converter.optimizations = [*converter.optimizations, tf.lite.Optimize.DEFAULT]
  if kind == 'float16':
    converter.target_spec.supported_types = [tf.float16]
  if 'int8' in kind:
    converter.representative_dataset = lambda: ([*_rides(1, seed).values()] for seed in range(50))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
  if kind == 'int8_throughout':
    converter.inference_output_type = tf.int8
  return converter.convert()


def _rides(rows, seed=0):
  generator = np.random.default_rng(seed)
  numeric = generator.normal(size=(rows, WIDTH)).astype(np.float32)
  return {'numeric': numeric, 'code': generator.integers(0, CODES, rows).astype(np.int32)}


@functools.cache
def _feature_part(preset):
  """The features of a preset as a file, with made-up moments."""
  config = loading.load(preset)
  width = len(catalogue(config.dataset, config.features))
  generator = np.random.default_rng(1)
  moments = generator.normal(size=width).astype(np.float32), generator.uniform(1, 2, width).astype(np.float32)

  @tf.function
  def features(**rides):
    # As TFX's Transform reads whole numbers.
    rides['pickup_seconds'] = tf.cast(rides['pickup_seconds'], tf.int64)
    return {'numeric': standardize(engineer(rides, config.dataset, config.features), Constants(*moments))}

  function = features.get_concrete_function(**raw_tensor_specs(config.dataset))
  return from_functions([function], tf.Module()).convert()


def _raw_rides(rows):
  generator = np.random.default_rng(rows)
  center = {'longitude': -73.98, 'latitude': 40.75}
  rides = {
    f'{end}_{axis}': generator.normal(center[axis], 0.05, rows).astype(np.float32)
    for end in ('pickup', 'dropoff')
    for axis in center
  }
  rides['dropoff_latitude'][::3] = np.nan
  seconds = generator.integers(-(2**31), 2**31, rows).astype(np.int32)
  return rides | {'passenger_count': np.ones(rows, np.float32), 'pickup_seconds': seconds}


def _assert_same_answers(file, shrunk, rides_of):
  """On both interpreters, with their delegates, one interpreter taking all batches in turn."""
  for library in (litert, tf.lite):
    runners = [library.Interpreter(model_content=content).get_signature_runner() for content in (file, shrunk)]
    for rows in (*BATCHES, 1):
      expected, got = (runner(**rides_of(rows)) for runner in runners)
      assert list(got) == list(expected)
      for name, values in got.items():
        assert values.dtype == expected[name].dtype
        np.testing.assert_array_equal(values, expected[name], err_msg=f'{library.__name__}, {rows} rides')


@pytest.mark.parametrize('kind', KINDS)
def test_answers_are_the_same_bit_for_bit_at_any_batch_size(kind):
  file = _converted(kind)
  assert len(shrink(file)) < len(file)
  _assert_same_answers(file, shrink(file), _rides)


@pytest.mark.parametrize('preset', ['nyc', 'chicago'])
def test_features_are_the_same_bit_for_bit_and_take_less_than_8_kb(preset):
  file = _feature_part(preset)
  shrunk = shrink(file, KeepNames.NONE)
  _assert_same_answers(file, shrunk, _raw_rides)
  assert len(shrunk) < 8000
  assert len(shrink(file)) < 10_500


@pytest.mark.parametrize('kind', KINDS)
def test_delegates_take_the_same_operators(kind):
  """They choose by the shapes of inner tensors, among other things."""
  names = []
  for content in (_converted(kind), shrink(_converted(kind))):
    interpreter = litert.Interpreter(model_content=content)
    interpreter.get_signature_runner()(**_rides(2))
    names.append([operator['op_name'] for operator in interpreter._get_ops_details()])
  assert names[0] == names[1]
  assert 'DELEGATE' in names[0]


@pytest.mark.parametrize('kind', KINDS)
def test_signature_keeps_names_types_shapes_and_scales(kind):
  found = []
  for content in (_converted(kind), shrink(_converted(kind))):
    interpreter = litert.Interpreter(model_content=content)
    runner = interpreter.get_signature_runner('serving_default')
    details = runner.get_input_details() | runner.get_output_details()
    found.append({
      name: (detail['dtype'], tuple(detail['shape']), tuple(detail['shape_signature']), detail['quantization'])
      for name, detail in details.items()
    })  # fmt: skip
  assert found[0] == found[1]
  assert set(found[1]) == {'code', 'numeric', 'fare_amount'}
  # The tensors themselves now bear these names.
  ends = interpreter.get_input_details() + interpreter.get_output_details()
  assert {detail['name'] for detail in ends} == set(found[1])


def _pairs(before, after):
  """What each operator reads and makes, before and after; tensors have other numbers."""
  both = list(zip(before.operators, after.operators, strict=True))
  numbers = {
    old: new
    for operators in both
    for old, new in zip(*([*operator.inputs, *operator.outputs] for operator in operators), strict=True)
  }
  assert sorted(numbers.values()) == list(range(len(after.tensors)))
  return [(before.tensors[old], after.tensors[new]) for old, new in numbers.items()]


@pytest.mark.parametrize('kind', KINDS)
def test_weights_scales_and_sparsity_are_those_of_the_converter(kind):
  before, after = (schema.ModelT.InitFromPackedBuf(content, 0) for content in (_converted(kind), _twice(kind)))
  pairs = _pairs(before.subgraphs[0], after.subgraphs[0])
  for old, new in pairs:
    np.testing.assert_array_equal(after.buffers[new.buffer].data, before.buffers[old.buffer].data)
    assert (new.type, list(new.shape)) == (old.type, list(old.shape))
    assert _quantization(new) == _quantization(old)
    assert _sparsity(new) == _sparsity(old)
  assert any(_quantization(new) for _, new in pairs) == (kind not in ('float32', 'float16', 'sparse'))
  assert any(_sparsity(new) for _, new in pairs) == ('sparse' in kind)


@pytest.mark.parametrize('kind', [*KINDS, 'nyc', 'chicago'])
def test_shrinking_again_changes_nothing(kind):
  shrunk = shrink(_converted(kind) if kind in KINDS else _feature_part(kind))
  assert shrink(shrunk) == shrunk


@pytest.mark.parametrize('kind', KINDS)
def test_weights_are_aligned_for_vector_loads(kind):
  """Oracle: `force_align: 16` of buffers in TFLite's schema; small ones by their element."""
  content = shrink(_converted(kind))
  model = schema.Model.GetRootAs(content, 0)
  large = 0
  for index in range(1, model.BuffersLength()):
    buffer = model.Buffers(index)
    position = buffer._tab.Vector(buffer._tab.Offset(4))
    assert position % (16 if buffer.DataLength() >= 64 else 4) == 0
    large += buffer.DataLength() >= 64
  assert large >= 3


@pytest.mark.parametrize('length', [1, 2, 3, 4])
def test_int64_constants_are_aligned_by_8_bytes(length):
  # TensorFlow 2.21 leaves out `x + 0`, and the constant with it.
  constant = 2**33 + np.arange(length)
  content = shrink(_convert(lambda x: x + constant, tf.TensorSpec([None, 1], tf.int64)))
  model = schema.Model.GetRootAs(content, 0)
  graph = model.Subgraphs(0)
  tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
  wide = [model.Buffers(tensor.Buffer()) for tensor in tensors if tensor.Type() == schema.TensorType.INT64]
  positions = [buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in wide if not buffer.DataIsNone()]
  assert positions and all(position % 8 == 0 for position in positions)
  values = np.array([[10], [2**40]], np.int64)
  got = litert.Interpreter(model_content=content).get_signature_runner()(x=values)
  np.testing.assert_array_equal(got['output_0'], values + constant)


def test_only_casts_that_lose_nothing_are_skipped():
  there_and_back = _convert(lambda x: tf.cast(tf.cast(x, tf.int64), tf.int32) // 7, tf.TensorSpec([None], tf.int32))
  assert [_operators(there_and_back).count('CAST'), _operators(shrink(there_and_back)).count('CAST')] == [2, 0]
  narrow = _convert(lambda x: tf.cast(tf.cast(x, tf.int8), tf.int32) // 7, tf.TensorSpec([None], tf.int32))
  assert _operators(shrink(narrow)) == _operators(narrow)
  values = np.array([-(2**31), -300, -1, 0, 5, 2**31 - 1], np.int32)
  for file in (there_and_back, narrow):
    answers = [litert.Interpreter(model_content=content).get_signature_runner() for content in (file, shrink(file))]
    np.testing.assert_array_equal(*(runner(x=values)['output_0'] for runner in answers))


def test_a_wide_number_that_is_read_elsewhere_keeps_its_cast():
  def both(x):
    wide = tf.cast(x, tf.int64)
    return {'wide': wide * 3, 'narrow': tf.cast(wide, tf.int32) + 1, 'same': tf.cast(wide, tf.int32)}

  file = _convert(both, tf.TensorSpec([None], tf.int32))
  shrunk = shrink(file)
  values = np.array([2**31 - 2, -5], np.int32)
  got = litert.Interpreter(model_content=shrunk).get_signature_runner()(x=values)
  np.testing.assert_array_equal(got['wide'], values.astype(np.int64) * 3)
  np.testing.assert_array_equal(got['narrow'], values + 1)
  np.testing.assert_array_equal(got['same'], values)


def test_branches_in_subgraphs_of_their_own():
  def either(x):
    return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.sin(x) * 2, lambda: x - 1)

  file = _convert(either, tf.TensorSpec([None], tf.float32))
  assert len(schema.ModelT.InitFromPackedBuf(shrink(file), 0).subgraphs) > 1
  runners = [litert.Interpreter(model_content=content).get_signature_runner() for content in (file, shrink(file))]
  for values in (np.float32([1, 2, 3]), np.float32([-1, -2])):
    np.testing.assert_array_equal(*(runner(x=values)['output_0'] for runner in runners))


def test_a_scalar_without_dimensions():
  file = _convert(
    lambda x: tf.reshape(tf.reduce_max(x), []) + tf.reshape(x, [-1]), tf.TensorSpec([None, 2], tf.float32)
  )
  runners = [litert.Interpreter(model_content=content).get_signature_runner() for content in (file, shrink(file))]
  for rows in BATCHES:
    values = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
    np.testing.assert_array_equal(*(runner(x=values)['output_0'] for runner in runners))


def test_lists_that_say_something_stay():
  """Tensors between the parts of an operator, and inputs that it changes, as recurrent layers have; empty ones go."""
  file = _convert(lambda x: tf.sin(x) * tf.exp(x) + 1, tf.TensorSpec([None], tf.float32))
  parsed = schema.ModelT.InitFromPackedBuf(file, 0)
  first, second, *_ = parsed.subgraphs[0].operators
  first.intermediates, first.mutatingVariableInputs = np.array([0], np.int32), np.array([True])
  second.intermediates, second.mutatingVariableInputs = np.array([], np.int32), np.array([False])
  first, second, *_ = schema.ModelT.InitFromPackedBuf(shrink(pack(parsed)), 0).subgraphs[0].operators
  assert (first.intermediates.tolist(), first.mutatingVariableInputs.tolist()) == ([0], [True])
  assert (second.intermediates, second.mutatingVariableInputs) == (None, None)


def test_tensors_that_nothing_reads_go():
  parsed = schema.ModelT.InitFromPackedBuf(_converted('int8'), 0)
  parsed.subgraphs[0].tensors.insert(0, schema.TensorT())
  graph = parsed.subgraphs[0]
  for holder in (graph, *graph.operators):
    for side in ('inputs', 'outputs'):
      setattr(holder, side, [index + (index >= 0) for index in getattr(holder, side)])
  for signature in parsed.signatureDefs:
    for named in (*signature.inputs, *signature.outputs):
      named.tensorIndex += 1
  assert shrink(pack(parsed)) == shrink(_converted('int8'))


def _convert(function, spec):
  named = tf.TensorSpec(spec.shape, spec.dtype, 'x')
  concrete = tf.function(function).get_concrete_function(named)
  return from_functions([concrete], tf.Module()).convert()


def _twice(kind):
  return shrink(shrink(_converted(kind)))


def _operators(content):
  model = schema.ModelT.InitFromPackedBuf(content, 0)
  names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
  codes = [names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes]
  return [codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators]


def _quantization(tensor):
  found = tensor.quantization
  if found is None or found.scale is None:
    return None
  return list(found.scale), list(found.zeroPoint), found.quantizedDimension


def _sparsity(tensor):
  found = tensor.sparsity
  if found is None:
    return None
  sizes = [(dimension.format, dimension.denseSize) for dimension in found.dimMetadata]
  indices = [
    [list(part.values) for part in (dimension.arraySegments, dimension.arrayIndices) if part is not None]
    for dimension in found.dimMetadata
  ]
  return list(found.traversalOrder), list(found.blockMap), sizes, indices
