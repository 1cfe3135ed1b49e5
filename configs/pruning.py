"""What a pruning comes to: the steps at which its masks change, and whether it can have an effect on a kernel."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from configs.base import Problem
from configs.recipe import Moment, Pruning, SparsitySchedule


def kernel_problems(pruning: Pruning, layer: str, sparsity: float, inputs: int | None, units: int) -> list[Problem]:
  """Why a layer can't be pruned as a recipe says.

  Args:
    pruning: the structure, and where the sparsity is written.
    sparsity: its target, in (0, 1).
    inputs: rows of its weights; `None` as long as they are not known, which leaves out what depends on them.
    units: columns of its weights.
  Returns: Problems located from the pruning down: `structure`, `final_sparsity` or `layers.<layer>`.
  Source: tfmot 0.8.1, `pruning_impl.Pruning` and `pruning_utils`: 2:4 counts along a unit's inputs, and
  `round((1 - sparsity) * n)` weights or blocks stay, at least one. Blocks start at the upper left, and those at the
  lower and right edge are cut off there: `models.compression.pruning`.
  """
  rows = inputs or None
  if pruning.two_of_four:
    if not rows or rows % 4 == 0:
      return []
    message = f"2:4 takes the inputs of each unit in fours, and layer '{layer}' has {rows} inputs"
    multiple = f'make them a multiple of 4 (such as {math.ceil(rows / 4) * 4})'
    return [Problem('structure', f'{message}; {multiple}, or leave the layer out of pruning.layers.')]
  broken = list(_blocks(pruning, layer, rows, units))
  return broken or (list(_extremes(pruning, layer, sparsity, rows, units)) if rows else [])


def _blocks(pruning: Pruning, layer: str, inputs: int | None, units: int) -> Iterator[Problem]:
  if pruning.block == (1, 1):
    return
  shape = f"layer '{layer}' of {inputs or '?'}x{units} weights"
  leave_out = 'or leave the layer out of pruning.layers.'
  if units == 1 or inputs == 1:
    message = f'blocks need more than one input and one unit, unlike {shape}; take unstructured, {leave_out}'
    yield Problem('structure', message)
    return
  for what, size, block in zip(('inputs', 'units'), (inputs, units), pruning.block, strict=True):
    if size and block > size:
      message = f'a block of {pruning.structure} is larger than the {size} {what} of {shape}'
      yield Problem('structure', f'{message}; take a block of at most {size} {what}, {leave_out}')


def _extremes(pruning: Pruning, layer: str, sparsity: float, inputs: int, units: int) -> Iterator[Problem]:
  across, along = pruning.block
  count = math.ceil(inputs / across) * math.ceil(units / along)
  what = 'weights' if pruning.block == (1, 1) else f'blocks of {pruning.structure}'
  kept = round((1 - sparsity) * count)
  if 1 <= kept < count:
    return
  place = f'layers.{layer}' if isinstance(pruning.layers, dict) else 'final_sparsity'
  target = f"{sparsity:g} of the {count} {what} of layer '{layer}' ({inputs}x{units})"
  share = math.ceil(1e4 / count) / 1e4
  verb, limit = ('prunes', f'at least {share:g}') if kept else ('leaves', f'at most {1 - share:g}')
  yield Problem(place, f'{target} {verb} none of them; take {limit}, or leave the layer out.')


_UPDATES = 20
"""Intervals between begin and end where no frequency is given; more of them cost time and change little."""


@dataclasses.dataclass(frozen=True)
class PruningSteps:
  """When masks are updated, in optimizer steps; the first step is 1.

  tfmot updates at each step s with `begin <= s <= end` and `(s - begin) % frequency == 0`.

  Attributes:
    begin: the first update, at the initial sparsity.
    end: the last update, at the final sparsity: `begin + (updates - 1) * frequency`.
  """

  begin: int
  end: int
  frequency: int
  updates: int


def pruning_steps(pruning: Pruning, total_steps: int) -> PruningSteps:
  """Steps of a pruning within a fine-tuning.

  A float moment is that share of all steps, rounded. Two shifts make tfmot do as the recipe has it. It counts from 1,
  so a begin of 0 is 1; otherwise its first update, already past the initial sparsity, came one frequency late. And the
  end is lowered to the last update; otherwise the masks stopped short of the final sparsity. 2:4 masks are set once, at
  step 1, whatever the schedule.

  Args: pruning: begin, end, frequency, schedule and structure.
  Raises: ValueError: no update, or a single one where the sparsity is to rise, or a moment beyond the fine-tuning.
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
      f'a polynomial needs two updates; {_way_out(pruning, end - begin)}'
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


def _way_out(pruning: Pruning, length: int) -> str:
  if pruning.frequency and length:
    return f'set frequency to at most {length}, or leave it out.'
  return 'move end further behind begin or train for longer.'
