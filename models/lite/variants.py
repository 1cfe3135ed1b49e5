"""Makes the lite files of a run: every trained recipe in every scheme that applies to it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from configs.compression import KeepNames, Scheme
from configs.pairs import is_aware
from configs.recipe import Recipe
from models import serving
from models.compression import layers
from models.compression.quantized_model import INPUT, quantized_names
from models.compression.whole_model import final_model, input_key, whole_names
from models.error_intervals import root_mean_square
from models.keras_compat import fresh_names, keras
from models.lite import quantizer_compat
from models.lite.conversion import (
  SavedParts,
  assemble,
  calibration_sample,
  convert_features,
  convert_model,
  features_digest,
)
from models.lite.flatbuffer import shrink
from models.lite.inspection import LayerFile, LiteFile
from models.lite.interpreter import LiteRunner
from models.lite.metadata import FileDescription
from models.lite.process import Beside, StartedAhead
from models.lite.promise import Promise, WholePromise
from models.lite.validation import validate
from models.lite.whole_errors import whole_errors
from models.protocols import Build, Examples, RawExamples, RawInputs
from models.recipe_training import start_from
from models.training import predict_inputs

Check = Callable[[bytes], tuple[list[LayerFile], float]]
"""Validates a file."""


@dataclasses.dataclass(frozen=True)
class Variants:
  """Converts and validates, for models of one Transform graph, or of none.

  Attributes:
    build: makes the models.
    raw: what the files take.
    transform: the fitted Transform graph, as a layer; `None` where the files take what the models do.
    training: the transformed training split, or a sample of it, for calibration.
    held_out: raw examples of the eval split, or a sample of them, for validation.
    keep_names: of the files' inner tensors.
    description: for the files' TFLite metadata; without one they have none.
    kept: gives the bytes of the features by a digest of what they are made of; where it has none, it is to make them.
    graph: digest of the Transform graph's files.
  """

  build: Build
  raw: RawInputs
  transform: Callable[[dict[str, tf.Tensor]], Mapping[str, tf.Tensor]] | None
  training: Examples
  held_out: RawExamples
  keep_names: KeepNames = KeepNames.SHORT
  description: FileDescription | None = None
  kept: Callable[[str, Callable[[], bytes]], bytes] = lambda digest, make: make()
  graph: str = ''
  _models: dict[str, tuple[keras.Model, keras.Model]] = dataclasses.field(default_factory=dict, init=False)
  _saved: dict[str, SavedParts] = dataclasses.field(default_factory=dict, init=False)
  _predictions: dict[tuple[str, bool], np.ndarray] = dataclasses.field(default_factory=dict, init=False)

  @functools.cached_property
  def features(self) -> bytes | None:
    """The part that all files have in common; `None` where a model stands alone."""
    with fresh_names():
      plain = self.build()
    if self.transform is None and not any(isinstance(layer, layers.Clip) for layer in plain.layers):
      return None
    digest = features_digest(plain, self.raw, self.graph, tf.__version__)
    return self.kept(digest, lambda: convert_features(self.transform, plain, self.raw))

  @functools.cached_property
  def feature_bytes(self) -> int:
    """What that part takes in a file."""
    return 0 if self.features is None else len(shrink(self.features, self.keep_names))

  def write(self, recipe: Recipe, scheme: Scheme, saved_model: str) -> bytes:
    """A whole file.

    Args:
      scheme: see `convert_model`.
      saved_model: the exported model, with its weights beside it.
    Raises: ConversionError: TFLite can't, or the scheme contradicts the recipe.
    """
    aware = is_aware(scheme, recipe)
    model = self._model(recipe, saved_model)[aware]
    calibration = calibration_sample(self.training, scheme.calibration).inputs
    saved = self._saved.setdefault(saved_model, SavedParts())
    with fresh_names():  # They end in the file, whose bytes are the same whatever this process did before.
      converted = convert_model(model, scheme, calibration, aware, self.raw.output, saved)
    named = [] if layers.has_core(model) else list(layers.kernel_layers(self._model(recipe, saved_model)[0]))
    return assemble(self.features, converted, self.keep_names, self.description, named)

  def check(
    self,
    recipe: Recipe,
    scheme: Scheme,
    saved_model: str,
    ahead: StartedAhead | None = None,
    beside: Beside | None = None,
  ) -> Check:
    """What validates the file, in any thread: all that needs TensorFlow is done when this returns.

    Args: ahead, beside: the fresh process, see `models.lite.validation.validate`.
    """
    plain, _ = self._model(recipe, saved_model)
    promise = self._promise(recipe, scheme, plain)
    predictions = self._predicted(recipe, saved_model, is_aware(scheme, recipe))
    held_out, contract = self.held_out, self.raw.contract

    def checked(content: bytes) -> tuple[list[LayerFile], float]:
      asked = None if beside is None else functools.partial(beside, content)
      return validate(content, promise, held_out, predictions, contract, ahead, asked)

    return checked

  def _promise(self, recipe: Recipe, scheme: Scheme, plain: keras.Model) -> Promise:
    """What a file of a plain model has to keep."""
    dense = layers.kernel_layers(plain)
    tables = {layer.name: layer for layer in layers.leaves(plain) if isinstance(layer, keras.layers.Embedding)}
    kernels = {name: layers.kernel(layer).numpy() for name, layer in (tables | dense).items()}
    quantized, all_known = [name for name in dense if name not in scheme.float_layers], True
    if is_aware(scheme, recipe):
      assert recipe.quantization is not None
      names = quantized_names if layers.has_core(plain) else whole_names
      quantized, all_known = list(names(plain, recipe.quantization)), not recipe.quantization.quantize_configs
    promise = Promise(scheme, recipe, kernels, quantized, layers.LayerOrder.of(plain))
    if layers.has_core(plain):
      return promise
    whole = WholePromise(
      convolutions=frozenset(name for name, layer in dense.items() if not isinstance(layer, keras.layers.Dense)),
      normalized=frozenset(name for name, layer in dense.items() if layers.is_normalized(layer)),
      in_integers=scheme.precision.is_calibrated and all_known and len(quantized) == len(dense),
      alone=self.features is None,
    )
    return dataclasses.replace(promise, whole=whole)

  def layer_errors(self, content: bytes, recipe: Recipe, saved_model: str) -> dict[str, tuple[float, float]]:
    """Where a file loses accuracy: how far its activations on the eval split are from the float model's.

    Returns: By dense layer or convolution, first to last: the root mean square difference of its outputs from the float
      model's, and from what that layer makes in float of the inputs that it gets in the file; both over the standard
      deviation of the float model's.
    """
    plain, _ = self._model(recipe, saved_model)
    if not layers.has_core(plain):
      return whole_errors(content, plain, self._eval, self.held_out.columns, self.raw.contract)
    dense = layers.kernel_layers(plain)
    runner = LiteRunner(content, default_delegates=False, contract=self.raw.contract, keep_tensors=True)
    runner.call(runner.taken(self.held_out.columns))
    width = layers.dense_core(plain).input_shape[1:]
    nothing = keras.Sequential([keras.Input(width), keras.layers.Activation('linear')])
    front = layers.recompose(plain, {layers.DENSE_CORE: nothing})
    exact, found = front([tf.constant(self._eval[name]) for name in plain.input_names], training=False).numpy(), {}
    for name, (taken, given, activated) in LiteFile(content).activations([*dense]).items():
      layer, output = dense[name], runner.tensor(given)
      before = exact @ layer.kernel.numpy() + layer.bias.numpy()
      here = runner.tensor(taken) @ layer.kernel.numpy() + layer.bias.numpy()
      # Keras's linear activation hands on whatever it gets.
      exact = layer.activation(tf.constant(before)).numpy()
      expected, alone = (exact, layer.activation(tf.constant(here)).numpy()) if activated else (before, here)
      spread = float(np.std(expected)) or 1.0
      error, own = (float(root_mean_square((output - other).reshape(-1))) for other in (expected, alone))
      found[name] = error / spread, own / spread
    return found

  def said_by(self, content: bytes) -> dict[str, float]:
    """What a file says of itself: the bytes of its metadata, and the step of its output."""
    file = LiteFile(content)
    return {'metadata_bytes': file.metadata_bytes(), 'output_step': file.output_step()}

  def calibrated_on(self, recipe: Recipe, scheme: Scheme) -> int | None:
    """How many examples gave the ranges; None where there are none, or training gave them."""
    if not scheme.precision.is_calibrated or is_aware(scheme, recipe):
      return None
    return len(calibration_sample(self.training, scheme.calibration))

  def digest(self, recipe: Recipe, scheme: Scheme, saved_model: str) -> str:
    """What a variant's bytes depend on."""
    digest = hashlib.sha256(self.features or b'')
    for name, value in serving.read_weights(saved_model).items():
      digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
    if scheme.precision.is_calibrated:
      digest.update(self._training_digest)
    tools = [tf.__version__, *([quantizer_compat.version()] if scheme.precision.needs_quantizer else [])]
    told = [self.keep_names.value, self.description]
    digest.update(json.dumps([recipe.model_dump_json(), scheme.model_dump_json(), *tools, *told]).encode())
    return digest.hexdigest()[:32]

  @functools.cached_property
  def _training_digest(self) -> bytes:
    digest = hashlib.sha256(self.training.labels.tobytes())
    for column in self.training.inputs.values():
      digest.update(np.ascontiguousarray(column).tobytes())
    return digest.digest()

  @functools.cached_property
  def _eval(self) -> dict[str, np.ndarray]:
    """The eval split's features, by the graph that the files were made of."""
    columns = {name: tf.constant(column) for name, column in self.held_out.columns.items()}
    taken = self.raw.for_graph(columns)
    made = taken if self.transform is None else self.transform(taken)
    return {name: made[name].numpy() for name in self.build().input_names}

  def _predicted(self, recipe: Recipe, saved_model: str, aware: bool) -> np.ndarray:
    """Of the eval split, by a model as it is in TensorFlow, [examples] or [examples, classes]; once for all schemes."""
    key = saved_model, aware
    if key not in self._predictions:
      self._predictions[key] = predict_inputs(self._model(recipe, saved_model)[aware], self._eval)
    return self._predictions[key]

  def _model(self, recipe: Recipe, saved_model: str) -> tuple[keras.Model, keras.Model]:
    """The plain model of a recipe, and what its training computed with."""
    if saved_model not in self._models:
      with fresh_names():
        self._models[saved_model] = self._loaded(recipe, saved_model)
    return self._models[saved_model]

  def _loaded(self, recipe: Recipe, saved_model: str) -> tuple[keras.Model, keras.Model]:
    plain = self.build()
    start_from(plain, saved_model)
    if recipe.quantization is None:
      return plain, plain
    weights = serving.read_weights(saved_model)
    ranges = serving.ranges(weights)
    if layers.has_core(plain):
      core = serving.input_range(weights)
      ranges |= {INPUT: core} if core else {}
    else:
      inputs = serving.input_ranges(weights)
      ranges |= {input_key(name, len(inputs)): found for name, found in inputs.items()}
    return plain, final_model(plain, recipe.quantization, ranges)


def graph_digest(folder: str) -> str:
  """Digest of a folder's files: their paths and contents. Args: folder: a path or a URI."""
  digest = hashlib.sha256()
  files = [os.path.join(at, name) for at, _, names in tf.io.gfile.walk(folder) for name in names]
  for file in sorted(files):
    with tf.io.gfile.GFile(file, 'rb') as opened:
      content = hashlib.sha256(opened.read()).hexdigest()
    digest.update(f'{os.path.relpath(file, folder)}\0{content}\0'.encode())
  return digest.hexdigest()
