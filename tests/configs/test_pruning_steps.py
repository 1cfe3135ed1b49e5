"""Pruning steps. Oracle: tfmot's own schedules, asked at every step that a training takes, and its wrapper."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot

from configs.pruning import PruningSteps, pruning_steps
from configs.recipe import Pruning, SparsitySchedule
from models.keras_compat import keras

RISING = {
  'defaults': ({}, 1000),
  'few_steps': ({}, 12),
  'three_steps': ({}, 3),
  'whole_run': ({'begin': 0.0, 'end': 1.0}, 100),
  'begin_0_as_a_step': ({'begin': 0, 'end': 40}, 50),
  'begin_1': ({'begin': 1, 'end': 40}, 50),
  'begin_later': ({'begin': 10, 'end': 40}, 50),
  'frequency_divides': ({'begin': 10, 'end': 40, 'frequency': 10}, 50),
  'frequency_does_not_divide': ({'begin': 10, 'end': 40, 'frequency': 7}, 50),
  'frequency_spans_all': ({'begin': 10, 'end': 40, 'frequency': 30}, 50),
  'from_0_every_10': ({'begin': 0, 'end': 40, 'frequency': 10}, 40),
  'step_and_share': ({'begin': 5, 'end': 0.5}, 50),
  'share_and_step': ({'begin': 0.1, 'end': 50}, 50),
  'shares_round': ({'begin': 0.125, 'end': 0.777}, 37),
  'from_half': ({'initial_sparsity': 0.5, 'power': 1.0}, 100),
}


def tfmot_schedule(pruning, steps):
  if pruning.schedule is SparsitySchedule.CONSTANT:
    return tfmot.sparsity.keras.ConstantSparsity(pruning.final_sparsity, steps.begin, steps.end, steps.frequency)
  return tfmot.sparsity.keras.PolynomialDecay(
    pruning.initial_sparsity, pruning.final_sparsity, steps.begin, steps.end, pruning.power, steps.frequency
  )


def updates(schedule, total_steps):
  """Sparsity by step, of the steps at which tfmot would update the masks."""
  asked = ((step, schedule(tf.constant(step, tf.int64))) for step in range(1, total_steps + 1))
  return {step: float(sparsity) for step, (due, sparsity) in asked if bool(due)}


@pytest.mark.parametrize('schedule', list(SparsitySchedule))
@pytest.mark.parametrize('case', RISING)
def test_tfmot_updates_when_we_say(case, schedule):
  values, total_steps = RISING[case]
  values = {**values, 'schedule': schedule}
  if schedule is SparsitySchedule.CONSTANT:
    values = {name: value for name, value in values.items() if name not in ('initial_sparsity', 'power')}
  pruning = Pruning(final_sparsity=0.8, **values)
  steps = pruning_steps(pruning, total_steps)
  found = updates(tfmot_schedule(pruning, steps), total_steps)
  assert (min(found), max(found), len(found)) == (steps.begin, steps.end, steps.updates)
  assert found[steps.end] == pytest.approx(0.8)
  first = pruning.final_sparsity if schedule is SparsitySchedule.CONSTANT else pruning.initial_sparsity
  assert found[steps.begin] == pytest.approx(first)
  assert 1 <= steps.begin <= steps.end <= total_steps


def test_without_the_shifts_tfmot_stops_short():
  """Why the end is lowered: asked as the recipe says, tfmot's last update is at step 38, not yet at 0.8."""
  naive = tfmot.sparsity.keras.PolynomialDecay(0.0, 0.8, 10, 40, 3, 7)
  found = updates(naive, 50)
  assert max(found) == 38
  assert found[38] < 0.8


def test_the_default_frequency_makes_about_twenty_updates():
  assert pruning_steps(Pruning(final_sparsity=0.8), 1000) == PruningSteps(begin=1, end=581, frequency=29, updates=21)


@pytest.mark.parametrize('total_steps', [1, 100])
def test_two_of_four_is_set_in_the_first_step(total_steps):
  assert pruning_steps(Pruning(structure='2:4'), total_steps) == PruningSteps(1, 1, 1, 1)


def test_a_constant_sparsity_may_be_set_once():
  pruning = Pruning(final_sparsity=0.8, schedule='constant', begin=10, end=20, frequency=100)
  assert pruning_steps(pruning, 50) == PruningSteps(begin=10, end=10, frequency=100, updates=1)


@pytest.mark.parametrize(
  ('values', 'total_steps', 'message'),
  [
    pytest.param(
      {'frequency': 100},
      60,
      'pruning every 100 steps within steps 1 to 36 of a fine-tuning of 60 steps updates the masks only once, at step '
      '1, with the initial sparsity 0: a polynomial needs two updates; set frequency to at most 35, or leave it out.',
      id='a_single_update',
    ),
    pytest.param(
      {'begin': 0.9, 'end': 1.0},
      4,
      'pruning every step within steps 4 to 4 of a fine-tuning of 4 steps updates the masks only once, at step 4, with '
      'the initial sparsity 0: a polynomial needs two updates; move end further behind begin or train for longer.',
      id='shares_of_few_steps',
    ),
    pytest.param(
      {'begin': 0, 'end': 1}, 9, 'steps 1 to 1 of a fine-tuning of 9 steps updates the masks only once', id='01'
    ),
    pytest.param(
      {'begin': 50, 'end': 0.5},
      60,
      'pruning every step within steps 50 to 30 of a fine-tuning of 60 steps never updates a mask; move end behind '
      'begin or train for longer.',
      id='end_before_begin',
    ),
    pytest.param({'begin': 61, 'end': 1.0}, 60, 'pruning begins at step 61, beyond the 60 steps', id='begin_beyond'),
    pytest.param({'end': 61}, 60, 'pruning ends at step 61, beyond the 60 steps of its fine-tuning', id='end_beyond'),
    pytest.param({'end': 0.6, 'schedule': 'constant', 'begin': 0.5}, 0, 'of 0 steps prunes nothing', id='no_steps'),
    pytest.param(
      {'end': 0.2, 'schedule': 'constant'}, 2, 'steps 1 to 0 of a fine-tuning of 2 steps never', id='rounds_to_0'
    ),
  ],
)
def test_refuses_what_has_no_effect(values, total_steps, message):
  with pytest.raises(ValueError) as caught:
    pruning_steps(Pruning(final_sparsity=0.8, **values), total_steps)
  assert message in str(caught.value)


def test_tfmot_counts_steps_from_one():
  """A real training of exactly as many steps as the last update needs ends at exactly the final sparsity."""
  pruning = Pruning(final_sparsity=0.75, begin=0, end=6, frequency=2)
  steps = pruning_steps(pruning, 6)
  model = keras.Sequential([keras.Input([8]), keras.layers.Dense(4)])
  pruned = tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=tfmot_schedule(pruning, steps))
  pruned.compile('sgd', 'mse')
  inputs = np.random.default_rng(0).normal(size=(steps.end, 8)).astype(np.float32)
  pruned.fit(
    inputs,
    inputs[:, :4],
    batch_size=1,
    verbose=0,
    callbacks=[tfmot.sparsity.keras.UpdatePruningStep()],
  )
  kernel = tfmot.sparsity.keras.strip_pruning(pruned).get_weights()[0]
  assert (steps.end, np.mean(kernel == 0)) == (5, 0.75)
