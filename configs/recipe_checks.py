"""Whether a recipe fits the model it is for. Told when the config is read, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from configs.fine_tuning import CLIP_LAYER, GROUPS, OUTPUT_LAYER
from configs.layers import Layer, LayerKind
from configs.model import Activation, Model
from configs.problems import Problem, nearest
from configs.pruning_checks import kernel_problems
from configs.pruning_steps import PruningSteps, pruning_steps
from configs.recipe import Clustering, Pruning, Quantization, Recipe

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
  found = [*check.pruning(), *check.clustering(), *check.quantization()]
  return [problem.under(recipe.name) for problem in found]


class _RecipeCheck:
  def __init__(self, recipe: Recipe, model: Model, layers: Sequence[Layer]) -> None:
    self._recipe = recipe
    self._model = model
    self._layers = {layer.name: layer for layer in layers}
    dense = [layer.name for layer in layers if layer.kind is LayerKind.DENSE]
    self._hidden = [name for name in dense if name != OUTPUT_LAYER]

  def pruning(self) -> Iterator[Problem]:
    pruning = self._recipe.pruning
    if not pruning:
      return
    targets = pruning.targets(self._hidden)
    for problem in self._unknown(targets):
      yield problem.under('pruning')
    for name, sparsity in targets.items():
      layer = self._layers.get(name)
      if layer and layer.units is None:
        yield Problem(('pruning', 'layers'), f"layer '{name}' has no weights to prune; leave it out.")
      elif layer and layer.units:
        problems = kernel_problems(pruning, name, sparsity, layer.inputs, layer.units)
        yield from (problem.under('pruning') for problem in problems)
    yield from _too_short(pruning)

  def clustering(self) -> Iterator[Problem]:
    clustering = self._recipe.clustering
    if not clustering:
      return
    names = clustering.names(self._hidden)
    yield from (problem.under('clustering') for problem in self._unknown(names))
    for name in names:
      layer = self._layers.get(name)
      if layer and layer.kind is not LayerKind.DENSE:
        told = f"clustering takes dense layers only, and '{name}' is {_article(layer.kind)}; leave it out."
        yield Problem(('clustering', 'layers'), told)
    yield from self._too_many_clusters(clustering, names)
    yield from self._too_few_clusters(clustering, names)

  def quantization(self) -> Iterator[Problem]:
    quantization = self._recipe.quantization
    if not quantization:
      return
    names = quantization.names(self._hidden)
    yield from (problem.under('quantization') for problem in self._unknown(names))
    yield from self._without_scheme(quantization, names)
    yield from self._idle_configs(quantization, names)
    yield from self._activations(quantization, names)

  def _unknown(self, names: Sequence[str] | dict[str, float]) -> Iterator[Problem]:
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
