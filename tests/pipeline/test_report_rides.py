"""Intervals of the page. Oracle: the project's own bootstrap in `models`, which its own tests hold against NumPy."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pyarrow as pa
import pytest

from components.fare_evaluator.records import SliceCode
from components.parquet import pq
from configs.evaluation import Evaluation
from models.error_intervals import error_intervals, ratio_interval
from pipeline.report.record import read_record, read_variants
from pipeline.report.rides import PredictedRides, paired_ratio, read_rides, slice_rmse
from tests.pipeline.made_run import RIDES, made_run

RESAMPLES = Evaluation().bootstrap


def _rides(count: int = 900, seed: int = 0) -> PredictedRides:
  """Rides of which every third shares its time stamp with its neighbours."""
  random = np.random.default_rng(seed)
  fares = random.gamma(2, 6, count) + 3
  places = {
    name: random.normal(0, 1, count)
    for name in ('pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude')
  }
  codes = {'slice_airport': (random.random(count) < 0.3).astype(np.int8)}
  predictions = fares + random.standard_t(4, count)
  return PredictedRides('a.int8', np.arange(count) // 3 * 3600, places, fares, predictions, codes)


def test_slices_have_the_intervals_of_the_projects_bootstrap():
  rides = _rides()
  chosen = rides.codes['slice_airport'] == 1
  slices = {'airport ride': [SliceCode(feature='slice_airport', value=1)], 'all': [], 'unknown': _UNKNOWN}
  found = slice_rmse(rides, slices, RESAMPLES)
  assert set(found) == {'airport ride', 'all'}
  whole = error_intervals(rides.fares, rides.predictions, rides.seconds, RESAMPLES)['rmse']
  assert dataclasses.asdict(found['all']) == pytest.approx(dataclasses.asdict(whole))
  alone = error_intervals(rides.fares[chosen], rides.predictions[chosen], rides.seconds[chosen], RESAMPLES)['rmse']
  assert found['airport ride'].value == pytest.approx(alone.value)
  # Alone, the slice has other draws.
  assert dataclasses.asdict(found['airport ride']) == pytest.approx(dataclasses.asdict(alone), rel=0.03)


def test_very_many_moments_are_drawn_as_they_are_elsewhere():
  rides = _rides(count=30_000)
  expected = error_intervals(rides.fares, rides.predictions, rides.seconds, RESAMPLES)['rmse']
  [found] = slice_rmse(rides, {'all': []}, RESAMPLES).values()
  assert dataclasses.asdict(found) == pytest.approx(dataclasses.asdict(expected))


_UNKNOWN = [SliceCode(feature='slice_weather', value=1)]


def test_a_slice_of_one_ride():
  rides = _rides()
  rides.codes['slice_airport'][:] = 0
  rides.codes['slice_airport'][5] = 1
  [found] = slice_rmse(rides, {'airport ride': [SliceCode(feature='slice_airport', value=1)]}, RESAMPLES).values()
  assert [found.value, found.low, found.high] == [pytest.approx(abs(rides.errors[5])), None, None]


def test_paired_ratio_is_the_projects():
  rides = _rides()
  others = dataclasses.replace(rides, predictions=rides.predictions + np.random.default_rng(1).normal(0, 0.3, 900))
  expected = ratio_interval(rides.fares, rides.predictions, others.predictions, rides.seconds, RESAMPLES)
  found = paired_ratio(rides, others, RESAMPLES)
  assert found == expected


def test_other_rides_are_not_paired():
  assert paired_ratio(_rides(), _rides(seed=1), RESAMPLES) is None
  assert paired_ratio(_rides(), _rides(count=903), RESAMPLES) is None


def test_rides_of_the_gate_are_read(tmp_path: pathlib.Path):
  record = read_record(made_run(tmp_path / 'out'))
  rides = read_rides(dataclasses.replace(record, variants=read_variants(record)))
  assert rides is not None
  assert (rides.variant, len(rides.fares)) == ('pqat_80.int8', RIDES)
  assert set(rides.codes) == {'slice_airport', 'slice_time_band'}
  assert np.isnan(rides.coordinates['dropoff_longitude']).any()
  assert 0 <= rides.hours.min() <= rides.hours.max() <= 23


def test_columns_of_any_type_and_of_several_row_groups_are_read(tmp_path):
  """Oracle: the numbers that were written; pyarrow's own conversion reads a column with nulls."""
  [path] = made_run(tmp_path).rglob('predictions.parquet')
  written = pq.ParquetFile(path).read()
  count = len(written)
  codes = {
    'slice_small': np.arange(count, dtype=np.uint8) % 200,
    'slice_true': np.arange(count) % 2 == 0,
    'slice_wide': np.arange(count, dtype=np.int64) - 2**40,
  }
  for name, values in codes.items():
    written = written.append_column(name, pa.array(values))
  missing = [None, *written['pickup_longitude'].to_pylist()[1:]]
  position = written.column_names.index('pickup_longitude')
  written = written.set_column(position, 'pickup_longitude', pa.array(missing, pa.float32()))
  pq.write_table(written, path, row_group_size=max(1, count // 3))
  record = read_record(tmp_path)
  rides = read_rides(dataclasses.replace(record, variants=read_variants(record)))
  for name, values in codes.items():
    np.testing.assert_array_equal(rides.codes[name], values)
    assert rides.codes[name].dtype == values.dtype
  np.testing.assert_array_equal(rides.coordinates['pickup_longitude'], np.array(missing, float))
