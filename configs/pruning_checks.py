"""Whether a pruning can have an effect on weights of a known shape."""

from __future__ import annotations

import math
from collections.abc import Iterator

from configs.problems import Problem
from configs.pruning import Pruning


def kernel_problems(pruning: Pruning, layer: str, sparsity: float, inputs: int | None, units: int) -> list[Problem]:
  """Why a layer can't be pruned as a recipe says.

  Args:
    pruning: the structure, and where the sparsity is written.
    layer: name of the layer.
    sparsity: its target, in (0, 1).
    inputs: rows of its weights; `None` as long as they are not known, which
      leaves out what depends on them.
    units: columns of its weights.

  Returns:
    Problems located from the pruning down: `structure`, `final_sparsity` or `layers.<layer>`.

  Source: tfmot 0.8.1, `pruning_impl.Pruning` and `pruning_utils`: 2:4 counts
  along a unit's inputs, and `round((1 - sparsity) * n)` weights or blocks
  stay, at least one. Blocks start at the upper left, and those at the lower
  and right edge are cut off there: `models.compression.blocks`.
  """
  rows = inputs or None
  if pruning.two_of_four:
    return list(_two_of_four(layer, rows))
  broken = list(_blocks(pruning, layer, rows, units))
  return broken or (list(_extremes(pruning, layer, sparsity, rows, units)) if rows else [])


def _two_of_four(layer: str, inputs: int | None) -> Iterator[Problem]:
  if inputs and inputs % 4:
    yield Problem(
      ('structure',),
      f"2:4 takes the inputs of each unit in fours, and layer '{layer}' has {inputs} inputs; make them a multiple of 4 "
      f'(such as {math.ceil(inputs / 4) * 4}), or leave the layer out of pruning.layers.',
    )


def _blocks(pruning: Pruning, layer: str, inputs: int | None, units: int) -> Iterator[Problem]:
  if pruning.block == (1, 1):
    return
  shape = f"layer '{layer}' of {inputs or '?'}x{units} weights"
  leave_out = 'or leave the layer out of pruning.layers.'
  if units == 1 or inputs == 1:
    yield Problem(
      ('structure',), f'blocks need more than one input and one unit, unlike {shape}; take unstructured, {leave_out}'
    )
    return
  for what, size, block in zip(('inputs', 'units'), (inputs, units), pruning.block, strict=True):
    if size and block > size:
      yield Problem(
        ('structure',),
        f'a block of {pruning.structure} is larger than the {size} {what} of {shape}; take a block of at most '
        f'{size} {what}, {leave_out}',
      )


def _extremes(pruning: Pruning, layer: str, sparsity: float, inputs: int, units: int) -> Iterator[Problem]:
  across, along = pruning.block
  count = math.ceil(inputs / across) * math.ceil(units / along)
  what = 'weights' if pruning.block == (1, 1) else f'blocks of {pruning.structure}'
  kept = round((1 - sparsity) * count)
  if 1 <= kept < count:
    return
  place = ('layers', layer) if isinstance(pruning.layers, dict) else ('final_sparsity',)
  effect = f"{sparsity:g} of the {count} {what} of layer '{layer}' ({inputs}x{units})"
  share = math.ceil(1e4 / count) / 1e4
  if kept:
    yield Problem(place, f'{effect} prunes none of them; take at least {share:g}, or leave the layer out.')
  else:
    yield Problem(place, f'{effect} leaves none of them; take at most {1 - share:g}, or leave the layer out.')
