"""Windows of the day as features and slices, and slices by extra columns. Oracle: `datetime` and the words, by hand."""

import datetime

import numpy as np
import pytest

from components.fare_evaluator.slices import slice_name
from configs import loading
from configs.dataset import EPOCH
from configs.loading import ConfigError
from transforms import civil, in_memory, names, slice_names
from transforms.engineering import catalogue

OVERRIDES = [
  'dataset.city.windows={night: [22, 6], lunch: [12, 13.5], late: [20, 24], late_too: [20, 0]}',
  'dataset.extras=[{name: surge, column: s, unit: x}, {name: vendor, column: v, kind: categorical, '
  'vocabulary: [1, 2]}]',
  'evaluation.slices.columns={surge: [1, 1.5], vendor: []}',
]
CONFIG = loading.load('nyc', OVERRIDES)
HOURS = {'midnight': 0.0, 'early': 5.999, 'six': 6.0, 'noon': 12.0, 'half_past_one': 13.5, 'eight': 20.0, 'ten': 22.0}
INSIDE = {
  'night': ('midnight', 'early', 'ten'),
  'lunch': ('noon',),
  'late': ('eight', 'ten'),
  'late_too': ('eight', 'ten'),
}
SURGES = np.array([0.5, 1.0, 1.2, 1.5, 9.0, np.nan, np.inf], np.float32)
VENDORS = np.array([0, 1, 2, np.nan, 0, 1, 2], np.float32)


@pytest.fixture(scope='module')
def made():
  days = datetime.datetime(2013, 5, 17) - EPOCH
  seconds = np.array([int(days.total_seconds() + hour * 3600) for hour in HOURS.values()])
  rides = {
    name: np.full(len(seconds), -73.98 if 'longitude' in name else 40.75) for name in CONFIG.dataset.raw_inputs()
  }
  rides |= {'pickup_seconds': seconds, 'surge': SURGES, 'vendor': VENDORS, 'passenger_count': np.ones(len(seconds))}
  constants = in_memory.fit_constants(rides, CONFIG.dataset, CONFIG.features)
  found = in_memory.transform(rides, CONFIG.dataset, CONFIG.features, CONFIG.evaluation.slices, constants)
  return {name: column.numpy() for name, column in found.items()}


@pytest.mark.parametrize('window', list(INSIDE))
def test_a_window_is_a_feature_and_a_slice(made, window):
  inside = np.array([name in INSIDE[window] for name in HOURS])
  np.testing.assert_array_equal(made[slice_names.window_slice(window)], inside)
  listed = [feature.name for feature in catalogue(CONFIG.dataset, CONFIG.features)]
  column = made[names.NUMERIC][:, listed.index(f'{window}_hours')]
  np.testing.assert_allclose(column, (inside - inside.mean()) / inside.std(), rtol=1e-4)


def test_slices_by_bands_and_by_words(made):
  numeric, words = (made[slice_names.column_slice(name)].tolist() for name in ('surge', 'vendor'))
  assert numeric == [0, 1, 1, 2, 2, 3, 3]
  assert words == [0, 1, 2, 3, 0, 1, 2]
  called = lambda name, codes: [_name(slice_names.column_slice(name), code) for code in codes]  # noqa: E731
  assert called('surge', range(4)) == ['surge under 1 x', 'surge 1–1.5 x', 'surge over 1.5 x', 'surge missing']
  assert called('vendor', range(4)) == ['vendor = 1', 'vendor = 2', 'vendor of another value', 'vendor missing']
  assert [_name(slice_names.window_slice('night'), code) for code in (1, 0)] == ['night, 22–6 h', 'not night']


def _name(feature, code):
  return slice_name(feature, code, CONFIG.evaluation.slices, CONFIG.dataset)


def test_every_slice_column_is_listed_and_made(made):
  keys = slice_names.slice_keys(CONFIG.dataset, CONFIG.evaluation.slices)
  assert len(keys) == len({*keys}) == 4 + 4 + 2
  assert {*keys} == {name for name in made if name.startswith('slice_')}
  assert all(made[key].dtype == np.int64 for key in keys)


def test_without_windows_and_columns_all_is_as_before():
  bare = loading.load('nyc')
  assert slice_names.slice_keys(bare.dataset, bare.evaluation.slices) == names.SLICES
  assert not any(feature.name.endswith('_hours') for feature in catalogue(bare.dataset, bare.features))


@pytest.mark.parametrize(
  ('window', 'inside'),
  [
    pytest.param((22, 6), lambda hour: hour >= 22 or hour < 6, id='over_midnight'),
    pytest.param((6, 22), lambda hour: 6 <= hour < 22, id='by_day'),
    pytest.param((0, 6), lambda hour: hour < 6, id='from_midnight'),
    pytest.param((22, 24), lambda hour: hour >= 22, id='to_midnight'),
    pytest.param((24, 6), lambda hour: hour < 6, id='from_the_end_of_the_day'),
  ],
)
def test_edges_count_to_one_inside(window, inside):
  edges = civil.window_edges(*window)
  for quarter in range(96):
    count = sum(sign for second, sign in zip(*edges, strict=True) if quarter * 900 >= second)
    assert count == inside(quarter / 4), quarter


@pytest.mark.parametrize(
  ('overrides', 'sentence'),
  [
    pytest.param(['dataset.city.windows={all: [0, 24]}'], r'windows.all: \[0, 24\] is the whole day', id='whole_day'),
    pytest.param(
      ['dataset.city.windows={night: [22, 30]}'],
      r'windows.night.1 must be a number from 0 to 24, got 30',
      id='no_such_hour',
    ),
    pytest.param(
      ['dataset.city.windows={Night: [22, 6]}'],
      "windows must have keys that are each a text of small letters, .*got 'Night'",
      id='name_with_capitals',
    ),
    pytest.param(
      ['evaluation.slices.columns={vendr: []}'], "is no column of dataset.extras.*Did you mean 'vendor'", id='unknown'
    ),
    pytest.param(['evaluation.slices.columns={surge: []}'], 'must name the numbers at which bands meet', id='no_bands'),
    pytest.param(
      ['evaluation.slices.columns={vendor: [1]}'], r'must be \[\], as the column is categorical', id='words'
    ),
    pytest.param(['evaluation.slices.columns={surge: [2, 1]}'], r'must be numbers that rise, got \[2', id='falling'),
  ],
)
def test_what_cant_be_meant_is_refused(overrides, sentence):
  with pytest.raises(ConfigError, match=sentence):
    loading.load('nyc', [*OVERRIDES, *overrides])
