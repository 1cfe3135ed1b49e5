"""Numbers as sources write them: what a notation reads, and what it refuses to take for another number."""

import math

import numpy as np
import pyarrow as pa
import pytest

from components.ride_example_gen.canonical import canonicalize
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.parsing import as_numbers
from configs import loading
from configs.numbers import Notation


def read(texts, **notation):
  """Each text alone, as a cell's neighbours must not matter: its number, or `None` where it is none."""
  notation = Notation(**notation)
  alone = [as_numbers(pa.array([text.encode()]), ('nan',), 'x', notation) for text in texts]
  together = as_numbers(pa.array([*(text.encode() for text in texts), b'?']), ('nan',), 'x', notation)
  values = [None if one.unparsable[0] else one.values[0] for one in alone]
  assert together.unparsable.tolist() == [value is None for value in values] + [True]
  np.testing.assert_array_equal(together.values[:-1], [math.nan if value is None else value for value in values])
  return values


PLAIN = [
  ('11.3', 11.3), (' 11.3 ', 11.3), ('+11.3', 11.3), ('-11.3', -11.3), ('1.13e1', 11.3), ('1e5', 1e5), ('1E+2', 100),
  ('.5', 0.5), ('5.', 5), ('007', 7), ('-0', 0), ('', math.nan), ('NaN', math.nan), ('-inf', -math.inf),
  ('(11.3)', None), ('11.3-', None), ('- 11.3', None), ('1 1', None), ('1_1', None), ('0x1F', None), ('１１', None),
  ('\u00a011', None), ('11\u00a0', None), ('1,234.5', None), ('11,3', None), ('$11', None), ('11 %', None),
  ('nan(1)', None), ('-nan(x)', None), ('1e', None), ('.', None), ('--1', None), ('+-1', None), ('\u221211', None),
]  # fmt: skip


@pytest.mark.parametrize(('text', 'value'), PLAIN)
def test_plain_numbers(text, value):
  """Oracle: the documented table, and Python's `float` where it reads a number of ASCII digits without `_`."""
  [found] = read([text])
  assert found == value or (math.isnan(found) and math.isnan(value))


COMMA, GERMAN = {'decimal': ','}, {'decimal': ',', 'thousands': '.'}
ENGLISH, SPACED = {'thousands': ','}, {'decimal': ',', 'thousands': ' '}
SWISS = {'thousands': "'"}
EURO = {'decimal': ',', 'thousands': '.', 'signs': ('€', 'EUR')}
DOLLAR = {'thousands': ',', 'signs': ('$', 'US$')}


@pytest.mark.parametrize(
  ('notation', 'text', 'value'),
  [
    (COMMA, '11,3', 11.3), (COMMA, '-73,99', -73.99), (COMMA, '+,5', 0.5), (COMMA, '11', 11), (COMMA, '1,5e3', 1500),
    (COMMA, '11.3', None), (COMMA, '1.234,5', None), (COMMA, '1,2,3', None), (COMMA, 'inf', math.inf),
    (ENGLISH, '1,234.50', 1234.5), (ENGLISH, '1,234', 1234), (ENGLISH, '1234.5', 1234.5), (ENGLISH, '12,34.5', None),
    (ENGLISH, '1234,567', None), (ENGLISH, ',234', None), (ENGLISH, '0,123', None), (ENGLISH, '1,234,56', None),
    (ENGLISH, '-1,234,567.8', -1234567.8), (ENGLISH, '1.234,5', None), (ENGLISH, '1,234.', 1234),
    (GERMAN, '1.234,50', 1234.5), (GERMAN, '1.234', 1234), (GERMAN, '11,3', 11.3), (GERMAN, '1.5', None),
    (GERMAN, '40.739146', None), (GERMAN, '0.500', None), (GERMAN, '-73,999022', -73.999022),
    (SPACED, '1 234,5', 1234.5), (SPACED, '1\u00a0234,5', 1234.5), (SPACED, '1\u202f234\u2009567', 1234567),
    (SPACED, '1  234', None), (SPACED, '12 34', None), (SPACED, '1.234', None),
    (SWISS, "1'234.5", 1234.5), (SWISS, '1\u2019234.5', 1234.5), (SWISS, "1''234", None),
    (EURO, '1.234,50 €', 1234.5), (EURO, '11,3€', 11.3), (EURO, '11,30\u00a0EUR', 11.3), (EURO, '€ 5', 5),
    (EURO, '€5€', None), (EURO, '€', None), (EURO, 'EUR', None), (EURO, '5 EURO', None), (EURO, '5', 5),
    (DOLLAR, '$11.3', 11.3), (DOLLAR, 'US$ 1,234', 1234), (DOLLAR, '-$5', -5), (DOLLAR, '$-5', -5),
    (DOLLAR, '$ - 5', None),
    (DOLLAR, '-$-5', None), (DOLLAR, '5-$', None), (DOLLAR, '$$5', None), (DOLLAR, '$nan', None),
    (DOLLAR, '($5)', None),
    (DOLLAR, '$.5', 0.5), (DOLLAR, '$1e2', 100), (DOLLAR, '$12,34', None),
  ],
)  # fmt: skip
def test_numbers_of_a_notation(notation, text, value):
  assert read([text], **notation) == [value]


@pytest.mark.parametrize('notation', [COMMA, ENGLISH, GERMAN, SPACED, SWISS, EURO, DOLLAR])
def test_what_a_notation_writes_it_reads(notation):
  """Oracle: Python writes each number in the notation."""
  generator = np.random.default_rng(0)
  values = [round(value, 3) for value in generator.normal(0, 10.0 ** generator.integers(-2, 8, 200))]
  trade = str.maketrans({',': notation.get('thousands', ''), '.': notation.get('decimal', '.')})
  texts = [f'{value:,.3f}'.translate(trade) for value in values]
  signs = notation.get('signs', ())
  texts = [form.format(text) for form in ('{}', *(f'{{}} {sign}' for sign in signs), *(f'{sign}{{}}' for sign in signs))
           for text in texts]  # fmt: skip
  assert read(texts, **notation) == values * (1 + 2 * len(signs))


def test_cells_that_are_missing_stay_missing_in_any_notation():
  for notation in (COMMA, GERMAN, DOLLAR):
    assert [math.isnan(value) for value in read(['', '  ', 'nan', 'NaN'], **notation)] == [True] * 4


def test_a_notation_holds_for_every_numeric_column_and_for_those_alone():
  dataset = loading.load(
    'nyc', ['dataset.numbers={decimal: ",", thousands: ".", signs: ["€"]}', 'dataset.rules.fare.max=2000']
  ).dataset
  ride = {
    'pickup_datetime': '2011-01-28 20:42:59 UTC', 'fare_amount': '1.234,50 €', 'pickup_longitude': '-73,999',
    'pickup_latitude': '40,739', 'dropoff_longitude': '-73,99', 'dropoff_latitude': '40,717', 'passenger_count': '1,0',
  }  # fmt: skip
  canonical = canonicalize(pa.RecordBatch.from_pylist([ride]), dataset)
  assert canonical.reason.to_pylist() == [None]
  [found] = canonical.rides.to_pylist()
  assert found['fare_amount'] == 1234.5 and found['pickup_longitude'] == np.float32(-73.999)


@pytest.mark.parametrize(
  ('column', 'value'),
  [
    pytest.param(pa.array([2**64 - 1], pa.uint64()), 2.0**64, id='uint64'),
    pytest.param(pa.array(np.array([1.5], np.float16)), 1.5, id='float16'),
    pytest.param(pa.array([2]).cast(pa.decimal256(50, 2)), 2.0, id='decimal256'),
    pytest.param(pa.array([None], pa.float32()), math.nan, id='null'),
  ],
)
def test_every_type_of_numbers_is_read(column, value):
  np.testing.assert_array_equal(as_numbers(column, (), 'x').values, [value])


@pytest.mark.parametrize(
  'column', [pa.array([1], pa.duration('s')), pa.array([1], pa.time32('s')), pa.array([b'1'], pa.binary(1))], ids=str
)
def test_types_that_are_no_numbers_are_an_error(column):
  with pytest.raises(IngestionError, match=r"Column 'x' holds .*, but numbers are expected"):
    as_numbers(column, (), 'x')


def test_yes_and_no_are_no_fare():
  dataset = loading.load('nyc').dataset
  columns = {name: ['1'] for name in dataset.source_columns().values()}
  with pytest.raises(IngestionError, match="Column 'fare_amount' holds bool, but fare_amount is a number, no answer"):
    canonicalize(pa.RecordBatch.from_pydict(columns | {'fare_amount': [True]}), dataset)


def test_a_notation_may_hold_for_some_columns_alone():
  """Under any of a column's names."""
  overrides = ['dataset.columns.fare_amount=[fare_amount, Fare]', 'dataset.numbers={decimal: ",", columns: [Fare]}']
  dataset = loading.load('nyc', overrides).dataset
  ride = {'pickup_datetime': '2011-01-28 20:42:59 UTC', 'fare_amount': '11,3', 'passenger_count': '1'}
  places = {f'{end}_{name}': value for end in ('pickup', 'dropoff')
            for name, value in (('longitude', '-73.99'), ('latitude', '40.73'))}  # fmt: skip
  rides = canonicalize(pa.RecordBatch.from_pylist([ride | places, ride | places | {'fare_amount': '11.3'}]), dataset)
  assert rides.columns['fare_amount'].tolist() == [np.float32(11.3)]
  assert rides.columns['pickup_longitude'].tolist() == [np.float32(-73.99)]
  assert rides.column.to_pylist() == [None, 'fare_amount']
