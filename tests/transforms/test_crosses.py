"""Buckets and crosses against NumPy's `digitize` and plain integer products."""

import numpy as np
import tensorflow as tf

from configs import loading
from configs.dataset import ExtraColumn
from configs.features import fourth_root
from tests.transforms import oracle
from transforms import in_memory
from transforms.catalogue import categoricals
from transforms.constants import Constants
from transforms.crosses import equal_width

ALL = ['features.buckets.enabled=true', 'features.crosses.enabled=true',
       'features.crosses.crosses=[pickup_cell, dropoff_cell, cell_pair, hour_of_week]']  # fmt: skip


def test_every_categorical_against_numpy():
  config, columns, got = _transformed([*ALL, 'features.buckets.count=6', 'features.buckets.fit=equal_width'])
  bounds = config.dataset.rules.bounds
  expected = {}
  for name in oracle.COORDINATES:
    axis = bounds.longitude if 'longitude' in name else bounds.latitude
    edges = np.linspace(axis.min, axis.max, 7)[1:-1].astype(np.float32)
    value, limit = columns[name], 180 if 'longitude' in name else 90
    with np.errstate(invalid='ignore'):
      known = np.abs(value) <= limit
    expected[f'{name}_bucket'] = np.where(known, np.digitize(value, edges), 6)
  pickup = expected['pickup_longitude_bucket'] * 7 + expected['pickup_latitude_bucket']
  dropoff = expected['dropoff_longitude_bucket'] * 7 + expected['dropoff_latitude_bucket']
  hours = columns['pickup_seconds'] // 3600
  # 2009-01-01 was a Thursday: 72 hours after the Monday that starts its week.
  expected |= {'pickup_cell': pickup, 'dropoff_cell': dropoff, 'cell_pair': pickup * 49 + dropoff}
  expected['hour_of_week'] = (hours + 72) % 168
  assert [c.name for c in categoricals(config.dataset, config.features)] == list(expected)
  for found in categoricals(config.dataset, config.features):
    np.testing.assert_array_equal(got[found.name], expected[found.name], err_msg=found.name)
    assert got[found.name].dtype == tf.int64
    assert expected[found.name].max() < found.size
    assert found.embedding_width == fourth_root(found.size)


def test_too_large_a_product_is_hashed_into_its_bins():
  overrides = [*ALL, 'features.buckets.count=40', 'features.crosses.max_exact=1000']
  config, _, got = _transformed(overrides, rows=4000)
  sizes = {found.name: found.size for found in categoricals(config.dataset, config.features)}
  assert (sizes['pickup_cell'], sizes['cell_pair']) == (1000, 1000)
  assert got['cell_pair'].numpy().min() >= 0 and got['cell_pair'].numpy().max() < 1000
  # Random rides fill the bins evenly: 1 - exp(-distinct / bins) of them, within a few per cent.
  pairs = {tuple(row) for row in np.stack([got[f'{name}_bucket'] for name in oracle.COORDINATES], axis=1)}
  share = len(set(got['cell_pair'].numpy())) / 1000
  assert abs(share - (1 - np.exp(-len(pairs) / 1000))) < 0.03
  meaning = {found.name: found.meaning for found in categoricals(config.dataset, config.features)}
  assert 'hashed into 1000 bins' in meaning['cell_pair'] and 'hashed' not in meaning['hour_of_week']


def test_largest_buckets_do_not_overflow():
  _, _, got = _transformed([*ALL, 'features.buckets.count=1000'], rows=2000)
  assert got['cell_pair'].numpy().min() >= 0 and got['cell_pair'].numpy().max() < 100_000


def test_fitted_quantiles_fill_buckets_evenly_and_leave_missing_out():
  config = loading.load('nyc', [*ALL, 'features.buckets.count=4'])
  columns = _random_rides(1000)
  columns['pickup_longitude'][:100] = np.nan
  constants = in_memory.fit_constants(columns, config.dataset, config.features)
  got = in_memory.transform(columns, config.dataset, config.features, config.evaluation.slices, constants)
  counts = np.bincount(got['pickup_longitude_bucket'].numpy(), minlength=5)
  assert counts[4] == 100 and np.abs(counts[:4] - 225).max() <= 2


def test_categorical_extras():
  config = loading.load('nyc')
  extra = ExtraColumn(name='company', column='c', kind='categorical', vocabulary=('a', 'b', 'c'), meaning='who drove')
  dataset = config.dataset.model_copy(update={'extras': (extra,)})
  cases = {'first': (0, 0), 'last': (2, 2), 'unknown': (3, 3), 'far_beyond': (99, 3), 'negative': (-1, 3),
           'missing': (np.nan, 4), 'infinite': (np.inf, 4)}  # fmt: skip
  columns = _random_rides(len(cases)) | {'company': np.array([code for code, _ in cases.values()], np.float32)}
  constants = in_memory.fit_constants(columns, dataset, config.features)
  got = in_memory.transform(columns, dataset, config.features, config.evaluation.slices, constants)
  assert dict(zip(cases, got['company'].numpy(), strict=True)) == {name: index for name, (_, index) in cases.items()}
  assert [(c.name, c.size) for c in categoricals(dataset, config.features)] == [('company', 5)]


def _transformed(overrides, rows=None):
  config = loading.load('nyc', overrides)
  columns = _random_rides(rows) if rows else oracle.as_columns(oracle.named_rides())
  boundaries = equal_width(config.dataset.rules.bounds, config.features.buckets.count)
  if rows:
    boundaries = in_memory.fit_constants(columns, config.dataset, config.features).boundaries
  constants = Constants(np.float32(0), np.float32(1), boundaries)
  got = in_memory.transform(columns, config.dataset, config.features, config.evaluation.slices, constants)
  return config, columns, got


def _random_rides(rows):
  generator = np.random.default_rng(1)
  columns = {name: generator.normal(-73.98 if 'longitude' in name else 40.75, 0.05, rows).astype(np.float32)
             for name in oracle.COORDINATES}  # fmt: skip
  columns['passenger_count'] = np.ones(rows, np.float32)
  columns['pickup_seconds'] = generator.integers(0, 10**8, rows)
  return columns
