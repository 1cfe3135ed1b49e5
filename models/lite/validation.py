"""Checks a written file against what its scheme and its training recipe promise; on the file's own bytes."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
from collections.abc import Callable, Sequence

import numpy as np

from configs.amounts import amount
from configs.base import joined
from configs.compression import Scheme
from models.error_intervals import root_mean_square
from models.lite.inspection import LayerFile, LiteFile
from models.lite.interpreter import LiteFileError, LiteRunner
from models.lite.process import LiteCrashError, LiteProcess, StartedAhead
from models.lite.promise import Promise, ValidationError
from models.lite.whole_validation import check_whole, find_layers
from models.protocols import FileContract, RawExamples, Terms

_BATCHES = (1, 7)
"""Besides all examples at once."""

_SATURATED = 0.005
"""Largest share of examples whose prediction may stick to the largest that the file can give."""

_LEAST_DEVIATION = 0.01
"""Least standard deviation that a tolerance is a share of, as a share of the mean prediction."""


def validate(
  content: bytes,
  promise: Promise,
  examples: RawExamples,
  predictions: np.ndarray,
  contract: FileContract,
  ahead: StartedAhead | None = None,
  beside: Callable[[LiteProcess], None] | None = None,
) -> tuple[list[LayerFile], float]:
  """Validates a finished file; without TensorFlow, so that another thread may use that meanwhile.

  Args:
    content: the whole file, features included.
    examples: real ones, that it was not calibrated with.
    predictions: of the float model for them, [examples] or [examples, classes].
    contract: of the file.
    ahead: gives the fresh process.
    beside: asks the fresh process whatever else is of interest; what becomes of that process then changes no result.
  Returns: The layers as the file holds them, and the root mean square difference of its predictions from `predictions`
    over their standard deviation.
  Raises: ValidationError: the first promise that is not kept.
  """
  layers = check_structure(content, promise)
  return layers, check_predictions(content, promise.scheme, examples, predictions, contract, ahead, beside)


def check_structure(content: bytes, promise: Promise) -> list[LayerFile]:
  """Checks operators, types, zeros and clusters; see `validate`."""
  file = LiteFile(content)
  if custom := file.custom_operators():
    raise ValidationError(f'{", ".join(custom)} are no TFLite builtins; a phone would refuse the file.')
  try:
    if promise.whole:
      layers, places = find_layers(file, promise)
    else:
      layers = file.layers({name: promise.kernels[name] for name in promise.embeddings}, promise.dense)
  except ValueError as error:
    raise ValidationError(str(error)) from None
  for layer in layers:
    _check_type(layer, promise)
    _check_values(layer, promise)
  if promise.whole:
    check_whole(file, layers, places, promise, promise.whole)
  elif promise.scheme.integer_only and (left := file.float_operators(promise.dense)):
    raise ValidationError(
      f'{", ".join(left)} in the dense core compute with floats; {promise.scheme.name} allows none.'
    )
  if promise.scheme.sparse:
    _check_sparse(layers, promise)
  return layers


_SPARSE_FROM = 0.5
"""Share of zeros from which on the converter encodes a kernel's blocks in any case; it leaves 0.3 and less dense."""


def _check_sparse(layers: Sequence[LayerFile], promise: Promise) -> None:
  """Each pruned layer has to be encoded sparsely, and no kernel to be made dense again before it is used."""
  for layer in layers:
    if layer.densified:
      raise ValidationError(
        f"Layer '{layer.name}' is made dense again (DENSIFY) before it is used: no kernel of TFLite's takes its blocks."
      )
    if layer.name in promise.pruned and layer.sparsity >= _SPARSE_FROM and not layer.sparse:
      raise ValidationError(f"Layer '{layer.name}' is not encoded sparsely, though {layer.sparsity:.0%} of it is zero.")
  if not any(layer.sparse for layer in layers):
    raise ValidationError('No layer is encoded sparsely: no kernel has enough zero blocks for it.')


def _check_type(layer: LayerFile, promise: Promise) -> None:
  wanted, computed = _types(layer, promise)
  if layer.type != wanted:
    raise ValidationError(f"Layer '{layer.name}' holds {layer.type} weights, but {promise.scheme.name} says {wanted}.")
  embedding = layer.name in promise.embeddings
  found = {layer.output_type} if embedding else {layer.input_type, layer.output_type}
  if found != {computed}:
    raise ValidationError(
      f"Layer '{layer.name}' computes with {joined(sorted(found))}, but {promise.scheme.name} says {computed}."
    )


def _types(layer: LayerFile, promise: Promise) -> tuple[str, str]:
  """The type of the weights, and that of what the layer takes and yields."""
  facts = promise.scheme.precision.facts
  is_embedding = layer.name in promise.embeddings
  # Embeddings are converted together with the first dense layer.
  if is_embedding and promise.whole:
    is_quantized = bool(promise.quantized)  # What comes out of a table is rounded whichever layer takes it.
  else:
    is_quantized = (promise.dense[0] if is_embedding else layer.name) in promise.quantized
  if not is_quantized or layer.size < facts.smallest:
    return 'float32', 'float32'
  if is_embedding:
    # Rows of integers are looked up as they are stored; if need be they become float behind the lookup.
    return facts.tables, facts.tables if facts.tables.startswith('int') else 'float32'
  is_float = facts.float_depthwise and layer.name in promise.order.depthwise
  return 'float32' if is_float else facts.weights, facts.activations


def _check_values(layer: LayerFile, promise: Promise) -> None:
  # TFLite's sparse 8-bit kernel reads the first scale alone, without an error.
  if layer.sparse and len(layer.scales) > 1:
    raise ValidationError(
      f"Layer '{layer.name}' is encoded sparsely with {len(layer.scales)} scales, of which TFLite's kernel reads one."
    )
  kernel = promise.kernels[layer.name]
  zeros = int(kernel.size - np.count_nonzero(kernel))
  if layer.size != kernel.size:
    raise ValidationError(f"Layer '{layer.name}' has {layer.size} weights in the file and {kernel.size} in the model.")
  # Rounding may turn small weights into further zeros.
  if layer.zeros < zeros:
    raise ValidationError(f"Layer '{layer.name}' has {layer.zeros} zeros in the file and {zeros} in the model.")
  if not promise.whole:
    _check_core(layer, promise)


def _check_core(layer: LayerFile, promise: Promise) -> None:
  """Scales and clusters in a dense core."""
  kernel = promise.kernels[layer.name]
  each_unit = promise.scheme.per_channel and layer.name in promise.dense and layer.type == 'int8'
  if each_unit and len(layer.scales) != kernel.shape[-1]:
    found = f"Layer '{layer.name}' has {len(layer.scales)} scales for {kernel.shape[-1]} units"
    raise ValidationError(f'{found}; {promise.scheme.name} says one for each.')
  distinct = len(np.unique(kernel))
  # Scales per channel store one value as several integers, which undoes the clusters in the file.
  if layer.name in promise.clustered and layer.distinct > distinct:
    raise ValidationError(
      f"Layer '{layer.name}' has {layer.distinct} distinct weights in the file and {distinct} in the model."
    )


def check_predictions(
  content: bytes,
  scheme: Scheme,
  examples: RawExamples,
  predictions: np.ndarray,
  contract: FileContract,
  ahead: StartedAhead | None = None,
  beside: Callable[[LiteProcess], None] | None = None,
) -> float:
  """Runs the file, in this process and in a fresh one; see `validate`."""
  terms = contract.terms
  try:
    model = LiteRunner(content, contract=contract)
    found = model.predict(examples.columns)
    if not np.isfinite(found).all():
      raise ValidationError(f'{int((~np.isfinite(found)).sum())} of {len(found)} {terms.predictions} are no numbers.')
    for batch in _BATCHES:
      few = {name: column[:batch] for name, column in examples.columns.items()}
      if not np.allclose(model.predict(few), found[:batch], rtol=1e-3, atol=0.01 * float(np.std(predictions))):
        raise ValidationError(
          f'{batch} {terms.examples} at once get other {terms.predictions} than the same ones among {len(found)}.'
        )
    fresh = _in_a_fresh_process(content, examples, contract, ahead, beside)
  except (LiteFileError, LiteCrashError) as error:
    raise ValidationError(str(error)) from error
  if not np.array_equal(found, fresh):
    raise ValidationError(f'A fresh process gives other {terms.predictions} than this one.')
  return _compare(found, predictions, scheme, terms)


def _in_a_fresh_process(
  content: bytes,
  examples: RawExamples,
  contract: FileContract,
  ahead: StartedAhead | None,
  beside: Callable[[LiteProcess], None] | None,
) -> np.ndarray:
  with tempfile.TemporaryDirectory() as directory:
    path = pathlib.Path(directory, 'model.tflite')
    path.write_bytes(content)
    with LiteProcess(path, contract=contract, ahead=ahead) as process:
      found = process.predict(examples.columns)
      if beside is not None:
        with contextlib.suppress(LiteFileError, LiteCrashError):
          beside(process)
      return found


def _compare(found: np.ndarray, predictions: np.ndarray, scheme: Scheme, terms: Terms) -> float:
  stuck = (found == found.max()) & (predictions > 1.05 * found.max())
  if stuck.mean() > _SATURATED:
    raise ValidationError(
      f'The output saturates: {stuck.mean():.1%} of the {terms.examples} get {amount(float(found.max()))}, where the '
      'float model gives more.'
    )
  difference = float(root_mean_square(found.astype(np.float64) - predictions))
  # Predictions that hardly differ would make any difference too large.
  difference /= max(float(np.std(predictions)), _LEAST_DEVIATION * float(np.mean(np.abs(predictions))), 1e-6)
  if difference > scheme.tolerance:
    raise ValidationError(
      f"Its {terms.predictions} differ from the float model's by {difference:.4f} of their standard deviation; "
      f'{scheme.name} allows {scheme.tolerance:g}.'
    )
  return difference
