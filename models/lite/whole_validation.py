"""Checks a file of a whole model: its convolutions, normalizations and additions, quantized and folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.compression.layers import filters
from models.lite.inspection import LayerFile, LiteFile
from models.lite.promise import Promise, ValidationError, WholePromise


def find_layers(file: LiteFile, promise: Promise) -> tuple[list[LayerFile], dict[str, int]]:
  """The layers of a whole model, and the positions of the operators that multiply by their kernels, by name.

  Returns: Embeddings, then the others, first to last.
  Raises: ValueError: a layer is not in the file.
  """
  places = file.kernels(_kernels(promise))
  tables = file.tables({name: promise.kernels[name] for name in promise.embeddings})
  return tables + [file.layer(name, place) for name, place in places.items()], places


def check_whole(
  file: LiteFile, layers: Sequence[LayerFile], places: Mapping[str, int], promise: Promise, whole: WholePromise
) -> None:
  """Checks what the kernels of a whole model hold, what is folded into them, and that nothing is left in float.

  Args: layers, places: what `find_layers` found; their types are not checked.
  Raises: ValidationError: the first promise that is not kept.
  """
  kernels = _kernels(promise)
  for layer in layers:
    if layer.name in kernels:
      _check_zeros(layer, kernels[layer.name])
      _check_clusters(layer, kernels[layer.name], promise, whole)
      _check_scales(layer, kernels[layer.name], promise, whole)
  for operator, place in file.unfused():
    raise ValidationError(f'{operator}{_behind(file, place, places)} stands by itself, and is no part of that layer.')
  if whole.in_integers:
    says = f'{promise.scheme.name} says {promise.scheme.precision.facts.activations}'
    for operator, place in file.floats(0 if whole.alone else min(places.values())):
      raise ValidationError(f'{operator}{_behind(file, place, places)} computes with floats, but {says}.')


def _kernels(promise: Promise) -> dict[str, np.ndarray]:
  """By layer, [filters, inputs]."""
  return {name: filters(promise.kernels[name], name in promise.order.depthwise) for name in promise.order.kernels}


def _check_zeros(layer: LayerFile, kernel: np.ndarray) -> None:
  """Every zero of the model is at its place."""
  zeros = kernel == 0
  if layer.matrix is not None and (lost := int(np.count_nonzero(layer.matrix[zeros]))):
    raise ValidationError(
      f"Layer '{layer.name}' is zero in the model and not in the file at {lost} of {zeros.sum()} places."
    )


def _check_clusters(layer: LayerFile, kernel: np.ndarray, promise: Promise, whole: WholePromise) -> None:
  """Distinct weights; of each filter by itself where it has a factor or a scale of its own."""
  if layer.name not in promise.clustered:
    return
  if layer.matrix is None or not (layer.name in whole.normalized or len(layer.scales) > 1):
    pairs = [(layer.distinct, len(np.unique(kernel)))]
  else:
    pairs = [(len(np.unique(row)), len(np.unique(own))) for row, own in zip(layer.matrix, kernel, strict=True)]
  for found, promised in pairs:
    if found > promised:
      raise ValidationError(
        f"Layer '{layer.name}' has {found} distinct weights in the file and {promised} in the model"
        f'{", in one filter" if len(pairs) > 1 else ""}.'
      )


def _check_scales(layer: LayerFile, kernel: np.ndarray, promise: Promise, whole: WholePromise) -> None:
  """One for each filter of a convolution that holds integers; of a dense layer where the scheme says so."""
  wanted = layer.name in whole.convolutions or promise.scheme.per_channel
  if wanted and layer.type.startswith('int') and len(layer.scales) != len(kernel):
    found = f"Layer '{layer.name}' has {len(layer.scales)} scales for {len(kernel)} filters"
    raise ValidationError(f'{found}; {promise.scheme.name} says one for each.')


def _behind(file: LiteFile, place: int, places: Mapping[str, int]) -> str:
  """Where an operator stands, for a message: at or behind which layer, or nothing where it comes before all."""
  names = {place: name for name, place in places.items()}
  nearest = max((ahead for ahead in file.ahead(place) if ahead in names), default=None)
  return '' if nearest is None else f" behind layer '{names[nearest]}'"
