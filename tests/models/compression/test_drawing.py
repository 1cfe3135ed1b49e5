"""Reports drawn by another process: the same pictures as here, and a failure is told."""

import pytest

from configs.errors import FailedError
from models.compression.drawing import Drawing
from models.compression.pictures import draw_report

LAYER = {
  'name': 'dense_0',
  'shape': [4, 2],
  'sparsity': 0.5,
  'distinct': 3,
  'histogram': {'edges': [-1.0, 0.0, 1.0], 'before': [4, 4], 'after': [2, 6]},
}
CURVES = {'step': [4, 8], 'loss': [3.0, 2.0], 'learning_rate': [3e-3, 1e-3], 'sparsity': [0.4, 0.8]}
TRAINED = {'recipe': {'name': 'pruned'}, 'layers': [LAYER], 'stages': [{'technique': 'pruning', 'curves': CURVES}]}
DENSE = {'recipe': {'name': 'dense'}, 'layers': [LAYER, LAYER], 'stages': []}


def test_draws_what_this_process_would_draw(tmp_path):
  with Drawing() as drawing:
    for report in (TRAINED, DENSE):
      drawing.draw(report, str(tmp_path / 'made' / report['recipe']['name']))
  for report in (TRAINED, DENSE):
    folder = tmp_path / 'made' / report['recipe']['name']
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == draw_report(report)


def test_a_report_that_can_not_be_drawn_fails_the_run(tmp_path):
  with pytest.raises(FailedError, match="ended with code 1: KeyError: 'layers'"), Drawing() as drawing:
    drawing.draw({'recipe': {'name': 'broken'}}, str(tmp_path))
    drawing.draw(DENSE, str(tmp_path))


def test_an_error_in_the_block_is_the_one_that_is_told(tmp_path):
  with pytest.raises(ZeroDivisionError), Drawing() as drawing:
    drawing.draw(DENSE, str(tmp_path))
    raise ZeroDivisionError
  assert not list(tmp_path.iterdir())
