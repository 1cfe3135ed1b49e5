"""Whether recipes, schemes, budgets and reductions fit the model and its features. Told when the config is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from configs.base import Problem, nearest
from configs.compression import Compression, Precision, Scheme, applies
from configs.dataset import Dataset
from configs.features import Features
from configs.layer_names import CLIP_LAYER, OUTPUT_LAYER
from configs.layers import Layer, LayerKind, embeddings, has_numeric
from configs.model import Activation, Model
from configs.pruning import kernel_problems, pruning_steps
from configs.recipe import (
  GROUPS,
  Clustering,
  Pruning,
  Quantization,
  Recipe,
)
from configs.reduction import Reduction

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
  Returns: Problems located from the recipe's name down.
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
        fix = f'; add it there, or leave this out.{nearest(name, names)}'
        yield Problem(('quantization', 'quantize_configs', name), told + fix)

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

  Args: layers: all of the model's, see `model_layers`.
  Returns: Problems located from the scheme's name down.
  """
  found = [*_tolerance(scheme), *_calibration(scheme), *_float_layers(scheme, layers), *_sparse(scheme, recipes)]
  return [problem.under(scheme.name) for problem in found]


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
    layers: all of the model's, see `model_layers`.
  Returns: Problems located from the budget's fields down.
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
