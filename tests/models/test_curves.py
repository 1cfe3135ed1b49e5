"""The curves as data and as a picture."""

import json

import pytest

from models.curves import write_curves


@pytest.mark.parametrize(
  'history',
  [
    pytest.param({'loss': [3.0, 1.0], 'rmse': [4.0, 2.0]}, id='training_alone'),
    pytest.param(
      {'loss': [3.0, 1.0], 'rmse': [4.0, 2.0], 'val_loss': [3.5, 2.0], 'val_rmse': [5.0, 3.0]}, id='with_validation'
    ),
    pytest.param({'loss': [0.0], 'rmse': [0.0]}, id='zero_on_a_log_scale'),
  ],
)
def test_writes_data_and_picture(history, tmp_path):
  directory = tmp_path / 'made' / 'here'
  write_curves(history, str(directory), 'USD')
  assert json.loads((directory / 'history.json').read_text()) == history
  assert (directory / 'loss_curve.png').read_bytes().startswith(b'\x89PNG\r\n\x1a\n')
