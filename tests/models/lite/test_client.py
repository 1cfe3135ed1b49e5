"""The client of lite files: right fares for any number of rides, and a sentence for what it can't use."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from configs.columns import RAW_INPUTS
from configs.loading import load
from models.lite.client import LiteFileError, LiteModel
from models.lite.interpreter import BATCH
from tests.models.lite.small_files import changed, converted, preset_lite_file, some_rides


@pytest.fixture(scope='module')
def file():
  return preset_lite_file()


@pytest.fixture(scope='module')
def rides():
  return some_rides(load('nyc'), 3 * BATCH + 7)


def first(rides, count):
  return {name: column[:count] for name, column in rides.items()}


@pytest.mark.parametrize('count', [1, 2, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 7])
def test_fares_are_those_of_the_signature(file, rides, count):
  """Oracle: the interpreter's own signature runner, all rides at once; only sums may be taken in another order."""
  some = first(rides, count)
  expected = Interpreter(model_content=file).get_signature_runner('serving_default')(**some)['fare_amount']
  fares = LiteModel(file).predict(some)
  assert fares.dtype == np.float32
  np.testing.assert_allclose(fares, expected, rtol=1e-5)


def test_a_model_takes_one_number_of_rides_after_another(file, rides):
  """Oracle: a fresh model each time."""
  model = LiteModel(file)
  for count in (5, BATCH + 1, 1, 0, 5, 2 * BATCH):
    np.testing.assert_array_equal(model.predict(first(rides, count)), LiteModel(file).predict(first(rides, count)))


def test_missing_values_give_fares(file):
  rides = {name: np.full(3, np.nan, np.float32) for name in RAW_INPUTS} | {'pickup_seconds': np.arange(3)}
  assert np.isfinite(LiteModel(file).predict(rides)).all()


def test_no_rides_give_no_fares(file, rides):
  assert LiteModel(file).predict(first(rides, 0)).shape == (0,)


def test_a_call_sets_its_own_batch_again_and_again(file, rides):
  model = LiteModel(file)
  taken = [
    model.taken(first(rides, 256)),
    model.taken({name: column[::-1] for name, column in first(rides, 256).items()}),
  ]
  expected = LiteModel(file).predict(first(rides, 256))
  for _ in range(20):
    np.testing.assert_array_equal(model.call(taken[0]), expected)
    np.testing.assert_array_equal(model.call(taken[1]), expected[::-1])


@pytest.mark.parametrize(
  'options',
  [pytest.param({'threads': 2}, id='two_threads'), pytest.param({'default_delegates': False}, id='no_delegate')],
)
def test_options_change_no_fare(file, rides, options):
  np.testing.assert_allclose(LiteModel(file, **options).predict(rides), LiteModel(file).predict(rides), rtol=1e-5)


def test_delegates_are_on_unless_they_are_not_wanted(file):
  assert LiteModel(file).operators()['DELEGATE'] > 0
  assert LiteModel(file).operators()['FULLY_CONNECTED'] >= 4
  assert 'DELEGATE' not in LiteModel(file, default_delegates=False).operators()


def test_wider_types_and_further_columns_do_no_harm(file, rides):
  wide = {name: column.astype(np.int64 if name == 'pickup_seconds' else np.float64) for name, column in rides.items()}
  wide['fare_amount'] = np.array(['?'])
  np.testing.assert_array_equal(LiteModel(file).predict(wide), LiteModel(file).predict(rides))


def test_inputs_are_the_dataset_s_raw_columns(file, tmp_path):
  extras = '[{name: tolls, column: tolls}, {name: vendor, column: v, kind: categorical, vocabulary: [a, b]}]'
  overrides = f'dataset.extras={extras}'
  for content, config in ((file, load('nyc')), (preset_lite_file('nyc', overrides), load('nyc', [overrides]))):
    (tmp_path / 'model.tflite').write_bytes(content)
    model = LiteModel(tmp_path / 'model.tflite')
    assert set(model.inputs) == set(config.dataset.raw_inputs())
    assert {name for name, dtype in model.inputs.items() if dtype == np.int32} == {'pickup_seconds'}
    assert model.predict(some_rides(config, 5)).shape == (5,)


def test_without_litert_tensorflow_s_interpreter_serves(file, rides, monkeypatch):
  expected = LiteModel(file).predict(rides)
  monkeypatch.setitem(sys.modules, 'ai_edge_litert.interpreter', None)
  np.testing.assert_allclose(LiteModel(file).predict(rides), expected, rtol=1e-5)


def test_nothing_heavy_is_imported():
  """Oracle: the modules that are loaded, not a clock."""
  program = (
    'import sys, models.lite.worker, models.lite.client\nmodels.lite.interpreter.runtime()\n'
    'rooms = ("configs", "transforms", "models", "components", "pipeline")\n'
    'print(sorted(name for name in sys.modules if name.split(".")[0] in rooms and not name.startswith("models")))\n'
    "print(sorted({name.split('.')[0] for name in sys.modules}))\n"
  )
  loaded = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True).stdout
  for module in ('tensorflow', 'keras', 'tf_keras', 'tfx', 'pyarrow', 'pandas', 'pydantic', 'yaml', 'transforms'):
    assert f"'{module}'" not in loaded
  assert "'ai_edge_litert'" in loaded
  assert loaded.splitlines()[0] == "['configs', 'configs.columns', 'configs.errors']"


def signature(model):
  return model.signatureDefs[0]


def renamed(entries, old, new):
  """Gives an input or output of a signature another name."""

  def change(model):
    [entry] = [entry for entry in getattr(signature(model), entries) if entry.name == old]
    entry.name = new

  return lambda file: changed(file, change)


def without_signatures(file):
  return changed(file, lambda model: setattr(model, 'signatureDefs', []))


def other_signature(file):
  return changed(file, lambda model: setattr(signature(model), 'signatureKey', b'predict'))


def of_images(_):
  specs = {'image': tf.TensorSpec([None, 8, 8], tf.float32, name='image')}
  return converted(lambda image: {'scores': tf.reduce_sum(image, axis=1)}, specs)


def float_seconds(_):
  specs = {name: tf.TensorSpec([None], tf.float32, name=name) for name in RAW_INPUTS}
  return converted(lambda **rides: {'fare_amount': sum(rides.values())}, specs)


def two_outputs(_):
  specs = {name: tf.TensorSpec([None], tf.float32, name=name) for name in RAW_INPUTS}
  specs['pickup_seconds'] = tf.TensorSpec([None], tf.int32, name='pickup_seconds')
  return converted(
    lambda **rides: {'fare_amount': rides['passenger_count'] + 1, 'tip': rides['passenger_count']}, specs
  )


UNUSABLE = [
  pytest.param(lambda _: b'', r'is not a TFLite file', id='empty'),
  pytest.param(lambda _: b'PK\x03\x04' + bytes(100), r'is not a TFLite file', id='zip'),
  pytest.param(lambda file: file[:-1], r'is cut off or damaged; copy or write it again', id='last_byte_gone'),
  pytest.param(lambda file: file[: len(file) // 2], r'is cut off or damaged', id='half'),
  pytest.param(lambda file: file[:8], r'is cut off or damaged', id='start_only'),
  pytest.param(without_signatures, r"has no signature 'serving_default'; it has: none", id='no_signature'),
  pytest.param(other_signature, r"has no signature 'serving_default'; it has: predict", id='other_signature'),
  pytest.param(of_images, r"of another project: it has no input 'pickup_seconds'.*it has: image", id='images'),
  pytest.param(
    renamed('inputs', b'pickup_latitude', b'lat'),
    r"of another project: it has no input 'pickup_latitude', which every ride has; it has: dropoff.*, lat, pass",
    id='renamed_input',
  ),
  pytest.param(
    float_seconds,
    r"of another project: its input 'pickup_seconds' is float32 \[batch\], a ride's is int32 \[batch\]",
    id='float_seconds',
  ),
  pytest.param(
    renamed('outputs', b'fare_amount', b'price'),
    r"another project: it gives price, not 'fare_amount'",
    id='price',
  ),
  pytest.param(two_outputs, r"another project: it gives fare_amount, tip, not 'fare_amount' alone", id='two_outputs'),
]


@pytest.mark.parametrize(('damage', 'message'), UNUSABLE)
def test_what_cannot_be_used_is_reported_in_a_sentence(file, tmp_path, damage, message):
  path = tmp_path / 'model.tflite'
  path.write_bytes(damage(file))
  for source, name in ((path, f"'{path}'"), (path.read_bytes(), 'The lite model')):
    with pytest.raises(LiteFileError, match=message) as raised:
      LiteModel(source)
    assert str(raised.value).startswith(name)
    assert '\n' not in str(raised.value)


def test_an_operator_that_does_not_run_here(file):
  def change(model):
    model.operatorCodes[0].builtinCode = 32  # CUSTOM
    model.operatorCodes[0].deprecatedBuiltinCode = 32
    model.operatorCodes[0].customCode = b'OfAnotherProject'

  with pytest.raises(LiteFileError, match=r"The lite model can't take a batch of 1 \(.*OfAnotherProject"):
    LiteModel(changed(file, change))


def test_a_file_that_is_not_there(tmp_path):
  with pytest.raises(LiteFileError, match=r"none.tflite' can't be read \(No such file or directory\)"):
    LiteModel(tmp_path / 'none.tflite')


WRONG_RIDES = [
  pytest.param({'pickup_latitude': None}, r"needs the column 'pickup_latitude'; there are: dropoff", id='missing'),
  pytest.param({'pickup_latitude': np.array(['40.7'] * 3)}, r"'pickup_latitude' must hold numbers .*<U4", id='text'),
  pytest.param({'pickup_latitude': np.array([1.0, None, 2.0])}, r'must hold numbers .* object \[3\]', id='objects'),
  pytest.param({'pickup_seconds': np.zeros(3)}, r"'pickup_seconds' must hold whole seconds .*float64", id='floats'),
  pytest.param(
    {'pickup_seconds': np.zeros(3, 'datetime64[s]')}, r'whole seconds \[rides\], got datetime64\[s\]', id='datetime'
  ),
  pytest.param({'pickup_seconds': np.full(3, 2**31)}, r'beyond 32 bits; they count from 2009-01-01', id='far_future'),
  pytest.param({'passenger_count': np.zeros((3, 1))}, r'must hold numbers \[rides\], got float64 \[3, 1\]', id='2d'),
  pytest.param({'passenger_count': np.zeros(4)}, r"'passenger_count' has 4 rides, but 'pickup_se.* has 3", id='long'),
]


@pytest.mark.parametrize(('change', 'message'), WRONG_RIDES)
def test_wrong_columns_are_reported_in_a_sentence(file, rides, change, message):
  columns = {name: column for name, column in (first(rides, 3) | change).items() if column is not None}
  with pytest.raises(LiteFileError, match=message) as raised:
    LiteModel(file).predict(columns)
  assert '\n' not in str(raised.value)
