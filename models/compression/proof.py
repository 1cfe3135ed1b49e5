"""Proves on an exported SavedModel that its training recipe had the effect that it promises."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, NoReturn

import numpy as np

from configs.amounts import amount
from configs.errors import FailedError
from configs.recipe import Clustering, Pruning, Quantization, Recipe
from models import serving
from models.compression.layers import LayerOrder, as_matrix
from models.compression.quantized_model import LEVELS
from models.compression.records import LayerFacts, WeightHistogram
from models.compression.techniques import PROMISES
from models.protocols import Terms

BINS = 64
"""Of a histogram."""


class Totals(NamedTuple):
  """Several kernels in numbers.

  Attributes:
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
    zero, total: number of blocks whose weights are all zero, and of all blocks.
    strays: number of zero weights outside of the zero blocks.
  """

  zero: int
  total: int
  strays: int


def layer_facts(kernels: Mapping[str, np.ndarray]) -> tuple[LayerFacts, ...]:
  """Facts of each kernel, in the order given."""
  return tuple(
    LayerFacts(
      name=name,
      shape=kernel.shape,
      parameters=kernel.size,
      nonzero=kernel.size - zeros(kernel),
      sparsity=zeros(kernel) / kernel.size,
      distinct=len(np.unique(kernel)),
    )
    for name, kernel in kernels.items()
  )


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
    kernel: shape [..., units]; its blocks are those of `as_matrix`.
    block: inputs and units of a block. Blocks are laid from the upper left, as tfmot lays its masks
      (`pruning_utils.expand_tensor`, then cut to size); those at the right and the lower edge are cut off.
  """
  height, width = block
  kernel = as_matrix(kernel)
  padding = [(0, -size % step) for size, step in zip(kernel.shape, block, strict=True)]
  nonzero = np.pad(kernel != 0, padding)
  rows, columns = nonzero.shape[0] // height, nonzero.shape[1] // width
  empty = ~nonzero.reshape(rows, height, columns, width).any(axis=(1, 3))
  covered = np.repeat(np.repeat(empty, height, 0), width, 1)[: kernel.shape[0], : kernel.shape[1]]
  return Blocks(zero=int(empty.sum()), total=empty.size, strays=zeros(kernel) - int(covered.sum()))


def two_of_four(kernel: np.ndarray) -> bool:
  """Whether at least two of any four consecutive inputs of a unit are zero.

  Args:
    kernel: shape [..., inputs, units]. The groups run along the inputs, at each position of a convolution, which is the
      last axis of TFLite's [units, ..., inputs]; a shorter last group holds at most two weights that are not zero, as
      in tfmot's `is_pruned_m_by_n`.
  """
  inputs, units = kernel.shape[-2:]
  nonzero = np.pad((kernel != 0).reshape(-1, inputs, units), [(0, 0), (0, -inputs % 4), (0, 0)])
  return bool((nonzero.reshape(-1, 4, units).sum(axis=1) <= 2).all())


def grid_distance(kernel: np.ndarray) -> float:
  """Largest distance of weights, not all zero, from a multiple of `max|w| / 127`, in such steps: 0 to 0.5."""
  steps = kernel.astype(np.float64) / (np.abs(kernel).max() / LEVELS)
  return float(np.abs(steps - np.rint(steps)).max())


def rounded_to_zero(kernel: np.ndarray) -> int:
  """Number of weights that would be zero on the kernel's own 8-bit grid."""
  return int((np.abs(kernel) <= np.abs(kernel).max() / LEVELS / 2).sum())


def histogram(before: np.ndarray, after: np.ndarray) -> WeightHistogram:
  """Counts the weights of a layer before and after in equal bins over the range of both."""
  both = min(before.min(), after.min()), max(before.max(), after.max())
  edges = np.histogram_bin_edges(before, BINS, (float(both[0]), float(both[1])))
  counts = [np.histogram(kernel, edges)[0].tolist() for kernel in (before, after)]
  return WeightHistogram(edges=edges.tolist(), before=counts[0], after=counts[1])


_WRAPPER = re.compile(
  r'(mask|sparsity_mask|threshold|pruning_step|cluster_centroids.*|pulling_indices.*|ori_weights.*)(_\d+)?'
)
"""Variables of tfmot's pruning and clustering wrappers, by the last part of their names."""

_HEADROOM = 0.9
"""A range has to reach this share of what it has to hold."""

_GRID_TOLERANCE = 1e-3
"""In steps of the 8-bit grid; float32 leaves about 127 * 2^-23 = 2e-5."""

_UNCALIBRATED = (-6.0, 6.0)
"""Where tfmot's ranges start (`_QuantizeHelper._add_range_weights`)."""


class NoEffectError(FailedError):
  """An exported model is not what its recipe promises."""


def prove(
  recipe: Recipe, saved_model_dir: str, base_dir: str, order: LayerOrder, largest_prediction: float, terms: Terms
) -> None:
  """Reads an exported model back and checks every promise of its recipe.

  Args:
    base_dir: the SavedModel of the dense base that it was fine-tuned from.
    order: of the model's layers.
    largest_prediction: the largest of the base on the training split, in the labels' unit; the output's range
      has to reach it.
    terms: for the message.
  Raises: NoEffectError: a promise is not kept; one sentence with recipe, layer, what was promised and what was found.
  """
  weights = serving.read_weights(saved_model_dir)
  found, base = serving.kernels(weights), serving.kernels(serving.read_weights(base_dir))
  claims = _Claims(recipe, found, base, order, terms)
  claims.same_layers()
  claims.no_training_wrapper(weights)
  claims.pruned_as_promised()
  claims.nothing_else_pruned()
  claims.techniques_as_promised()
  claims.quantized_as_promised(weights, serving.fake_quantized(saved_model_dir), largest_prediction)
  if recipe.is_dense and base_digest(saved_model_dir) != base_digest(base_dir):
    raise NoEffectError(f"Recipe '{recipe.name}': promised the dense base itself, found other weights.")


def base_digest(saved_model_dir: str) -> str:
  """SHA-256 over the names, types, shapes and bytes of all variables, in hexadecimal."""
  digest = hashlib.sha256()
  for name, value in serving.read_weights(saved_model_dir).items():
    digest.update(f'{name} {value.dtype.str} {value.shape}\n'.encode())
    digest.update(np.ascontiguousarray(value).tobytes())
  return digest.hexdigest()


def sparsity_targets(pruning: Pruning | None, order: LayerOrder) -> dict[str, float]:
  """Promised sparsity of each pruned layer. Args: pruning: of the recipe; none promises nothing."""
  return pruning.targets(order.hidden, order.output) if pruning else {}


def clustered_layers(clustering: Clustering | None, order: LayerOrder) -> tuple[str, ...]:
  """Names of the layers that are clustered."""
  return clustering.names(order.hidden, order.output) if clustering else ()


def quantized_layers(quantization: Quantization | None, order: LayerOrder) -> tuple[str, ...]:
  """Names of the layers whose kernels are quantized in the default way; a custom config may do otherwise."""
  if quantization is None:
    return ()
  names = quantization.names(order.kernels[:-1], order.output)
  return tuple(layer for layer in names if layer not in quantization.quantize_configs)


def promised_zeros(pruning: Pruning, shape: tuple[int, ...], sparsity: float) -> int:
  """Zero blocks that tfmot makes of a kernel; zero weights where the structure is not one of blocks.

  Args:
    pruning: its structure.
    shape: of the kernel, [..., inputs, units].
    sparsity: of the layer at the end.
  Source: `pruning_impl.Pruning._update_mask`, in the same float32 arithmetic, and `pruning_utils.generate_m_by_n_mask`.
  """
  *positions, inputs, units = shape
  rows = math.prod(positions)
  if pruning.two_of_four:
    return rows * units * (inputs // 4 * 2 + max(0, inputs % 4 - 2))
  count = math.prod(-(-size // step) for size, step in zip((rows * inputs, units), pruning.block, strict=True))
  return count - max(1, int(np.rint(np.float32(count) * (np.float32(1) - np.float32(sparsity)))))


class _Claims:
  """The promises of one recipe about the kernels of one exported model."""

  def __init__(
    self,
    recipe: Recipe,
    found: Mapping[str, np.ndarray],
    base: Mapping[str, np.ndarray],
    order: LayerOrder,
    terms: Terms,
  ) -> None:
    self._recipe, self._found, self._base, self._order, self._terms = recipe, found, base, order, terms
    self._targets = sparsity_targets(recipe.pruning, order)
    self._clustered = clustered_layers(recipe.clustering, order)
    self._quantized = quantized_layers(recipe.quantization, order)

  def same_layers(self) -> None:
    """The model has the base's layers, and every layer that the recipe names."""
    for layer in self._base.keys() | self._found.keys():
      promised, found = (kernels[layer].shape if layer in kernels else None for kernels in (self._base, self._found))
      if promised != found:
        self._fail(layer, f'a kernel of shape {promised}', f'{found}')
    for layer in (*self._targets, *self._clustered, *self._quantized):
      if layer not in self._found:
        self._fail(layer, 'a compressed kernel', f'only kernels of {", ".join(self._found)}')

  def no_training_wrapper(self, weights: Iterable[str]) -> None:
    """Pruning and clustering wrappers are stripped."""
    for name in weights:
      if _WRAPPER.fullmatch(name.split('/')[-1]):
        self._fail(name.split('/')[0], 'no variable of a training wrapper', f"'{name}'")

  def pruned_as_promised(self) -> None:
    """Zeros within one weight or block of the target, per layer and in total, in whole blocks."""
    if self._recipe.pruning is None:
      return
    total, untouched = 0, True
    for layer, sparsity in self._targets.items():
      exact = layer not in self._clustered and self._recipe.quantization is None
      total += self._missing_zeros(self._recipe.pruning, layer, sparsity, exact)
      untouched = untouched and exact
    if total > 1 or (untouched and total < -1):
      promised = 'the zeros of all pruned layers within one weight or block of their target'
      self._fail(', '.join(self._targets), promised, f'{abs(total)} too {"few" if total > 0 else "many"}')

  def _missing_zeros(self, pruning: Pruning, layer: str, sparsity: float, exact: bool) -> int:
    """Promised less found; checks both, and the structure. Later techniques may add zeros, never take them."""
    kernel = self._found[layer]
    target = promised_zeros(pruning, kernel.shape, sparsity)
    blocks = block_sparsity(kernel, pruning.block)
    missing = target - blocks.zero
    unit = 'zero weights' if pruning.block == (1, 1) else f'zero blocks of {pruning.structure}'
    if missing > 1 or (exact and missing < -1):
      self._fail(layer, f'{target:,} {unit} of {blocks.total:,} ({sparsity:.4g})', f'{blocks.zero:,}')
    if exact and blocks.strays:
      self._fail(layer, f'zeros in whole blocks of {pruning.structure}', f'{blocks.strays:,} zeros outside of them')
    if pruning.two_of_four and not two_of_four(kernel):
      self._fail(layer, 'two zeros in any four consecutive inputs of a unit', 'four inputs with fewer')
    return missing

  def nothing_else_pruned(self) -> None:
    """Layers that the recipe does not prune have no more zeros than the base or rounding gives them."""
    keeps_zeros = self._recipe.pruning is not None or self._recipe.quantization is not None
    for layer, kernel in self._found.items():
      if layer in self._targets or (layer in self._clustered and keeps_zeros):
        # Of a clustered layer a whole cluster may become zero: on the 8-bit grid, and where zeros are preserved.
        continue
      allowed = zeros(self._base[layer])
      if layer in self._quantized:
        # Fine-tuning moves weights across the rounding limit; pruning would make many times as many zeros. What a unit
        # without any input gives is of no use, and weight decay takes it away.
        allowed += 2 * rounded_to_zero(self._base[layer]) + max(2, kernel.size // 10)
        allowed += self._without_input(layer)
      if zeros(kernel) > allowed:
        self._fail(layer, f'a layer that is not pruned, with at most {allowed:,} zeros', f'{zeros(kernel):,}')

  def _without_input(self, layer: str) -> int:
    """Number of weights that units of the layer before are multiplied by, all of whose own weights are zero."""
    hidden = self._order.hidden
    position = hidden.index(layer) if layer in hidden else len(hidden)
    if not position:
      return 0
    before = as_matrix(self._found[hidden[position - 1]])
    silent = before.shape[1] - int(np.count_nonzero(before.any(axis=0)))
    return silent * (self._found[layer].size // before.shape[1])

  def techniques_as_promised(self) -> None:
    """What a technique promises by itself, such as few distinct values per kernel."""
    for name in self._recipe.techniques:
      if name in PROMISES:
        config = self._recipe.technique(name)
        for broken in PROMISES[name](config, config.names(self._order.hidden, self._order.output), self._found):
          self._fail(*broken)

  def quantized_as_promised(
    self, weights: Mapping[str, np.ndarray], nodes: Mapping[str, int], largest_prediction: float
  ) -> None:
    """Kernels on the 8-bit grid, calibrated ranges, and the quantization in the graph; none of it where none is due."""
    custom = self._recipe.quantization.quantize_configs if self._recipe.quantization else {}
    ranges, kernel_ranges = serving.ranges(weights), serving.kernel_ranges(weights)
    self._nothing_else_quantized(nodes, [layer for layer in kernel_ranges if layer not in custom])
    for layer in dict.fromkeys((*self._quantized, *custom)):
      if not nodes.get(layer):
        self._fail(layer, 'FakeQuant nodes in the graph', 'none')
      if self._rounded(layer) not in ranges:
        self._fail(layer, 'a range for the quantized output', 'none')
    for layer in self._quantized:
      # The output alone of a layer is quantized where it feeds a quantized one.
      if layer not in kernel_ranges:
        self._fail(layer, 'a quantized kernel', 'one in full precision')
      self._on_the_grid(layer, kernel_ranges[layer])
      if ranges[self._rounded(layer)] == _UNCALIBRATED:
        self._fail(layer, 'a calibrated output range', 'the one that tfmot starts from, -6 to 6')
    output = self._order.output
    if output in self._quantized and ranges[output][1] < _HEADROOM * largest_prediction:
      found = f'one that saturates at {amount(ranges[output][1])}'
      self._fail(output, f'a range for {self._terms.predictions} of up to {amount(largest_prediction)}', found)

  def _rounded(self, layer: str) -> str:
    """The layer whose output is rounded: this one, or what is folded into it."""
    return self._order.rounded_behind.get(layer, layer)

  def _nothing_else_quantized(self, nodes: Mapping[str, int], kernels: Iterable[str]) -> None:
    if nodes and self._recipe.quantization is None:
      layers = ', '.join(layer or 'input' for layer in nodes)
      self._fail(layers, 'a graph without quantization', f'{sum(nodes.values())} FakeQuant nodes')
    for layer in kernels:
      if layer not in self._quantized:
        self._fail(layer, 'a kernel in full precision', 'a quantized one')

  def _on_the_grid(self, layer: str, kernel_range: tuple[float, float]) -> None:
    kernel = self._found[layer]
    if not kernel.any():
      self._fail(layer, '8-bit weights', 'nothing but zeros')
    grids = [kernel[..., unit] for unit in range(kernel.shape[-1])] if kernel.ndim > 2 else [kernel]
    distinct = max(len(np.unique(grid)) for grid in grids)
    distance = max((grid_distance(grid) for grid in grids if grid.any()), default=0.0)
    if distinct > 2 * LEVELS + 1 or distance > _GRID_TOLERANCE:
      found = f'{distinct:,} distinct weights up to {distance:.2g} steps off the grid'
      self._fail(layer, 'weights that are multiples of max|w| / 127', found)
    if max(np.abs(kernel_range)) < _HEADROOM * np.abs(kernel).max():
      found = f'{np.abs(kernel).max():.3g} in a range up to {max(np.abs(kernel_range)):.3g}'
      self._fail(layer, 'a range that holds the kernel', found)

  def _fail(self, layer: str, promised: str, found: str) -> NoReturn:
    raise NoEffectError(f"Recipe '{self._recipe.name}', layer '{layer}': promised {promised}, found {found}.")
