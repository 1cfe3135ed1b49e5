"""Training: it learns, it repeats, it counts its steps, it stops, and it says when it diverges."""

import numpy as np
import pytest
from tensorflow.python.autograph.impl import conversion

from configs.model import EarlyStopping, Loss, Model, Training
from models.fare_model import build_fare_model
from models.keras_compat import keras
from models.rides import Rides
from models.training import predict, train

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


@pytest.mark.parametrize('loss', [pytest.param(Loss.HUBER, id='huber'), pytest.param(Loss.MSE, id='mse')])
def test_learns_a_function_that_it_can_represent(loss):
  """Oracle: the noiseless rule that made the fares, on rides that training did not see."""
  model = _model()
  history = train(model, _rides(2000), Training(epochs=40, batch_size=64, loss=loss, weight_decay=0.0))
  assert _rmse(model, _rides(500, seed=9)) < 0.3
  assert history['rmse'][-1] < history['rmse'][0] / 5
  assert set(history) == {'loss', 'rmse'}


def test_the_same_seed_gives_the_same_weights():
  weights = []
  for _ in range(2):
    model = _model()
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


@pytest.mark.parametrize(
  ('length', 'rides', 'taken', 'epochs'),
  [
    pytest.param({'epochs': 3}, 330, 30, 3, id='whole_epochs_drop_the_remainder'),
    pytest.param({'epochs': None, 'steps': 7}, 320, 7, 1, id='fewer_steps_than_an_epoch'),
    pytest.param({'epochs': None, 'steps': 30}, 320, 30, 3, id='steps_of_whole_epochs'),
    pytest.param({'epochs': None, 'steps': 31}, 320, 40, 4, id='steps_are_rounded_up_to_whole_epochs'),
    pytest.param({'epochs': 2}, 32 * 45, 90, 2, id='more_steps_than_one_call_takes'),
    pytest.param({'epochs': 2}, 1, 2, 2, id='single_ride'),
  ],
)
def test_takes_as_many_steps_as_asked(length, rides, taken, epochs):
  model = _model()
  history = train(model, _rides(rides), Training(**length, batch_size=32))
  assert int(model.optimizer.iterations) == taken
  assert len(history['loss']) == epochs


def test_rate_ends_at_zero():
  model = _model()
  train(model, _rides(320), Training(epochs=None, steps=31, batch_size=32, warmup=0.2, learning_rate=0.01))
  # The last of 40 steps is one step short of the cosine's end.
  assert 0 < float(model.optimizer.learning_rate) < 0.01 * 0.01


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


def test_validation_and_callbacks_are_recorded():
  seen = []
  callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs['val_rmse']))
  held_out = _rides(100, seed=9)
  model = _model()
  history = train(model, _rides(300), Training(epochs=3, batch_size=32), validation=held_out, callbacks=[callback])
  assert history['val_rmse'] == seen
  assert history['val_rmse'][-1] == pytest.approx(_rmse(model, held_out), rel=1e-4)


def test_early_stopping_ends_when_noise_is_all_there_is():
  stopping = EarlyStopping(enabled=True, patience=2, holdout=0.3)
  noise = Rides(_rides(200).inputs, np.random.default_rng(1).normal(10, 5, 200).astype(np.float32), np.arange(200))
  history = train(_model(), noise, Training(epochs=300, batch_size=32, learning_rate=0.05, early_stopping=stopping))
  assert len(history['loss']) < 300


def test_early_stopping_needs_several_time_stamps():
  rides = _rides(50)
  one_stamp = Rides(rides.inputs, rides.fares, np.zeros(50, np.int64))
  with pytest.raises(ValueError, match='Early stopping needs more than 1 time stamps to hold a part of them out'):
    train(_model(), one_stamp, Training(epochs=2, early_stopping=EarlyStopping(enabled=True)))


def test_divergence_is_told_with_the_way_out():
  rides = _rides(64)
  fares = rides.fares.copy()
  fares[3] = np.nan
  with pytest.raises(RuntimeError, match=r'The training loss became nan after 1 epochs: lower training.learning_rate'):
    train(_model(), Rides(rides.inputs, fares, rides.seconds), Training(epochs=4, batch_size=32))


def test_predicts_as_the_model_does_ride_by_ride_and_in_parts():
  model, rides = _model(), _rides(8192 + 5)
  np.testing.assert_allclose(predict(model, rides), model.predict(dict(rides.inputs), verbose=0)[:, 0], rtol=1e-5)
  assert predict(model, rides[np.array([], int)]).shape == (0,)


def test_keras_itself_is_not_rewritten_by_autograph():
  """Oracle: AutoGraph's own answer. Rewriting took 20 s of CPU on the first step of every process."""
  assert conversion.is_allowlisted(keras.Model.train_step)
  assert conversion.is_allowlisted(keras.layers.Dense.call)
