"""How numbers are written: what can't be is refused, with what would be right."""

import json

import pytest

from configs import loading
from configs.loading import ConfigError
from configs.numbers import Notation


def load(**numbers):
  return loading.load('nyc', [f'dataset.numbers={json.dumps(numbers)}']).dataset.numbers


@pytest.mark.parametrize(
  ('numbers', 'message'),
  [
    pytest.param({'thousands': '.'}, r"numbers: decimal and thousands are both '\.'", id='same_point'),
    pytest.param({'decimal': ',', 'thousands': ','}, "decimal and thousands are both ','", id='same_comma'),
    pytest.param({'decimal': ';'}, r"decimal must be one of '\.', ','", id='unknown_decimal'),
    pytest.param({'signs': ['US1']}, r"signs: 'US1' has a digit", id='digit'),
    pytest.param({'signs': ['-']}, r"signs: '-' is a part of numbers", id='minus'),
    pytest.param({'signs': ['()']}, 'is a part of numbers', id='parentheses'),
    pytest.param({'signs': ['e']}, 'is a part of numbers', id='exponent'),
    pytest.param({'signs': ['']}, 'is a part of numbers', id='empty'),
    pytest.param({'signs': ['\u00a0€']}, 'begins or ends with white space', id='space'),
    pytest.param({'signs': ['inf']}, r"signs: 'inf' is a number itself", id='infinity'),
    pytest.param({'signs': ['€', '€']}, r"signs: '€' is there twice", id='twice'),
    pytest.param(
      {'decimal': ',', 'columns': ['pickup_datetime']},
      r"numbers\.columns: 'pickup_datetime' is no column of numbers; those are fare_amount, .* and passenger_count\.",
      id='no_numbers',
    ),
  ],
)
def test_what_can_not_be_is_refused(numbers, message):
  with pytest.raises(ConfigError, match=message):
    load(**numbers)


@pytest.mark.parametrize('space', [' ', '\u00a0', '\u202f'])
def test_separators_that_look_alike_are_one(space):
  assert load(decimal=',', thousands=space, signs=['€', 'Rs.', 'CHF']) == Notation(
    decimal=',', thousands=' ', signs=('€', 'Rs.', 'CHF')
  )
  assert load(thousands='\u2019').thousands == "'"


def test_a_decimal_comma_may_be_the_delimiter():
  """In quoted cells, that is."""
  assert loading.load('nyc', ['dataset.numbers.decimal=","', 'dataset.delimiter=","']).dataset.numbers.decimal == ','
