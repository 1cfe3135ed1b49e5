"""How many spans make a window, and what the split is then. Oracle: the rule of `retraining.window`."""

from __future__ import annotations

import datetime
import re

import pytest
import yaml

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


@pytest.mark.parametrize(
  ('path', 'excluded', 'expected'),
  [
    pytest.param('rides/{YYYY}/{MM}/{DD}/*', '[2024-03-12]', [datetime.date(2024, 3, 12)], id='day'),
    pytest.param('rides/{YYYY}/{MM}/{DD}/*', '["2024-03-12"]', [datetime.date(2024, 3, 12)], id='day_as_text'),
    pytest.param('rides/{SPAN}/*', '[7, "8"]', [7, 8], id='numbers'),
  ],
)
def test_excluded_spans(path, excluded, expected):
  config = loading.load('nyc', [f'dataset.path="{path}"', f'retraining.exclude={excluded}'])
  assert list(config.retraining.exclude) == expected
  assert loading.validate(yaml.safe_load(loading.dump(config))) == config


@pytest.mark.parametrize(
  ('path', 'excluded', 'message'),
  [
    pytest.param('{YYYY}/{MM}/{DD}/*', '[yesterday]', "a day such as 2024-03-12, or the number of a span, got 'yest",
                 id='word'),
    pytest.param('{YYYY}/{MM}/{DD}/*', '["2024-02-30"]', "or the number of a span, got '2024-02-30'", id='no_such_day'),
    pytest.param('{YYYY}/{MM}/{DD}/*', '[true]', "got 'True'", id='truth'),
    pytest.param('{SPAN}/*', '[-3]', "got '-3'", id='negative'),
    pytest.param('{YYYY}/{MM}/{DD}/*', '[7]', 'retraining.exclude must name days such as 2024-03-12',
                 id='number_of_day'),
    pytest.param('{SPAN}/*', '[2024-03-12]', 'must name spans by their numbers, as dataset.path has {SPAN}',
                 id='day_of_number'),
  ],
)  # fmt: skip
def test_nonsense_is_not_excluded(path, excluded, message):
  with pytest.raises(loading.ConfigError, match=re.escape(message)):
    loading.load('nyc', [f'dataset.path="{path}"', f'retraining.exclude={excluded}'])
