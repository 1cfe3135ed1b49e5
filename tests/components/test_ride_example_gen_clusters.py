"""The executor where no driver has filled in the spans, as on Kubeflow Pipelines."""

import datetime
import json

import pytest

from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.patterns import excluded_numbers
from components.ride_example_gen.quarantine import read_counts
from tests.components.test_ride_example_gen import as_csv, ingest, put, read_back, rides

WINDOW = ['retraining.window=2']


@pytest.fixture(scope='module')
def days(tmp_path_factory):
  """Four days of 40 rides; fares tell them apart: 3.00 to 3.39, 3.40 to 3.79, …"""
  folder = tmp_path_factory.mktemp('days')
  for number, day in enumerate(('2026/02/27', '2026/02/28', '2026/03/01', '2026/03/02')):
    put(folder / day / 'rides.csv', as_csv(rides(40, 40 * number)))
  return folder


def _fares(split_uri):
  return [round(float(fare), 2) for fare in read_back(split_uri)['fare_amount']]


def _expected(first, last):
  return [round(3 + number / 100, 2) for number in range(first, last)]


def test_the_newest_span_by_itself(days, tmp_path):
  splits, _ = ingest(days, tmp_path, '{YYYY}/{MM}/{DD}/*.csv', window=1)
  assert sorted(_fares(splits['train']) + _fares(splits['eval'])) == _expected(120, 160)
  assert _fares(splits['eval'])  # A single span is divided by time stamps.


def test_a_window_evaluates_on_its_newest_span(days, tmp_path):
  splits, _ = ingest(days, tmp_path, '{YYYY}/{MM}/{DD}/*.csv', WINDOW, window=2)
  assert _fares(splits['train']) == _expected(80, 120)
  assert _fares(splits['eval']) == _expected(120, 160)


def test_an_excluded_span_is_not_found_and_the_newest_one_is_told_apart(days, tmp_path):
  excluded = json.dumps(excluded_numbers([datetime.date(2026, 3, 1)]))
  splits, quarantine = ingest(days, tmp_path, '{YYYY}/{MM}/{DD}/*.csv', WINDOW, window=2, exclude=excluded)
  assert (_fares(splits['train']), _fares(splits['eval'])) == (_expected(40, 80), _expected(120, 160))
  profile = read_counts(quarantine).profile
  assert profile.newest_span == '2026-03-02'
  assert (profile.newest['fare_amount'].smallest, profile.columns['fare_amount'].smallest) == pytest.approx((4.2, 3.4))
  assert {label: (span.read, span.rides) for label, span in profile.spans().items()} == {
    '2026-02-28': (40, 40),
    '2026-03-02': (40, 40),
  }


def test_a_window_of_the_only_span_is_divided(days, tmp_path):
  put(tmp_path / 'in/span-1/rides.csv', as_csv(rides(40)))
  splits, _ = ingest(tmp_path / 'in', tmp_path, 'span-{SPAN}/*.csv', WINDOW, window=2)
  assert sorted(_fares(splits['train']) + _fares(splits['eval'])) == _expected(0, 40)
  assert _fares(splits['train']) and _fares(splits['eval'])


def test_a_pattern_without_spans_is_read_as_a_whole(days, tmp_path):
  splits, _ = ingest(days, tmp_path, '2026/*/*/*.csv', window=1)
  assert sorted(_fares(splits['train']) + _fares(splits['eval'])) == _expected(0, 160)


def test_no_span_yet(days, tmp_path):
  with pytest.raises(IngestionError, match=r'No file matches .*span-'):
    ingest(days, tmp_path, 'span-{SPAN}/*.csv', window=1)
