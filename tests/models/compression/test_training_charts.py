"""Training reports as pictures: each curve with all of its points, each layer with its histogram."""

import math
import re

import pytest

from models.compression.records import (
  ReportedErrors,
  ReportedLayer,
  ReportedRecipe,
  ReportedStage,
  ReportedTotals,
  TrainingReport,
  WeightHistogram,
)
from models.compression.training_charts import draw_report
from tests.models.svg import SVG, lines, parsed, points, texts

LAYER = ReportedLayer(
  name='dense_0',
  shape=(4, 2),
  parameters=8,
  nonzero=4,
  sparsity=0.5,
  distinct=3,
  target_sparsity=0.5,
  range=None,
  histogram=WeightHistogram(edges=(-1.0, 0.0, 1.0), before=(4, 4), after=(2, 6)),
)
CURVES = {'step': (4, 8), 'loss': (3.0, 2.0), 'learning_rate': (3e-3, 1e-3), 'sparsity': (0.4, 0.8)}
STAGE = ReportedStage(technique='pruning', seconds=1.0, resumed_from=0, curves=CURVES)


def _report(name, layers, stages):
  totals = ReportedTotals(parameters=8, nonzero=4, sparsity=0.5, pruned_sparsity=None, biases=2, distinct_weights=3)
  metrics = ReportedErrors(rmse=4.0, mae=2.0, rmse_ratio=1.0)
  return TrainingReport(
    recipe=ReportedRecipe(name=name),
    base_digest='',
    seconds=1.0,
    stages=stages,
    layers=layers,
    totals=totals,
    metrics=metrics,
  )


CURVES_BEYOND = {'step': (4, 8), 'loss': (2.0, None), 'val_loss': (2.5, 2.4), 'learning_rate': (3e-3, 1e-3)}
PRUNED = STAGE.model_copy(update={'curves': CURVES | {'sparsity/dense_0': (0.4, 0.8), 'sparsity/dense_1': (0.3, 0.7)}})
TUNED = ReportedStage(technique='quantization_aware', seconds=1.0, resumed_from=0, curves=CURVES_BEYOND)


def test_a_course_joins_its_stages_and_draws_what_is_known():
  """Oracle: the curves by hand. A legend adds a piece of each line that it names; step 8 of the second one is lost."""
  root = parsed(draw_report(_report('p<qat', (LAYER,), (PRUNED, TUNED)))['training.svg'])
  panels = {panel.get('aria-label', '').partition(' of p<qat')[0]: panel for panel in root if panel.tag == f'{SVG}svg'}
  assert list(panels) == ['Loss', 'Learning rate', 'Share of zero weights']
  assert {
    name: {style: [points(one) for one in lines(panel, f'curve {style}')] for style in ('s0', 's1', 's2', 's7')}
    for name, panel in panels.items()
  } == {
    'Loss': {'s0': [2, 3], 's1': [2, 2], 's2': [], 's7': []},
    'Learning rate': {'s0': [4], 's1': [], 's2': [], 's7': []},
    'Share of zero weights': {'s0': [], 's1': [], 's2': [2, 2], 's7': [2, 2, 2]},
  }
  for panel in panels.values():
    assert {'pruning', 'quantization aware'} <= set(texts(panel))
    assert len(lines(panel, 'mark')) == 2
  assert panels['Share of zero weights'].get('aria-label').endswith('ending at 80.0\N{NO-BREAK SPACE}%.')
  title = 'p<qat: training; faint: batches, line: their mean'
  assert {title, 'each layer', 'in total'} <= set(texts(root))


def test_one_stage_without_sparsity_has_neither_marks_nor_its_panel():
  stage = STAGE.model_copy(update={'curves': {name: CURVES[name] for name in ('step', 'loss', 'learning_rate')}})
  root = parsed(draw_report(_report('qat', (LAYER,), (stage,)))['training.svg'])
  assert [panel.get('aria-label') for panel in root if panel.tag == f'{SVG}svg'] == [
    'Loss of qat by step.', 'Learning rate of qat by step.'
  ]  # fmt: skip
  assert lines(root, 'mark') == []


def test_nothing_is_drawn_of_a_training_that_was_none():
  assert list(draw_report(_report('dense', (LAYER, LAYER), ()))) == ['weights.svg']


def test_weights_have_a_histogram_for_each_layer():
  """Oracle: heights by hand, on a logarithmic axis from 0.7 to twice the highest count: log(12 / 0.7) over 92 units."""
  other = LAYER.model_copy(update={'name': 'a<b', 'distinct': 1234, 'sparsity': 0.125})
  root = parsed(draw_report(_report('pruned', (LAYER, other), ()))['weights.svg'])
  panels = [panel for panel in root if panel.tag == f'{SVG}svg']
  labels = [panel.get('aria-label', '').replace('\N{NO-BREAK SPACE}', ' ') for panel in panels]
  assert labels == ['dense_0 4×2: 50.0 % zero, 3 distinct', 'a<b 4×2: 12.5 % zero, 1,234 distinct']
  for panel in panels:
    [before], [after] = lines(panel, 'half'), lines(panel, 'curve s0')
    # Two corners a bin; the filled one goes down to the axis at both ends.
    assert (points(before), points(after)) == (6, 4)
    heights = [float(y) for y in re.findall(r'[ML][\d.]+ ([\d.]+)', after.get('d', ''))]
    assert heights == pytest.approx(
      [114 - 92 * math.log(count / 0.7) / math.log(12 / 0.7) for count in (2, 2, 6, 6)], abs=0.06
    )
