"""New York's yellow cabs in every layout that was published, by the preset for it: a made-up file of each.

Oracle: the rides that the files were made of.
"""

import datetime
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ride_example_gen.canonical import canonicalize
from components.ride_example_gen.reading import read_blocks
from configs.dataset import COORDINATES
from configs.loading import load
from tests.components.ingested import ingested

HEADERS = {
  'tlc-yellow-2009': 'vendor_name,Trip_Pickup_DateTime,Trip_Dropoff_DateTime,Passenger_Count,Trip_Distance,Start_Lon,'
  'Start_Lat,Rate_Code,store_and_forward,End_Lon,End_Lat,Payment_Type,Fare_Amt,surcharge,mta_tax,Tip_Amt,Tolls_Amt,'
  'Total_Amt',
  'tlc-yellow-2010': 'vendor_id,pickup_datetime,dropoff_datetime,passenger_count,trip_distance,pickup_longitude,'
  'pickup_latitude,rate_code,store_and_fwd_flag,dropoff_longitude,dropoff_latitude,payment_type,fare_amount,surcharge,'
  'mta_tax,tip_amount,tolls_amount,total_amount',
  'tlc-yellow-2015': 'VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,'
  'pickup_longitude,pickup_latitude,RateCodeID,store_and_fwd_flag,dropoff_longitude,dropoff_latitude,payment_type,'
  'fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount',
  'tlc-yellow-zones': 'VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,'
  'store_and_fwd_flag,PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,'
  'improvement_surcharge,total_amount,congestion_surcharge,airport_fee',
}
JFK, TIMES_SQUARE = (-73.7865, 40.647), (-73.9842, 40.7598)
FIRST = {'tlc-yellow-2009': 2009, 'tlc-yellow-2010': 2012, 'tlc-yellow-2015': 2016, 'tlc-yellow-zones': 2023}


def rides(preset: str) -> list[dict]:
  """Pickup time, ends, passengers and fare; the last one has a fare that no ride has."""
  start = datetime.datetime(FIRST[preset], 3, 1, 8, 5, 9)
  made = [
    {'at': start, 'from': JFK, 'to': TIMES_SQUARE, 'riders': 2, 'fare': 52.0},
    {'at': start + datetime.timedelta(hours=9), 'from': TIMES_SQUARE, 'to': JFK, 'riders': 1, 'fare': 45.5},
    {'at': start + datetime.timedelta(days=3), 'from': JFK, 'to': JFK, 'riders': 6, 'fare': -2.5},
  ]
  return made


def cells(preset: str, ride: dict) -> list[str]:
  """A line of a published file."""
  end = ride['at'] + datetime.timedelta(minutes=40)
  (x0, y0), (x1, y1) = ride['from'], ride['to']
  places = {JFK: '132', TIMES_SQUARE: '230'}
  fare, after = f'{ride["fare"]:g}', ['0', '0.5', '5.76', '0']
  match preset:
    case 'tlc-yellow-2009':
      vendor, middle = 'VTS', [f'{x0}', f'{y0}', '', '', f'{x1}', f'{y1}', 'Credit']
    case 'tlc-yellow-2010':
      vendor, middle = 'CMT', [f'{x0}', f'{y0}', '1', 'N', f'{x1}', f'{y1}', 'CSH']
    case 'tlc-yellow-2015':
      vendor, middle, after = '2', [f'{x0}', f'{y0}', '1', 'N', f'{x1}', f'{y1}', '1'], [*after, '0.3']
    case _:
      vendor, middle, after = '1', ['1.0', 'N', places[ride['from']], places[ride['to']], '1'], [*after, '0.3']
  rest = ['64.06', '2.5', '1.25'] if preset == 'tlc-yellow-zones' else ['64.06']
  return [vendor, str(ride['at']), str(end), str(ride['riders']), '9.1', *middle, fare, *after, *rest]


def write_csv(path, preset: str, header: str | None = None, line_end: str = '\n') -> str:
  lines = [header or HEADERS[preset], *(','.join(cells(preset, ride)) for ride in rides(preset))]
  path.write_bytes(line_end.join([*lines, '']).encode())
  return str(path)


def write_parquet(path, airport_fee: str = 'airport_fee') -> str:
  """As since 2022: time stamps in microseconds, numbers that may be missing as doubles, zone ids as integers."""
  preset = 'tlc-yellow-zones'
  names = HEADERS[preset].split(',')
  columns = dict(zip(names, zip(*(cells(preset, ride) for ride in rides(preset)), strict=True), strict=True))
  typed = {}
  for name, texts in columns.items():
    if name.endswith('datetime'):
      typed[name] = pa.array([datetime.datetime.fromisoformat(text) for text in texts], pa.timestamp('us'))
    elif name in ('VendorID', 'PULocationID', 'DOLocationID', 'payment_type'):
      typed[name] = pa.array([int(text) for text in texts], pa.int64())
    elif name == 'store_and_fwd_flag':
      typed[name] = pa.array(texts)
    else:
      typed[airport_fee if name == 'airport_fee' else name] = pa.array([float(text) for text in texts])
  pq.write_table(pa.table(typed), path)
  return str(path)


def expected(preset: str) -> list[dict]:
  """The canonical rides; a number of the file is rounded to float32."""
  found = []
  for ride in rides(preset):
    seconds = (ride['at'] - datetime.datetime(2009, 1, 1)).total_seconds()
    numbers = dict(zip(COORDINATES, (*ride['from'], *ride['to']), strict=True))
    numbers |= {'passenger_count': ride['riders'], 'fare_amount': ride['fare']}
    found.append({'pickup_seconds': seconds, **{name: np.float32(number) for name, number in numbers.items()}})
  return found


def check(path: str, preset: str) -> None:
  dataset = load(preset).dataset
  [block] = read_blocks(path, dataset)
  canonical = canonicalize(block.rows, dataset)
  assert canonical.rides.to_pylist() == expected(preset)
  assert canonical.reason.to_pylist() == [None, None, 'fare_out_of_range']


@pytest.mark.parametrize('preset', HEADERS)
def test_a_csv_file(tmp_path, preset):
  check(write_csv(tmp_path / 'rides.csv', preset), preset)


@pytest.mark.parametrize(
  ('header', 'line_end'),
  [
    pytest.param(HEADERS['tlc-yellow-2010'].replace(',', ', '), '\n', id='spaces_after_commas'),
    pytest.param(HEADERS['tlc-yellow-2010'] + '\r\n', '\r\n', id='blank_line_after_the_header'),
    pytest.param(HEADERS['tlc-yellow-2010'].replace(',', ', ') + '\r\n', '\r\n', id='both'),
  ],
)
def test_headers_of_2010_to_2014(tmp_path, header, line_end):
  check(write_csv(tmp_path / 'rides.csv', 'tlc-yellow-2010', header, line_end), 'tlc-yellow-2010')


def test_the_header_of_2016(tmp_path):
  header = HEADERS['tlc-yellow-2015'].replace('RateCodeID', 'RatecodeID')
  check(write_csv(tmp_path / 'rides.csv', 'tlc-yellow-2015', header), 'tlc-yellow-2015')


@pytest.mark.parametrize('airport_fee', ['airport_fee', 'Airport_fee'])
def test_a_parquet_file_with_zones(tmp_path, airport_fee):
  check(write_parquet(tmp_path / 'rides.parquet', airport_fee), 'tlc-yellow-zones')


@pytest.mark.parametrize('preset', HEADERS)
def test_files_are_ingested_whole(tmp_path, preset):
  config = load(preset)
  path = write_csv(tmp_path / 'rides.csv', preset)
  counts, names = ingested(path, tmp_path, config.dataset)
  assert (counts.read, counts.kept, counts.quarantined) == (3, 2, {'fare_out_of_range': 1})
  [row] = pq.read_table(tmp_path / names['quarantine'][0]).to_pylist()
  assert list(json.loads(row['row'])) == HEADERS[preset].split(',')


@pytest.mark.parametrize('preset', HEADERS)
def test_what_only_the_finished_ride_knows_is_no_input(preset):
  """Every published column is the cab's vendor, something that the dataset reads, or known after the ride."""
  dataset = load(preset).dataset
  read = {name for names in dataset.aliases().values() for name in names}
  left = {*HEADERS[preset].split(',')} - read - {*dataset.known_after_ride}
  assert left == {HEADERS[preset].split(',')[0]}
