"""Exports a trained fare model as a SavedModel that takes raw rides."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import tensorflow as tf
import tensorflow_transform as tft

from configs.dataset import LABEL, TIME, Dataset
from models.exported import variable_name, write_like
from models.keras_compat import keras

SERVING_DEFAULT = 'serving_default'
"""Serialized tf.Examples to fares: what TFMA, Vertex and TensorFlow Serving send."""

SERVING_RAW = 'serving_raw'
"""Raw canonical columns to fares."""

TRANSFORM_FEATURES = 'transform_features'
"""Serialized tf.Examples to transformed features: what TFMA slices by."""


EXTRA = 'assets.extra'
"""Folder inside a SavedModel for what is not part of the graph; TensorFlow Serving ignores it."""

_FINGERPRINT = 'fingerprint.pb'


def raw_example_spec(dataset: Dataset, with_label: bool = False) -> dict[str, tf.io.FixedLenFeature]:
  """Parse spec of the canonical ride: scalars; a float that is absent is NaN, the time must be there."""
  floats = [name for name in dataset.raw_inputs() if name != TIME] + ([LABEL] if with_label else [])
  spec = {name: tf.io.FixedLenFeature([], tf.float32, default_value=float('nan')) for name in floats}
  return {TIME: tf.io.FixedLenFeature([], tf.int64)} | spec


def raw_tensor_specs(dataset: Dataset) -> dict[str, tf.TensorSpec]:
  """Signature of the raw columns: int32 seconds, float32 the rest, all of shape [batch]."""
  return {
    name: tf.TensorSpec([None], tf.int32 if name == TIME else tf.float32, name=name) for name in dataset.raw_inputs()
  }


Features = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]
"""From raw columns to transformed features."""


class _Untracked:
  """Keeps a Keras model and a Transform graph out of the SavedModel's object graph."""

  def __init__(self, model: keras.Model, features: Features) -> None:
    self.model, self.features = model, features


class FareServing(tf.Module):
  """A trained model behind its Transform graph, with the signatures that the project serves."""

  def __init__(self, model: keras.Model, features: Features, dataset: Dataset) -> None:
    super().__init__(name='fare_serving')
    # Only the variables, by name: walking through all that Keras tracks and tracing its layers once more takes longer
    # than writing it. TensorFlow would refuse a resource of the Transform graph, such as a table, that is not tracked.
    self.weights = {variable_name(variable): variable for variable in model.variables}
    self._untracked, self._dataset = _Untracked(model, features), dataset

  def fares(self, rides: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Fares of raw rides.

    Args:
      rides: the raw columns, each of shape [batch]; int32 or int64 seconds.

    Returns:
      `fare_amount`: float32 [batch], the city's currency.
    """
    features = self._untracked.features(dict(rides) | {TIME: tf.cast(rides[TIME], tf.int64)})
    model = self._untracked.model
    inputs = {name: features[name] for name in model.input_names}
    return {LABEL: tf.reshape(model(inputs, training=False), [-1])}

  def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
    """The three concrete functions by signature name."""
    examples = tf.TensorSpec([None], tf.string, name='examples')

    @tf.function(input_signature=[examples], autograph=False)
    def serving_default(examples: tf.Tensor) -> dict[str, tf.Tensor]:
      return self.fares(tf.io.parse_example(examples, raw_example_spec(self._dataset)))

    @tf.function(input_signature=[examples], autograph=False)
    def transform_features(examples: tf.Tensor) -> dict[str, tf.Tensor]:
      return self._untracked.features(tf.io.parse_example(examples, raw_example_spec(self._dataset, with_label=True)))

    @tf.function(autograph=False)
    def serving_raw(**rides: tf.Tensor) -> dict[str, tf.Tensor]:
      return self.fares(rides)

    return {
      SERVING_DEFAULT: serving_default.get_concrete_function(),
      SERVING_RAW: serving_raw.get_concrete_function(**raw_tensor_specs(self._dataset)),
      TRANSFORM_FEATURES: transform_features.get_concrete_function(),
    }


class Exporter:
  """Writes fare models behind one Transform graph as SavedModels.

  Tracing and writing the graph takes longer than training a small model, so models of one structure share it: the
  first one is saved by TensorFlow, and each later one gets the same graph with variables of its own.

  Args:
    transform_graph: the fitted Transform graph.
    dataset: names the raw columns.
  """

  def __init__(self, transform_graph: tft.TFTransformOutput, dataset: Dataset) -> None:
    # Traced once for all signatures of all models.
    self._features: Features = tf.function(transform_graph.transform_features_layer(), autograph=False)
    self._dataset = dataset
    self._exported: dict[str, tuple[str, list[str]]] = {}

  def export(self, model: keras.Model, directory: str, structure: str) -> None:
    """Writes `saved_model.pb` and the variables of `model` into `directory`, made if need be.

    Args:
      model: trained, from transformed features to [batch, 1].
      directory: a bucket is fine; it has to stay as long as this exporter.
      structure: equal for models that differ in the values of their variables
        alone.

    Raises:
      ValueError: a model of the same structure has other variables.
    """
    if structure in self._exported:
      self._export_like(*self._exported[structure], model, directory)
      return
    serving = FareServing(model, self._features, self._dataset)
    tf.saved_model.save(serving, directory, signatures=serving.signatures())
    self._exported[structure] = directory, [variable_name(variable) for variable in model.variables]

  def _export_like(self, example: str, names: list[str], model: keras.Model, directory: str) -> None:
    for folder, _, files in tf.io.gfile.walk(example):
      if os.path.relpath(folder, example).startswith(('variables', EXTRA)):
        continue
      target = os.path.join(directory, os.path.relpath(folder, example))
      tf.io.gfile.makedirs(target)
      # The fingerprint is that of the example's variables.
      for file in (file for file in files if file != _FINGERPRINT):
        tf.io.gfile.copy(os.path.join(folder, file), os.path.join(target, file))
    # By position: Keras numbers the names of layers through the whole process.
    values = (variable.numpy() for variable in model.variables)
    write_like(example, dict(zip(names, values, strict=True)), directory)
