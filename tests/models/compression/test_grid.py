"""The 8-bit grid of kernels. Oracle: integers from -127 to 127 times one scale."""

import numpy as np
import pytest
import tensorflow as tf

from models.compression.quantized_model import largest, on_grid

KERNEL = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
PRUNED = np.where(np.abs(KERNEL) < 1, np.float32(-0.0), KERNEL)


@pytest.mark.parametrize('seed', range(20))
def test_again_changes_no_bit(seed):
  once = on_grid(np.random.default_rng(seed).normal(size=(50, 7)).astype(np.float32))
  assert on_grid(once).tobytes() == once.tobytes()


def test_values_are_the_nearest_multiples_of_the_scale():
  steps = on_grid(KERNEL).astype(np.float64) / (largest(KERNEL) / 127)
  np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
  assert np.abs(np.rint(steps)).max() == 127
  assert np.abs(on_grid(KERNEL) - KERNEL).max() <= largest(KERNEL) / 127 / 2 * (1 + 1e-6)


def test_equals_what_tensorflow_rounds_to():
  end = largest(KERNEL)
  rounded = tf.quantization.fake_quant_with_min_max_vars(KERNEL, -end, end, narrow_range=True)
  np.testing.assert_allclose(on_grid(KERNEL), rounded, atol=1e-6)


def test_zeros_stay_zero_with_one_bit_pattern_and_values_never_split():
  found = on_grid(PRUNED)
  assert not found[PRUNED == 0].any()
  assert not np.signbit(found[found == 0]).any()
  clustered = np.random.default_rng(1).choice(KERNEL.ravel()[:7], size=(30, 20))
  assert len(np.unique(on_grid(clustered))) <= 7


def test_nothing_but_zeros():
  np.testing.assert_array_equal(on_grid(np.zeros((3, 2), np.float32)), np.zeros((3, 2)))
  assert largest(np.zeros((3, 2), np.float32)) == 1.0
