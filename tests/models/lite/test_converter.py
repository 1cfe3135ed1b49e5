"""The converter's factory, by the files it makes. Oracle: the scales of each dense kernel as the file holds them."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from configs.errors import FailedError
from models.keras_compat import keras
from models.lite import converter as factory
from models.lite.converter import from_saved_model
from models.lite.inspection import LiteFile
from tests.models.lite.converters import from_functions, from_keras, has_choice

ROOT = pathlib.Path(__file__).resolve().parents[3]
ROOMS = ('configs', 'transforms', 'models', 'components', 'pipeline', 'benchmarks', 'tests')
UNITS = (64, 32)
DENSE = ('first', 'second')
needs_choice = pytest.mark.skipif(not has_choice(), reason=f'TensorFlow {tf.__version__} has no such choice')


@pytest.fixture(scope='module')
def model():
  """Kernels of more than 1,024 weights, whose units have ranges of their own."""
  model = keras.Sequential([keras.Input([48]), *(keras.layers.Dense(units) for units in UNITS)])
  for layer in model.layers:
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel * np.geomspace(1, 50, kernel.shape[1]), bias])
  return model


@pytest.fixture(params=['saved_model', 'functions', 'keras'])
def converter(request, model, tmp_path):
  """A factory's function, with the model given to it."""
  if request.param == 'keras':
    return lambda **options: from_keras(model, **options)
  function = tf.function(lambda x: {'y': model(x)}).get_concrete_function(tf.TensorSpec([None, 48], name='x'))
  if request.param == 'functions':
    return lambda **options: from_functions([function], model, **options)
  tf.saved_model.save(model, str(tmp_path), signatures={'some': function})
  return lambda **options: from_saved_model(str(tmp_path), 'some', **options)


def _layers(converter, precision, sparse=False):
  converter.optimizations = [tf.lite.Optimize.DEFAULT]
  if sparse:
    converter.optimizations.append(tf.lite.Optimize.EXPERIMENTAL_SPARSITY)
  if precision == 'int8':
    rides = np.random.default_rng(0).normal(size=[20, 1, 48]).astype(np.float32)
    converter.representative_dataset = lambda: ([ride] for ride in rides)
  return LiteFile(converter.convert()).layers({}, DENSE)


@pytest.mark.parametrize('precision', ['dynamic_range', 'int8'])
def test_a_dense_kernel_has_one_scale(converter, precision):
  found = _layers(converter(), precision)
  assert [(layer.type, len(layer.scales)) for layer in found] == [('int8', 1), ('int8', 1)]


@needs_choice
@pytest.mark.parametrize('precision', ['dynamic_range', 'int8'])
def test_one_scale_per_unit_where_it_is_asked_for(converter, precision):
  found = _layers(converter(per_channel=True), precision)
  assert [(layer.type, len(layer.scales)) for layer in found] == [('int8', units) for units in UNITS]


def test_a_tensorflow_without_the_switch_is_refused(model, monkeypatch):
  """As it would be if TensorFlow named its private attribute otherwise; only 2.16 is known to need none."""
  monkeypatch.setattr(factory, 'SWITCH', '_experimental_renamed')
  monkeypatch.setattr(tf, '__version__', '2.22.0')
  with pytest.raises(FailedError) as caught:
    from_keras(model)
  assert str(caught.value) == (
    'TensorFlow 2.22.0 has no _experimental_renamed that says how many scales a dense kernel has. '
    'One alone can be had with TensorFlow 2.21 or 2.16.'
  )
  monkeypatch.setattr(tf, '__version__', '2.16.2')
  assert from_keras(model)
  with pytest.raises(FailedError, match=r'One per unit can be had with TensorFlow 2\.21\.$'):
    from_keras(model, per_channel=True)


def test_nobody_else_makes_converters():
  """A converter made elsewhere would have TensorFlow's own default."""
  mine = {ROOT / 'models/lite/converter.py', pathlib.Path(__file__).resolve()}
  # And what it shows the files beside: those that a user makes by hand.
  mine.add(ROOT / 'benchmarks/digits.py')
  sources = {path for room in ROOMS for path in (ROOT / room).rglob('*.py')}
  assert mine < sources
  words = ('TFLiteConverter', 'tflite_convert', 'toco_convert')
  assert [p for p in sorted(sources - mine) if any(word in p.read_text(encoding='utf-8') for word in words)] == []
