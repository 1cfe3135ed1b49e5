"""From the moments of a pruning to the steps at which tfmot updates its masks."""

from __future__ import annotations

import dataclasses

from configs.recipe import Moment, Pruning, SparsitySchedule

_UPDATES = 20
"""Intervals between begin and end where no frequency is given; more of them cost time and change little."""


@dataclasses.dataclass(frozen=True)
class PruningSteps:
  """When masks are updated, in optimizer steps; the first step is 1.

  tfmot updates at each step s with `begin <= s <= end` and `(s - begin) % frequency == 0`.

  Attributes:
    begin: the first update, at the initial sparsity.
    end: the last update, at the final sparsity: `begin + (updates - 1) * frequency`.
    frequency: steps between two updates.
    updates: how many there are.
  """

  begin: int
  end: int
  frequency: int
  updates: int


def pruning_steps(pruning: Pruning, total_steps: int) -> PruningSteps:
  """Steps of a pruning within a fine-tuning.

  A float moment is that share of all steps, rounded. Two shifts make tfmot do
  what the recipe says. It counts from 1, so a begin of 0 is 1; otherwise its
  first update, already past the initial sparsity, came one frequency late. And
  the end is lowered to the last update; otherwise the masks stopped short of
  the final sparsity. 2:4 masks are set once, at step 1, whatever the schedule.

  Args:
    pruning: begin, end, frequency, schedule and structure.
    total_steps: of the whole fine-tuning.

  Raises:
    ValueError: no update, or a single one where the sparsity is to rise, or a
      moment beyond the fine-tuning.
  """
  if total_steps < 1:
    raise ValueError(f'a fine-tuning of {total_steps} steps prunes nothing.')
  if pruning.two_of_four:
    return PruningSteps(begin=1, end=1, frequency=1, updates=1)
  begin = max(1, _step(pruning.begin, total_steps, 'begins'))
  end = _step(pruning.end, total_steps, 'ends')
  frequency = pruning.frequency or max(1, (end - begin) // _UPDATES)
  updates = (end - begin) // frequency + 1 if end >= begin else 0
  often = f'every {frequency} steps' if frequency > 1 else 'every step'
  span = f'pruning {often} within steps {begin} to {end} of a fine-tuning of {total_steps} steps'
  if not updates:
    raise ValueError(f'{span} never updates a mask; move end behind begin or train for longer.')
  if updates == 1 and pruning.schedule is SparsitySchedule.POLYNOMIAL:
    raise ValueError(
      f'{span} updates the masks only once, at step {begin}, with the initial sparsity {pruning.initial_sparsity:g}: '
      f'a polynomial needs two updates; {_mend(pruning, end - begin)}'
    )
  return PruningSteps(begin, begin + (updates - 1) * frequency, frequency, updates)


def _step(moment: Moment, total_steps: int, verb: str) -> int:
  if isinstance(moment, float):
    return round(moment * total_steps)
  if moment > total_steps:
    raise ValueError(
      f'pruning {verb} at step {moment}, beyond the {total_steps} steps of its fine-tuning; a share such as 0.5 '
      'always fits.'
    )
  return moment


def _mend(pruning: Pruning, length: int) -> str:
  if pruning.frequency and length:
    return f'set frequency to at most {length}, or leave it out.'
  return 'move end further behind begin or train for longer.'
