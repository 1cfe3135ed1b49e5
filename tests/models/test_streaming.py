"""Rides on disk: read back as they were, each once per epoch, well mixed, and trained on as those in memory are."""

import errno
import os

import numpy as np
import pytest

from configs.errors import FailedError
from configs.model import EarlyStopping, Model, Training
from models.checkpoints import Checkpoint
from models.compression.quantized_model import calibration_examples
from models.fare_model import build_fare_model
from models.rides import Rides, read_rides, stream_rides
from models.streaming import Stream, drawn, median_label, pieces
from models.training import TrainingRun, predict, train
from tests.models.test_rides import SPEC, write_rides

RIDE_BYTES = 3 * 4 + 8 + 4
"""Of `numeric`, the time and the fare."""


def _columns(count, seed=0):
  """Fares 10 + 3 a - 2 |b|, sorted: the hardest order for a window."""
  numeric = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
  fares = (10 + 3 * numeric[:, 0] - 2 * np.abs(numeric[:, 1])).astype(np.float32)
  order = np.argsort(fares)
  return {'numeric': numeric[order], 'fare': fares[order], 'seconds': np.arange(count)}


def _rides(columns):
  return Rides({'numeric': columns['numeric']}, columns['fare'], columns['seconds'])


def _stream(count, rides_in_memory, seed=0):
  stream = Stream(_rides, Rides.terms, 2 * RIDE_BYTES * rides_in_memory)
  columns = _columns(count, seed)
  for start in range(0, count, 700):
    stream.add({name: column[start : start + 700] for name, column in columns.items()})
  return stream


def _model(seed=1):
  return build_fare_model(Model(hidden=(16,)), 3, [], 10.0, seed)


def _equal(rides, others):
  assert set(rides.inputs) == set(others.inputs)
  for name, column in rides.inputs.items():
    assert column.dtype == others.inputs[name].dtype
    np.testing.assert_array_equal(column, others.inputs[name])
  np.testing.assert_array_equal(rides.fares, others.fares)
  np.testing.assert_array_equal(rides.seconds, others.seconds)


def _drawn(windows, epoch, first, last):
  """The times of the rides of each step, [steps, batch]."""
  steps = []
  for rows in windows.rows(epoch, first, last):
    columns, labels = windows.tensors
    rides = Rides({'numeric': columns['numeric'].numpy()}, labels.numpy().reshape(-1), np.zeros(len(labels.numpy())))
    steps.append(rides.inputs['numeric'][rows])
  return np.concatenate(steps)


@pytest.mark.parametrize('memory', [pytest.param(10**9, id='in_memory'), pytest.param(1, id='on_disk')])
def test_reads_what_read_rides_does(memory, tmp_path):
  """Oracle: `read_rides`."""
  paths = [write_rides(tmp_path / name, range(*span)) for name, span in {'b.gz': (9000, 9100), 'a.gz': (9000,)}.items()]
  whole = read_rides(paths, SPEC, ['pickup_cell'])
  rides = stream_rides(paths, SPEC, ['pickup_cell'], memory)
  assert isinstance(rides, Stream) == (memory == 1)
  assert len(rides) == len(whole) == 9100
  found = list(pieces(rides))
  _equal(_joined(found), whole)
  assert median_label(rides) == np.median(whole.fares)


def _joined(found):
  inputs = {name: np.concatenate([piece.inputs[name] for piece in found]) for name in found[0].inputs}
  return Rides(inputs, *(np.concatenate([getattr(piece, name) for piece in found]) for name in ('fares', 'seconds')))


def test_an_empty_split_is_refused(tmp_path):
  with pytest.raises(ValueError, match='No transformed rides in 1 files; the split is empty'):
    stream_rides([write_rides(tmp_path / 'a.gz', [])], SPEC, [], 1)


@pytest.mark.parametrize('count', [pytest.param(n, id=f'{n}') for n in (1, 100, 101, 997)])
def test_blocks_in_another_order_have_each_row_once(count):
  ranges = drawn(count, 100, 0, count, [7, 0])
  rows = np.concatenate([np.arange(*one) for one in ranges])
  np.testing.assert_array_equal(np.sort(rows), np.arange(count))
  halves = [*drawn(count, 100, 0, count // 3, [7, 0]), *drawn(count, 100, count // 3, count, [7, 0])]
  np.testing.assert_array_equal(np.concatenate([np.arange(*one) for one in halves]), rows)


def test_each_ride_is_drawn_once_per_epoch_in_another_order_each():
  """Oracle: the rides themselves; all features differ."""
  count, batch = 32 * 300 + 5, 32
  stream, numeric = _stream(count, rides_in_memory=3000), _columns(count)['numeric']
  windows = stream.windows(batch, count // batch, 7)
  epochs = [_drawn(windows, epoch, 0, count // batch).reshape(-1, 3) for epoch in range(2)]
  for epoch in epochs:
    found = {row.tobytes() for row in epoch}
    assert len(epoch) == len(found) == count - 5
    assert found <= {row.tobytes() for row in numeric}
  assert not np.array_equal(*epochs)
  # Sorted by fare, a batch of neighbours would have no spread at all; a window holds a third of the blocks.
  fares = 10 + 3 * epochs[0][:, 0] - 2 * np.abs(epochs[0][:, 1])
  spread = fares.reshape(-1, batch).std(axis=1)
  assert spread.min() > 0.25 * fares.std()


def test_a_window_is_never_larger_than_asked():
  stream = _stream(9600, rides_in_memory=3000)
  windows = stream.windows(32, 300, 7)
  sizes = []
  for _ in windows.rows(0, 0, 300):
    sizes.append(windows.tensors[1].shape[0] or len(windows.tensors[1].numpy()))
  assert sum(sizes) == 9600 and max(sizes) <= 3000 and min(sizes) > 2000
  windows.release()
  assert len(windows.tensors[1].numpy()) == 0


def test_learns_as_well_as_in_memory():
  """Oracle: the loop in memory, on other rides."""
  config = Training(epochs=15, batch_size=64, weight_decay=0.0)
  errors = {}
  for name, rides in {'memory': _rides(_columns(6000)), 'disk': _stream(6000, rides_in_memory=2500)}.items():
    model, other = _model(), _rides(_columns(800, seed=9))
    history = train(model, rides, config, other)
    errors[name] = float(np.sqrt(np.mean((predict(model, other) - other.fares) ** 2)))
    assert history.curves['step'][-1] == 15 * 93
    assert history.curves['val_rmse'][-1] == pytest.approx(errors[name], rel=1e-4)
  assert errors['disk'] < max(0.2, 1.5 * errors['memory'])


def test_the_curve_is_the_mean_over_all_windows():
  """Oracle: at a rate of zero, the model's error on all rides."""
  model, config = _model(), Training(epochs=1, batch_size=32, learning_rate=1e-20, weight_decay=0.0)
  rides, config = _rides(_columns(32 * 100)), config.model_copy(update={'epochs': 41})
  curves = train(model, _stream(32 * 100, rides_in_memory=1000), config).curves
  expected = float(np.sqrt(np.mean((predict(model, rides) - rides.fares) ** 2)))
  np.testing.assert_allclose(curves['rmse'], expected, rtol=1e-5)


@pytest.mark.parametrize('stopped_at', [pytest.param(1, id='within_an_epoch'), pytest.param(20, id='at_its_end')])
def test_goes_on_where_it_was_interrupted_bit_by_bit(stopped_at, tmp_path):
  config = Training(epochs=2, batch_size=32, seed=5)
  whole = _model()
  TrainingRun(whole, _stream(3000, rides_in_memory=800), config).run()
  interrupted, points = _model(), iter(range(99))
  checkpoint = Checkpoint(str(tmp_path), every_seconds=0)
  with pytest.raises(FailedError, match='stopped at step'):
    TrainingRun(interrupted, _stream(3000, rides_in_memory=800), config).run(
      checkpoint, lambda: next(points) >= stopped_at
    )
  again = _model()
  history = TrainingRun(again, _stream(3000, rides_in_memory=800), config).run(checkpoint)
  assert history.resumed_from > 0
  for first, second in zip(whole.get_weights(), again.get_weights(), strict=True):
    np.testing.assert_array_equal(first, second)


def test_a_checkpoint_of_other_rides_is_left_alone(tmp_path):
  config = Training(epochs=2, batch_size=32)
  checkpoint = Checkpoint(str(tmp_path), every_seconds=0)
  train(_model(), _stream(3000, 800), config, checkpoint=checkpoint)
  assert train(_model(), _stream(3000, 800, seed=3), config, checkpoint=checkpoint).resumed_from == 0


@pytest.mark.parametrize('count', [pytest.param(3000, id='even'), pytest.param(3001, id='odd')])
def test_the_median_is_numpys(count):
  stream = _stream(count, rides_in_memory=100)
  assert stream.median_label() == np.median(_columns(count)['fare'])
  assert _columns(count)['fare'].min() < 0


def test_a_sample_holds_the_highest_and_others_of_everywhere():
  stream, fares = _stream(20_000, rides_in_memory=100), _columns(20_000)['fare']
  sample = stream.sample(2000, seed=3, highest=50)
  assert len(sample) == len(set(sample.seconds)) == 2000
  assert set(fares[-50:]) <= set(sample.fares)
  assert abs(np.mean(sample.seconds[:-50]) - 10_000) < 500
  _equal(sample, stream.sample(2000, seed=3, highest=50))
  assert not np.array_equal(sample.seconds, stream.sample(2000, seed=4, highest=50).seconds)
  assert len(stream.sample(30_000, seed=3)) == 20_000
  assert calibration_examples(stream, 7).fares.max() == fares.max()


def test_early_stopping_is_refused():
  config = Training(early_stopping=EarlyStopping(enabled=True), memory_mb=3)
  with pytest.raises(ValueError, match=r'the 3,000 to train on take more than training\.memory_mb \(3\): raise that'):
    TrainingRun(_model(), _stream(3000, 800), config)


def test_a_full_disk_is_said_in_one_sentence(monkeypatch):
  stream = _stream(700, 100)

  class Full:
    def write(self, content):
      raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  monkeypatch.setattr(stream, '_file', Full())
  with pytest.raises(FailedError, match=r'700 rides fill the disk of .*No space left on device.*: set TMPDIR'):
    stream.add(_columns(10))
