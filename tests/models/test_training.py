"""Training: it learns, it repeats, it counts its steps, it stops, and it says when it diverges."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow.python.autograph.impl import api, conversion

from configs.model import EarlyStopping, Loss, Model, Training
from models import training
from models.fare_model import build_fare_model
from models.keras_compat import keras
from models.rides import Rides
from models.training import DivergedError, TrainingRun, predict, total_steps, train

SMALL = Model(hidden=(16,))


def _rides(count, seed=0, noise=0.0):
  """Fares 10 + 3 a - 2 |b|, so that a dense layer with ReLU can learn them exactly."""
  generator = np.random.default_rng(seed)
  columns = generator.normal(size=(count, 3)).astype(np.float32)
  fares = 10 + 3 * columns[:, 0] - 2 * np.abs(columns[:, 1]) + noise * generator.normal(size=count)
  return Rides({'numeric': columns}, fares.astype(np.float32), np.arange(count) // 2)


def _model(seed=1, config=SMALL):
  return build_fare_model(config, 3, [], 10.0, seed)


def _rmse(model, rides):
  return float(np.sqrt(np.mean((predict(model, rides) - rides.fares) ** 2)))


def _huber(model, rides, delta):
  """By its definition: P. J. Huber, "Robust Estimation of a Location Parameter", 1964."""
  errors = np.abs(predict(model, rides) - rides.fares).astype(np.float64)
  return np.mean(np.where(errors <= delta, errors**2 / 2, delta * errors - delta**2 / 2))


@pytest.mark.parametrize('loss', [pytest.param(Loss.HUBER, id='huber'), pytest.param(Loss.MSE, id='mse')])
def test_learns_a_function_that_it_can_represent(loss):
  """Oracle: the noiseless rule that made the fares, on rides that training did not see."""
  model = _model()
  history = train(model, _rides(2000), Training(epochs=40, batch_size=64, loss=loss, weight_decay=0.0))
  assert _rmse(model, _rides(500, seed=9)) < 0.3
  assert history.curves['rmse'][-1] < history.curves['rmse'][0] / 5
  assert list(history.curves) == ['step', 'epoch', 'loss', 'rmse', 'learning_rate']
  assert history.seconds > 0
  assert history.resumed_from == 0


@pytest.mark.parametrize('dropout', [pytest.param(0.0, id='plain'), pytest.param(0.5, id='dropout')])
def test_the_same_seed_gives_the_same_weights(dropout):
  weights = []
  for _ in range(2):
    model = _model(config=Model(hidden=(16, 8), dropout=dropout))
    train(model, _rides(300), Training(epochs=3, batch_size=32, seed=5))
    weights.append(model.get_weights())
  for first, second in zip(*weights, strict=True):
    np.testing.assert_array_equal(first, second)


def test_another_seed_shuffles_otherwise():
  predictions = []
  for seed in (5, 6):
    model = _model()
    train(model, _rides(300), Training(epochs=3, batch_size=32, seed=seed))
    predictions.append(predict(model, _rides(50, seed=9)))
  assert not np.array_equal(*predictions)


def test_dropout_drops_something_else_at_each_step():
  """Oracle: one ride and a rate of zero leave dropout as the only reason why the loss changes."""
  model = _model(config=Model(hidden=(16, 8), dropout=0.5))
  config = Training(epochs=None, steps=6, batch_size=1, learning_rate=1e-20, weight_decay=0.0)
  losses = train(model, _rides(1), config).curves['loss']
  assert len(set(losses)) > 3
  keras_dropout = next(layer for layer in model.submodules if isinstance(layer, keras.layers.Dropout))
  assert 'dropout' not in vars(keras_dropout._random_generator)


@pytest.mark.parametrize(
  ('length', 'rides', 'taken', 'epochs', 'points'),
  [
    pytest.param({'epochs': 3}, 330, 30, 3, 30, id='whole_epochs_drop_the_remainder'),
    pytest.param({'epochs': None, 'steps': 7}, 320, 7, 1, 7, id='fewer_steps_than_an_epoch'),
    pytest.param({'epochs': None, 'steps': 30}, 320, 30, 3, 30, id='steps_of_whole_epochs'),
    pytest.param({'epochs': None, 'steps': 31}, 320, 40, 4, 40, id='steps_are_rounded_up_to_whole_epochs'),
    pytest.param({'epochs': 2}, 32 * 45, 90, 2, 40, id='several_points_in_each_of_few_epochs'),
    pytest.param({'epochs': 45}, 64, 90, 45, 45, id='a_point_at_the_end_of_each_of_many_epochs'),
    pytest.param({'epochs': 2}, 1, 2, 2, 2, id='single_ride'),
    pytest.param({'epochs': 3, 'max_steps': 30}, 320, 30, 3, 30, id='a_limit_that_is_not_reached'),
    pytest.param({'epochs': 9, 'max_steps': 7}, 320, 7, 1, 7, id='a_limit_within_an_epoch'),
    pytest.param({'epochs': 9, 'max_steps': 31}, 320, 28, 4, 28, id='a_limit_in_shorter_epochs_of_one_length'),
    pytest.param({'epochs': 9, 'max_steps': None}, 320, 90, 9, 45, id='no_limit'),
    pytest.param({'epochs': None, 'steps': 31, 'max_steps': 9}, 320, 40, 4, 40, id='steps_know_no_limit'),
  ],
)
def test_takes_as_many_steps_as_asked(length, rides, taken, epochs, points):
  config = Training(**length, batch_size=32)
  curves = train(_model(), _rides(rides), config).curves
  assert curves['step'][-1] == taken == total_steps(rides, config)
  assert {epoch for epoch in curves['epoch'] if epoch % 1 == 0} == set(range(1, epochs + 1))
  assert {name: len(curve) for name, curve in curves.items()} == dict.fromkeys(curves, points)
  assert list(curves['step']) == sorted(set(curves['step']))


def test_records_the_mean_since_the_last_point():
  """Oracle: at a rate of zero, all rides' loss, as every ride is in one batch; Huber's by its definition."""
  model, rides = _model(), _rides(32 * 45)
  config = Training(epochs=1, batch_size=32, learning_rate=1e-20, weight_decay=0.0, huber_delta=1.5)
  curves = train(model, rides, config).curves
  steps = np.diff([0, *curves['step']])
  assert set(steps) == {1, 2}
  assert np.average(curves['loss'], weights=steps) == pytest.approx(_huber(model, rides, 1.5), rel=1e-5)
  mean_square = np.average(np.square(curves['rmse']), weights=steps)
  assert mean_square == pytest.approx(_rmse(model, rides) ** 2, rel=1e-5)


def test_rate_ends_at_zero():
  config = Training(epochs=None, steps=31, batch_size=32, warmup=0.2, learning_rate=0.01)
  rates = train(_model(), _rides(320), config).curves['learning_rate']
  # The last of 40 steps is one step short of the cosine's end.
  assert 0 < rates[-1] < 0.01 * 0.01
  assert max(rates) == pytest.approx(0.01)


def test_decay_leaves_biases_alone():
  """Oracle: fares that are all the typical one give no gradient, so decay alone moves the weights."""
  model = build_fare_model(Model(hidden=(4,)), 3, [], 10.0, seed=1)
  model.get_layer('dense_core').get_layer('fare').kernel.assign(np.zeros((4, 1)))
  before = model.get_weights()
  rides = Rides({'numeric': np.ones((64, 3), np.float32)}, np.full(64, 10, np.float32), np.arange(64))
  train(model, rides, Training(epochs=5, batch_size=32, weight_decay=0.5))
  kernel, bias, _, fare = model.get_weights()
  assert np.all(np.abs(kernel) < np.abs(before[0]))
  np.testing.assert_array_equal(bias, before[1])
  assert fare == pytest.approx(10.0)


def test_validation_measures_loss_penalty_and_rmse():
  """Oracle: Huber's loss by its definition plus the L2 penalty, on more rides than are measured at once."""
  held_out, model = _rides(8192 + 100, seed=9), _model(config=Model(hidden=(16,), l2=0.01))
  config = Training(epochs=1, batch_size=64, huber_delta=1.5)
  curves = train(model, _rides(300), config, validation=held_out).curves
  assert curves['val_rmse'][-1] == pytest.approx(_rmse(model, held_out), rel=1e-5)
  # Of the hidden layers alone, as the fare model has it.
  penalty = 0.01 * np.sum(np.square(model.get_weights()[0]))
  assert curves['val_loss'][-1] == pytest.approx(_huber(model, held_out, 1.5) + penalty, rel=1e-5)


def test_the_training_split_is_measured_as_a_whole_and_changes_no_weight():
  """Oracle: the RMSE and the Huber loss of the finished model on all 101 rides; the same training without measuring."""
  rides, config = _rides(101, noise=3.0), Training(epochs=4, batch_size=32, huber_delta=2.0)
  model, other = _model(), _model()
  history = TrainingRun(model, rides, config, _rides(40, seed=3), measured=True).run()
  train(other, rides, config)
  assert history.curves['train_rmse'][-1] == pytest.approx(_rmse(model, rides), rel=1e-5)
  assert history.curves['train_loss'][-1] == pytest.approx(_huber(model, rides, 2.0), rel=1e-5)
  # The batches of an epoch leave out five of the rides, and are of earlier weights.
  assert history.curves['rmse'][-1] != pytest.approx(history.curves['train_rmse'][-1], rel=1e-3)
  assert len({len(curve) for curve in history.curves.values()}) == 1
  for first, second in zip(model.get_weights(), other.get_weights(), strict=True):
    np.testing.assert_array_equal(first, second)


def test_of_very_many_rides_an_even_sample_is_measured(monkeypatch):
  """Oracle: the RMSE on the rides at the sample's places, by hand."""
  monkeypatch.setattr(training, '_MEASURED', 4)
  rides, model = _rides(10, noise=3.0), _model()
  history = TrainingRun(model, rides, Training(epochs=1, batch_size=5), measured=True).run()
  assert history.curves['train_rmse'][-1] == pytest.approx(_rmse(model, rides[np.array([0, 3, 6, 9])]), rel=1e-5)


def test_probes_are_asked_at_each_record_point():
  held_out, model = _rides(100, seed=9), _model()
  probes = {'held_out': lambda: _rmse(model, held_out)}
  curves = train(model, _rides(300), Training(epochs=2, batch_size=32), validation=held_out, probes=probes).curves
  assert curves['held_out'] == pytest.approx(curves['val_rmse'], rel=1e-4)


def test_a_probe_can_not_take_the_name_of_another_curve():
  with pytest.raises(ValueError, match="A probe can't be named 'val_loss': there is a curve of that name"):
    train(_model(), _rides(64), Training(epochs=1), probes={'val_loss': lambda: 0.0})


def test_early_stopping_ends_and_restores_the_best_epoch():
  """Oracle: pure noise can't be learned for long; predictions noted at each epoch's end."""
  stopping = EarlyStopping(enabled=True, patience=2, holdout=0.3)
  noise = Rides(_rides(200).inputs, np.random.default_rng(1).normal(10, 5, 200).astype(np.float32), np.arange(200))
  model, noted = _model(), []
  config = Training(epochs=300, batch_size=32, learning_rate=0.05, early_stopping=stopping)
  curves = train(model, noise, config, probes={'noted': lambda: noted.append(predict(model, noise)) or 0.0}).curves
  best = int(np.argmin(curves['val_loss']))
  assert len(curves['loss']) == best + 1 + 2 < 300
  np.testing.assert_array_equal(predict(model, noise), noted[best])


def test_early_stopping_needs_several_time_stamps():
  rides = _rides(50)
  one_stamp = Rides(rides.inputs, rides.fares, np.zeros(50, np.int64))
  with pytest.raises(ValueError, match='Early stopping needs more than 1 time stamps to hold a part of them out'):
    train(_model(), one_stamp, Training(epochs=2, early_stopping=EarlyStopping(enabled=True)))


def test_divergence_is_reported_at_once_and_the_last_good_weights_come_back():
  """Oracle: one ride has no fare; the weights noted at the last record point before its batch."""
  rides, model, noted = _rides(320), _model(), []
  position = int(np.flatnonzero(np.random.default_rng([7, 0]).permutation(320) == 3)[0]) // 32
  rides.fares[3] = np.nan
  config = Training(epochs=4, batch_size=32, learning_rate=0.01, seed=7)
  message = (
    rf'loss became nan by step {position + 1}, at a learning rate of 0\.0\d+: lower training.learning_rate '
    rf'\(now 0.01\) .* The model holds its weights of step {position} again'
  )
  with pytest.raises(DivergedError, match=message):
    train(model, rides, config, probes={'noted': lambda: noted.append(model.get_weights()) or 0.0})
  assert len(noted) == position > 0
  for held, good in zip(model.get_weights(), noted[-1], strict=True):
    np.testing.assert_array_equal(held, good)


def test_divergence_of_the_weights_is_reported_before_the_loss_shows_it():
  """Oracle: a decay beyond float32 makes the first step's loss finite and its weights not."""
  model = _model()
  before = model.get_weights()
  config = Training(epochs=None, steps=1, batch_size=32, learning_rate=3e38, weight_decay=100.0)
  with pytest.raises(DivergedError, match=r'became nan by step 1, at a learning rate of 3e\+38: .* weights of step 0'):
    train(model, _rides(64), config)
  for held, good in zip(model.get_weights(), before, strict=True):
    np.testing.assert_array_equal(held, good)


def test_updates_of_wrapped_layers_run_once_per_step():
  """Oracle: tfmot's own counter, and the sparsity that its schedule asks for at the end; validation must not count."""
  schedule = tfmot.sparsity.keras.ConstantSparsity(0.5, begin_step=0, frequency=1)
  layer = tfmot.sparsity.keras.prune_low_magnitude(keras.layers.Dense(8, activation='relu', name='dense_0'), schedule)
  model = keras.Sequential([keras.Input([3], name='numeric'), layer, keras.layers.Dense(1)])
  layer.pruning_step.assign(0)
  steps, zeros = [], []
  probes = {
    'counted': lambda: steps.append(int(layer.pruning_step)) or 0.0,
    'sparsity': lambda: zeros.append(float(np.mean(layer.layer.kernel.numpy() == 0))) or 0.0,
  }
  curves = train(model, _rides(96), Training(epochs=3, batch_size=32), validation=_rides(20), probes=probes).curves
  assert steps == list(curves['step']) == list(range(1, 10))
  assert zeros == [0.5] * 9


def test_predicts_as_the_model_does_ride_by_ride_and_in_parts():
  model, rides = _model(), _rides(8192 + 5)
  np.testing.assert_allclose(predict(model, rides), model.predict(dict(rides.inputs), verbose=0)[:, 0], rtol=1e-5)
  assert predict(model, rides[np.array([], int)]).shape == (0,)


@pytest.mark.parametrize(
  'function',
  [keras.Model.train_step, keras.layers.Dense.call, tfmot.quantization.keras.QuantizeWrapper.call],
  ids=lambda function: function.__qualname__,
)
def test_libraries_are_not_rewritten_by_autograph(function):
  """Oracle: AutoGraph's own answer. Rewriting took 20 s of CPU on the first step of every process."""
  assert conversion.is_allowlisted(function)


def test_tracing_keras_rewrites_no_source(monkeypatch):
  """Oracle: what AutoGraph hands to its transpiler while a layer is traced, which is this test's function alone."""
  rewritten = []
  monkeypatch.setattr(api, '_TRANSPILER', _Recording(api._TRANSPILER, rewritten))
  dense = keras.layers.Dense(3)

  @tf.function
  def mine(x):
    return dense(x)

  mine(tf.ones([2, 4]))
  assert set(rewritten) == {'mine'}


class _Recording:
  """A transpiler that notes the names of what it rewrites."""

  def __init__(self, transpiler, rewritten):
    self._transpiler, self._rewritten = transpiler, rewritten

  def transform(self, function, context):
    self._rewritten.append(function.__name__)
    return self._transpiler.transform(function, context)
