"""The canonical ride: values against the source's own, every rule by one row that breaks it."""

import decimal
import pickle

import numpy as np
import pyarrow as pa
import pytest

from components.ride_example_gen.canonical import canonicalize
from components.ride_example_gen.files import IngestionError
from components.ride_validator.schema import ride_schema
from configs.base import Interval
from configs.dataset import ExtraColumn
from configs.loading import ConfigError, load
from configs.validation import Validation

GOOD = {
  'key': '1',
  'fare_amount': '11.3',
  'pickup_datetime': '2011-01-28 20:42:59 UTC',
  'pickup_longitude': '-73.999022',
  'pickup_latitude': '40.739146',
  'dropoff_longitude': '-73.990369',
  'dropoff_latitude': '40.717866',
  'passenger_count': '1',
}


@pytest.fixture(scope='module')
def dataset():
  return load('nyc').dataset


def text_rows(*changes):
  """The good row with each of the changes, as CSV gives it."""
  rows = [GOOD | change for change in changes]
  names = list(dict.fromkeys(name for row in rows for name in row))
  columns = [pa.array([row.get(name, '').encode('latin-1') for row in rows], pa.binary()) for name in names]
  return pa.RecordBatch.from_arrays(columns, names)


def with_extras(dataset, *extras):
  return dataset.model_copy(update={'extras': tuple(ExtraColumn(**extra) for extra in extras)})


def test_a_good_ride_keeps_its_values(dataset):
  canonical = canonicalize(text_rows({}), dataset)
  ride = canonical.rides.to_pylist()[0]
  assert canonical.rides.schema.names == [*dataset.raw_inputs(), 'fare_amount']
  assert [str(kind) for kind in canonical.rides.schema.types] == ['int64'] + ['float'] * 6
  # Oracle: `datetime(2011, 1, 28, 20, 42, 59) - datetime(2009, 1, 1)` is 757 days and 74579 seconds.
  assert ride['pickup_seconds'] == 757 * 86400 + 74579
  assert ride['fare_amount'] == np.float32(11.3) and ride['pickup_longitude'] == np.float32(-73.999022)
  assert canonical.valid.tolist() == [True]
  assert canonical.reason.to_pylist() == [None] and canonical.column.to_pylist() == [None]


RULES = [
  pytest.param({'pickup_datetime': ''}, 'missing_time', 'pickup_datetime', id='missing_time'),
  pytest.param({'pickup_datetime': '2011-02-30 00:00:00 UTC'}, 'unparsable_time', 'pickup_datetime', id='february_30'),
  pytest.param(
    {'pickup_datetime': '2008-12-31 23:59:59 UTC'}, 'time_out_of_range', 'pickup_datetime', id='before_2009'
  ),
  pytest.param({'pickup_datetime': '2061-01-01 00:00:00 UTC'}, 'time_out_of_range', 'pickup_datetime', id='after_2060'),
  pytest.param({'fare_amount': 'eleven'}, 'unparsable_number', 'fare_amount', id='fare_in_words'),
  pytest.param({'fare_amount': '$11.30'}, 'unparsable_number', 'fare_amount', id='fare_with_sign'),
  pytest.param({'fare_amount': '1_1'}, 'unparsable_number', 'fare_amount', id='fare_with_underscore'),
  pytest.param({'fare_amount': '--11'}, 'unparsable_number', 'fare_amount', id='fare_with_two_signs'),
  pytest.param({'fare_amount': '+-11'}, 'unparsable_number', 'fare_amount', id='fare_with_both_signs'),
  pytest.param({'dropoff_latitude': '40,7'}, 'unparsable_number', 'dropoff_latitude', id='decimal_comma'),
  pytest.param({'dropoff_latitude': '4\xff0'}, 'unparsable_number', 'dropoff_latitude', id='bad_byte_in_a_number'),
  pytest.param({'passenger_count': 'two'}, 'unparsable_number', 'passenger_count', id='passengers_in_words'),
  pytest.param({'fare_amount': 'inf'}, 'not_finite', 'fare_amount', id='infinite_fare'),
  pytest.param({'fare_amount': '1e300'}, 'not_finite', 'fare_amount', id='infinite_in_float32'),
  pytest.param({'pickup_latitude': '-Infinity'}, 'not_finite', 'pickup_latitude', id='infinite_latitude'),
  pytest.param({'passenger_count': '1e999'}, 'not_finite', 'passenger_count', id='overflowing_passengers'),
  pytest.param({'fare_amount': ''}, 'missing_fare', 'fare_amount', id='empty_fare'),
  pytest.param({'fare_amount': 'nan'}, 'missing_fare', 'fare_amount', id='nan_fare'),
  pytest.param({'fare_amount': '2.49'}, 'fare_out_of_range', 'fare_amount', id='fare_too_low'),
  pytest.param({'fare_amount': '-11.3'}, 'fare_out_of_range', 'fare_amount', id='negative_fare'),
  pytest.param({'fare_amount': '200.01'}, 'fare_out_of_range', 'fare_amount', id='fare_too_high'),
  pytest.param(
    {'pickup_longitude': '0', 'pickup_latitude': '0'}, 'pickup_outside_bounds', 'pickup_longitude', id='zeros'
  ),
  pytest.param({'pickup_latitude': '42.1'}, 'pickup_outside_bounds', 'pickup_latitude', id='pickup_too_far_north'),
  pytest.param({'dropoff_longitude': '73.99'}, 'dropoff_outside_bounds', 'dropoff_longitude', id='sign_forgotten'),
  pytest.param({'passenger_count': '0'}, 'passengers_out_of_range', 'passenger_count', id='no_passengers'),
  pytest.param({'passenger_count': '9'}, 'passengers_out_of_range', 'passenger_count', id='nine_passengers'),
  pytest.param({'fare_amount': '-1', 'pickup_datetime': 'x'}, 'unparsable_time', 'pickup_datetime', id='time_first'),
  pytest.param({'fare_amount': '-1', 'passenger_count': 'x'}, 'unparsable_number', 'passenger_count', id='text_first'),
  pytest.param(
    {'dropoff_latitude': '0', 'pickup_latitude': '0'}, 'pickup_outside_bounds', 'pickup_latitude', id='pickup'
  ),
]


@pytest.mark.parametrize(('change', 'reason', 'column'), RULES)
def test_each_rule_gives_its_reason_and_column(dataset, change, reason, column):
  canonical = canonicalize(text_rows(change), dataset)
  assert (canonical.reason.to_pylist(), canonical.column.to_pylist()) == ([reason], [column])
  assert canonical.valid.tolist() == [False]


def test_an_extra_has_the_range_of_its_rule(dataset):
  """Its ends are valid, and so is a missing value."""
  rules = dataset.rules.model_copy(update={'extras': {'bags': Interval(min=0, max=9)}})
  bags = ExtraColumn(name='bags', column='Bags')
  ruled = dataset.model_copy(update={'extras': (bags,), 'rules': rules})
  canonical = canonicalize(text_rows(*({'Bags': text} for text in ('0', '9', '', '-1', '9.5'))), ruled)
  assert canonical.reason.to_pylist() == [None, None, None, 'extra_out_of_range', 'extra_out_of_range']
  assert canonical.column.to_pylist()[3:] == ['Bags', 'Bags']
  [bound] = [feature.float_domain for feature in ride_schema(ruled, Validation()).feature if feature.name == 'bags']
  assert (bound.min, bound.max) == (0, 9)
  with pytest.raises(ConfigError, match=r'rules\.extras\.bags: has no effect|rules\.extras\.bags has no effect'):
    load('nyc', ['dataset.rules.extras={bags: {min: 0, max: 9}}'])


def test_rows_do_not_touch_each_other_and_keep_their_order(dataset):
  changes = [{}, *(parameter.values[0] for parameter in RULES), {}]
  canonical = canonicalize(text_rows(*changes), dataset)
  expected = [None, *(parameter.values[1] for parameter in RULES), None]
  assert canonical.reason.to_pylist() == expected
  assert canonical.rides.num_rows == len(changes)


@pytest.mark.parametrize('text', ['', 'nan', 'NaN', 'NAN', 'null', '  '])
@pytest.mark.parametrize(
  'names',
  [
    pytest.param(['passenger_count'], id='passengers'),
    pytest.param(['dropoff_longitude', 'dropoff_latitude'], id='dropoff'),
    pytest.param(['pickup_latitude'], id='half_a_pickup'),
  ],
)
def test_missing_coordinates_and_passengers_are_valid_and_stay_missing(dataset, text, names):
  canonical = canonicalize(text_rows(dict.fromkeys(names, text)), dataset)
  ride = canonical.rides.to_pylist()[0]
  assert canonical.valid.all()
  assert {name for name in ride if np.isnan(ride[name])} == set(names)


@pytest.mark.parametrize(
  'change', [{'pickup_datetime': day} for day in ('2009-01-01 00:00:00 UTC', '2060-12-31 23:59:59 UTC')]
)
def test_the_first_and_last_second_are_valid(dataset, change):
  assert canonicalize(text_rows(change), dataset).valid.all()


@pytest.mark.parametrize('text', [' 11.3 ', '+11.3', '1.13e1', '11.30', '011.3'])
def test_ways_to_write_a_number(dataset, text):
  canonical = canonicalize(text_rows({'fare_amount': text}, {'fare_amount': 'x'}), dataset)
  assert canonical.rides.to_pylist()[0]['fare_amount'] == np.float32(11.3)


def test_zero_passengers_and_zero_coordinates_may_be_allowed():
  dataset = load(
    'nyc',
    [
      'dataset.rules.passengers={min: 0, max: 8}',
      'dataset.rules.bounds.longitude={min: -75, max: 0}',
      'dataset.rules.bounds.latitude={min: 0, max: 42}',
    ],
  ).dataset
  zeros = dict.fromkeys(['pickup_longitude', 'pickup_latitude', 'passenger_count'], '0')
  assert canonicalize(text_rows(zeros), dataset).valid.all()


def test_a_dataset_without_passengers_has_the_column_all_missing():
  dataset = load('chicago').dataset
  values = {'fare': 12.45, 'trip_start_timestamp': 1400269500} | {
    name: None for name in ('pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude')
  }
  canonical = canonicalize(pa.RecordBatch.from_pylist([values]), dataset)
  assert canonical.valid.all()
  assert np.isnan(canonical.rides.to_pylist()[0]['passenger_count'])


def test_categorical_extras_become_codes(dataset):
  dataset = with_extras(
    dataset, {'name': 'vendor', 'column': 'vendor', 'kind': 'categorical', 'vocabulary': ('CMT', 'VTS', '3')}
  )
  texts = ['CMT', ' VTS ', '3', 'cmt', '\xff', '', 'nan']
  canonical = canonicalize(text_rows(*({'vendor': text} for text in texts)), dataset)
  codes = canonical.rides.column(canonical.rides.schema.get_field_index('vendor'))
  np.testing.assert_array_equal(codes.to_numpy(), np.float32([0, 1, 2, 3, 3, np.nan, np.nan]))
  assert canonical.valid.all() and str(codes.type) == 'float'


@pytest.mark.parametrize(
  'column',
  [
    pytest.param(pa.array([1, 2, None, 7]), id='integers'),
    pytest.param(pa.array([1.0, 2.0, None, 7.0]), id='floats'),
    pytest.param(pa.array([1.0, 2.0, float('nan'), 7.0]), id='floats_with_nan'),
    pytest.param(pa.array(['1', '2', None, '7']).dictionary_encode(), id='dictionary'),
    pytest.param(pa.array(['1.0', '2.00', None, '7.0']), id='decimal_zeros_as_text'),
    pytest.param(pa.array(['01', '2.', ' ', '007']), id='leading_zeros_as_text'),
    pytest.param(pa.array(['1', '2.0', '', '1.5']), id='a_fraction_is_another_value'),
    pytest.param(pa.array([1.0, 2.0, None, 1e300]), id='a_float_beyond_the_integers'),
    pytest.param(pa.array([1.0, 2.0, float('nan'), 1.5]), id='a_fraction_among_floats'),
    pytest.param(
      pa.array([decimal.Decimal('1.00'), decimal.Decimal('2.00'), None, decimal.Decimal('7.25')]), id='decimals'
    ),
  ],
)
def test_categorical_extras_of_typed_columns(dataset, column):
  dataset = with_extras(dataset, {'name': 'rate', 'column': 'rate', 'kind': 'categorical', 'vocabulary': ('2', '1')})
  rows = text_rows({}, {}, {}, {})
  rows = pa.RecordBatch.from_arrays([*rows.columns, column], [*rows.schema.names, 'rate'])
  codes = canonicalize(rows, dataset).rides.column(6)
  np.testing.assert_array_equal(codes.to_numpy(), np.float32([1, 0, np.nan, 2]))


@pytest.mark.parametrize(
  ('vocabulary', 'column', 'codes'),
  [
    pytest.param(('1.0', '2.0'), pa.array([1, 2, 3, None]), [0, 1, 2, np.nan], id='decimal_zeros_in_the_vocabulary'),
    pytest.param(('01', '1'), pa.array(['1', '01', '1.0', '001']), [1, 0, 1, 1], id='as_it_stands_comes_first'),
    pytest.param(('-1', '0'), pa.array(['-1.0', '0.0', '+0', '00']), [0, 1, 1, 1], id='signs_and_zeros'),
    pytest.param(('100', '1'), pa.array(['100', '100.0', '1e0', '10']), [0, 0, 2, 2], id='zeros_that_count'),
    pytest.param(('Y', 'N'), pa.array(['Y', 'n', 'N', '']), [0, 2, 1, np.nan], id='letters_keep_their_case'),
    pytest.param(('True', 'False'), pa.array([True, False, None, True]), [0, 1, np.nan, 0], id='booleans'),
    pytest.param(('true',), pa.array(['True', 'TRUE', 'False', 'true']), [0, 0, 1, 0], id='booleans_as_text'),
    pytest.param(('0', '1'), pa.array([True, False, None, True]), [1, 0, np.nan, 1], id='booleans_as_numbers'),
  ],
)
def test_categorical_values_in_another_spelling(dataset, vocabulary, column, codes):
  """Oracle: by hand."""
  extra = {'name': 'rate', 'column': 'rate', 'kind': 'categorical', 'vocabulary': vocabulary}
  rows = text_rows({}, {}, {}, {})
  rows = pa.RecordBatch.from_arrays([*rows.columns, column], [*rows.schema.names, 'rate'])
  found = canonicalize(rows, with_extras(dataset, extra)).rides.column(6)
  np.testing.assert_array_equal(found.to_numpy(), np.float32(codes))


@pytest.mark.parametrize(
  ('kind', 'value'),
  [
    pytest.param(pa.float32(), 2.0, id='float32'),
    pytest.param(pa.int8(), 2, id='int8'),
    pytest.param(pa.decimal128(8, 2), 2, id='decimal'),
    pytest.param(pa.bool_(), True, id='bool'),
    pytest.param(pa.large_string(), '2', id='large_string'),
    pytest.param(pa.null(), None, id='null'),
  ],
)
def test_numeric_extras_of_any_type(dataset, kind, value):
  dataset = with_extras(dataset, {'name': 'bags', 'column': 'bags'})
  rows = text_rows({})
  rows = pa.RecordBatch.from_arrays([*rows.columns, pa.array([value], kind)], [*rows.schema.names, 'bags'])
  canonical = canonicalize(rows, dataset)
  assert canonical.valid.all()
  np.testing.assert_array_equal(canonical.rides.column(6).to_numpy(), np.float32(np.nan if value is None else value))


def test_a_column_of_the_wrong_type_is_reported(dataset):
  rows = text_rows({})
  columns = [
    pa.array([[1.0]]) if name == 'fare_amount' else column
    for name, column in zip(rows.schema.names, rows.columns, strict=True)
  ]
  with pytest.raises(IngestionError, match=r"Column 'fare_amount' holds list<item: double>, but numbers are expected"):
    canonicalize(pa.RecordBatch.from_arrays(columns, rows.schema.names), dataset)


def test_rides_without_a_label(dataset):
  rows = text_rows({}, {'pickup_latitude': '0'})
  unlabelled = pa.RecordBatch.from_arrays(
    [column for name, column in zip(rows.schema.names, rows.columns, strict=True) if name != 'fare_amount'],
    [name for name in rows.schema.names if name != 'fare_amount'],
  )
  with pytest.raises(IngestionError, match=r"There is no column 'fare_amount' \(there are: key, pickup_datetime"):
    canonicalize(unlabelled, dataset)
  canonical = canonicalize(unlabelled, dataset, label_required=False)
  assert canonical.rides.schema.names == list(dataset.raw_inputs())
  assert canonical.reason.to_pylist() == [None, 'pickup_outside_bounds']
  np.testing.assert_array_equal(canonical.rides.column(1), canonicalize(rows, dataset).rides.column(1))


def test_no_rows(dataset):
  canonical = canonicalize(text_rows({}).slice(0, 0), dataset)
  assert canonical.rides.num_rows == len(canonical.reason) == len(canonical.valid) == 0


def test_real_rides_agree_with_pandas(dataset, nyc_rides):
  """Oracle: pandas' own reading and date arithmetic of the same file."""
  pandas = pytest.importorskip('pandas')
  from components.ride_example_gen.reading import read_blocks

  frame = pandas.read_csv(nyc_rides)
  blocks = list(read_blocks(str(nyc_rides), dataset))
  rides = pa.Table.from_batches([canonicalize(block.rows, dataset).rides for block in blocks]).to_pandas()
  stamps = pandas.to_datetime(frame.pickup_datetime, format='%Y-%m-%d %H:%M:%S UTC')
  expected = (stamps - pandas.Timestamp(2009, 1, 1)) // pandas.Timedelta(seconds=1)
  np.testing.assert_array_equal(rides.pickup_seconds, expected)
  for name in rides.columns[1:]:
    np.testing.assert_array_equal(rides[name], frame[name].astype(np.float32))


def test_the_dataset_travels_to_workers(dataset):
  assert pickle.loads(pickle.dumps(dataset)) == dataset
