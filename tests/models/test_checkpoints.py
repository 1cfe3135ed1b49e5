"""A training that was interrupted, killed or damaged goes on, or starts afresh, and ends with the very same weights."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot

from configs.model import EarlyStopping, Model, Training
from models.checkpoints import Checkpoint, TrainingState, describe
from models.fare_model import build_fare_model
from models.keras_compat import keras
from models.rides import Rides
from models.training import DivergedError, train
from tests.conftest import REPOSITORY

CONFIG = Training(epochs=4, batch_size=32)
STATE = TrainingState(
  step=12,
  curves={'step': [6, 12], 'loss': [2.5, 0.1]},
  values=[np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int64)],
  best=[np.ones([2, 3], np.float32)],
  best_loss=0.25,
  stalled=1,
)


class InterruptedTrainingError(Exception):
  """Raised by a probe."""


def _rides(count=300, seed=0):
  generator = np.random.default_rng(seed)
  columns = generator.normal(size=(count, 3)).astype(np.float32)
  return Rides({'numeric': columns}, 10 + 3 * columns[:, 0] - 2 * np.abs(columns[:, 1]), np.arange(count) // 2)


def _fare_model(config=Model(hidden=(8, 4)), seed=1):  # noqa: B008 (a frozen config)
  return build_fare_model(config, 3, [], 10.0, seed)


def _layers():
  """Dense layers with seeded weights, for wrappers to go around."""
  initial = keras.initializers.GlorotUniform(seed=3)
  hidden = keras.layers.Dense(8, activation='relu', kernel_initializer=initial, name='dense_0')
  return hidden, keras.layers.Dense(1, kernel_initializer=initial, name='fare')


def _pruned():
  schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, 0.8, begin_step=0, end_step=20, frequency=3)
  hidden, fare = _layers()
  wrapped = tfmot.sparsity.keras.prune_low_magnitude(hidden, schedule)
  model = keras.Sequential([keras.Input([3], name='numeric'), wrapped, fare])
  wrapped.pruning_step.assign(0)
  return model


def _clustered():
  hidden, fare = _layers()
  hidden.build([None, 3])
  initialization = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS
  return keras.Sequential(
    [keras.Input([3], name='numeric'), tfmot.clustering.keras.cluster_weights(hidden, 4, initialization), fare]
  )


def _quantization_aware():
  hidden, fare = _layers()
  return tfmot.quantization.keras.quantize_model(keras.Sequential([keras.Input([3], name='numeric'), hidden, fare]))


def _interrupt(model, rides, config, checkpoint, at, validation=None):
  """Trains until the record point of number `at`, whose probe raises."""
  points = []

  def probe():
    points.append(1)
    if len(points) == at:
      raise InterruptedTrainingError
    return 0.0

  with pytest.raises(InterruptedTrainingError):
    train(model, rides, config, validation, checkpoint=checkpoint, probes={'probe': probe})


def _assert_same(model, other):
  for one, another in zip(model.variables, other.variables, strict=True):
    np.testing.assert_array_equal(one.numpy(), another.numpy(), err_msg=one.name)


@pytest.mark.parametrize(
  'directory', [pytest.param('', id='folder'), pytest.param('ram://bucket', id='not_a_local_one')]
)
def test_gives_back_what_was_saved(directory, tmp_path):
  checkpoint = Checkpoint(f'{directory or tmp_path}/made/here')
  assert checkpoint.restore(['a', 'b']) is None
  checkpoint.save(STATE, ['other'])
  checkpoint.save(STATE, ['a', 'b'])
  assert checkpoint.restore(['a']) is None
  restored = checkpoint.restore(['a', 'b'])
  assert (restored.step, restored.curves, restored.best_loss, restored.stalled) == (12, STATE.curves, 0.25, 1)
  for kept, saved in zip([*restored.values, *restored.best], [*STATE.values, *STATE.best], strict=True):
    np.testing.assert_array_equal(kept, saved)
    assert kept.dtype == saved.dtype


@pytest.mark.parametrize('kept', [0, 1, 31, 32, 33, 200, -1])
def test_a_truncated_file_counts_as_none(kept, tmp_path):
  checkpoint = Checkpoint(str(tmp_path))
  checkpoint.save(STATE, [])
  (path,) = tmp_path.iterdir()
  path.write_bytes(path.read_bytes()[:kept])
  assert checkpoint.restore([]) is None


def test_a_kill_while_saving_leaves_the_previous_state(tmp_path):
  checkpoint = Checkpoint(str(tmp_path))
  checkpoint.save(STATE, [])
  (path,) = tmp_path.iterdir()
  (tmp_path / f'.{path.name}.0a.tmp').write_bytes(b'half of the nex')
  assert checkpoint.restore([]).step == 12
  checkpoint.save(STATE, [])
  assert list(tmp_path.iterdir()) == [path]


def test_is_due_when_the_last_save_is_long_enough_ago(tmp_path):
  assert not Checkpoint(str(tmp_path), every_seconds=60).due
  checkpoint = Checkpoint(str(tmp_path), every_seconds=0.05)
  time.sleep(0.06)
  assert checkpoint.due
  checkpoint.save(STATE, [])
  assert not checkpoint.due


def test_variables_are_known_by_name_shape_and_dtype_but_not_by_counters():
  first, second, other = (_quantization_aware(), _quantization_aware(), _fare_model())
  assert describe(first.variables) == describe(second.variables)
  assert describe(other.variables)[:2] == ['dense/kernel:0 [3, 8] float32', 'dense/bias:0 [8] float32']
  assert describe([tf.Variable(1, name='optimizer_step', dtype=tf.int64)]) == ['optimizer_step:0 [] int64']


@pytest.mark.parametrize(
  ('build', 'config'),
  [
    pytest.param(_fare_model, CONFIG, id='dense'),
    pytest.param(lambda: _fare_model(Model(hidden=(8, 4), dropout=0.5)), CONFIG, id='dropout'),
    pytest.param(
      _fare_model,
      CONFIG.model_copy(update={'early_stopping': EarlyStopping(enabled=True, patience=9), 'learning_rate': 0.5}),
      id='early_stopping',
    ),
    pytest.param(_pruned, CONFIG, id='pruned'),
    pytest.param(_clustered, CONFIG, id='clustered'),
    pytest.param(_quantization_aware, CONFIG, id='quantization_aware'),
  ],
)
def test_an_interrupted_training_ends_with_the_same_weights(build, config, tmp_path):
  """Oracle: the uninterrupted training; interrupted twice, each time with a fresh model."""
  rides, held_out, probes = _rides(), _rides(50, seed=9), {'probe': lambda: 0.0}
  whole, resumed = build(), build()
  history = train(whole, rides, config, held_out, probes=probes)
  _interrupt(build(), rides, config, Checkpoint(str(tmp_path), 0), at=14, validation=held_out)
  _interrupt(build(), rides, config, Checkpoint(str(tmp_path), 0), at=10, validation=held_out)
  rest = train(resumed, rides, config, held_out, checkpoint=Checkpoint(str(tmp_path), 0), probes=probes)
  assert rest.resumed_from == history.curves['step'][13 + 9 - 1]
  assert rest.curves == history.curves
  _assert_same(resumed, whole)


@pytest.mark.parametrize(
  ('model', 'rides', 'config'),
  [
    pytest.param(_fare_model(seed=2), _rides(), CONFIG, id='other_initial_weights'),
    pytest.param(_fare_model(Model(hidden=(8, 5))), _rides(), CONFIG, id='other_layers'),
    pytest.param(_fare_model(), _rides(seed=1), CONFIG, id='other_rides'),
    pytest.param(_fare_model(), _rides(), CONFIG.model_copy(update={'epochs': 5}), id='other_length'),
  ],
)
def test_another_training_starts_afresh(model, rides, config, tmp_path):
  _interrupt(_fare_model(), _rides(), CONFIG, Checkpoint(str(tmp_path), 0), at=14)
  probes = {'probe': lambda: 0.0}
  assert train(model, rides, config, checkpoint=Checkpoint(str(tmp_path)), probes=probes).resumed_from == 0


def test_a_damaged_checkpoint_means_a_fresh_start(tmp_path):
  probes = {'probe': lambda: 0.0}
  _interrupt(_fare_model(), _rides(), CONFIG, Checkpoint(str(tmp_path), 0), at=14)
  (path,) = tmp_path.iterdir()
  path.write_bytes(path.read_bytes()[:-1000])
  fresh, resumed = _fare_model(), _fare_model()
  train(fresh, _rides(), CONFIG, probes=probes)
  assert train(resumed, _rides(), CONFIG, checkpoint=Checkpoint(str(tmp_path)), probes=probes).resumed_from == 0
  _assert_same(resumed, fresh)


@pytest.mark.parametrize('every_seconds', [pytest.param(0, id='saved_before'), pytest.param(60, id='not_saved_before')])
def test_divergence_keeps_the_last_good_state(every_seconds, tmp_path):
  """Oracle: one ride has no fare; its batch of the first epoch is known by the seed."""
  rides, recorded = _rides(320), []
  position = int(np.flatnonzero(np.random.default_rng([7, 0]).permutation(320) == 3)[0]) // 32
  rides.fares[3] = np.nan
  message = rf'by step {position + 1}, .* The last good state, of step {position}, is kept in {tmp_path}\.'
  probes = {'probe': lambda: recorded.append(1) or 0.0}
  for attempt in ('fresh', 'resumed'):
    model = _fare_model()
    with pytest.raises(DivergedError, match=message):
      train(model, rides, CONFIG, checkpoint=Checkpoint(str(tmp_path), every_seconds), probes=probes)
    assert all(np.all(np.isfinite(weight)) for weight in model.get_weights()), attempt
  # The second attempt began where the first had been good for the last time.
  assert len(recorded) == position > 0


def killed_training(directory):
  """Trains, slowly; the test below runs it in a process of its own."""
  probes = {'probe': lambda: time.sleep(0.1) or 0.0}
  train(_fare_model(), _rides(), CONFIG, checkpoint=Checkpoint(directory, 0), probes=probes)


def test_a_killed_process_is_taken_up_by_another(tmp_path):
  """Oracle: the training that nobody killed."""
  code = f'from tests.models.test_checkpoints import killed_training; killed_training({str(tmp_path)!r})'
  process = subprocess.Popen([sys.executable, '-c', code], cwd=REPOSITORY, env={**os.environ, 'PYTHONPATH': '.'})
  try:
    while not list(tmp_path.glob('*.checkpoint')):
      assert process.poll() is None, 'the training ended before it could be killed'
      time.sleep(0.02)
    time.sleep(0.35)
  finally:
    process.send_signal(signal.SIGKILL)
  assert process.wait() == -signal.SIGKILL
  probes = {'probe': lambda: 0.0}
  whole, resumed = _fare_model(), _fare_model()
  history = train(whole, _rides(), CONFIG, probes=probes)
  rest = train(resumed, _rides(), CONFIG, checkpoint=Checkpoint(str(tmp_path)), probes=probes)
  assert 0 < rest.resumed_from < history.curves['step'][-1]
  assert rest.curves == history.curves
  _assert_same(resumed, whole)
