"""Whether recipes, schemes, budgets and reductions fit the model and its features. Told when the config is read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from configs.base import Problem, nearest
from configs.compression import Compression, Precision, Scheme
from configs.dataset import Dataset
from configs.features import Features
from configs.layers import Layer, LayerKind, embeddings, has_numeric
from configs.model import Activation, Model
from configs.recipe import (
  CLIP_LAYER,
  GROUPS,
  OUTPUT_LAYER,
  Clustering,
  Moment,
  Pruning,
  Quantization,
  Recipe,
  SparsitySchedule,
)
from configs.reduction import Reduction


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
  and right edge are cut off there: `models.compression.pruning`.
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


__all__ = ['QUANTIZABLE', 'PruningSteps', 'kernel_problems', 'pruning_steps', 'recipe_problems']

QUANTIZABLE = (Activation.RELU, Activation.TANH, Activation.LINEAR)
"""Activations that tfmot's 8-bit scheme knows: its `QuantizeAwareActivation` names them."""

_FEWEST_WITH_ZEROS = 3
"""tfmot's `ClusterWeights` wants more than 2 clusters where it preserves sparsity."""


def recipe_problems(recipe: Recipe, model: Model, layers: Sequence[Layer]) -> list[Problem]:
  """Everything that is wrong with a recipe for a model.

  Args:
    recipe: valid in itself, layer groups replaced by names or not.
    model: its activation.
    layers: all of the model's, see `model_layers`.

  Returns:
    Problems located from the recipe's name down.
  """
  check = _RecipeCheck(recipe, model, layers)
  return [problem.under(recipe.name) for name in recipe.techniques for problem in check.technique(name)]


class _RecipeCheck:
  def __init__(self, recipe: Recipe, model: Model, layers: Sequence[Layer]) -> None:
    self._recipe = recipe
    self._model = model
    self._layers = {layer.name: layer for layer in layers}
    dense = [layer.name for layer in layers if layer.kind is LayerKind.DENSE]
    self._hidden = [name for name in dense if name != OUTPUT_LAYER]

  def technique(self, name: str) -> Iterator[Problem]:
    """What is wrong with a technique of the recipe: what may be with any, and then its own."""
    technique = self._recipe.technique(name)
    names = technique.names(self._hidden)
    yield from (problem.under(name) for problem in self._unknown(names))
    for layer in [self._layers[each] for each in names if technique.dense_only and each in self._layers]:
      if layer.kind is not LayerKind.DENSE:
        told = f"{name} takes dense layers only, and '{layer.name}' is {_article(layer.kind)}; leave it out."
        yield Problem((name, 'layers'), told)
    if isinstance(technique, Pruning):
      yield from self._pruning(technique)
    elif isinstance(technique, Clustering):
      yield from self._too_many_clusters(technique, names)
      yield from self._too_few_clusters(technique, names)
    elif isinstance(technique, Quantization):
      yield from self._without_scheme(technique, names)
      yield from self._idle_configs(technique, names)
      yield from self._activations(technique, names)

  def _pruning(self, pruning: Pruning) -> Iterator[Problem]:
    targets = pruning.targets(self._hidden)
    for name, sparsity in targets.items():
      layer = self._layers.get(name)
      if layer and layer.units is None:
        yield Problem(('pruning', 'layers'), f"layer '{name}' has no weights to prune; leave it out.")
      elif layer and layer.units:
        problems = kernel_problems(pruning, name, sparsity, layer.inputs, layer.units)
        yield from (problem.under('pruning') for problem in problems)
    yield from _too_short(pruning)

  def _unknown(self, names: Sequence[str]) -> Iterator[Problem]:
    for name in names:
      if name not in self._layers:
        known = ', '.join(self._layers)
        hint = nearest(name, (*self._layers, *GROUPS))
        why = ' There is no clip layer, as model.clip is unset.' if name == CLIP_LAYER else hint
        yield Problem(('layers',), f"unknown layer '{name}'. The model has {known}.{why}")

  def _too_many_clusters(self, clustering: Clustering, names: Sequence[str]) -> Iterator[Problem]:
    known = [self._layers[name] for name in names if name in self._layers]
    sizes = [(layer.weights, layer) for layer in known if layer.kind is LayerKind.DENSE and layer.weights]
    weights, smallest = min(sizes, key=lambda size: size[0], default=(None, None))
    if weights and smallest and clustering.clusters > weights:
      yield Problem(
        ('clustering', 'clusters'),
        f"{clustering.clusters} clusters are more than the {weights} weights of layer '{smallest.name}' "
        f'({smallest.shape}); take at most {weights}, or leave the layer out.',
      )

  def _too_few_clusters(self, clustering: Clustering, names: Sequence[str]) -> Iterator[Problem]:
    pruned = self._recipe.pruning.targets(self._hidden) if self._recipe.pruning else {}
    both = [name for name in names if name in pruned]
    if both and clustering.clusters < _FEWEST_WITH_ZEROS:
      yield Problem(
        ('clustering', 'clusters'),
        f'must be at least {_FEWEST_WITH_ZEROS} where zeros are kept, as one of them is zero, got '
        f"{clustering.clusters} for the pruned layer '{both[0]}'.",
      )

  def _without_scheme(self, quantization: Quantization, names: Sequence[str]) -> Iterator[Problem]:
    for name in names:
      layer = self._layers.get(name)
      if layer and layer.kind is LayerKind.EMBEDDING:
        yield Problem(
          ('quantization', 'layers'),
          f"embedding tables such as '{name}' can't be trained for quantization: tfmot has no 8-bit scheme for "
          'Embedding; leave it out.',
        )
      elif layer and layer.kind is LayerKind.CUSTOM and name not in quantization.quantize_configs:
        yield Problem(
          ('quantization', 'layers'),
          f"layer '{name}' is a custom layer and needs a QuantizeConfig: set quantization.quantize_configs.{name} to "
          'the dotted path of one, such as models.compression.quantize_configs.ClipQuantizeConfig.',
        )

  def _idle_configs(self, quantization: Quantization, names: Sequence[str]) -> Iterator[Problem]:
    for name in quantization.quantize_configs:
      if name not in names:
        told = f"layer '{name}' is not among quantization.layers ({', '.join(names)})"
        mend = f'; add it there, or leave this out.{nearest(name, names)}'
        yield Problem(('quantization', 'quantize_configs', name), told + mend)

  def _activations(self, quantization: Quantization, names: Sequence[str]) -> Iterator[Problem]:
    activated = [name for name in names if name in self._hidden and name not in quantization.quantize_configs]
    if activated and self._model.activation not in QUANTIZABLE:
      supported = ', '.join(activation.value for activation in QUANTIZABLE)
      yield Problem(
        ('quantization',),
        f"tfmot's 8-bit scheme does not support the activation '{self._model.activation.value}' of layer "
        f"'{activated[0]}'; set model.activation to one of {supported}.",
      )


def _too_short(pruning: Pruning) -> Iterator[Problem]:
  """Epochs become steps only with the rides; until then only steps can be checked."""
  if pruning.fine_tuning.steps:
    try:
      pruning_steps(pruning, pruning.fine_tuning.steps)
    except ValueError as error:
      yield Problem(('pruning',), str(error))


def _article(kind: LayerKind) -> str:
  return f'an {kind.value}' if kind is LayerKind.EMBEDDING else f'a {kind.value}'


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
  inputs = scheme.precision.facts.sparse_inputs
  if recipe.pruning is None or recipe.pruning.block == (1, 1) or not inputs:
    return False
  return recipe.pruning.block[0] % inputs == 0


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
  facts = scheme.precision.facts
  if facts.never_sparse:
    yield Problem(place, f'must be false with precision {scheme.precision.value}: {facts.never_sparse}.')
  elif not any(recipe.pruning for recipe in recipes):
    told = 'no recipe of this run prunes; sparse encoding would change nothing.'
    yield Problem(place, f'{told} Add one to training.recipes, such as {_example(scheme)}, or leave the scheme out.')
  elif not any(applies(scheme, recipe) for recipe in recipes):
    inputs = facts.sparse_inputs
    blocks = f"in blocks of {inputs} inputs, which TFLite's 8-bit kernels want" if inputs > 1 else 'in blocks'
    told = f'no recipe of this run prunes {blocks}; no file would be encoded sparsely.'
    yield Problem(place, f'{told} Add one to training.recipes, such as {_example(scheme)}, or leave the scheme out.')


def _example(scheme: Scheme) -> str:
  return 'blocks_4x1_80' if scheme.precision.facts.sparse_inputs == 1 else 'blocks_16x1_80'


_LEAST_RATIO = 0.5
_LEAST_BYTES = 1000
"""A file that only adds up the columns of a ride has 1,392 bytes, without a single weight."""

_LEAST_MICROSECONDS = 0.1
"""Invoking an interpreter on that file takes 1.1 microseconds on the machine that the figures are from."""


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
    bits += (layer.weights or 0) * kept * precision.bits
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


def reduction_problems(reduction: Reduction, dataset: Dataset, features: Features) -> Iterator[Problem]:
  """Everything that makes a reduction, valid in itself, impossible for these features; located from the config down."""
  if not reduction.is_on:
    return
  if not has_numeric(dataset, features):
    told = f'must be none: no feature block yields a number that {reduction.method.value} could work on.'
    yield Problem(('reduction', 'method'), told)
  if reduction.takes_categoricals and not embeddings(dataset, features):
    told = 'must be false: neither buckets nor crosses are on, and the dataset has no categorical extra.'
    yield Problem(('reduction', 'categoricals'), told)
