"""What can be counted on kernels: zeros, distinct values, blocks, the 2:4 pattern, the 8-bit grid. NumPy alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

BINS = 64
"""Of a histogram."""

LEVELS = 127
"""Largest magnitude on the symmetric 8-bit grid; -128 is left out (tfmot's `narrow_range`), so there are 255 values."""


@dataclasses.dataclass(frozen=True)
class LayerFacts:
  """A kernel in numbers.

  Attributes:
    name: of its layer.
    shape: [inputs, units], or [categories, width] of an embedding table.
    parameters: number of weights.
    nonzero: number of weights that are not exactly zero.
    sparsity: share of the weights that are exactly zero.
    distinct: number of distinct values.
  """

  name: str
  shape: tuple[int, ...]
  parameters: int
  nonzero: int
  sparsity: float
  distinct: int


@dataclasses.dataclass(frozen=True)
class Totals:
  """Several kernels in numbers.

  Attributes:
    parameters: number of weights.
    nonzero: number of weights that are not exactly zero.
    sparsity: share of the weights that are exactly zero; 0 without weights.
    distinct: of the kernel that has the most distinct values.
  """

  parameters: int
  nonzero: int
  sparsity: float
  distinct: int


class Blocks(NamedTuple):
  """The blocks of a kernel.

  Attributes:
    zero: number of blocks whose weights are all zero.
    total: number of blocks.
    strays: number of zero weights outside of the zero blocks.
  """

  zero: int
  total: int
  strays: int


class Histogram(NamedTuple):
  """Weights of a layer before and after compression, in shared bins.

  Attributes:
    edges: float64 [bins + 1].
    before: int64 [bins].
    after: int64 [bins].
  """

  edges: np.ndarray
  before: np.ndarray
  after: np.ndarray


def layer_facts(kernels: Mapping[str, np.ndarray]) -> tuple[LayerFacts, ...]:
  """Facts of each kernel, in the order given."""
  return tuple(_facts(name, kernel) for name, kernel in kernels.items())


def totals(facts: Sequence[LayerFacts]) -> Totals:
  """Sums over layers."""
  parameters, nonzero = sum(layer.parameters for layer in facts), sum(layer.nonzero for layer in facts)
  return Totals(
    parameters=parameters,
    nonzero=nonzero,
    sparsity=1 - nonzero / parameters if parameters else 0.0,
    distinct=max((layer.distinct for layer in facts), default=0),
  )


def zeros(kernel: np.ndarray) -> int:
  """Number of weights that are exactly zero, of either sign."""
  return int(kernel.size - np.count_nonzero(kernel))


def block_sparsity(kernel: np.ndarray, block: tuple[int, int]) -> Blocks:
  """Counts the zero blocks of a kernel.

  Args:
    kernel: shape [inputs, units].
    block: inputs and units of a block. Blocks are laid from the upper left, as
      tfmot lays its masks (`pruning_utils.expand_tensor`, then cut to size);
      those at the right and the lower edge are cut off.
  """
  height, width = block
  padding = [(0, -size % step) for size, step in zip(kernel.shape, block, strict=True)]
  nonzero = np.pad(kernel != 0, padding)
  rows, columns = nonzero.shape[0] // height, nonzero.shape[1] // width
  empty = ~nonzero.reshape(rows, height, columns, width).any(axis=(1, 3))
  covered = np.repeat(np.repeat(empty, height, 0), width, 1)[: kernel.shape[0], : kernel.shape[1]]
  return Blocks(zero=int(empty.sum()), total=empty.size, strays=zeros(kernel) - int(covered.sum()))


def two_of_four(kernel: np.ndarray) -> bool:
  """Whether at least two of any four consecutive inputs of a unit are zero.

  Args:
    kernel: shape [inputs, units]. The groups run along the inputs, which is
      the last axis of TFLite's [units, inputs]; a shorter last group holds at
      most two weights that are not zero, as in tfmot's `is_pruned_m_by_n`.
  """
  nonzero = np.pad(kernel != 0, [(0, -kernel.shape[0] % 4), (0, 0)])
  return bool((nonzero.reshape(-1, 4, kernel.shape[1]).sum(axis=1) <= 2).all())


def grid_distance(kernel: np.ndarray) -> float:
  """How far the weights are from the 8-bit grid.

  Args:
    kernel: any shape, with a weight that is not zero.

  Returns:
    Largest distance from an integer multiple of `max|w| / 127`, in such steps:
    from 0, on the grid, to 0.5.
  """
  steps = kernel.astype(np.float64) / (np.abs(kernel).max() / LEVELS)
  return float(np.abs(steps - np.rint(steps)).max())


def rounded_to_zero(kernel: np.ndarray) -> int:
  """Number of weights that would be zero on the kernel's own 8-bit grid."""
  return int((np.abs(kernel) <= np.abs(kernel).max() / LEVELS / 2).sum())


def histogram(before: np.ndarray, after: np.ndarray, bins: int = BINS) -> Histogram:
  """Counts the weights of a layer before and after in equal bins over the range of both.

  Args:
    before: any shape.
    after: any shape.
    bins: number of bins.
  """
  both = min(before.min(), after.min()), max(before.max(), after.max())
  edges = np.histogram_bin_edges(before, bins, (float(both[0]), float(both[1])))
  return Histogram(edges, np.histogram(before, edges)[0], np.histogram(after, edges)[0])


def _facts(name: str, kernel: np.ndarray) -> LayerFacts:
  return LayerFacts(
    name=name,
    shape=kernel.shape,
    parameters=kernel.size,
    nonzero=kernel.size - zeros(kernel),
    sparsity=zeros(kernel) / kernel.size,
    distinct=len(np.unique(kernel)),
  )
