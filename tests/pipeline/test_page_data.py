"""Rides, steps and how to run again, as they are read. Oracle: the made run's numbers, by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pipeline.report.page import run_page
from pipeline.report.record import read_record
from tests.pipeline.made_page import page, page_of
from tests.pipeline.made_run import made_run, write_json
from tests.pipeline.page_reader import section, tables, text

__all__ = ['page']


def test_rows_that_were_set_aside_as_bars(page):
  table = tables(page)['Rows that were set aside, by reason']
  assert [row[3].pieces for row in table.rows] == [[('length', 0.0, 100.0)], [('length', 0.0, 42.86)]]
  assert table.texts('reason') == ['fare out of range', 'unparsable time']


def test_the_first_broken_values_stand_under_their_reason(tmp_path):
  rows = {'read': 10, 'kept': 8, 'quarantined': {'a_b': 2}, 'splits': {'eval': 2, 'train': 6}}
  examples = {'a_b': ["in fare, such as '$1': set <b>", "in tip, such as '-'"]}
  page = section(page_of(tmp_path / 'out', rows=rows | {'examples': examples}), 'data')
  assert "a b in fare, such as '$1': set <b>; in tip, such as '-'" in text(page)


@pytest.mark.parametrize(
  ('aside', 'sentence', 'kept_whole'),
  [
    pytest.param(
      {}, '10 rows were read and 8 kept: 6 to train on and 2 to evaluate on. None was set aside.', False, id='none'
    ),
    pytest.param({'a_b': 1}, '1 row was set aside (10.00 %).', True, id='one'),
    pytest.param({'a_b': 1, 'c': 1}, '2 rows were set aside (20.00 %).', True, id='two'),
  ],
)
def test_what_is_told_of_the_rows(tmp_path, aside, sentence, kept_whole):
  rows = {'read': 10, 'kept': 8, 'quarantined': aside, 'splits': {'eval': 2, 'train': 6}}
  page = section(page_of(tmp_path / 'out', rows=rows), 'data')
  assert sentence in text(page)
  assert ('Every row that was set aside is kept whole' in text(page)) == kept_whole
  found = tables(page).get('Rows that were set aside, by reason')
  assert (found is not None) == bool(aside)
  if found:
    # A bar of one reason alone would say nothing.
    assert found.names == [
      'reason',
      'rows',
      'share of all rows',
      *(['beside the other reasons'] if len(aside) > 1 else []),
    ]


def _divergence(feature: str, kind: str, value: float | None, threshold: float | None) -> dict[str, Any]:
  sentence = f'{feature} is {value}.'
  return {
    'sentence': sentence,
    'split': 'train',
    'feature': feature,
    'kind': kind,
    'severity': 'info',
    'stops': False,
    'divergence': value,
    'threshold': threshold,
  }


def test_bars_of_drift_and_skew_stand_against_their_thresholds(tmp_path):
  """The threshold lies at three quarters of the track, whatever it is; what is at the threshold is not beyond it."""
  findings = [
    _divergence('half', 'drift', 0.1, 0.2),
    _divergence('at', 'drift', 0.3, 0.3),
    _divergence('far', 'skew', 0.5, 0.4),
    _divergence('half', 'skew', 0.02, 0.08),
    _divergence('unmeasured', 'drift', None, 0.3),
    _divergence('unbounded', 'drift', 0.3, None),
  ]
  page = section(page_of(tmp_path / 'out', findings=findings), 'data')
  table = tables(page)['Drift and skew by column']
  assert table.names == ['column', 'drift', 'to its threshold', 'skew', 'to its threshold']
  limit = ('limit', 75.0, None)
  assert [(row[0].text, row[2].pieces, row[4].pieces) for row in table.rows] == [
    ('half', [('length', 0.0, 37.5), limit], [('length', 0.0, 18.75), limit]),
    ('at', [('length', 0.0, 75.0), limit], []),
    ('far', [], [('beyond', 0.0, 93.75), limit]),
  ]
  assert [(row[1].text, row[3].text) for row in table.rows] == [('0.100', '0.020'), ('0.300', '–'), ('–', '0.500')]
  assert [heading.meaning.split(':')[0] for heading in table.headings if heading.meaning] == [
    'drift from the earlier rides',
    'skew between train and eval',
  ]


@pytest.mark.parametrize(
  ('findings', 'expected'),
  [
    pytest.param([], 'No column was compared yet.', id='nothing'),
    pytest.param(
      [('a', 'drift', 'info')], 'Compared: drift from the earlier rides. Nothing is beyond its threshold.', id='calm'
    ),
    pytest.param(
      [('a', 'drift', 'info'), ('a', 'skew', 'info')],
      'Compared: drift from the earlier rides and skew between train and eval. Nothing is beyond',
      id='both',
    ),
    pytest.param([('a', 'schema', 'info')], 'Nothing is beyond its threshold.', id='no_comparison'),
    pytest.param(
      [('a', 'drift', 'error'), ('a', 'skew', 'info')],
      'error a is 0.1. Compared: drift from the earlier rides and skew between train and eval.',
      id='loud',
    ),
  ],
)
def test_what_was_compared(tmp_path, findings, expected):
  made = [_divergence(name, kind, 0.1, 0.2) | {'severity': severity} for name, kind, severity in findings]
  found = text(section(page_of(tmp_path / 'out', findings=made), 'data'))
  assert expected in found
  assert ('Nothing is beyond' in found) == (bool(made) and all(severity == 'info' for _, _, severity in findings))
  assert ('Compared: ' in found) == any(kind != 'schema' for _, kind, _ in findings)


def test_columns_of_degrees_have_four_decimals(page):
  table = tables(page)['What the train split holds, before any feature']
  assert table.texts('column') == ['dropoff_latitude', 'fare_amount', 'passenger_count']
  # What no ride has has no smallest value, though TFDV says 0.
  assert table.texts('smallest') == ['41.6600', '2.25', '–']
  assert table.texts('missing') == ['3.19 %', '0.00 %', '100.00 %']
  assert 'The rides of the train split began between 1 January 2013 and 30 December 2016.' in text(page)


def test_steps_with_their_words_and_bars(tmp_path):
  seconds, states = (4.0, 1.0, 2.0, 0.0), ('complete', 'cached', 'failed', 'skipped')
  steps = [
    {'name': f'S{index}', 'state': state, 'seconds': second, 'after': [f'S{index - 1}'] if index else []}
    for index, (state, second) in enumerate(zip(states, seconds, strict=True))
  ]
  page = page_of(tmp_path / 'out', steps=steps)
  table = tables(page)['Steps of the run, and what each waits for']
  assert table.texts('step') == ['S0', 'S1', 'S2', 'S3']
  assert table.texts('state') == ['ran', 'from the cache', 'failed', 'skipped']
  assert table.texts('time') == ['4.0 s', '1.0 s', '2.0 s', '0.0 s']
  assert [row[4].pieces for row in table.rows] == [
    [('complete', 0.0, 100.0)],
    [('cached', 0.0, 25.0)],
    [('failed', 0.0, 50.0)],
    [('skipped', 0.0, 0.0)],
  ]
  assert table.texts('waits for') == ['', 'S0', 'S1', 'S2']
  assert '4 steps in 7.0 s; 1 came from the cache.' in text(page)


def test_steps_side_by_side_lie_on_a_time_line(tmp_path):
  """Oracle: shares of the ten seconds from the first beginning to the last end."""
  times = {'a': (0.0, 4.0), 'b': (4.0, 3.0), 'c': (4.5, 5.5)}
  steps = [
    {'name': name, 'state': 'complete', 'began': began, 'seconds': seconds, 'after': [] if name == 'a' else ['a']}
    for name, (began, seconds) in times.items()
  ]
  page = page_of(tmp_path / 'out', steps=steps)
  table = tables(page)['Steps of the run, and what each waits for']
  assert [row[4].pieces for row in table.rows] == [
    [('complete', 0.0, 40.0)],
    [('complete', 40.0, 30.0)],
    [('complete', 45.0, 55.0)],
  ]
  assert '3 steps in 10 s, 12 s one after another; none came from the cache.' in text(page)


def test_steps_of_which_one_does_not_say_what_it_waits_for(tmp_path):
  steps = [
    {'name': name, 'state': 'complete', 'seconds': 1.0, 'after': after} for name, after in (('a', []), ('b', None))
  ]
  page = page_of(tmp_path / 'out', steps=steps)
  table = tables(page)['Steps of the run, in their order']
  assert table.names == ['step', 'state', 'time', '']
  assert '2 steps in 2.0 s; none came from the cache.' in text(page)


def _facts(page: str) -> dict[str, str]:
  found = re.findall(r'<div><dt>([^<]*)</dt><dd>([^<]*)</dd></div>', section(page, 'again'))
  return {name: value for name, value in found}


@pytest.mark.parametrize(
  ('files', 'told'),
  [
    pytest.param(['a.csv', 'b.csv', 'c.csv'], 'a.csv, b.csv and c.csv', id='three'),
    pytest.param(['a.csv', 'b.csv', 'c.csv', 'd.csv', 'e.csv'], 'a.csv, b.csv, c.csv and 2 more', id='five'),
  ],
)
def test_what_it_takes_to_run_again(tmp_path, files, told):
  directory = tmp_path / 'my out'
  made_run(directory, code_version='abc', started='2026-11-20T06:00:00Z', config='nyc.yaml')
  write_json(directory / 'artifacts/RideExampleGen/quarantine/1/counts.json', {'files': files})
  page = run_page(read_record(directory))
  assert _facts(page) == {
    'Config': 'nyc.yaml',
    'Data': told,
    'Code version': 'abc',
    'Started': '2026-11-20T06:00:00Z',
    'Pushed to': f'{directory}/serving/1795458791',
  }
  command = f"farelite run --config '{directory}/config.yaml' --output '{directory}-again'"
  assert command in text(page)


def test_what_is_not_known_is_no_fact(tmp_path):
  """The summary's own word on the data comes before that of the quarantine; nothing is told of what is lost."""
  directory = made_run(tmp_path / 'out', data='gs://rides/*.csv', pushed_path=None)
  assert _facts(run_page(read_record(directory))) == {
    'Config': f'{directory}/config.yaml',
    'Data': 'gs://rides/*.csv',
  }
  (directory / 'config.yaml').unlink()
  assert 'The resolved config' not in run_page(read_record(directory))
