"""The fused optimizer against Keras' own, step by step."""

import numpy as np
import pytest
import tensorflow as tf

from configs.model import Training
from models.compiled_steps import AdamW
from models.keras_compat import keras

STEPS = 30


@pytest.mark.parametrize(
  'config',
  [
    pytest.param(Training(learning_rate=0.01, weight_decay=0.2), id='default'),
    pytest.param(Training(learning_rate=0.01, weight_decay=0.0), id='no_decay'),
    pytest.param(Training(learning_rate=0.02, weight_decay=0.1, warmup=0.2), id='warmup'),
  ],
)
def test_same_steps_as_keras(config):
  """Oracle: keras.optimizers.AdamW with the same schedule, biases excluded."""
  generator = np.random.default_rng(0)
  start = [generator.normal(size=shape).astype(np.float32) for shape in ((5, 3), (3,))]
  names = ('dense/kernel', 'dense/bias')
  mine, theirs = ([tf.Variable(v, name=n) for v, n in zip(start, names, strict=True)] for _ in range(2))
  fused = AdamW(config, STEPS, mine)
  warmup = int(config.warmup * STEPS)
  rate = keras.optimizers.schedules.CosineDecay(
    0.0 if warmup else config.learning_rate,
    STEPS - warmup,
    warmup_target=config.learning_rate if warmup else None,
    warmup_steps=warmup,
  )
  reference = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
  reference.exclude_from_weight_decay(var_names=['bias'])
  for _ in range(STEPS):
    gradients = [generator.normal(size=v.shape).astype(np.float32) for v in start]
    fused.apply_gradients([(tf.constant(g), v) for g, v in zip(gradients, mine, strict=True)])
    reference.apply_gradients([(tf.constant(g), v) for g, v in zip(gradients, theirs, strict=True)])
    for one, other in zip(mine, theirs, strict=True):
      np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-5, atol=2e-6)
  assert int(fused.iterations) == STEPS


def test_rows_of_an_embedding():
  """A gradient of some rows is that of all rows with zeros elsewhere; oracle: the dense gradient."""
  table, other = (tf.Variable(np.ones((4, 2), np.float32), name='table') for _ in range(2))
  sparse, dense = (AdamW(Training(), STEPS, [variable]) for variable in (table, other))
  rows = tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([2, 2]), tf.constant([4, 2]))
  sparse.apply_gradients([(rows, table)])
  dense.apply_gradients([(tf.constant([[0, 0], [0, 0], [4.0, 6.0], [0, 0]]), other)])
  np.testing.assert_array_equal(table.numpy(), other.numpy())


def test_constraints_hold_after_each_step():
  """Oracle: the constraint itself; decay and momentum would move the zeros."""
  kept = np.array([[1, 0], [0, 1]], np.float32)
  variable = tf.Variable(kept * 3, name='dense/kernel', constraint=lambda value: value * kept)
  optimizer = AdamW(Training(), STEPS, [variable])
  for _ in range(3):
    optimizer.apply_gradients([(tf.ones([2, 2]), variable)])
    assert (variable.numpy()[kept == 0] == 0).all()
    assert (variable.numpy()[kept == 1] < 3).all()
