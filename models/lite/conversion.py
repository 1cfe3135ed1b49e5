"""Converts trained models to TFLite files that take raw columns.

The features and the model are converted by themselves and joined: the features stay float32 whatever the scheme does to
the model, and every variant carries the same feature bytes. Where a scheme keeps some dense layers in float, the model
is cut there once more.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import pathlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from configs.compression import Calibration, KeepNames, Precision, Scheme
from configs.errors import FailedError
from models.compression import layers
from models.compression.layers import DENSE_CORE, Clip
from models.compression.quantized_model import HEADROOM
from models.keras_compat import keras
from models.lite.converter import Converter, convert, from_saved_model
from models.lite.flatbuffer import join, pack, shrink
from models.lite.inspection import output_chain
from models.lite.metadata import FileDescription
from models.lite.quantizer_compat import QuantizerMissingError, quantize
from models.protocols import E, RawInputs
from models.serving import SERVING_DEFAULT

_HIDDEN = 'hidden'
"""Name of what goes from one part of a cut model to the next."""

_ROWS_AT_ONCE = 512

Inputs = Mapping[str, np.ndarray]


class SavedParts:
  """SavedModels of a model's parts, each written once for all schemes that cut it alike; gone with this object."""

  def __init__(self) -> None:
    self._folder = pathlib.Path(tempfile.mkdtemp(prefix='farelite-parts-'))
    self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

  def directory(self, name: str, write: Callable[[str], None]) -> str:
    """Where a part is. Args: write: writes it there, the first time."""
    path = self._folder / name
    if not path.is_dir():
      write(str(path))
    return str(path)


class ConversionError(FailedError, ValueError):  # TFX's rewriter takes ValueError alone for a refusal.
  """A model can't be converted by its scheme."""


def convert_features(
  transform: Callable[[dict[str, tf.Tensor]], Mapping[str, tf.Tensor]] | None, plain: keras.Model, raw: RawInputs
) -> bytes:
  """The part of every file that makes a model's inputs of raw columns.

  Args:
    transform: the fitted Transform graph, as a layer; `None` where the columns are the inputs.
    plain: gives the names of the inputs, and which of them is clipped and where. Clipping belongs to the features:
      behind it, 8 bits cover the range that is left, and not that of a mistyped number.
    raw: the columns.
  """
  clip = _clip(plain)

  def features(**columns: tf.Tensor) -> dict[str, tf.Tensor]:
    taken = raw.for_graph(columns)
    made = transform(taken) if transform else taken
    inputs = {name: made[name] for name in plain.input_names}
    return inputs | {name: layer(inputs[name]) for name, layer in clip.items()}

  parts = SavedParts()
  owned = {'transform': transform} if transform else {}
  return _convert(parts.directory('features', lambda path: _save(features, raw.specs(), owned, path)))


def features_digest(plain: keras.Model, raw: RawInputs, *further: str) -> str:
  """What the bytes of `convert_features` depend on, beside this code. Args: further: of the graph, and of the tools."""
  inputs = [
    (name, repr(_clip(plain)[name].get_config() if name in _clip(plain) else None)) for name in plain.input_names
  ]
  specs = sorted((name, repr(spec)) for name, spec in raw.specs().items())
  return hashlib.sha256(json.dumps([type(raw).__qualname__, inputs, specs, further]).encode()).hexdigest()[:32]


def convert_model(
  model: keras.Model,
  scheme: Scheme,
  calibration: Inputs,
  quantization_aware: bool,
  output: str,
  saved: SavedParts | None = None,
) -> bytes:
  """The part of a file that makes predictions of features.

  Args:
    model: plain, or with 8-bit rounding in its dense core or, without one, in the whole.
    scheme: has the precision.
    calibration: model inputs [examples, ...] by name, for activation ranges.
    quantization_aware: whether the model brings its ranges along.
    output: name of the predictions: float32 [batch] of a model that gives [batch, 1], else [batch, classes].
    saved: of this very model, for its next schemes.
  Raises: ConversionError: the scheme and the training recipe contradict each other.
  """
  saved = saved or SavedParts()
  if len(model.outputs) != 1 or len(model.output_shape) != 2:
    raise ConversionError(f'The model gives {model.output_shape}, not [batch, 1] or [batch, classes].')
  clips = [layer.name for layer in model.layers if isinstance(layer, Clip)]
  headless = layers.recompose(model, {name: keras.layers.Activation('linear') for name in clips})
  inputs = {name: np.asarray(calibration[name]) for name in model.input_names}
  inputs |= {name: layer(inputs[name]).numpy() for name, layer in _clip(model).items()}
  if quantization_aware:
    if scheme.float_layers:
      raise ConversionError(
        f"Scheme '{scheme.name}' keeps {', '.join(scheme.float_layers)} in float, but the recipe was trained for 8 "
        'bits and says itself which layers are; name them in quantization.layers of the recipe.'
      )
    return _convert_part(headless, scheme, inputs, output, True, True, saved, 'quantization-aware')
  if not layers.has_core(model) and scheme.float_layers:
    raise ConversionError(
      f"Scheme '{scheme.name}' keeps {', '.join(scheme.float_layers)} in float, which takes a model with a dense core; "
      'for this one, name the layers that shall be integers in quantization.layers of a recipe.'
    )
  files: list[bytes] = []
  parts = list(_cut(headless, scheme.float_layers)) if layers.has_core(model) else [(headless, False)]
  for position, (part, is_float) in enumerate(parts):
    if position:
      inputs = {_HIDDEN: _run(parts[position - 1][0], inputs)}
    own = scheme.model_copy(update={'precision': Precision.FLOAT32}) if is_float else scheme
    name = '-'.join([str(position), *scheme.float_layers])
    is_last = position == len(parts) - 1
    files.append(_convert_part(part, own, inputs, output if is_last else _HIDDEN, is_last, False, saved, name))
  return functools.reduce(join, files)


def assemble(
  features: bytes | None,
  model: bytes,
  keep_names: KeepNames = KeepNames.SHORT,
  description: FileDescription | None = None,
  named: Collection[str] = (),
) -> bytes:
  """The whole file, in as few bytes as it takes; see `shrink`. Args: features: none where the model stands alone."""
  return shrink(model if features is None else join(features, model), keep_names, description, named)


def _clip(model: keras.Model) -> dict[str, Clip]:
  """What clips an input, by the name of that."""
  wrapped = {layer: getattr(layer, 'layer', layer) for layer in model.layers}
  return {layer.get_input_at(0).name: found for layer, found in wrapped.items() if isinstance(found, Clip)}


def _cut(model: keras.Model, float_layers: Sequence[str]) -> Iterator[tuple[keras.Model, bool]]:
  """The model as parts in a row, each with whether it stays float; sharing its weights."""
  dense = list(layers.kernel_layers(layers.dense_core(model)).values())
  groups = [(stays, list(group)) for stays, group in itertools.groupby(dense, lambda layer: layer.name in float_layers)]
  for position, (stays, group) in enumerate(groups):
    sequential = keras.Sequential([keras.Input(group[0].input_shape[1:]), *group], name=DENSE_CORE)
    if position == 0:
      yield layers.recompose(model, {DENSE_CORE: sequential}), stays
    else:
      hidden = keras.Input(group[0].input_shape[1:], name=_HIDDEN)
      yield keras.Model({_HIDDEN: hidden}, sequential(hidden)), stays


def _run(part: keras.Model, inputs: Inputs) -> np.ndarray:
  outputs = []
  for start in range(0, len(next(iter(inputs.values()))), _ROWS_AT_ONCE):
    batch = {name: column[start : start + _ROWS_AT_ONCE] for name, column in inputs.items()}
    outputs.append(part(batch, training=False).numpy())
  return np.concatenate(outputs)


def _equal_batches(inputs: Inputs) -> Iterator[dict[str, np.ndarray]]:
  """Batches of one size: the calibrator resizes its inputs one by one, and two sizes at once don't fit together."""
  rows = len(next(iter(inputs.values())))
  size = min(rows, _ROWS_AT_ONCE)
  for start in range(0, rows, size):
    # The last one reaches back; an example that comes twice changes no range.
    first = min(start, rows - size)
    yield {name: column[first : first + size] for name, column in inputs.items()}


def _convert_part(
  part: keras.Model,
  scheme: Scheme,
  inputs: Inputs,
  output: str,
  is_last: bool,
  calibrated: bool,
  saved: SavedParts,
  name: str,
) -> bytes:
  def compute(**features: tf.Tensor) -> dict[str, tf.Tensor]:
    found = part(features, training=False)
    return {output: tf.reshape(found, [-1]) if is_last and part.output_shape[-1] == 1 else found}

  specs = {name: tf.TensorSpec([None, *column.shape[1:]], column.dtype, name=name) for name, column in inputs.items()}
  examples = None if calibrated else lambda: _equal_batches(inputs)
  # Only the variables: walking through all that Keras tracks takes longer than converting.
  directory = saved.directory(name, lambda path: _save(compute, specs, dict(enumerate(part.variables)), path))
  content = _convert(directory, scheme, examples)
  return _with_headroom(content) if is_last and scheme.precision.is_calibrated and not calibrated else content


def _with_headroom(content: bytes) -> bytes:
  """The file of a model whose output, as the converter has it, ends at the largest prediction of the calibration.

  Both ends of its range move by one factor: the scale with them, and the zero point not. TFLite fixes the range of
  probabilities, so that they stay as they are.
  """
  model = schema.ModelT.InitFromPackedBuf(content, 0)
  tensors, of_dense = output_chain(model)
  for tensor in tensors if of_dense else ():
    tensor.quantization.scale = np.asarray(tensor.quantization.scale, np.float32) * np.float32(HEADROOM)
  return pack(model)


def _save(
  function: Callable[..., Mapping[str, tf.Tensor]],
  specs: Mapping[str, tf.TensorSpec],
  owned: Mapping[Any, Any],
  path: str,
) -> None:
  """A SavedModel with the one signature `serving_default`."""
  module = tf.Module()
  module.owned = {str(name): value for name, value in owned.items()}
  concrete = tf.function(function, autograph=False).get_concrete_function(**specs)
  tf.saved_model.save(module, path, signatures={SERVING_DEFAULT: concrete})


def _convert(
  directory: str,
  scheme: Scheme | None = None,
  examples: Callable[[], Iterator[dict[str, np.ndarray]]] | None = None,
) -> bytes:
  """A file with the one signature of a SavedModel."""
  try:
    converter = from_saved_model(directory, SERVING_DEFAULT, per_channel=bool(scheme and scheme.per_channel))
  except FailedError as error:  # Of this TensorFlow; other schemes can be made by it.
    raise ConversionError(str(error)) from error
  _set(converter, scheme, examples)
  try:
    content = convert(converter)
  except Exception as error:  # The converter raises whatever its passes raise; the last line names the operator.
    reason = str(error).strip().splitlines()[-1:]
    raise ConversionError(f"TFLite can't convert this as '{scheme.name if scheme else 'float32'}': {reason}") from error
  return _quantized(content, scheme) if scheme and scheme.precision.needs_quantizer else content


def _quantized(content: bytes, scheme: Scheme) -> bytes:
  """What the LiteRT quantizer makes of a float32 file."""
  try:
    return quantize(content, scheme.precision.facts.quantizer)
  except QuantizerMissingError as error:
    raise ConversionError(
      f"Scheme '{scheme.name}' needs the LiteRT quantizer, which is not installed ({error}): "
      "pip install 'farelite[quantizer]', or leave the scheme out of compression.schemes."
    ) from error


def _set(
  converter: Converter, scheme: Scheme | None, examples: Callable[[], Iterator[dict[str, np.ndarray]]] | None
) -> None:
  precision = scheme.precision if scheme else Precision.FLOAT32
  is_float = precision is Precision.FLOAT32 or precision.needs_quantizer
  optimizations = [] if is_float else [tf.lite.Optimize.DEFAULT]
  if scheme and scheme.sparse:
    optimizations.append(tf.lite.Optimize.EXPERIMENTAL_SPARSITY)
  converter.optimizations = optimizations
  if precision is Precision.FLOAT16:
    converter.target_spec.supported_types = [tf.float16]
  if precision.is_calibrated:
    converter.representative_dataset = examples
  if precision is Precision.INT16X8:
    converter.target_spec.supported_ops = [
      tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
      tf.lite.OpsSet.TFLITE_BUILTINS,
    ]


def calibration_sample(examples: E, calibration: Calibration) -> E:
  """A stated sample, stratified by label, that holds the highest; of classes each one's share.

  Args: calibration: how many; all of them where it is not set.
  Returns: The examples in their order. One of each stratum of equally many examples of similar labels, chosen by the
    seed, and `longest` of the highest labels. Classes have no highest one, and their labels are no ranges to cover.
  """
  wanted = calibration.rides
  if wanted is None or wanted >= len(examples):
    return examples
  order = np.argsort(examples.labels, kind='stable')
  highest = 0 if examples.classifies else min(calibration.longest, wanted)
  lower, kept = order[: len(order) - highest], [order[len(order) - highest :]]
  generator = np.random.default_rng(calibration.seed)
  if wanted > highest:
    kept.append(np.array([generator.choice(stratum) for stratum in np.array_split(lower, wanted - highest)]))
  return examples[np.sort(np.concatenate(kept))]
