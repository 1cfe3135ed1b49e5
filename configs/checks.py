"""Whether recipes, schemes, budgets and reductions fit the model and its features: checked when the config is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from configs.base import Problem, joined, nearest
from configs.compression import Compression, Precision, Scheme, applies
from configs.dataset import Dataset
from configs.evaluation import Slices
from configs.features import Features
from configs.layer_names import CLIP_LAYER
from configs.layers import Layer, LayerKind, embeddings, has_numeric
from configs.model import Activation, Model
from configs.pairs import aware, channels_beside_aware, float_beside_aware, integers_left, sparse
from configs.pruning import kernel_problems, pruning_steps
from configs.recipe import GROUPS, Clustering, Pruning, Quantization, Recipe
from configs.reduction import Reduction

QUANTIZABLE = (Activation.RELU, Activation.TANH, Activation.LINEAR)
"""Activations that tfmot's 8-bit scheme knows: its `QuantizeAwareActivation` names them."""

_FEWEST_WITH_ZEROS = 3
"""tfmot's `ClusterWeights` wants more than 2 clusters where it preserves sparsity."""


def recipe_problems(recipe: Recipe, model: Model, layers: Sequence[Layer]) -> Iterator[Problem]:
  """Everything that is wrong with a recipe for a model, located from the recipe's name down.

  Args:
    recipe: valid in itself, layer groups replaced by names or not.
    model: its activation.
    layers: all of the model's, see `model_layers`.
  """
  by_name = {layer.name: layer for layer in layers}
  hidden = _dense_names(layers)[:-1]
  for key in recipe.techniques:
    technique = recipe.technique(key)
    names = technique.names(hidden)
    known = [by_name[name] for name in names if name in by_name]
    found = list(_unknown(names, by_name))
    if technique.dense_only:
      found += [_not_dense(key, layer) for layer in known if layer.kind is not LayerKind.DENSE]
    if isinstance(technique, Pruning):
      found += _pruning(technique, technique.targets(hidden), known)
    elif isinstance(technique, Clustering):
      pruned = recipe.pruning.targets(hidden) if recipe.pruning else {}
      found += _clustering(technique, known, [name for name in names if name in pruned])
    elif isinstance(technique, Quantization):
      found += _quantization(technique, names, known)
      activated = [name for name in names if name in hidden and name not in technique.quantize_configs]
      found += _activation(model.activation, activated)
    yield from (problem.under(recipe.name, key) for problem in found)


def _dense_names(layers: Sequence[Layer]) -> list[str]:
  """Of the dense layers, the output the last one."""
  return [layer.name for layer in layers if layer.kind is LayerKind.DENSE]


def _unknown(names: Sequence[str], known: Mapping[str, Layer]) -> Iterator[Problem]:
  for name in names:
    if name not in known:
      no_clip = ' There is no clip layer, as model.clip is unset.'
      why = no_clip if name == CLIP_LAYER else nearest(name, (*known, *GROUPS))
      yield Problem('layers', f"unknown layer '{name}'. The model has {', '.join(known)}.{why}")


def _not_dense(technique: str, layer: Layer) -> Problem:
  article = 'an' if layer.kind is LayerKind.EMBEDDING else 'a'
  message = f"{technique} takes dense layers only, and '{layer.name}' is {article} {layer.kind.value}; leave it out."
  return Problem('layers', message)


def _pruning(pruning: Pruning, targets: Mapping[str, float], known: Sequence[Layer]) -> Iterator[Problem]:
  for layer in known:
    if layer.units is None:
      yield Problem('layers', f"layer '{layer.name}' has no weights to prune; leave it out.")
    else:
      yield from kernel_problems(pruning, layer.name, targets[layer.name], layer.inputs, layer.units)
  if isinstance(pruning.layers, dict) and pruning.final_sparsity != max(pruning.layers.values()):
    message = 'has no effect beside a sparsity for each of pruning.layers'
    yield Problem('final_sparsity', f'{message}; leave it out, or set it to null where it comes from what is extended.')
  # Epochs become steps only with the rides; until then only steps can be checked.
  if pruning.fine_tuning.steps:
    try:
      pruning_steps(pruning, pruning.fine_tuning.steps)
    except ValueError as error:
      yield Problem('', str(error))


def _clustering(clustering: Clustering, known: Sequence[Layer], pruned: Sequence[str]) -> Iterator[Problem]:
  sizes = {layer: layer.weights for layer in known if layer.kind is LayerKind.DENSE and layer.weights}
  smallest = min(sizes, key=lambda layer: sizes[layer], default=None)
  if smallest and clustering.clusters > sizes[smallest]:
    more = f"{clustering.clusters} clusters are more than the {sizes[smallest]} weights of layer '{smallest.name}'"
    way_out = f'take at most {sizes[smallest]}, or leave the layer out.'
    yield Problem('clusters', f'{more} ({smallest.shape}); {way_out}')
  if pruned and clustering.clusters < _FEWEST_WITH_ZEROS:
    least = f'must be at least {_FEWEST_WITH_ZEROS} where zeros are kept, as one of them is zero'
    yield Problem('clusters', f"{least}, got {clustering.clusters} for the pruned layer '{pruned[0]}'.")


def _quantization(quantization: Quantization, names: Sequence[str], known: Sequence[Layer]) -> Iterator[Problem]:
  for layer in known:
    if layer.kind is LayerKind.EMBEDDING:
      what = f"embedding tables such as '{layer.name}' can't be trained for quantization"
      yield Problem('layers', f'{what}: tfmot has no 8-bit scheme for Embedding; leave it out.')
    elif layer.kind is LayerKind.CUSTOM and layer.name not in quantization.quantize_configs:
      what = f"layer '{layer.name}' is a custom layer and needs a QuantizeConfig"
      setting = f'set quantization.quantize_configs.{layer.name} to the dotted path of one'
      yield Problem('layers', f'{what}: {setting}, such as models.compression.quantize_configs.ClipQuantizeConfig.')
  for name in quantization.quantize_configs:
    if name not in names:
      what = f"layer '{name}' is not among quantization.layers ({', '.join(names)})"
      way_out = f'add it there, or leave this out.{nearest(name, names)}'
      yield Problem(f'quantize_configs.{name}', f'{what}; {way_out}')


def _activation(activation: Activation, layers: Sequence[str]) -> Iterator[Problem]:
  if layers and activation not in QUANTIZABLE:
    what = f"tfmot's 8-bit scheme does not support the activation '{activation.value}' of layer '{layers[0]}'"
    supported = ', '.join(each.value for each in QUANTIZABLE)
    yield Problem('', f'{what}; set model.activation to one of {supported}.')


def scheme_problems(scheme: Scheme, recipes: Sequence[Recipe], layers: Sequence[Layer]) -> Iterator[Problem]:
  """Everything that is wrong with a scheme for a run, located from the scheme's name down.

  Args: layers: all of the model's, see `model_layers`.
  """
  checks = (
    _tolerance(scheme),
    _calibration(scheme),
    _float_layers(scheme, recipes, layers),
    sparse(scheme, recipes),
    _integer_only(scheme, recipes, layers),
    _per_channel(scheme, recipes),
  )
  for check in checks:
    yield from (problem.under(scheme.name) for problem in check)


def _tolerance(scheme: Scheme) -> Iterator[Problem]:
  if scheme.tolerance > 1:
    percent = f' For {scheme.tolerance:g} % write {scheme.tolerance / 100:g}.' if scheme.tolerance <= 100 else ''
    what = "it is a fraction of the fares' standard deviation, and the same fare for every ride differs by 1."
    yield Problem('tolerance', f'must be at most 1, got {scheme.tolerance:g}: {what}{percent}')


def _calibration(scheme: Scheme) -> Iterator[Problem]:
  rides, longest = scheme.calibration.rides, scheme.calibration.longest
  if rides is not None and rides < longest:
    least = 'must not be fewer than longest, the highest fares among them'
    way_out = f'set longest to at most {rides:,}, or rides to at least {longest:,}.'
    yield Problem('calibration.rides', f'{least}, got {rides:,} rides and longest {longest:,}; {way_out}')


def _float_layers(scheme: Scheme, recipes: Sequence[Recipe], layers: Sequence[Layer]) -> Iterator[Problem]:
  dense = _dense_names(layers)
  others = {layer.name: layer.kind.value for layer in layers if layer.name not in dense}
  messages = []
  for name in dict.fromkeys(scheme.float_layers):
    if name in others:
      messages.append(f"must be dense layers, not the {others[name]} '{name}'; leave it out.")
    elif name not in dense:
      messages.append(f"unknown layer '{name}'. The dense layers are {', '.join(dense)}.{nearest(name, dense)}")
  if set(dense) <= set(scheme.float_layers):
    messages.append(f'has every dense layer, so that none would be {scheme.precision.value}; leave one of them out.')
  yield from (Problem('float_layers', message) for message in messages)
  if not messages:
    yield from float_beside_aware(scheme, recipes)


def _integer_only(scheme: Scheme, recipes: Sequence[Recipe], layers: Sequence[Layer]) -> Iterator[Problem]:
  """What can't come of recipes that were trained for 8 bits in some layers."""
  dense = _dense_names(layers)
  for recipe in aware(scheme, recipes):
    assert recipe.quantization is not None
    left = [layer for layer in dense if layer not in recipe.quantization.names(dense[:-1])]
    if left:
      yield from integers_left(scheme, [recipe], joined(left))


def _per_channel(scheme: Scheme, recipes: Sequence[Recipe]) -> Iterator[Problem]:
  clustered = [recipe.name for recipe in recipes if recipe.clustering]
  if scheme.per_channel and clustered:
    why = 'a scale for each unit stores one value as several integers, which undoes clusters'
    yield Problem('per_channel', f'must be false with {joined(clustered)} of training.recipes: {why}.')
  else:
    yield from channels_beside_aware(scheme, recipes)


_LEAST_RATIO = 0.5
_LEAST_BYTES = 1000
"""A file that only adds up the columns of a ride has 1,392 bytes, without a single weight."""

_LEAST_GZIP_BYTES = 500
"""That file has 577 after gzip, once its tensors have no names."""

_LEAST_MICROSECONDS = 0.1
"""Invoking an interpreter on that file takes 1.1 microseconds on the machine that the figures are from."""


def budget_problems(compression: Compression, recipes: Sequence[Recipe], layers: Sequence[Layer]) -> Iterator[Problem]:
  """Limits that no variant can keep, located from the budget's fields down.

  Args:
    compression: the budget, and the schemes, each one fit for the run.
    layers: all of the model's, see `model_layers`.
  """
  budget = compression.budget
  units = [str(layer.units) for layer in layers if layer.name in _dense_names(layers)[:-1]]
  none_fits = f'no model of {"-".join(units)} fits'
  for name, ratio in (('rmse_ratio', budget.rmse_ratio), ('worst_slice_ratio', budget.worst_slice_ratio)):
    if ratio is not None and ratio < _LEAST_RATIO:
      reason = f'{none_fits}, as each one is made of the dense base and none has half of its error'
      way_out = f'To allow {100 * ratio:g} % more error write {1 + ratio:g}.'
      yield Problem(name, f'must be at least {_LEAST_RATIO:g}, got {ratio:g}: {reason}. {way_out}')
  latency = budget.latency_us
  if latency is not None and latency < _LEAST_MICROSECONDS:
    reason = f'{none_fits}, as calling an interpreter alone takes about a microsecond'
    yield Problem('latency_us', f'must be at least {_LEAST_MICROSECONDS:g}, got {latency:g}: {reason}.')
  if budget.gzip_bytes is not None and budget.gzip_bytes < _LEAST_GZIP_BYTES:
    reason = f"{none_fits}, as the names and types of a ride's columns alone take more after gzip"
    yield Problem('gzip_bytes', f'must be at least {_LEAST_GZIP_BYTES}, got {budget.gzip_bytes:,}: {reason}.')
  if budget.bytes is not None:
    least, reason = _fewest_bytes(budget.bytes, compression.schemes, recipes, layers)
    if budget.bytes < least:
      yield Problem('bytes', f'must be at least {least:,}, got {budget.bytes:,}: {none_fits}, as {reason}.')


def _fewest_bytes(
  limit: int, schemes: Sequence[Scheme], recipes: Sequence[Recipe], layers: Sequence[Layer]
) -> tuple[int, str]:
  """Bytes that a file has at least, and what takes them."""
  if limit < _LEAST_BYTES:
    return _LEAST_BYTES, "the names and types of a ride's columns alone take more"
  pairs = [(recipe, scheme) for recipe in recipes for scheme in schemes if applies(scheme, recipe)]
  sizes = {f'{recipe.name}.{scheme.name}': weight_bytes(recipe, scheme, layers) for recipe, scheme in pairs}
  smallest = min(sizes, key=lambda name: sizes[name])
  return sizes[smallest], f'the weights of the smallest variant, {smallest}, alone take that many'


def weight_bytes(recipe: Recipe, scheme: Scheme, layers: Sequence[Layer]) -> int:
  """What the weights of a variant take at least, biases aside, and layers aside whose inputs are not known yet."""
  pruned = recipe.pruning.targets(_dense_names(layers)[:-1]) if recipe.pruning else {}
  bits = 0.0
  for layer in layers:
    precision = Precision.FLOAT32 if layer.name in scheme.float_layers else scheme.precision
    kept = 1 - pruned.get(layer.name, 0) if scheme.sparse else 1
    bits += (layer.weights or 0) * kept * precision.bits
  return int(bits / 8)


def slice_problems(slices: Slices, dataset: Dataset) -> Iterator[Problem]:
  """Columns that the evaluation can't be sliced by as is said; located from the slices down."""
  extras = {extra.name: extra for extra in dataset.extras}
  for name, edges in slices.columns.items():
    where = f'columns.{name}'
    if name not in extras:
      hint = nearest(name, extras) or ' Add it there, with the name of its column in the source.'
      yield Problem(where, f'is no column of dataset.extras, which has {", ".join(extras) or "none"}.{hint}')
    elif extras[name].kind == 'numeric' and not edges:
      yield Problem(where, 'must name the numbers at which bands meet, such as [1, 2.5], as the column is numeric.')
    elif extras[name].kind == 'categorical' and edges:
      yield Problem(where, 'must be [], as the column is categorical: each word of its vocabulary is a slice.')


def reduction_problems(reduction: Reduction, dataset: Dataset, features: Features) -> Iterator[Problem]:
  """Everything that makes a reduction, valid in itself, impossible for these features; located from the config down."""
  if reduction.is_on and not has_numeric(dataset, features):
    message = f'must be none: no feature block yields a number that {reduction.method.value} could work on.'
    yield Problem('reduction.method', message)
  if reduction.takes_categoricals and not embeddings(dataset, features):
    message = 'must be false: neither buckets nor crosses are on, and the dataset has no categorical extra.'
    yield Problem('reduction.categoricals', message)
