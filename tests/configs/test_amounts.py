"""How amounts are written. Oracle: what people write in dollars and in rupiah."""

import pytest

from configs.amounts import amount, amount_digits, bound, interval


@pytest.mark.parametrize(
  ('found', 'expected'),
  [
    pytest.param(amount(3.527, 'USD', 3), '3.527 USD', id='dollars'),
    pytest.param(amount(3.527), '3.53', id='no_unit'),
    pytest.param(amount(18547.027, 'IDR', 3), '18,547 IDR', id='rupiah'),
    pytest.param(amount(-18547.6), '-18,548', id='negative'),
    pytest.param(amount(999.4, 'JPY'), '999.40 JPY', id='below_a_thousand'),
    pytest.param(amount(1000, 'JPY'), '1,000 JPY', id='a_thousand'),
    pytest.param(bound(2.5), '2.5', id='bound'),
    pytest.param(bound(1_000_000), '1,000,000', id='bound_of_a_million'),
    pytest.param(interval(3.52, 3.111, 4.0), ('3.52', '[3.11, 4.00]'), id='interval'),
    pytest.param(interval(1500.0, 900.4, 2000.5), ('1,500', '[900, 2,000]'), id='interval_of_thousands'),
    pytest.param(interval(3.52, None, None), ('3.52', ''), id='no_interval'),
    pytest.param(amount_digits(float('nan'), 3), 3, id='no_number'),
  ],
)
def test_an_amount(found, expected):
  assert found == expected
