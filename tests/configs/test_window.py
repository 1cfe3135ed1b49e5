"""How many spans make a window, and what the split is then. Oracle: the rule of `retraining.window`."""

from __future__ import annotations

import pytest

from configs import loading
from configs.split import SplitMethod

PATH = 'dataset.path=gs://rides/{SPAN}/*.csv'


@pytest.mark.parametrize(('window', 'newest'), [(1, False), (2, True), (7, True)])
def test_two_spans_are_a_window_and_are_judged_on_the_newer_one(window, newest):
  config = loading.load('nyc', [PATH, f'retraining.window={window}'])
  assert config.retraining.spans == window
  assert (config.split.method is SplitMethod.NEWEST_SPAN) == newest


def test_a_single_span_can_not_be_judged_on_a_newer_one():
  with pytest.raises(loading.ConfigError, match='newest_span needs a retraining'):
    loading.load('nyc', [PATH, 'retraining.window=1', 'split.method=newest_span'])
  loading.load('nyc', [PATH, 'retraining.window=2', 'split.method=newest_span'])
