"""Whether a budget can be kept at all, as far as that is known before a file is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from configs.compression import Compression, Precision, Scheme
from configs.layers import Layer, LayerKind
from configs.problems import Problem
from configs.recipe import OUTPUT_LAYER, Recipe
from configs.scheme_checks import applies

_LEAST_RATIO = 0.5
_LEAST_BYTES = 1000
"""A file that only adds up the columns of a ride has 1,392 bytes, without a single weight."""

_LEAST_MICROSECONDS = 0.1
"""Invoking an interpreter on that file takes 1.1 microseconds on the machine that the figures are from."""

_BITS = {
  Precision.FLOAT32: 32,
  Precision.FLOAT16: 16,
  Precision.DYNAMIC_RANGE: 8,
  Precision.INT8: 8,
  Precision.INT16X8: 8,
  Precision.WEIGHT_ONLY_INT8: 8,
  Precision.DYNAMIC_INT4: 4,
}
"""Of a weight, at least."""


def budget_problems(compression: Compression, recipes: Sequence[Recipe], layers: Sequence[Layer]) -> list[Problem]:
  """Limits that no variant can keep.

  Args:
    compression: the budget, and the schemes, each one fit for the run.
    recipes: all of the run's.
    layers: all of the model's, see `model_layers`.

  Returns:
    Problems located from the budget's fields down.
  """
  hidden = [layer for layer in layers if layer.kind is LayerKind.DENSE and layer.name != OUTPUT_LAYER]
  none_fits = f'no model of {"-".join(str(layer.units) for layer in hidden)} fits'
  found = [*_ratios(compression, none_fits), *_latency(compression, none_fits)]
  return [*found, *_bytes(compression, recipes, layers, none_fits)]


def weight_bytes(recipe: Recipe, scheme: Scheme, layers: Sequence[Layer]) -> int:
  """What the weights of a variant take at least, biases aside, and layers aside whose inputs are not known yet."""
  dense = [layer.name for layer in layers if layer.kind is LayerKind.DENSE]
  pruned = recipe.pruning.targets([name for name in dense if name != OUTPUT_LAYER]) if recipe.pruning else {}
  bits = 0.0
  for layer in layers:
    precision = Precision.FLOAT32 if layer.name in scheme.float_layers else scheme.precision
    kept = 1 - pruned.get(layer.name, 0) if scheme.sparse else 1
    bits += (layer.weights or 0) * kept * _BITS[precision]
  return int(bits / 8)


def _ratios(compression: Compression, none_fits: str) -> Iterator[Problem]:
  budget = compression.budget
  for name, ratio in (('rmse_ratio', budget.rmse_ratio), ('worst_slice_ratio', budget.worst_slice_ratio)):
    if ratio is not None and ratio < _LEAST_RATIO:
      yield Problem(
        (name,),
        f'must be at least {_LEAST_RATIO:g}, got {ratio:g}: {none_fits}, as each one is made of the dense base and '
        f'none has half of its error. To allow {100 * ratio:g} % more error write {1 + ratio:g}.',
      )


def _latency(compression: Compression, none_fits: str) -> Iterator[Problem]:
  limit = compression.budget.latency_us
  if limit is not None and limit < _LEAST_MICROSECONDS:
    yield Problem(
      ('latency_us',),
      f'must be at least {_LEAST_MICROSECONDS:g}, got {limit:g}: {none_fits}, as calling an interpreter alone takes '
      'about a microsecond.',
    )


def _bytes(
  compression: Compression, recipes: Sequence[Recipe], layers: Sequence[Layer], none_fits: str
) -> Iterator[Problem]:
  limit = compression.budget.bytes
  if limit is None:
    return
  if limit < _LEAST_BYTES:
    reason = "as the names and types of a ride's columns alone take more"
    yield Problem(('bytes',), f'must be at least {_LEAST_BYTES:,}, got {limit:,}: {none_fits}, {reason}.')
    return
  pairs = [(recipe, scheme) for recipe in recipes for scheme in compression.schemes if applies(scheme, recipe)]
  sizes = {f'{recipe.name}.{scheme.name}': weight_bytes(recipe, scheme, layers) for recipe, scheme in pairs}
  smallest = min(sizes, key=lambda name: sizes[name])
  if limit < sizes[smallest]:
    yield Problem(
      ('bytes',),
      f'must be at least {sizes[smallest]:,}, got {limit:,}: {none_fits}, as the weights of the smallest variant, '
      f'{smallest}, alone take that many.',
    )
