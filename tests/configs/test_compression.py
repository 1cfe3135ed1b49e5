"""Schemes and budgets: each one is consistent in itself, and a compression reads its own JSON back."""

import pydantic
import pytest

from configs.compression import FLOAT32_SCHEME, Budget, Calibration, Compression, JudgedOn, Precision, Scheme

MINE = Scheme(name='mine', precision='int8', float_layers=['fare'], calibration=Calibration(rides=500, longest=50))


@pytest.mark.parametrize(
  ('schemes', 'names'),
  [
    pytest.param(None, ['float32', 'dynamic_range', 'float16', 'int8'], id='default'),
    pytest.param([MINE], ['float32', 'mine'], id='float32_is_added'),
    pytest.param([MINE, FLOAT32_SCHEME], ['float32', 'mine'], id='float32_goes_first'),
    pytest.param(MINE, ['float32', 'mine'], id='a_single_one'),
    pytest.param('int8', ['float32', 'int8'], id='by_name'),
    pytest.param([], ['float32'], id='none_listed'),
  ],
)
def test_float32_is_always_there(schemes, names):
  compression = Compression() if schemes is None else Compression(schemes=schemes)
  assert [scheme.name for scheme in compression.schemes] == names
  assert compression.schemes[0] == FLOAT32_SCHEME


def test_the_default_budget():
  budget = Compression().budget
  assert (budget.rmse_ratio, budget.worst_slice_ratio, budget.judged_on) == (1.01, 1.05, JudgedOn.POINT)
  assert (budget.bytes, budget.latency_us) == (None, None)


@pytest.mark.parametrize(
  'compression',
  [
    pytest.param(Compression(), id='default'),
    pytest.param(Compression(schemes=['int8', MINE, 'dynamic_int4']), id='names_and_models'),
    pytest.param(
      Compression(budget=Budget(rmse_ratio=None, bytes=20_000, latency_us=5, judged_on='upper_bound')), id='budget'
    ),
  ],
)
def test_a_compression_reads_its_own_json_back(compression):
  again = Compression.model_validate_json(compression.model_dump_json())
  assert again == compression
  assert again.model_dump_json() == compression.model_dump_json()


def test_a_single_float_layer_needs_no_list():
  assert Scheme(name='x', precision='int8', float_layers='fare').float_layers == ('fare',)


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    *(
      pytest.param(
        {'precision': precision, 'integer_only': True},
        f'integer_only must be false with precision {precision.value}: only int8 and int16x8 compute in integers '
        'alone.',
        id=f'integer_only_{precision.value}',
      )
      for precision in Precision
      if precision not in (Precision.INT8, Precision.INT16X8)
    ),
    pytest.param(
      {'precision': 'int8', 'integer_only': True, 'float_layers': ['fare']},
      'integer_only must be false with float_layers, as fare would stay float.',
      id='integer_only_with_float_layers',
    ),
    pytest.param(
      {'precision': 'float16', 'calibration': {'rides': 500}},
      'calibration has no effect with precision float16, which takes no ranges from rides; leave it out.',
      id='idle_calibration',
    ),
    pytest.param(
      {'precision': 'float32', 'float_layers': ['fare']},
      'float_layers has no effect with precision float32, which leaves every layer in float; leave it out.',
      id='idle_float_layers',
    ),
    pytest.param(
      {'name': 'float32', 'precision': 'int8'},
      "name: 'float32' is what the others are compared with, precision float32 and not sparse; choose another name.",
      id='another_float32',
    ),
    pytest.param({'name': 'float32', 'precision': 'float32', 'sparse': True}, 'choose another', id='sparse_float32'),
    pytest.param({'precision': 'int4'}, "'weight_only_int8' or 'dynamic_int4'", id='precision'),
    pytest.param({'precision': 'int8', 'tolerance': 0}, 'greater than 0', id='no_tolerance'),
    pytest.param({'name': 'No-Good', 'precision': 'int8'}, 'should match pattern', id='bad_name'),
  ],
)
def test_a_scheme_refuses(values, message):
  with pytest.raises(pydantic.ValidationError) as caught:
    Scheme(**{'name': 'x', **values})
  assert message in str(caught.value)
  assert caught.value.error_count() == 1


@pytest.mark.parametrize('precision', ['int8', 'int16x8'])
def test_integers_alone(precision):
  assert Scheme(name='x', precision=precision, integer_only=True).precision.is_calibrated


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    pytest.param({'rmse_ratio': 0}, 'greater than 0', id='ratio_of_zero'),
    pytest.param({'rmse_ratio': float('inf')}, 'should be a finite number', id='infinite_ratio'),
    pytest.param({'latency_us': float('nan')}, 'should be a finite number', id='no_latency'),
    pytest.param({'bytes': 1.5}, 'valid integer', id='half_a_byte'),
    pytest.param({'judged_on': 'mean'}, "'point', 'upper_bound' or 'significant'", id='judged_on'),
    pytest.param({'zip_bytes': 5}, 'Extra inputs', id='unknown_limit'),
  ],
)
def test_a_budget_refuses(values, message):
  with pytest.raises(pydantic.ValidationError, match=message):
    Budget(**values)


def test_names_are_given_once():
  with pytest.raises(pydantic.ValidationError) as caught:
    Compression(schemes=[MINE, 'int8', MINE, 'float32', 'float32'])
  assert "schemes: the name 'mine' is given 2 times; each scheme needs its own." in str(caught.value)
  assert "the name 'float32' is given 2 times" in str(caught.value)
