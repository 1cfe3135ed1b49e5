"""Zone ids in place of coordinates. Oracle: the table, read by hand."""

import decimal

import numpy as np
import pyarrow as pa
import pytest

from components.ride_example_gen.canonical import canonicalize
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.zones import look_up
from configs.loading import load
from configs.source import ZonePlaces

PLACES = ZonePlaces(
  pickup='PU', dropoff='DO', zones={'132': (-73.7865, 40.647), '1': (-74.174, 40.6918), 'x': (-73, 41), '264': None}
)
JFK, NEWARK, NOWHERE = (-73.7865, 40.647), (-74.174, 40.6918), (np.nan, np.nan)


@pytest.mark.parametrize(
  'column',
  [
    pytest.param(pa.array([132, 1, 264, None, 999]), id='int64'),
    pytest.param(pa.array([132, 1, 264, None, 999], pa.uint16()), id='uint16'),
    pytest.param(pa.array([132.0, 1.0, 264.0, float('nan'), 999.0]), id='floats'),
    pytest.param(pa.array([132.0, 1.0, 264.0, None, 1.5]), id='floats_and_a_fraction'),
    pytest.param(pa.array(['132', '1', '264', '', '999']), id='text'),
    pytest.param(pa.array([b'132.0', b' 1.0', b'264.0', b'nan', b'999.0'], pa.binary()), id='decimal_text'),
    pytest.param(pa.array(['0132', '01', '264', None, 'JFK']), id='leading_zeros'),
    pytest.param(pa.array(['132', '1', '264', None, '9']).dictionary_encode(), id='dictionary'),
    pytest.param(pa.array([decimal.Decimal(132), decimal.Decimal(1), decimal.Decimal(264), None, -1]), id='decimals'),
  ],
)
def test_ids_of_any_type(column):
  found = look_up(column, PLACES, ('nan',), 'PU')
  expected = [JFK, NEWARK, NOWHERE, NOWHERE, NOWHERE]
  np.testing.assert_array_equal(np.stack([found.longitude, found.latitude], axis=1), expected)
  assert found.unknown.tolist() == [False, False, False, False, True]


def test_ids_of_a_type_that_has_no_text():
  with pytest.raises(IngestionError, match=r"Column 'PU' holds list<item: int64>, but text is expected"):
    look_up(pa.array([[1]]), PLACES, (), 'PU')


@pytest.fixture(scope='module')
def dataset():
  return load('tlc-yellow-zones').dataset


def rows(*ends, pickup='PULocationID', dropoff='DOLocationID'):
  stamps = pa.array([np.datetime64('2023-03-01T08:00:00', 'us')] * len(ends))
  columns = {'tpep_pickup_datetime': stamps, 'passenger_count': pa.array([1.0] * len(ends))}
  columns |= {'fare_amount': pa.array([10.0] * len(ends)), pickup: [end[0] for end in ends]}
  return pa.RecordBatch.from_pydict(columns | {dropoff: [end[1] for end in ends]})


def test_what_the_table_has_and_what_not(dataset):
  """An id that the table declares to be no place is missing; one that it lacks sets the ride aside, and says which."""
  canonical = canonicalize(rows((132, 230), (264, 1), (None, 265), (132, 999), (0, 998)), dataset)
  assert canonical.valid.tolist() == [True, True, True, False, False]
  assert canonical.reason.to_pylist() == [None, None, None, 'unknown_zone', 'unknown_zone']
  assert canonical.column.to_pylist() == [None, None, None, 'DOLocationID', 'PULocationID']
  rides = canonical.rides.to_pydict()
  zones = dataset.places.zones
  np.testing.assert_array_equal(rides['pickup_longitude'][:3], np.float32([zones['132'][0], np.nan, np.nan]))
  np.testing.assert_array_equal(rides['pickup_latitude'][:3], np.float32([zones['132'][1], np.nan, np.nan]))
  np.testing.assert_array_equal(rides['dropoff_longitude'][:3], np.float32([zones['230'][0], zones['1'][0], np.nan]))
  np.testing.assert_array_equal(rides['dropoff_latitude'][:3], np.float32([zones['230'][1], zones['1'][1], np.nan]))


def test_a_zone_outside_the_bounds(dataset):
  """The zone's place is judged as any coordinate; the reason names the column of the ids."""
  far = dataset.places.model_copy(update={'zones': dataset.places.zones | {'300': (-80.0, 40.7)}})
  canonical = canonicalize(rows((300, 1)), dataset.model_copy(update={'places': far}))
  assert (canonical.reason.to_pylist(), canonical.column.to_pylist()) == (['pickup_outside_bounds'], ['PULocationID'])


def test_rides_to_predict(dataset):
  """Zone ids are the dataset's own columns; the model gets coordinates."""
  table = pa.Table.from_batches([rows((132, 230))]).drop(['fare_amount'])
  [unlabelled] = table.to_batches()
  canonical = canonicalize(unlabelled, dataset, label_required=False)
  assert canonical.rides.schema.names == list(load('nyc').dataset.raw_inputs())
  assert canonical.valid.all()
