"""The ride simulator: seeded, bounded, and with a lowest reachable error that it states truly."""

import dataclasses
import datetime
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from benchmarks import simulator
from benchmarks.simulator import Format
from configs import loading

JFK = (-73.7781, 40.6413)
MIDTOWN = (-73.984, 40.755)
LA_GUARDIA = (-73.8740, 40.7769)


def _table(paths):
  read = {'.csv': pd.read_csv, '.parquet': pd.read_parquet}
  return pd.concat([read[path.suffix](path) for path in paths], ignore_index=True)


def _ride(stamp, pickup=MIDTOWN, dropoff=MIDTOWN):
  return pa.RecordBatch.from_pydict(
    {
      'pickup_datetime': [f'{stamp} UTC'],
      'pickup_longitude': [pickup[0]],
      'pickup_latitude': [pickup[1]],
      'dropoff_longitude': [dropoff[0]],
      'dropoff_latitude': [dropoff[1]],
    }
  )


@pytest.mark.parametrize('file_format', list(Format))
def test_parts_hold_the_same_rides(tmp_path, file_format):
  """Oracle: the batches of `simulate` themselves, over a chunk's border."""
  rows = simulator.CHUNK_ROWS + 10
  expected = pa.Table.from_batches(list(simulator.simulate(rows, seed=3))).to_pandas()
  for parts in (1, 3):
    written = simulator.write(tmp_path / str(parts), rows, seed=3, file_format=file_format, parts=parts)
    assert [path.name for path in written.paths][-1] == f'rides-{parts - 1:05d}-of-{parts:05d}.{file_format.value}'
    pd.testing.assert_frame_equal(_table(written.paths), expected)
    sizes = [len(_table([path])) for path in written.paths]
    assert max(sizes) - min(sizes) <= 1


def test_a_longer_run_starts_with_the_same_rides():
  short, long = next(simulator.simulate(5, seed=1)), next(simulator.simulate(50, seed=1))
  assert short.equals(long.slice(0, 5))
  assert not short.equals(next(simulator.simulate(5, seed=2)))


def test_rides_pass_the_rules_of_the_preset():
  """Oracle: the rules and columns of configs/nyc.yaml, and `strptime` with its time format."""
  dataset = loading.load('nyc').dataset
  rides = next(simulator.simulate(20_000)).to_pandas()
  assert set(dataset.source_columns().values()) == set(rides.columns)
  assert rides.fare_amount.between(dataset.rules.fare.min, dataset.rules.fare.max).all()
  for end in ('pickup', 'dropoff'):
    bounds = dataset.rules.bounds
    assert rides[f'{end}_longitude'].between(bounds.longitude.min, bounds.longitude.max).all()
    assert rides[f'{end}_latitude'].between(bounds.latitude.min, bounds.latitude.max).all()
  assert set(rides.passenger_count) == {1, 2, 3, 4, 5, 6}
  stamps = [datetime.datetime.strptime(text, dataset.time.format) for text in rides.pickup_datetime]
  assert {stamp.year for stamp in stamps} == set(range(2009, 2016))
  assert np.bincount([stamp.hour for stamp in stamps]).argmin() in (4, 5)


@pytest.mark.parametrize(
  ('stamp', 'pickup', 'dropoff', 'fare'),
  [
    pytest.param('2011-03-09 12:00:00', MIDTOWN, MIDTOWN, 2.5, id='initial_charge'),
    pytest.param('2011-03-09 05:59:59', MIDTOWN, MIDTOWN, 3.0, id='night_ends_at_six'),
    pytest.param('2011-03-09 06:00:00', MIDTOWN, MIDTOWN, 2.5, id='day_from_six'),
    pytest.param('2011-03-09 16:00:00', MIDTOWN, MIDTOWN, 3.5, id='rush_hour_wednesday'),
    pytest.param('2011-03-12 16:00:00', MIDTOWN, MIDTOWN, 2.5, id='no_rush_hour_on_saturday'),
    pytest.param('2011-03-09 20:00:00', MIDTOWN, MIDTOWN, 3.0, id='night_from_eight'),
    pytest.param('2012-09-03 23:59:59', JFK, MIDTOWN, 45.0, id='flat_fare_before_the_increase'),
    pytest.param('2012-09-04 00:00:00', MIDTOWN, JFK, 52.0, id='flat_fare_after_the_increase'),
  ],
)
def test_tariff_is_the_published_one(stamp, pickup, dropoff, fare):
  """Oracle: the commission's tables, read by hand."""
  assert simulator.tariff(_ride(stamp, pickup, dropoff)) == pytest.approx([fare])


@pytest.mark.parametrize(('stamp', 'rate'), [('2012-09-03 12:00:00', 0.4), ('2012-09-04 12:00:00', 0.5)])
def test_distance_is_charged_by_the_fifth_of_a_mile(stamp, rate):
  """Oracle: scalar trigonometry with `math`, to La Guardia."""
  east = (LA_GUARDIA[0] - MIDTOWN[0]) * 111.19508 * math.cos(math.radians(40.785))
  north = (LA_GUARDIA[1] - MIDTOWN[1]) * 111.19508
  bearing = math.atan2(east, north) - math.radians(29)
  distance = math.hypot(east, north)
  miles = simulator.STREET_FACTOR * distance * (abs(math.sin(bearing)) + abs(math.cos(bearing))) / 1.609344
  assert simulator.tariff(_ride(stamp, MIDTOWN, LA_GUARDIA)) == pytest.approx([2.5 + rate * (miles // 0.2)])


@pytest.mark.parametrize('noise', [0.0, 1.0, 4.0])
def test_stated_noise_is_the_lowest_reachable_error(tmp_path, noise):
  """Oracle: the residuals of the written file, unbiased even among the cheapest rides, where noise is cut."""
  written = simulator.write(tmp_path, 60_000, noise=noise, file_format=Format.PARQUET)
  table = pa.parquet.read_table(written.paths[0]).combine_chunks()
  best = simulator.tariff(table.to_batches()[0])
  residuals = table['fare_amount'].to_numpy() - best
  assert written.noise_rmse == pytest.approx(np.sqrt(np.mean(residuals**2)), abs=1e-9)
  assert written.noise_rmse <= noise + 0.01
  cheap = residuals[(best > 2.5) & (best < 5)]
  assert abs(cheap.mean()) <= 4 * cheap.std() / math.sqrt(len(cheap)) + 1e-3


def test_no_rides(tmp_path):
  written = simulator.write(tmp_path, 0, parts=2)
  assert (dataclasses.asdict(written)['rows'], written.noise_rmse) == (0, 0.0)
  assert len(_table(written.paths)) == 0


@pytest.mark.parametrize(
  ('changed', 'message'),
  [
    pytest.param({'rows': -1}, 'rows, seed and noise must not be negative, got -1, 0 and 1', id='negative_rows'),
    pytest.param({'rows': 1, 'parts': 0}, 'parts must be at least 1, got 0', id='no_parts'),
  ],
)
def test_impossible_orders_are_refused(tmp_path, changed, message):
  with pytest.raises(ValueError, match=message):
    simulator.write(tmp_path, **changed)


def test_command_line_says_what_it_wrote(tmp_path):
  command = [sys.executable, '-m', 'benchmarks.simulator', '--rows', '1000', '--parts', '2', '--output', str(tmp_path)]
  done = subprocess.run(command, capture_output=True, text=True, check=True)
  assert 'Simulated 1,000 rides (not real data) into 2 csv files' in done.stdout
  assert 'Lowest reachable RMSE (the noise): $0.9' in done.stdout
