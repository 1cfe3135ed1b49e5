"""What is taken as a file's predictions without asking it again: those of this very file on these very columns."""

import numpy as np
import pytest
from tfx.types import artifact_utils, standard_artifacts

from components.compression_gate import predicted_ahead
from components.compression_gate.component import predicting_ahead
from components.compression_gate.measuring import measure
from components.compression_gate.predicted_ahead import PREDICTED_AHEAD, digest_of
from configs.compression import Measurement
from models.lite.client import LiteModel
from models.lite.process import LiteProcess
from tests.components import gate_files
from tests.components.gate_files import CONFIG

QUICK = Measurement(rounds=3, calls=10, batch=256)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  return gate_files.make(tmp_path_factory.mktemp('made'))


@pytest.fixture
def files(made, tmp_path):
  paths = {'dense.float32': tmp_path / 'float32.tflite', 'dense.int8': tmp_path / 'int8.tflite'}
  for path, content in zip(paths.values(), (made.float32, made.int8), strict=True):
    path.write_bytes(content)
  return paths


@pytest.fixture(autouse=True)
def forgotten():
  yield
  PREDICTED_AHEAD.forget()


COLUMNS = {'a': np.float32([1, 2, 3]), 'b': np.int32([4, 5, 6])}


@pytest.mark.parametrize(
  'other',
  [
    pytest.param((b'file!', COLUMNS, 1), id='content'),
    pytest.param((b'file', COLUMNS, 2), id='threads'),
    pytest.param((b'file', {**COLUMNS, 'a': np.float32([1, 2, 4])}, 1), id='value'),
    pytest.param((b'file', {**COLUMNS, 'b': np.int64([4, 5, 6])}, 1), id='type'),
    pytest.param((b'file', {'b': COLUMNS['a'], 'a': COLUMNS['b']}, 1), id='names'),
    pytest.param((b'file', {**COLUMNS, 'c': np.float32([])}, 1), id='further column'),
    pytest.param((b'file', {**COLUMNS, 'a': COLUMNS['a'].reshape(3, 1)}, 1), id='shape'),
  ],
)
def test_a_key_goes_by_all_that_makes_predictions(other):
  def key(content, columns, threads):
    return predicted_ahead.key(content, digest_of(columns), threads)

  assert key(*other) != key(b'file', COLUMNS, 1)
  assert key(b'file', dict(reversed(COLUMNS.items())), 1) == key(b'file', COLUMNS, 1)


def test_the_gate_takes_them_for_this_file_and_these_rides_alone(made, files, monkeypatch):
  """Predictions that nobody else would give show whose were taken."""
  rides, marked = made.rides(), np.arange(gate_files.RIDES, dtype=np.float32)
  PREDICTED_AHEAD.keep(predicted_ahead.key(made.float32, digest_of(rides.columns), 1), marked)
  asked, predict = [], LiteProcess.predict
  monkeypatch.setattr(LiteProcess, 'predict', lambda own, columns: asked.append(own) or predict(own, columns))

  measured, lost = measure(files, rides.columns, QUICK, rides.contract)
  assert lost == {} and len(asked) == 1
  np.testing.assert_array_equal(measured['dense.float32'].predictions, marked)
  np.testing.assert_array_equal(measured['dense.int8'].predictions, LiteModel(made.int8).predict(rides.columns))
  assert all(found.latency_us.p50 > 0 and found.peak_bytes > 0 for found in measured.values())

  asked.clear()
  others = {name: column[::-1] for name, column in rides.columns.items()}
  measured, _ = measure(files, others, QUICK, rides.contract)
  assert len(asked) == 2
  np.testing.assert_array_equal(measured['dense.float32'].predictions, LiteModel(made.float32).predict(others))

  PREDICTED_AHEAD.forget()
  measured, _ = measure(files, rides.columns, QUICK, rides.contract)
  np.testing.assert_array_equal(measured['dense.float32'].predictions, LiteModel(made.float32).predict(rides.columns))


def test_predictions_that_are_no_numbers_lose_the_file_all_the_same(made, files):
  rides = made.rides()
  lost_some = np.full(gate_files.RIDES, np.nan, np.float32)
  PREDICTED_AHEAD.keep(predicted_ahead.key(made.int8, digest_of(rides.columns), 1), lost_some)
  measured, lost = measure(files, rides.columns, QUICK, rides.contract)
  assert [*measured] == ['dense.float32']
  assert lost == {'dense.int8': 'It gives no number for 1,200 of 1,200 rides.'}


def _handed(made, threads):
  """What the gate is handed, as far as predictions go by it."""
  examples = standard_artifacts.Examples()
  examples.uri, examples.split_names = str(made.examples), artifact_utils.encode_split_names(['eval'])
  measurement = Measurement(threads=threads)
  compression = CONFIG.compression.model_copy(update={'measurement': measurement})
  return {'examples': [examples]}, {
    'compression': compression.model_dump_json(),
    'evaluation': CONFIG.evaluation.model_dump_json(),
    'dataset': CONFIG.dataset.model_dump_json(),
  }


def test_a_file_is_asked_for_what_the_gate_will_look_for(made, files):
  kept = {}
  beside = predicting_ahead(*_handed(made, 1), keep=kept.__setitem__)
  with LiteProcess(files['dense.int8'], contract=made.rides().contract) as process:
    beside(made.int8, process)
  [(key, predictions)] = kept.items()
  assert key == predicted_ahead.key(made.int8, digest_of(made.rides().columns), 1)
  np.testing.assert_array_equal(predictions, LiteModel(made.int8).predict(made.rides().columns))


def test_files_that_will_run_on_several_threads_are_not_asked(made):
  assert predicting_ahead(*_handed(made, 2), keep=lambda *_: None) is None
