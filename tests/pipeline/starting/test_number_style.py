"""How numbers are written. Oracle: each style applied to known numbers by hand."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.starting.number_style import NumberStyle, as_values, guess_style, may_be_grouped, missing_texts


def _text(*cells):
  return pa.array(cells, pa.large_string())


@pytest.mark.parametrize(
  ('cells', 'style', 'values'),
  [
    pytest.param(['12.5', '-73.98', '7'], NumberStyle(), [12.5, -73.98, 7], id='plain'),
    pytest.param(['12,50', '7,00', '-46,633308'], NumberStyle(','), [12.5, 7, -46.633308], id='decimal_comma'),
    pytest.param(['1.234,50', '12,00'], NumberStyle(',', '.'), [1234.5, 12], id='grouped_by_points'),
    pytest.param(['1,234.50', '12.00'], NumberStyle('.', ','), [1234.5, 12], id='grouped_by_commas'),
    pytest.param(['1 234,50', '12,00'], NumberStyle(',', ' '), [1234.5, 12], id='grouped_by_spaces'),
    pytest.param(['1\u00a0234,50', '12,00'], NumberStyle(',', ' '), [1234.5, 12], id='grouped_by_no_break_spaces'),
    pytest.param(["1'234.50", '12.00'], NumberStyle('.', "'"), [1234.5, 12], id='swiss'),
    pytest.param(['$11.30', '$7.70'], NumberStyle('.', '', ('$',)), [11.3, 7.7], id='dollars'),
    pytest.param(['R$ 1.234,50', 'R$ 7,70'], NumberStyle(',', '.', ('R$',)), [1234.5, 7.7], id='reais'),
    pytest.param(['11,30 €', '7,70 €'], NumberStyle(',', '', ('€',)), [11.3, 7.7], id='euros_behind'),
    pytest.param(['-$11.30', '$7.70'], NumberStyle('.', '', ('$',)), [-11.3, 7.7], id='sign_behind_a_minus'),
    pytest.param(['R1 234,50', 'R12,00'], NumberStyle(',', ' ', ('R',)), [1234.5, 12], id='rands'),
    pytest.param(['A$1,234.50', 'A$12.00'], NumberStyle('.', ',', ('A$',)), [1234.5, 12], id='australian_dollars'),
    pytest.param(['Rs. 250.00', 'Rs. 12.50'], NumberStyle('.', '', ('Rs.',)), [250, 12.5], id='rupees'),
    pytest.param(['12 zl', '250 zl'], NumberStyle('.', '', ('zl',)), [12, 250], id='zloty_behind'),
    pytest.param(['1\u00a0234,50 zł', '7,00 zł'], NumberStyle(',', ' ', ('zł',)), [1234.5, 7], id='sign_and_no_break'),
    pytest.param(['1\u202f234,50\u202f€', '7,00\u202f€'], NumberStyle(',', ' ', ('€',)), [1234.5, 7], id='french'),
    pytest.param(['1e3', '+7.5'], NumberStyle(), [1000, 7.5], id='exponent_and_plus'),
  ],
)
def test_a_style_is_recognized_and_reads(cells, style, values):
  column = _text(*cells * 20)
  assert guess_style({'fare': column}) == style
  np.testing.assert_allclose(as_values(column, style)[: len(values)], values)


@pytest.mark.parametrize(
  ('column', 'grouped'),
  [
    pytest.param(_text('38.739đ', '120.500đ', None), True, id='thousands'),
    pytest.param(_text('38.739', '7.5'), False, id='decimals'),
    pytest.param(_text('0.125', '0.250'), False, id='below_one'),
    pytest.param(pa.array([38.739]), False, id='numbers'),
    pytest.param(_text(None), False, id='missing'),
  ],
)
def test_points_that_may_group_thousands_are_told(column, grouped):
  assert may_be_grouped(column, NumberStyle()) == grouped


def test_columns_decide_together():
  columns = {'fare': _text('1,234', '1,500'), 'x': _text('13,4051', '13,38')}
  assert guess_style(columns) == NumberStyle(',')


def test_dates_and_texts_have_no_say():
  columns = {'day': _text(*['12.03.2016'] * 50), 'to': _text(*['a, b'] * 50), 'fare': _text('7.5')}
  assert guess_style(columns) == NumberStyle()


def test_a_file_without_texts_is_plain():
  assert guess_style({'fare': pa.array([1.5])}) == NumberStyle()


@pytest.mark.parametrize(
  ('column', 'expected'),
  [
    pytest.param(_text('7.5', None, 'N/A'), [7.5, np.nan, np.nan], id='words_are_missing'),
    pytest.param(_text('Red Cab', 'Blue Cab'), None, id='texts'),
    pytest.param(_text('2016-01-01', '2016-01-02'), None, id='dates'),
    pytest.param(_text(None, None), None, id='wholly_missing'),
    pytest.param(pa.array([1, None], pa.int32()), [1, np.nan], id='integers'),
    pytest.param(pa.array([True, False]), None, id='booleans'),
  ],
)
def test_only_numbers_have_values(column, expected):
  values = as_values(column, NumberStyle())
  assert values is None if expected is None else np.array_equal(values, expected, equal_nan=True)


def test_words_for_missing_values_are_found():
  assert missing_texts(_text('7.5', 'N/A', '\\N', 'NULL', 'N/A'), ['NULL']) == ('N/A', '\\N')


@pytest.mark.parametrize(
  ('signs', 'currency'),
  [(('€',), 'EUR'), (('R$',), 'BRL'), (('$',), ''), (('US$',), 'USD'), ((), '')],
  ids=['euro', 'real', 'several_dollars', 'one_dollar', 'none'],
)
def test_some_signs_are_one_currency(signs, currency):
  assert NumberStyle(signs=signs).currency == currency
