"""Two files as one; oracle: the two, run by LiteRT one after the other."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from models.lite.flatbuffer import join
from tests.models.lite.small_files import changed, converted

FLOATS = tf.TensorSpec([None, 3], tf.float32, name='floats')
WHOLE = tf.TensorSpec([None], tf.int64, name='whole')
MADE = {
  'numeric': tf.TensorSpec([None, 3], tf.float32, name='numeric'),
  'cell': tf.TensorSpec([None], tf.int64, name='cell'),
}


def _front(**inputs):
  return {'numeric': tf.math.tanh(inputs['floats']) * 2, 'cell': inputs['whole'] % 5}


def _back(**inputs):
  # Has a constant table, an operator of the front's and one of its own.
  table = tf.constant(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))
  return {'fare': tf.reduce_sum(tf.math.tanh(inputs['numeric']) * tf.gather(table, inputs['cell']), axis=1)}


@pytest.fixture(scope='module')
def front():
  return converted(_front, {'floats': FLOATS, 'whole': WHOLE})


@pytest.fixture(scope='module')
def back():
  return converted(_back, MADE)


def _run(file, **inputs):
  return Interpreter(model_content=file).get_signature_runner('serving_default')(**inputs)


def _rides(count):
  generator = np.random.default_rng(count)
  return {
    'floats': generator.normal(size=(count, 3)).astype(np.float32),
    'whole': generator.integers(0, 100, count),
  }


@pytest.mark.parametrize('count', [1, 2, 33])
def test_joined_files_compute_as_one_after_the_other(front, back, count):
  expected = _run(back, **_run(front, **_rides(count)))['fare']
  np.testing.assert_array_equal(_run(join(front, back), **_rides(count))['fare'], expected)
  assert expected.shape == (count,)


def test_one_interpreter_takes_batch_after_batch(front, back):
  runner = Interpreter(model_content=join(front, back)).get_signature_runner('serving_default')
  for count in (4, 1, 9):
    expected = _run(back, **_run(front, **_rides(count)))['fare']
    np.testing.assert_array_equal(runner(**_rides(count))['fare'], expected)


def test_the_signature_has_the_fronts_inputs_and_the_backs_outputs(front, back):
  signatures = Interpreter(model_content=join(front, back)).get_signature_list()
  assert signatures == {'serving_default': {'inputs': ['floats', 'whole'], 'outputs': ['fare']}}


def test_an_output_that_the_back_does_not_want_is_left_out(front):
  alone = converted(lambda **inputs: {'fare': tf.reduce_sum(inputs['numeric'], 1)}, {'numeric': MADE['numeric']})
  expected = _run(alone, numeric=_run(front, **_rides(7))['numeric'])['fare']
  np.testing.assert_array_equal(_run(join(front, alone), **_rides(7))['fare'], expected)


def test_three_files_join(front, back):
  last = converted(
    lambda **inputs: {'twice': inputs['fare'] * 2}, {'fare': tf.TensorSpec([None], tf.float32, name='fare')}
  )
  expected = 2 * _run(join(front, back), **_rides(5))['fare']
  np.testing.assert_array_equal(_run(join(join(front, back), last), **_rides(5))['twice'], expected)


def test_operators_are_named_once(front, back):
  codes = []
  changed(join(front, back), lambda model: codes.extend(code.builtinCode for code in model.operatorCodes))
  assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
  ('wanted', 'message'),
  [
    pytest.param(
      tf.TensorSpec([None, 3], tf.float32, name='other'),
      "The model wants 'other', but the features yield cell, numeric.",
      id='another_name',
    ),
    pytest.param(
      tf.TensorSpec([None], tf.int32, name='cell'),
      "'cell' is made as int64, but the model wants int32.",
      id='another_type',
    ),
  ],
)
def test_files_that_do_not_fit_are_refused(front, wanted, message):
  with pytest.raises(ValueError) as caught:
    join(front, converted(lambda **inputs: {'fare': inputs[wanted.name] * 2}, {wanted.name: wanted}))
  assert str(caught.value) == message
