"""Budgets that nothing can meet. Oracle for the weights: the number of bits that a variant's kernels have."""

import pytest

from configs import loading
from configs.checks import weight_bytes
from configs.compression import Compression
from configs.layers import model_layers
from configs.loading import ConfigError


def refusal(source, *overrides):
  with pytest.raises(ConfigError) as caught:
    loading.load(source, overrides)
  return str(caught.value)


@pytest.mark.parametrize(
  ('source', 'budget', 'message'),
  [
    pytest.param(
      'nyc',
      'rmse_ratio=0.01',
      'compression.budget.rmse_ratio must be at least 0.5, got 0.01: no model of 64-32-16 fits, as each one is made of '
      'the dense base and none has half of its error. To allow 1 % more error write 1.01.',
      id='rmse_ratio',
    ),
    pytest.param(
      'nyc',
      'worst_slice_ratio=0.05',
      'compression.budget.worst_slice_ratio must be at least 0.5, got 0.05: no model of 64-32-16 fits, as each one is '
      'made of the dense base and none has half of its error. To allow 5 % more error write 1.05.',
      id='worst_slice_ratio',
    ),
    pytest.param(
      'nyc',
      'latency_us=0.05',
      'compression.budget.latency_us must be at least 0.1, got 0.05: no model of 64-32-16 fits, as calling an '
      'interpreter alone takes about a microsecond.',
      id='latency',
    ),
    pytest.param(
      'nyc-baseline',
      'bytes=999',
      'compression.budget.bytes must be at least 1,000, got 999: no model of 32-8 fits, as the names and types of a '
      "ride's columns alone take more.",
      id='bytes',
    ),
    pytest.param(
      'nyc-baseline',
      'gzip_bytes=499',
      'compression.budget.gzip_bytes must be at least 500, got 499: no model of 32-8 fits, as the names and types of a '
      "ride's columns alone take more after gzip.",
      id='gzip_bytes',
    ),
    pytest.param(
      'nyc-wide',
      'bytes=100000',
      'compression.budget.bytes must be at least 786,944, got 100,000: no model of 512-512-512-512 fits, as the '
      'weights of the smallest variant, dense.dynamic_range, alone take that many.',
      id='weights',
    ),
  ],
)
def test_refuses(source, budget, message):
  text = refusal(source, f'compression.budget.{budget}')
  assert text.startswith('The config has 1 error:\n')
  assert message in text


@pytest.mark.parametrize(
  ('source', 'overrides'),
  [
    pytest.param('nyc', ['rmse_ratio=0.5', 'latency_us=0.1'], id='at_the_floor'),
    pytest.param('nyc', ['rmse_ratio=null', 'worst_slice_ratio=null'], id='no_limit'),
    pytest.param('nyc', ['rmse_ratio=1.0001'], id='hardly_any_error'),
    pytest.param('nyc-baseline', ['bytes=1000'], id='few_bytes_for_few_weights'),
    pytest.param('nyc-wide', ['bytes=786944'], id='as_many_bytes_as_weights'),
  ],
)
def test_accepts(source, overrides):
  loading.load(source, [f'compression.budget.{override}' for override in overrides])


def test_sparse_variants_count_what_they_keep():
  overrides = ['training.recipes=blocks_16x1_80', 'compression.schemes=dynamic_range_sparse']
  loading.load('nyc-wide', [*overrides, 'compression.budget.bytes=200000'])
  # Three kernels of 512x512 at 20 %, and the output layer as it is.
  told = refusal('nyc-wide', *overrides, 'compression.budget.bytes=100000')
  assert f'at least {int(3 * 512 * 512 * 0.2 + 512):,}, got 100,000' in told
  assert 'blocks_16x1_80.dynamic_range_sparse' in told


@pytest.mark.parametrize(
  ('scheme', 'bits'),
  [
    ('float32', 32),
    ('float16', 16),
    ('dynamic_range', 8),
    ('int8', 8),
    ('int16x8', 8),
    ('weight_only_int8', 8),
    ('dynamic_int4', 4),
  ],
)
def test_weight_bytes(scheme, bits):
  """64x32, 32x16 and 16x1 weights; the first layer's are not known yet."""
  config = loading.load('nyc')
  layers = model_layers(config.dataset, config.features, config.model)
  [made] = [found for found in Compression(schemes=scheme).schemes if found.name == scheme]
  assert weight_bytes(config.training.recipes[0], made, layers) == (64 * 32 + 32 * 16 + 16) * bits // 8


def test_float_layers_take_four_bytes_a_weight():
  config = loading.load('nyc')
  layers = model_layers(config.dataset, config.features, config.model)
  scheme = Compression(schemes='int8_float_output').schemes[-1]
  assert weight_bytes(config.training.recipes[0], scheme, layers) == 64 * 32 + 32 * 16 + 16 * 4
