"""Exports a trained fare model as a SavedModel that takes raw rides, and reads what an exported one holds."""

from __future__ import annotations

import os
import re
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2, trackable_object_graph_pb2

from configs.dataset import LABEL, TIME, Dataset
from configs.layer_names import hidden_depth, is_embedding
from models.keras_compat import keras
from models.served_versions import EXTRA, SAVED_MODEL

_OBJECT_GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH'
_KERNELS = ('kernel', 'depthwise_kernel', 'embeddings')

QUANTIZED = 'quant_'
"""Prefix of the name that tfmot's `QuantizeWrapper` gives to a layer."""

_RANGES = ('post_activation', 'output', 'pre_activation')
"""Ranges of a wrapped layer's output; tfmot quantizes ahead of tanh only (`QuantizeAwareActivation`)."""


def read_weights(saved_model_dir: str) -> dict[str, np.ndarray]:
  """Every variable of a SavedModel.

  Args: saved_model_dir: a directory with `saved_model.pb`; a bucket is fine.
  Returns: Values by full name without ':0', such as `dense_0/kernel`, sorted.
  Raises: ValueError: two variables share a name.
  """
  checkpoint = tf.train.load_checkpoint(_variables(saved_model_dir))
  keys = _keys(checkpoint, saved_model_dir)
  return {name: checkpoint.get_tensor(keys[name]) for name in sorted(keys)}


def write_like(example: str, weights: Mapping[str, np.ndarray], saved_model_dir: str) -> None:
  """Writes the variables of a SavedModel that has the same graph as another one.

  Args:
    example: the other SavedModel; what `weights` does not name is taken from it.
    weights: values by full name, each of the example's shape and type.
    saved_model_dir: its folder `variables` is made.
  Raises: ValueError: the example has no variable of a name, or another shape or type.
  """
  checkpoint = tf.train.load_checkpoint(_variables(example))
  keys = _keys(checkpoint, example)
  values = {key: checkpoint.get_tensor(key) for key in checkpoint.get_variable_to_shape_map()}
  for name, value in weights.items():
    known = values.get(keys.get(name, ''))
    if known is None or (known.shape, known.dtype) != (value.shape, value.dtype):
      raise ValueError(f"{example} has no variable '{name}' {value.shape} {value.dtype}; it is of another structure.")
    values[keys[name]] = value
  tf.io.gfile.makedirs(os.path.join(saved_model_dir, 'variables'))
  types = checkpoint.get_variable_to_dtype_map()
  tf.raw_ops.SaveV2(
    prefix=_variables(saved_model_dir),
    tensor_names=list(values),
    shape_and_slices=[''] * len(values),
    tensors=[tf.constant(value, types[key]) for key, value in values.items()],
  )


def variable_name(variable: tf.Variable) -> str:
  """The full name under which a SavedModel keeps a variable."""
  return str(variable.name).split(':')[0]


def _variables(saved_model_dir: str) -> str:
  return os.path.join(saved_model_dir, 'variables', 'variables')


def _keys(checkpoint: tf.train.CheckpointReader, saved_model_dir: str) -> dict[str, str]:
  """The checkpoint's key of each variable by its full name."""
  graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(checkpoint.get_tensor(_OBJECT_GRAPH))
  keys: dict[str, str] = {}
  for attribute in (attribute for node in graph.nodes for attribute in node.attributes):
    if keys.setdefault(attribute.full_name, attribute.checkpoint_key) != attribute.checkpoint_key:
      raise ValueError(f"Two variables of {saved_model_dir} are called '{attribute.full_name}'.")
  return keys


def kernels(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Kernels and embedding tables by layer name, in the order of the rides' way through the model.

  Args: weights: as `read_weights` gives them.
  Returns: `<feature>_embedding` [categories, width], `dense_<i>` [inputs, units] in the order of their numbers, then
    the output layer's.
  """
  found = {name.split('/')[-2]: value for name, value in weights.items() if name.split('/')[-1] in _KERNELS}
  return {name: found[name] for name in sorted(found, key=_position)}


def biases(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Biases by layer name, shape [units]."""
  return {name.split('/')[-2]: value for name, value in weights.items() if name.split('/')[-1] == 'bias'}


def ranges(weights: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
  """Quantization ranges of the outputs of quantized layers: (smallest, largest) by layer name."""
  return _ranges(weights, _RANGES)


QUANTIZED_INPUT = 'quantize_layer_'
"""Prefix of what rounds an input of a whole model; its name follows."""


def input_ranges(weights: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
  """Quantization ranges of the inputs of a whole model: (smallest, largest) by name."""
  return {
    match[1]: (float(value), float(weights[f'{name.removesuffix("min")}max']))
    for name, value in weights.items()
    if (match := re.fullmatch(rf'{QUANTIZED_INPUT}([^/]+)/{QUANTIZED_INPUT}\1_min', name))
  }


def input_range(weights: Mapping[str, np.ndarray]) -> tuple[float, float] | None:
  """Quantization range of what goes into the dense core; None where that stays float."""
  ends = [
    float(value)
    for end in ('min', 'max')
    for name, value in weights.items()
    if re.fullmatch(rf'(quantize_layer\w*)/\1_{end}', name)
  ]
  return (ends[0], ends[1]) if ends else None


def kernel_ranges(weights: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
  """Quantization ranges of the kernels of quantized layers: (smallest, largest) by layer name."""
  return _ranges(weights, _KERNELS)


def signature_inputs(saved_model_dir: str, signature: str) -> list[str]:
  """Names of what a signature of a SavedModel takes, sorted; none where it has no such signature."""
  with tf.io.gfile.GFile(os.path.join(saved_model_dir, SAVED_MODEL), 'rb') as file:
    model = saved_model_pb2.SavedModel.FromString(file.read())
  return sorted(model.meta_graphs[0].signature_def[signature].inputs)


def fake_quantized(saved_model_dir: str) -> dict[str, int]:
  """Counts the quantization nodes that the signatures of a SavedModel run.

  Args: saved_model_dir: a directory with `saved_model.pb`.
  Returns: Number of FakeQuantWithMinMaxVars nodes by layer name; those of no wrapped layer, such as the quantization of
    the inputs, are under ''. Functions that are stored but that no signature calls don't count.
  """
  with tf.io.gfile.GFile(os.path.join(saved_model_dir, SAVED_MODEL), 'rb') as file:
    model = saved_model_pb2.SavedModel.FromString(file.read())
  counts: dict[str, int] = {}
  for node in (node for graph in model.meta_graphs for node in _reached(graph.graph_def)):
    if node.op.startswith('FakeQuantWithMinMaxVars'):
      wrapped = [part.removeprefix(QUANTIZED) for part in node.name.split('/') if part.startswith(QUANTIZED)]
      layer = wrapped[-1] if wrapped else ''
      counts[layer] = counts.get(layer, 0) + 1
  return counts


def _position(layer: str) -> tuple[int, int, str]:
  depth = hidden_depth(layer)
  if depth is not None:
    return 1, depth, layer
  return (0 if is_embedding(layer) else 2), 0, layer


def _ranges(weights: Mapping[str, np.ndarray], kinds: tuple[str, ...]) -> dict[str, tuple[float, float]]:
  found: dict[str, tuple[float, float]] = {}
  for layer in sorted({name.split('/')[-2] for name in weights if '/' in name}):
    for kind in kinds:
      low, high = (weights.get(f'{layer}/{kind}_{end}') for end in ('min', 'max'))
      if layer.startswith(QUANTIZED) and low is not None and high is not None:
        # A range per unit is as wide as its widest one.
        found.setdefault(layer.removeprefix(QUANTIZED), (float(np.min(low)), float(np.max(high))))
  return dict(sorted(found.items(), key=lambda item: _position(item[0])))


def _reached(graph: graph_pb2.GraphDef) -> Iterator[node_def_pb2.NodeDef]:
  """Nodes of the main graph, which calls the signatures, and of every function called from there."""
  functions = {function.signature.name: function.node_def for function in graph.library.function}
  waiting, seen = [graph.node], set()
  while waiting:
    for node in waiting.pop():
      yield node
      for name in _called(node):
        if name in functions and name not in seen:
          seen.add(name)
          waiting.append(functions[name])


def _called(node: node_def_pb2.NodeDef) -> Iterator[str]:
  yield node.op
  for value in node.attr.values():
    if value.func.name:
      yield value.func.name
    yield from (function.name for function in value.list.func)


SERVING_DEFAULT = 'serving_default'
"""Serialized tf.Examples to fares: what TFMA, Vertex and TensorFlow Serving send."""

SERVING_RAW = 'serving_raw'
"""Raw canonical columns to fares."""

TRANSFORM_FEATURES = 'transform_features'
"""Serialized tf.Examples to transformed features: what TFMA slices by."""

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


class FareServing(tf.Module):
  """A trained model behind its Transform graph, with the signatures that the project serves."""

  def __init__(self, model: keras.Model, features: Features, dataset: Dataset) -> None:
    super().__init__(name='fare_serving')
    # Only the variables, by name: walking through all that Keras tracks and tracing its layers once more takes longer
    # than writing it; the namespace keeps model and graph out of the SavedModel's objects. TensorFlow would refuse a
    # resource of the Transform graph, such as a table, that is not tracked.
    self.weights = {variable_name(variable): variable for variable in model.variables}
    self._untracked, self._dataset = types.SimpleNamespace(model=model, features=features), dataset

  def fares(self, rides: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Fares of raw rides.

    Args: rides: the raw columns, each of shape [batch]; int32 or int64 seconds.
    Returns: `fare_amount`: float32 [batch], the city's currency.
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


class Signed(Protocol):
  """A `tf.Module` that a SavedModel is made of; its variables are in `weights`, by their full names."""

  weights: dict[str, tf.Variable]

  def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
    """The concrete functions by signature name."""


class SharingExporter:
  """Writes models as SavedModels; see `models.protocols.ModelExporter`.

  Tracing and writing the graph takes longer than training a small model, so models of one structure share it: the
  first one is saved by TensorFlow, and each later one gets the same graph with variables of its own.
  """

  def __init__(self, serving: Callable[[keras.Model], Signed]) -> None:
    """Takes what gives a model its signatures."""
    self._serving = serving
    self._exported: dict[str, tuple[str, list[str]]] = {}

  def export(self, model: keras.Model, directory: str, structure: str) -> None:
    """Writes `saved_model.pb` and the variables of `model` into `directory`, made if need be.

    Args:
      model: trained.
      directory: a bucket is fine; it has to stay as long as this exporter.
      structure: equal for models that differ in the values of their variables alone.
    Raises: ValueError: a model of the same structure has other variables.
    """
    if structure in self._exported:
      self._export_like(*self._exported[structure], model, directory)
      return
    serving = self._serving(model)
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


class Exporter(SharingExporter):
  """Writes fare models behind one Transform graph."""

  def __init__(self, transform_graph: tft.TFTransformOutput, dataset: Dataset) -> None:
    # Traced once for all signatures of all models.
    features: Features = tf.function(transform_graph.transform_features_layer(), autograph=False)
    super().__init__(lambda model: FareServing(model, features, dataset))
