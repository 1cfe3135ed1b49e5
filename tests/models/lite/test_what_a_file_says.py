"""What a file says of itself: kinds of operators, names, the oldest runtime, its description, its output's step."""

import functools

import ai_edge_litert.interpreter as litert
import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from components.compression_gate.pushed_version import spread_elsewhere
from configs.columns import LABEL, TIME
from configs.compression import KeepNames, Scheme
from models.lite.columns import describe_file
from models.lite.conversion import assemble, convert_model
from models.lite.flatbuffer import METADATA, described, join, pack, shrink
from models.lite.inspection import LiteFile
from tests.models.lite import made_model
from tests.models.lite.converters import has_choice
from tests.models.lite.small_files import preset_lite_file

INT8, FLOAT32 = Scheme(name='int8', precision='int8'), Scheme(name='float32', precision='float32', tolerance=1e-3)
SCHEMES = {'int8': INT8, 'float32': FLOAT32}


@functools.cache
def part(scheme):
  """The model without the features."""
  return convert_model(made_model.fresh_model(), SCHEMES[scheme], made_model.inputs(), False, LABEL)


@functools.cache
def whole(scheme, keep_names=KeepNames.SHORT):
  return assemble(made_model.features(), part(scheme), keep_names)


def parsed(content):
  return schema.ModelT.InitFromPackedBuf(content, 0)


def names(content):
  return [tensor.name and tensor.name.decode() for tensor in parsed(content).subgraphs[0].tensors]


def test_kinds_of_operators_are_in_both_fields():
  """Oracle: the schema's comment on `deprecated_builtin_code`, which readers of before 2020 look into alone."""
  codes = parsed(whole('int8')).operatorCodes
  assert len(codes) > 20
  for code in codes:
    assert code.deprecatedBuiltinCode == code.builtinCode < schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES


def test_a_kind_beyond_a_byte_has_its_placeholder():
  model = parsed(whole('float32'))
  model.operatorCodes[0].builtinCode = schema.BuiltinOperator.GELU
  [code, *_] = parsed(shrink(pack(model))).operatorCodes
  assert (code.builtinCode, code.deprecatedBuiltinCode) == (150, 127)


@pytest.mark.parametrize('scheme', SCHEMES)
def test_short_names_are_unique_and_name_the_layers(scheme):
  found = names(whole(scheme))
  assert None not in found and len({*found}) == len(found)
  assert {LABEL, TIME, *made_model.DENSE, made_model.EMBEDDING} <= {*found}
  assert max(len(name) for name in found if '.' not in name and name not in {*found[:6], *made_model.DENSE}) < 40
  # What a layer yields carries its name, and what it holds where the converter says whose it is; the rest are numbers.
  assert sum(name.startswith('dense_0') for name in found) >= (2 if has_choice() else 1)
  assert 'clip_by_value' not in ' '.join(found)


def test_no_names_but_those_of_the_ends():
  found = names(whole('int8', KeepNames.NONE))
  assert sum(name is not None for name in found) == len(made_model.raw_columns()) + 1


def test_all_names_are_the_converters():
  found = names(whole('int8', KeepNames.ALL))
  layer = 'fare_model/dense_core/dense_0'
  assert (f'{layer}/MatMul' if has_choice() else f'{layer}/MatMul;{layer}/Relu;{layer}/BiasAdd') in found
  assert len({*found}) == len(found)


@pytest.mark.parametrize('keep_names', KeepNames)
def test_names_change_no_fare(keep_names):
  """Oracle: the joined file of the converter, bit for bit."""
  before = litert.Interpreter(model_content=join(made_model.features(), part('int8'))).get_signature_runner()
  after = litert.Interpreter(model_content=whole('int8', keep_names)).get_signature_runner()
  rides = made_model.raw_columns()
  np.testing.assert_array_equal(after(**rides)[LABEL], before(**rides)[LABEL])


def _with_version(version, sparse=False):
  """A file with the converter's word for its operators."""
  model = parsed(whole('int8'))
  [entry] = model.metadata
  model.buffers[entry.buffer].data = np.frombuffer(version.encode(), np.uint8)
  if sparse:
    kernel = next(tensor for tensor in model.subgraphs[0].tensors if tensor.name == b'dense_0')
    kernel.sparsity = schema.SparsityParametersT()
  return shrink(pack(model))


@pytest.mark.parametrize(
  ('version', 'sparse', 'expected'),
  [
    pytest.param('1.14.0', False, '2.4.0', id='older_than_tried'),
    pytest.param('', False, '2.4.0', id='nothing_said'),
    pytest.param('2.10.0', False, '2.10.0', id='newer_operators'),
    pytest.param('2.2.0', True, '2.8.0', id='sparse_8_bit'),
    pytest.param('2.11.0', True, '2.11.0', id='sparse_8_bit_and_newer'),
  ],
)
def test_the_oldest_runtime(version, sparse, expected):
  """As TFLite's `FlatBufferModel::GetMinimumRuntime` reads it: 16 bytes, zeros behind."""
  model = parsed(_with_version(version, sparse))
  [entry] = model.metadata
  assert entry.name == b'min_runtime_version'
  assert bytes(model.buffers[entry.buffer].data) == expected.encode().ljust(16, b'\0')
  assert LiteFile(_with_version(version, sparse)).runtime_version() == expected


def test_a_joined_file_needs_what_its_newest_part_needs():
  parts = [_with_version('2.10.0'), part('int8')]
  model = parsed(parts[0])
  model.subgraphs[0].outputs, features = model.subgraphs[0].outputs, parsed(made_model.features())
  features.buffers[features.metadata[0].buffer].data = np.frombuffer(b'2.13.0', np.uint8)
  assert LiteFile(shrink(join(pack(features), parts[1]))).runtime_version() == '2.13.0'


def test_the_description_names_inputs_in_the_order_of_the_file():
  """The bytes by FlatBuffers' own rules; `test_tools` reads them by TFLite's library."""
  description = describe_file(made_model.CONFIG.dataset, 'CC0-1.0')
  content = assemble(made_model.features(), part('int8'), description=description)
  found = described(content)
  assert found[4:8] == b'M001' and b'CC0-1.0' in found and b'degrees (WGS84)' in found
  assert {entry.name for entry in parsed(content).metadata} == {b'min_runtime_version', METADATA.encode()}
  assert LiteFile(content).metadata_bytes() == len(found) < 2500
  assert LiteFile(whole('int8')).metadata_bytes() == 0
  assert 0 < len(content) - len(whole('int8')) - len(found) < 100


def test_the_step_of_the_output():
  """Oracle: the differences of the fares themselves are multiples of it."""
  step = LiteFile(whole('int8')).output_step()
  fares = litert.Interpreter(model_content=whole('int8')).get_signature_runner()(**made_model.raw_columns())[LABEL]
  steps = np.diff(np.unique(fares.astype(np.float64))) / step
  assert len(steps) > 5
  np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
  assert steps.min() > 0.9
  assert LiteFile(whole('float32')).output_step() == 0


def test_what_another_runtime_may_differ_by():
  """Two steps and a half where the output has steps, or else three of the scheme's deviations, of which few count."""
  fares = np.array([5.0, 15.0])
  assert spread_elsewhere(whole('float32'), FLOAT32, fares) == pytest.approx(3 * 1e-3 * 5)
  loose = FLOAT32.model_copy(update={'tolerance': 1.0})
  assert spread_elsewhere(whole('float32'), loose, fares) == pytest.approx(3 * 0.025 * 5)
  for far in (1, 100):
    spread = spread_elsewhere(whole('int8'), INT8, far * fares)
    assert spread == pytest.approx(2.5 * LiteFile(whole('int8')).output_step())


@pytest.mark.parametrize(
  'settings',
  [
    pytest.param((), id='plain'),
    pytest.param(
      (
        'features.buckets.enabled=true',
        'features.buckets.count=4',
        'features.crosses.enabled=true',
        'features.crosses.crosses=[hour_of_week, pickup_cell, cell_pair]',
      ),
      id='buckets_and_crosses',
    ),
  ],
)
def test_no_rides_get_no_fares(settings):
  """As the SavedModel answers; then a batch of three, by the same interpreter."""
  model = litert.Interpreter(model_content=preset_lite_file('nyc', *settings))
  for rides in (0, 3):
    for detail in model.get_input_details():
      model.resize_tensor_input(detail['index'], [rides])
    model.allocate_tensors()
    for detail in model.get_input_details():
      model.set_tensor(detail['index'], np.ones(rides, detail['dtype']))
    model.invoke()
    assert model.get_tensor(model.get_output_details()[0]['index']).shape == (rides,)
