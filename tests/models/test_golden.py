"""Golden rides: a lite file that gives other fares is found out, and a script without this project can check them."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from configs.loading import load
from models.lite.client import LiteModel
from models.lite.interpreter import LiteRunner
from models.release import (
  GOLDEN,
  GOLDEN_EXAMPLES,
  LITE_FILE,
  ManifestError,
  check_golden,
  write_golden,
  write_golden_examples,
)
from tests.models.lite.small_files import converted, preset_lite_file, small_lite_file, some_rides, write_version

SCRIPT = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter

golden = json.load(open('assets.extra/golden_rides.json'))
model = Interpreter('model.tflite').get_signature_runner('serving_default')
types = {name: detail['dtype'] for name, detail in model.get_input_details().items()}
fares = model(**{name: np.array(column, types[name]) for name, column in golden['rides'].items()})['fare_amount']
print(np.abs(fares - golden['fare_amount']).max() <= golden['tolerance'], len(fares), 'tensorflow' in sys.modules)
"""
"""What a client with NumPy and LiteRT alone would write."""


@pytest.fixture(scope='module')
def pushed(tmp_path_factory):
  return write_version(tmp_path_factory.mktemp('serving') / '1')


@pytest.fixture
def version(pushed, tmp_path):
  return shutil.copytree(pushed, tmp_path / '1')


def test_the_file_that_was_pushed_gives_its_fares(version):
  check_golden(version)


def test_a_script_of_ten_lines_gives_the_fares(version):
  result = subprocess.run([sys.executable, '-c', SCRIPT], cwd=version, capture_output=True, text=True, check=True)
  assert result.stdout.split() == ['True', '8', 'False']


def test_what_is_written(version):
  golden = json.loads((version / GOLDEN).read_text())
  rides = some_rides(load('nyc'), 8)
  assert set(golden) == {'tolerance', 'rides', 'fare_amount', 'saved_model_fare_amount'}
  assert golden['rides']['pickup_seconds'] == rides['pickup_seconds'].tolist()
  assert any(None in column for column in golden['rides'].values())
  for name, column in rides.items():
    np.testing.assert_array_equal(np.array(golden['rides'][name], column.dtype), column)
  np.testing.assert_array_equal(
    np.array(golden['fare_amount'], np.float32), LiteModel(preset_lite_file()).predict(rides)
  )


def of_other_weights(version):
  (version / LITE_FILE).write_bytes(small_lite_file(load('nyc'), seed=1))


def write(change):
  def damage(version):
    golden = json.loads((version / GOLDEN).read_text())
    (version / GOLDEN).write_text(json.dumps(golden | change(golden)))

  return damage


def nudged(golden):
  fares = golden['fare_amount']
  return {'fare_amount': [*fares[:-1], fares[-1] + 0.02]}


DAMAGES = [
  pytest.param(of_other_weights, r'[78] of 8 golden rides of .* have another fare: ride [01] has', id='other_weights'),
  pytest.param(write(nudged), r'1 of 8 golden rides of .*: ride 7 has [\d.]+ instead of .*tolerance 0.01', id='cents'),
  pytest.param(lambda version: (version / GOLDEN).unlink(), r"golden_rides.json' can't be read \(No such", id='absent'),
  pytest.param(lambda version: (version / GOLDEN).write_text('{"'), r"golden_rides.json' is broken", id='no_json'),
  pytest.param(lambda version: (version / GOLDEN).write_text('[]'), r"golden_rides.json' is broken", id='a_list'),
  pytest.param(write(lambda golden: {'fare_amount': []}), r'is broken \(ValueError: columns of diff', id='no_fares'),
  pytest.param(write(lambda golden: {'tolerance': None}), r"golden_rides.json' is broken", id='no_tolerance'),
]


@pytest.mark.parametrize(('damage', 'message'), DAMAGES)
def test_damage_is_reported(version, damage, message):
  damage(version)
  with pytest.raises(ManifestError, match=message):
    check_golden(version)


@pytest.mark.parametrize(
  ('count', 'fares', 'message'),
  [
    pytest.param(0, [], 'at least one ride', id='no_rides'),
    pytest.param(2, [1.0], 'as many fares', id='too_few_fares'),
    pytest.param(2, [1.0, np.nan], 'is no number', id='nan_fare'),
  ],
)
def test_what_makes_no_golden_rides(tmp_path, count, fares, message):
  with pytest.raises(ValueError, match=message):
    write_golden(tmp_path, some_rides(load('nyc'), count), np.array(fares), np.ones(count))


@pytest.fixture(params=[1, 3], ids=['one_output', 'classes'])
def images(request, tmp_path):
  """A version of a model of images: its folder, golden examples with a gap, and what the file gives for them."""
  kernel = np.random.default_rng(0).normal(size=(4, request.param)).astype(np.float32)

  def classes(image):
    scores = tf.reshape(image, [-1, 4]) @ kernel
    return {'predictions': tf.sigmoid(scores[:, 0]) if request.param == 1 else tf.nn.softmax(scores)}

  file = converted(classes, {'image': tf.TensorSpec([None, 2, 2], tf.float32, name='image')})
  (tmp_path / LITE_FILE).write_bytes(file)
  pixels = np.random.default_rng(1).normal(size=(5, 2, 2)).astype(np.float32)
  found = LiteRunner(file).predict({'image': pixels})
  write_golden_examples(tmp_path, {'image': pixels, 'unused': np.full([5, 1], np.nan)}, found, found, 0.01)
  return tmp_path, found


def test_golden_examples_of_any_model(images):
  """Rows are nested as they are, a gap is null, and the file that was pushed gives what is written."""
  version, found = images
  check_golden(version)
  golden = json.loads((version / GOLDEN_EXAMPLES).read_text())
  assert set(golden) == {'tolerance', 'examples', 'predictions', 'saved_model_predictions'}
  assert np.shape(golden['examples']['image']) == (5, 2, 2) and golden['examples']['unused'] == [[None]] * 5
  np.testing.assert_array_equal(np.array(golden['predictions'], np.float32), found)
  assert not (version / GOLDEN).exists()


@pytest.mark.parametrize('off', [0.005, 0.02, np.nan])
def test_a_prediction_that_is_off(images, off):
  """The last number of one example; of the tolerance it may be off by half, and not by twice."""
  version, found = images
  golden = json.loads((version / GOLDEN_EXAMPLES).read_text())
  wanted = found.copy()
  wanted[(3, -1) if found.ndim == 2 else 3] += off
  (version / GOLDEN_EXAMPLES).write_text(json.dumps(golden | {'predictions': wanted.tolist()}))
  if off == 0.005:
    return check_golden(version)
  message = '1 of 5 golden examples of .* have another prediction: example 3 has .* instead of .*tolerance 0.01'
  with pytest.raises(ManifestError, match=message):
    check_golden(version)


def test_predictions_of_another_shape(images):
  version, found = images
  golden = json.loads((version / GOLDEN_EXAMPLES).read_text())
  wanted = np.stack([found, found], axis=1).tolist()
  (version / GOLDEN_EXAMPLES).write_text(json.dumps(golden | {'predictions': wanted}))
  with pytest.raises(ManifestError, match=r'gives the golden examples predictions of shape \[5.*instead of \[5, 2'):
    check_golden(version)


@pytest.mark.parametrize(
  ('rows', 'lite', 'saved', 'message'),
  [
    pytest.param(0, (0, 3), (0, 3), 'at least one example, and as many predictions', id='none'),
    pytest.param(4, (5, 3), (5, 3), 'as many predictions of each kind as examples', id='too_few_rows'),
    pytest.param(5, (5, 3), (5,), 'as many predictions of each kind as examples', id='another_shape'),
  ],
)
def test_what_makes_no_golden_examples(tmp_path, rows, lite, saved, message):
  with pytest.raises(ValueError, match=message):
    write_golden_examples(tmp_path, {'x': np.ones([rows, 2])}, np.ones(lite), np.ones(saved), 0.1)
