"""Pairs of a scheme and a recipe that no model makes right: known by the config alone, whatever the layers are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from configs.base import Problem, joined
from configs.compression import Compression, Precision, Scheme, applies
from configs.recipe import HIDDEN, Recipe


def pair_problems(compression: Compression, recipes: Sequence[Recipe], classifies: bool) -> Iterator[Problem]:
  """What is wrong with the schemes for recipes of a user's own model, located from the config down.

  Its layers are known once a step has built it, so that these are the pairs that no model makes right; otherwise they
  would be lost after the training and the conversion.

  Args: classifies: whether it predicts classes.
  """
  for scheme in compression.schemes:
    found = [*sparse(scheme, recipes), *float_beside_aware(scheme, recipes), *channels_beside_aware(scheme, recipes)]
    partly = [recipe for recipe in aware(scheme, recipes) if _leaves_the_output(recipe)]
    found += integers_left(scheme, partly, 'the output')
    calibration = scheme.calibration
    if classifies and calibration.longest != type(calibration).model_fields['longest'].default:
      found.append(
        Problem('calibration.longest', 'has no effect on classes, of which none is the highest; leave it out.')
      )
    yield from (problem.under('compression.schemes', scheme.name) for problem in found)


def is_aware(scheme: Scheme, recipe: Recipe) -> bool:
  """Whether the ranges come from training; it emulates 8 bits, so other precisions take the plain model."""
  return recipe.quantization is not None and scheme.precision is Precision.INT8


def aware(scheme: Scheme, recipes: Sequence[Recipe]) -> list[Recipe]:
  """The recipes whose training a scheme takes the ranges of."""
  return [recipe for recipe in recipes if is_aware(scheme, recipe)]


def _leaves_the_output(recipe: Recipe) -> bool:
  """Whether a recipe trains the hidden layers for 8 bits and nothing else, whatever they are called."""
  assert recipe.quantization is not None
  return recipe.quantization.names([HIDDEN]) == (HIDDEN,)


def float_beside_aware(scheme: Scheme, recipes: Sequence[Recipe]) -> Iterator[Problem]:
  """Layers that a scheme keeps in float, where the training has decided that."""
  names = [recipe.name for recipe in aware(scheme, recipes)]
  if scheme.float_layers and names:
    layer = scheme.float_layers[0]
    mend = f'leave this scheme out, and {layer} out of quantization.layers instead (as qat_partial does with fare)'
    what = f'has no place beside {joined(names)} of training.recipes, trained for 8 bits'
    message = f'{what}: the training decides which layers have them; {mend}, or take other recipes.'
    yield Problem('float_layers', message)


def sparse(scheme: Scheme, recipes: Sequence[Recipe]) -> Iterator[Problem]:
  """Sparse encoding that applies to no recipe."""
  if not scheme.sparse or any(applies(scheme, recipe) for recipe in recipes):
    return
  facts = scheme.precision.facts
  if facts.never_sparse:
    yield Problem('sparse', f'must be false with precision {scheme.precision.value}: {facts.never_sparse}.')
    return
  if not any(recipe.pruning for recipe in recipes):
    lack = 'no recipe of this run prunes; sparse encoding would change nothing'
  else:
    bits = '8-bit' if scheme.precision.is_quantized else 'float'
    size = f" whose inputs are a multiple of {facts.sparse_inputs}, which TFLite's {bits} kernels want"
    lack = f'no recipe of this run prunes in blocks{size}; no file would be encoded sparsely'
  example = 'blocks_16x1_80' if scheme.precision.is_quantized else 'blocks_4x1_80'
  yield Problem('sparse', f'{lack}. Add one to training.recipes, such as {example}, or leave the scheme out.')


def integers_left(scheme: Scheme, recipes: Sequence[Recipe], left: str) -> Iterator[Problem]:
  """Integers alone of recipes that leave a layer in float. Args: left: which, for the middle of a sentence."""
  for recipe in recipes if scheme.integer_only else ():
    what = f'must be false with {recipe.name} of training.recipes, which leaves {left} in float'
    yield Problem(
      'integer_only', f'{what}; take a recipe with quantization.layers core, such as qat, or the scheme int8.'
    )


def channels_beside_aware(scheme: Scheme, recipes: Sequence[Recipe]) -> Iterator[Problem]:
  """A scale for each unit, where the training has one for all."""
  names = [recipe.name for recipe in aware(scheme, recipes)]
  if scheme.per_channel and names:
    why = 'its kernels are on a grid of one scale'
    yield Problem('per_channel', f'must be false with {joined(names)} of training.recipes, trained for 8 bits: {why}.')
