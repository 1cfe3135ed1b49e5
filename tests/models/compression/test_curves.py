"""The curves as data, as a picture and for TensorBoard."""

import json
import math

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.compression.report import write_curves, write_tensorboard
from models.training import TrainingHistory
from tests.models.svg import lines, parsed, points, texts

TRAINING = {'step': [5, 10], 'epoch': [0.5, 1.0], 'loss': [3.0, 1.0], 'rmse': [4.0, 2.0], 'learning_rate': [0.1, 0.0]}
VALIDATION = {'val_loss': [3.5, 2.0], 'val_rmse': [5.0, 3.0]}


@pytest.mark.parametrize(
  'curves',
  [
    pytest.param(TRAINING, id='training_alone'),
    pytest.param(TRAINING | VALIDATION, id='with_validation'),
    pytest.param(TRAINING | {'sparsity': [0.0, 0.5]}, id='with_a_probe'),
    pytest.param({name: [0.0] for name in TRAINING}, id='single_point_of_zero'),
    pytest.param(TRAINING | {'val_loss': [float('inf')] * 2, 'val_rmse': [float('inf')] * 2}, id='infinite_validation'),
  ],
)
def test_writes_data_and_picture(curves, tmp_path):
  """Oracle: the curves that went in, and an XML parser; a split's curve is drawn in both panels, beside its legend."""
  directory = tmp_path / 'made' / 'here'
  write_curves(TrainingHistory(curves, 1.0), str(directory), 'USD')
  assert json.loads((directory / 'history.json').read_text()) == curves
  root = parsed((directory / 'loss_curve.svg').read_text())
  assert {'loss', 'RMSE (USD)', 'epoch'} <= set(texts(root))
  drawn = [values for name in ('loss', 'rmse') if sum(map(math.isfinite, values := curves[name])) > 1]
  held_out = [
    values for name in ('val_loss', 'val_rmse') if sum(map(math.isfinite, values := curves.get(name, []))) > 1
  ]
  legends = 2 if 'val_loss' in curves else 0
  assert [points(one) for one in lines(root, 'curve s0')] == [2] * (len(drawn) + legends)
  assert [points(one) for one in lines(root, 'curve s1')] == [2] * (len(held_out) + legends)


def test_tensorboard_reads_every_curve_against_the_step(tmp_path):
  """Oracle: TensorBoard's own reader."""
  directory = tmp_path / 'made' / 'here'
  write_tensorboard(TrainingHistory(TRAINING | VALIDATION | {'sparsity/dense_0': [0.0, 0.5]}, 1.0), str(directory))
  events = EventAccumulator(str(directory))
  events.Reload()
  read = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()['scalars']}
  assert read == {
    'loss': [(5, 3.0), (10, 1.0)],
    'rmse': [(5, 4.0), (10, 2.0)],
    'learning_rate': [(5, pytest.approx(0.1)), (10, 0.0)],
    'eval/loss': [(5, 3.5), (10, 2.0)],
    'eval/rmse': [(5, 5.0), (10, 3.0)],
    'sparsity/dense_0': [(5, 0.0), (10, 0.5)],
  }
