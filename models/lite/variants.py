"""Makes the lite files of a run: every trained recipe in every scheme that applies to it."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from configs.compression import Precision, Scheme
from configs.dataset import TIME
from configs.recipe import Recipe
from models import serving
from models.compression import layers
from models.compression.quantized_model import INPUT, quantized_model, quantized_names
from models.fare_model import build_fare_model
from models.keras_compat import keras
from models.lite import quantizer_compat
from models.lite.conversion import assemble, calibration_rides, convert_features, convert_model
from models.lite.inspection import LayerFile
from models.lite.validation import Promise, validate
from models.recipe_training import start_from
from models.rides import RawRides, Rides
from models.settings import Settings
from models.training import predict
from transforms import names
from transforms.catalogue import categoricals


class Variants:
  """Converts and validates, for models of one Transform graph.

  Args:
    settings: what the models were made by.
    transform: the fitted Transform graph, as a layer.
    training: the transformed training split, for calibration.
    rides: raw rides of the eval split, for validation.
  """

  def __init__(
    self,
    settings: Settings,
    transform: Callable[[dict[str, tf.Tensor]], Mapping[str, tf.Tensor]],
    training: Rides,
    rides: RawRides,
  ) -> None:
    self._settings = settings
    self._transform = transform
    self._training = training
    self._rides = rides
    self._models: dict[str, tuple[keras.Model, keras.Model]] = {}

  @functools.cached_property
  def features(self) -> bytes:
    """The part that all files have in common."""
    return convert_features(self._transform, self._build(), self._settings.dataset)

  def write(self, recipe: Recipe, scheme: Scheme, saved_model: str) -> bytes:
    """A whole file.

    Args:
      scheme: see `convert_model`.
      saved_model: the exported model, with its weights beside it.
    Raises: ConversionError: TFLite can't, or the scheme contradicts the recipe.
    """
    aware = _is_aware(scheme, recipe)
    model = self._model(recipe, saved_model)[aware]
    calibration = calibration_rides(self._training, scheme.calibration).inputs
    return assemble(self.features, convert_model(model, scheme, calibration, aware))

  def check(self, content: bytes, recipe: Recipe, scheme: Scheme, saved_model: str) -> tuple[list[LayerFile], float]:
    """Validates a file; see `models.lite.validation.validate`."""
    plain, trained = self._model(recipe, saved_model)
    kernels = {layer.name: layers.kernel(layer).numpy() for layer in layers.leaves(plain) if layer.weights}
    dense = layers.dense_layers(plain)
    quantized = [name for name in dense if name not in scheme.float_layers]
    if _is_aware(scheme, recipe):
      assert recipe.quantization is not None
      quantized = list(quantized_names(plain, recipe.quantization))
    ordered = {name: kernels[name] for name in sorted(kernels, key=lambda name: name in dense)}
    promise = Promise(scheme=scheme, recipe=recipe, kernels=ordered, quantized=quantized)
    return validate(content, promise, self._rides, predict(trained if _is_aware(scheme, recipe) else plain, self._eval))

  def calibration_rides(self, recipe: Recipe, scheme: Scheme) -> int | None:
    """How many rides gave the ranges; None where there are none, or training gave them."""
    if not scheme.precision.is_calibrated or _is_aware(scheme, recipe):
      return None
    return len(calibration_rides(self._training, scheme.calibration))

  def digest(self, recipe: Recipe, scheme: Scheme, saved_model: str) -> str:
    """What a variant's bytes depend on."""
    digest = hashlib.sha256(self.features)
    for name, value in serving.read_weights(saved_model).items():
      digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
    if scheme.precision.is_calibrated:
      digest.update(self._training_digest)
    tools = [tf.__version__, *([quantizer_compat.version()] if scheme.precision.needs_quantizer else [])]
    digest.update(json.dumps([recipe.model_dump_json(), scheme.model_dump_json(), *tools]).encode())
    return digest.hexdigest()[:32]

  @functools.cached_property
  def _training_digest(self) -> bytes:
    digest = hashlib.sha256(self._training.fares.tobytes())
    for column in self._training.inputs.values():
      digest.update(np.ascontiguousarray(column).tobytes())
    return digest.digest()

  @functools.cached_property
  def _eval(self) -> Rides:
    """The eval split's features, by the graph that the files were made of."""
    made = self._transform({name: tf.constant(column) for name, column in self._raw().items()})
    inputs = {name: made[name].numpy() for name in self._build().input_names}
    return Rides(inputs, self._rides.fares, self._rides.seconds)

  def _raw(self) -> dict[str, np.ndarray]:
    return {**self._rides.columns, TIME: self._rides.seconds.astype(np.int64)}

  def _model(self, recipe: Recipe, saved_model: str) -> tuple[keras.Model, keras.Model]:
    """The plain model of a recipe, and what its training computed with."""
    if saved_model not in self._models:
      plain = self._build()
      start_from(plain, saved_model)
      trained = plain
      if recipe.quantization:
        weights = serving.read_weights(saved_model)
        ranges, core = serving.ranges(weights), serving.input_range(weights)
        trained = quantized_model(plain, recipe.quantization, ranges | ({INPUT: core} if core else {}))
      self._models[saved_model] = plain, trained
    return self._models[saved_model]

  def _build(self) -> keras.Model:
    known = categoricals(self._settings.dataset, self._settings.features)
    # A reduction may have taken some of them.
    embedded = [feature for feature in known if feature.name in self._training.inputs]
    numeric = self._training.inputs.get(names.NUMERIC)
    width = 0 if numeric is None else numeric.shape[1]
    return build_fare_model(self._settings.model, width, embedded, 0.0, self._settings.training.seed)


def _is_aware(scheme: Scheme, recipe: Recipe) -> bool:
  """Whether the ranges come from training; it emulates 8 bits, so other precisions take the plain model."""
  return recipe.quantization is not None and scheme.precision is Precision.INT8
