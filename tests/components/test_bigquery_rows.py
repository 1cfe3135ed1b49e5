"""BigQuery's values become columns that the mapping takes as it takes a file's."""

import datetime
import decimal

import pyarrow as pa
import pytest

from components.bigquery_ride_gen.reader import to_record_batch
from components.ride_example_gen.canonical import canonicalize
from components.ride_example_gen.quarantine import rows_as_json
from configs import loading

UTC = datetime.timezone.utc


@pytest.mark.parametrize(
  ('values', 'kind', 'expected'),
  [
    pytest.param([1, None, 3], pa.int64(), [1, None, 3], id='INT64'),
    pytest.param([1.5, None], pa.float64(), [1.5, None], id='FLOAT64'),
    pytest.param([True, None], pa.bool_(), [True, None], id='BOOL'),
    pytest.param(['a', None, 'ü'], pa.string(), ['a', None, 'ü'], id='STRING'),
    pytest.param([b'a', None], pa.binary(), [b'a', None], id='BYTES'),
    # NUMERIC comes with nine decimal places.
    pytest.param(
      [decimal.Decimal('7.500000000'), None], pa.decimal128(10, 9), [decimal.Decimal('7.5'), None], id='NUMERIC'
    ),
    pytest.param([decimal.Decimal('2.000000000'), None], pa.int64(), [2, None], id='NUMERIC_whole'),
    pytest.param(
      [decimal.Decimal(f'1{"0" * 40}.5')],
      pa.decimal256(42, 1),
      [decimal.Decimal(f'1{"0" * 40}.5')],
      id='BIGNUMERIC',
    ),
    pytest.param(
      [datetime.datetime(2012, 9, 4, 1, 2, 3, tzinfo=UTC), None],
      pa.timestamp('us', tz='UTC'),
      [datetime.datetime(2012, 9, 4, 1, 2, 3, tzinfo=UTC), None],
      id='TIMESTAMP',
    ),
    pytest.param(
      [datetime.datetime(2012, 9, 4, 1, 2, 3)],
      pa.timestamp('us'),
      [datetime.datetime(2012, 9, 4, 1, 2, 3)],
      id='DATETIME',
    ),
    pytest.param([datetime.date(2012, 9, 4)], pa.date32(), [datetime.date(2012, 9, 4)], id='DATE'),
    pytest.param([datetime.time(1, 2)], pa.time64('us'), [datetime.time(1, 2)], id='TIME'),
    pytest.param([[1, 2], None], pa.string(), ['[1, 2]', None], id='ARRAY'),
    pytest.param([{'at': datetime.date(2012, 9, 4)}], pa.string(), ['{"at": "2012-09-04"}'], id='STRUCT'),
    pytest.param([None, None], pa.null(), [None, None], id='nothing_but_null'),
  ],
)
def test_types(values, kind, expected):
  batch = to_record_batch([{'before': 0, 'column': value} for value in values])
  assert batch.schema.names == ['before', 'column']
  assert batch.column(1).type == kind
  assert batch.column(1).to_pylist() == expected
  # Whatever the type, the quarantine can write it down.
  assert len(rows_as_json(batch)) == len(values)


RIDE = {
  'key': 'a',
  'fare_amount': decimal.Decimal('7.500000000'),
  'pickup_datetime': datetime.datetime(2012, 9, 4, 12),
  'pickup_longitude': -73.98,
  'pickup_latitude': decimal.Decimal('40.750000000'),
  'dropoff_longitude': None,
  'dropoff_latitude': None,
  'passenger_count': 2,
}


def canonical(*overrides, **values):
  return canonicalize(to_record_batch([RIDE | values]), loading.load('nyc', overrides).dataset)


def seconds_since_2009(*moment):
  return int((datetime.datetime(*moment) - datetime.datetime(2009, 1, 1)).total_seconds())


def test_a_ride():
  ride = canonical()
  assert ride.valid.all()
  [row] = ride.rides.to_pylist()
  assert row['pickup_seconds'] == seconds_since_2009(2012, 9, 4, 12)
  assert (row['fare_amount'], row['pickup_latitude'], row['passenger_count']) == (7.5, 40.75, 2)
  assert row['dropoff_longitude'] != row['dropoff_longitude']  # NaN


def test_an_instant_is_shown_on_the_citys_clock():
  instant = datetime.datetime(2012, 9, 4, 16, tzinfo=UTC)
  [row] = canonical(
    'dataset.time.clock=utc', 'dataset.time.time_zone=America/New_York', pickup_datetime=instant
  ).rides.to_pylist()
  # Oracle: New York is four hours behind in September.
  assert row['pickup_seconds'] == seconds_since_2009(2012, 9, 4, 12)


def test_an_instant_that_claims_utc_but_is_the_wall_clock():
  [row] = canonical(pickup_datetime=datetime.datetime(2012, 9, 4, 12, tzinfo=UTC)).rides.to_pylist()
  assert row['pickup_seconds'] == seconds_since_2009(2012, 9, 4, 12)


@pytest.mark.parametrize(
  ('values', 'reason', 'column'),
  [
    pytest.param({'fare_amount': None}, 'missing_fare', 'fare_amount', id='no_fare'),
    pytest.param({'fare_amount': decimal.Decimal('-1')}, 'fare_out_of_range', 'fare_amount', id='negative_fare'),
    pytest.param({'pickup_datetime': None}, 'missing_time', 'pickup_datetime', id='no_time'),
    pytest.param(
      {'pickup_latitude': decimal.Decimal('90.5')}, 'pickup_outside_bounds', 'pickup_latitude', id='outside'
    ),
  ],
)
def test_the_same_rules(values, reason, column):
  ride = canonical(**values)
  assert (ride.reason.to_pylist(), ride.column.to_pylist()) == ([reason], [column])
