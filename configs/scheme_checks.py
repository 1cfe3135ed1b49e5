"""Whether a scheme fits the model and its recipes. Told when the config is read, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from configs.compression import Precision, Scheme
from configs.layers import Layer, LayerKind
from configs.problems import Problem, nearest
from configs.recipe import Recipe

_BLOCK_INPUTS = {Precision.FLOAT32: 1, Precision.DYNAMIC_RANGE: 16, Precision.INT8: 16}
"""What the inputs of a block must be a multiple of, so that TFLite's sparse kernels compute with it.

Tried with TF 2.16 and 2.21, one scale per kernel, and ai-edge-litert 2.3: 8-bit kernels refuse to run with zeros in
any block but 16x1.
"""

_NEVER_SPARSE = {
  Precision.FLOAT16: 'TFLite makes NaN of blocks of 16-bit floats',
  Precision.INT16X8: 'TFLite computes wrong fares from blocks of 8-bit weights and 16-bit activations',
  Precision.WEIGHT_ONLY_INT8: "the LiteRT quantizer can't read sparse weights",
  Precision.DYNAMIC_INT4: "the LiteRT quantizer can't read sparse weights",
}
"""Why a precision does not go with sparse encoding; tried with the same versions and litert-quantizer 0.11."""


def scheme_problems(scheme: Scheme, recipes: Sequence[Recipe], layers: Sequence[Layer]) -> list[Problem]:
  """Everything that is wrong with a scheme for a run.

  Args:
    scheme: valid in itself.
    recipes: all of the run's.
    layers: all of the model's, see `model_layers`.

  Returns:
    Problems located from the scheme's name down.
  """
  found = [*_tolerance(scheme), *_calibration(scheme), *_float_layers(scheme, layers), *_sparse(scheme, recipes)]
  return [problem.under(scheme.name) for problem in found]


def applies(scheme: Scheme, recipe: Recipe) -> bool:
  """Whether a scheme does something to a recipe's model: a sparse one needs zeros in blocks that its kernels take."""
  if not scheme.sparse:
    return True
  if recipe.pruning is None or recipe.pruning.block == (1, 1) or scheme.precision not in _BLOCK_INPUTS:
    return False
  return recipe.pruning.block[0] % _BLOCK_INPUTS[scheme.precision] == 0


def _tolerance(scheme: Scheme) -> Iterator[Problem]:
  if scheme.tolerance > 1:
    percent = f' For {scheme.tolerance:g} % write {scheme.tolerance / 100:g}.' if scheme.tolerance <= 100 else ''
    yield Problem(
      ('tolerance',),
      f"must be at most 1, got {scheme.tolerance:g}: it is a fraction of the fares' standard deviation, and the same "
      f'fare for every ride differs by 1.{percent}',
    )


def _calibration(scheme: Scheme) -> Iterator[Problem]:
  rides, longest = scheme.calibration.rides, scheme.calibration.longest
  if rides is not None and rides < longest:
    yield Problem(
      ('calibration', 'rides'),
      f'must not be fewer than longest, the highest fares among them, got {rides:,} rides and longest {longest:,}; '
      f'set longest to at most {rides:,}, or rides to at least {longest:,}.',
    )


def _float_layers(scheme: Scheme, layers: Sequence[Layer]) -> Iterator[Problem]:
  place = ('float_layers',)
  dense = [layer.name for layer in layers if layer.kind is LayerKind.DENSE]
  others = {layer.name: layer.kind.value for layer in layers if layer.name not in dense}
  for name in dict.fromkeys(scheme.float_layers):
    if name in others:
      yield Problem(place, f"must be dense layers, not the {others[name]} '{name}'; leave it out.")
    elif name not in dense:
      yield Problem(place, f"unknown layer '{name}'. The dense layers are {', '.join(dense)}.{nearest(name, dense)}")
  if set(dense) <= set(scheme.float_layers):
    told = f'has every dense layer, so that none would be {scheme.precision.value}; leave one of them out.'
    yield Problem(place, told)


def _sparse(scheme: Scheme, recipes: Sequence[Recipe]) -> Iterator[Problem]:
  place = ('sparse',)
  if not scheme.sparse:
    return
  if scheme.precision in _NEVER_SPARSE:
    reason = _NEVER_SPARSE[scheme.precision]
    yield Problem(place, f'must be false with precision {scheme.precision.value}: {reason}.')
  elif not any(recipe.pruning for recipe in recipes):
    told = 'no recipe of this run prunes; sparse encoding would change nothing.'
    yield Problem(place, f'{told} Add one to training.recipes, such as {_example(scheme)}, or leave the scheme out.')
  elif not any(applies(scheme, recipe) for recipe in recipes):
    inputs = _BLOCK_INPUTS[scheme.precision]
    blocks = f"in blocks of {inputs} inputs, which TFLite's 8-bit kernels want" if inputs > 1 else 'in blocks'
    told = f'no recipe of this run prunes {blocks}; no file would be encoded sparsely.'
    yield Problem(place, f'{told} Add one to training.recipes, such as {_example(scheme)}, or leave the scheme out.')


def _example(scheme: Scheme) -> str:
  return 'blocks_4x1_80' if scheme.precision is Precision.FLOAT32 else 'blocks_16x1_80'
