"""The integer part of a file against the file itself: the same fares from the same integers.

The oracle of the header is a C compiler: it quantizes features and gives back fares as the file does.
"""

import ctypes
import functools
import shutil
import subprocess

import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from configs.compression import Scheme
from models.lite.client import RideFile
from models.lite.conversion import ConversionError, convert_model
from models.lite.inspection import LiteFile
from models.lite.interpreter import LiteRunner, runtime
from models.lite.microcontroller import integer_part
from tests.models.lite.made_model import fresh_model, inputs, raw_columns, raw_rides, whole_file

NAME = 'dense.int8_integer_only'


@functools.cache
def _whole(precision='int8'):
  return whole_file(fresh_model(), Scheme(name='x', precision=precision))


@pytest.fixture(scope='module')
def runner():
  """The whole file after one call with all rides."""
  runner = LiteRunner(_whole(), default_delegates=False, contract=RideFile(), keep_tensors=True)
  runner.call(runner.taken(raw_columns()))
  return runner


def test_it_takes_and_gives_integers_alone():
  part = integer_part(_whole())
  details = runtime()[0](model_content=part.content).get_signature_runner('serving_default')
  taken, given = details.get_input_details(), details.get_output_details()
  assert {name: (detail['dtype'], list(detail['shape_signature'])) for name, detail in taken.items()} == {
    'features': (np.int8, [1, part.inputs[0].count]),
    'index_0': (np.int64, [1]),
  }
  assert {name: detail['dtype'] for name, detail in given.items()} == {'fare_amount': np.int8}
  graph = schema.ModelT.InitFromPackedBuf(part.content, 0).subgraphs[0]
  assert schema.TensorType.FLOAT32 not in {tensor.type for tensor in graph.tensors}
  assert set(LiteFile(part.content).operators()) == {'GATHER', 'CONCATENATION', 'FULLY_CONNECTED', 'RESHAPE'}
  assert len(part.content) < len(_whole()) / 2


@pytest.mark.parametrize('precision', ['int8', 'int16x8'])
def test_fares_are_those_of_the_whole_file(precision):
  part = integer_part(_whole(precision))
  runner = LiteRunner(_whole(precision), default_delegates=False, contract=RideFile(), keep_tensors=True)
  expected = runner.call(runner.taken(raw_columns()))
  found = part.predict({port.name: runner.stored(port.source) for port in part.inputs})
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * part.output.scale)
  assert len(np.unique(found)) > 20
  part.check(_whole(precision), raw_rides(fresh_model()), RideFile())


def test_another_file_s_part_is_refused():
  louder = fresh_model()
  louder.get_layer('dense_core').get_layer('fare').bias.assign_add([5.0])
  part = integer_part(whole_file(louder, Scheme(name='x', precision='int8')))
  with pytest.raises(ValueError, match='integer part gives other fares than the file'):
    part.check(_whole(), raw_rides(fresh_model()), RideFile())


@pytest.mark.parametrize('scheme', [{'precision': 'float32'}, {'precision': 'int8', 'float_layers': ['fare']}])
def test_a_float_output_has_no_integer_part(scheme):
  with pytest.raises(ConversionError, match='Its output is computed as float32, not in integers'):
    integer_part(whole_file(fresh_model(), Scheme(name='x', **scheme)))


def test_floats_within_are_refused():
  file = whole_file(fresh_model(), Scheme(name='x', precision='int8', float_layers=['dense_1']))
  with pytest.raises(ConversionError, match='Floats are computed with between its features and its output'):
    integer_part(file)


@pytest.mark.skipif(not shutil.which('cc'), reason='there is no C compiler')
def test_a_c_program_quantizes_and_dequantizes_as_the_file_does(tmp_path, runner):
  part = integer_part(_whole())
  (tmp_path / 'core.h').write_text(part.header(NAME))
  (tmp_path / 'core.c').write_text(
    '#include "core.h"\n'
    'int8_t quantize(float value) { return dense_int8_integer_only_quantize(value); }\n'
    'float dequantize(int8_t value) { return dense_int8_integer_only_dequantize(value); }\n'
    'int count(void) { return DENSE_INT8_INTEGER_ONLY_FEATURES_COUNT; }\n'
  )
  flags = ['-std=c99', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-o', 'core.so', 'core.c', '-lm']
  subprocess.run(['cc', *flags], cwd=tmp_path, check=True)
  library = ctypes.CDLL(str(tmp_path / 'core.so'))
  library.quantize.argtypes, library.quantize.restype = [ctypes.c_float], ctypes.c_int8
  library.dequantize.argtypes, library.dequantize.restype = [ctypes.c_int8], ctypes.c_float
  features = inputs()['numeric']
  assert library.count() == features.shape[1]
  [port] = (port for port in part.inputs if port.name == 'features')
  floats = np.clip(features[:50], -6, 6)
  got = np.array([[library.quantize(value) for value in row] for row in floats.tolist()])
  # XNNPACK and the reference kernel round halves differently, by one.
  assert np.abs(got - runner.stored(port.source)[:50]).max() <= 1
  assert np.mean(got != runner.stored(port.source)[:50]) < 0.001
  assert [library.quantize(1e6), library.quantize(-1e6)] == [127, -128]
  assert library.quantize(float('nan')) == 127 and 'NaN gives 127' in part.header(NAME)
  integers = [-128, 0, 127]
  expected = [np.float32(part.output.scale) * (value - part.output.zero_point) for value in integers]
  assert [library.dequantize(value) for value in integers] == pytest.approx(expected, rel=1e-6)


def test_one_input_where_nothing_is_looked_up():
  """A bare core, as a part of the conversion yields it."""
  model = fresh_model()
  file = convert_model(model, Scheme(name='x', precision='int8'), inputs(), False, 'fare_amount')
  assert {port.name for port in integer_part(file).inputs} == set(model.input_names)
