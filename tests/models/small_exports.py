"""Small fare models as SavedModels, and copies of them whose files are damaged on purpose."""

import pathlib
import shutil

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow.core.protobuf import trackable_object_graph_pb2

from configs.model import Model
from models.compression.layers import DENSE_CORE
from models.fare_model import build_fare_model
from models.keras_compat import keras
from transforms.catalogue import Categorical

HIDDEN = (16, 8)
SHAPES = {'pickup_cell_embedding': (7, 3), 'dense_0': (12, 16), 'dense_1': (16, 8), 'fare': (8, 1)}
"""Kernels of the small model by layer name."""

_GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH'


class Serving(tf.Module):
  """What `models.serving.FareServing` saves, without a Transform graph: the Keras model as `model`."""

  def __init__(self, model):
    super().__init__(name='fare_serving')
    self.model = model


def small_model(hidden=HIDDEN):
  """9 numeric features and one embedding of width 3, so 12 inputs of the core."""
  return build_fare_model(Model(hidden=hidden), 9, [Categorical('pickup_cell', 7, 3, 'a cell')], 10.0, seed=1)


def with_core(wrap, hidden=HIDDEN):
  """A small model with `wrap(its dense core)` in place of the core."""
  model = small_model(hidden)
  joined = model.get_layer('features').output
  return keras.Model(dict(zip(model.input_names, model.inputs, strict=True)), wrap(model.get_layer(DENSE_CORE))(joined))


def quantized(*layers):
  """A small model whose dense layers, or the named ones, are wrapped by tfmot; on the grid and calibrated."""

  def annotate(layer):
    return tfmot.quantization.keras.quantize_annotate_layer(layer) if not layers or layer.name in layers else layer

  def wrap(core):
    return tfmot.quantization.keras.quantize_apply(keras.models.clone_model(core, clone_function=annotate))

  model = with_core(wrap)
  generator = np.random.default_rng(2)
  for variable in model.variables:
    layer, kind = variable.name.removesuffix(':0').split('/')[-2:]
    if kind == 'kernel' and (not layers or layer in layers):
      variable.assign(on_grid(generator.normal(size=variable.shape)))
    elif kind.endswith('_max'):
      # A kernel's range is that of its largest weight; see on_grid.
      variable.assign(1.27 if kind == 'kernel_max' else 50.0)
    elif kind.endswith('_min'):
      variable.assign(-1.27 if kind == 'kernel_min' else 0.0)
  return model


def on_grid(values):
  """Values scaled to [-1.27, 1.27] and rounded to hundredths: the 8-bit grid."""
  return (np.rint(127 * values / np.abs(values).max()) / 100).astype(np.float32)


def export(model, directory):
  """Saves a model as the project does."""
  specs = {tensor.name: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype, tensor.name) for tensor in model.inputs}

  @tf.function
  def fares(**inputs):
    return {'fare_amount': tf.reshape(model(inputs, training=False), [-1])}

  signatures = {'serving_default': fares.get_concrete_function(**specs)}
  tf.saved_model.save(Serving(model), str(directory), signatures=signatures)
  return str(directory)


def rewritten(source, target, changes):
  """Copies a SavedModel and writes other values into the files of its variables.

  Args:
    source: a SavedModel.
    target: where the copy goes.
    changes: new values by full name; None takes the variable out.
  """
  shutil.copytree(source, target)
  prefix = str(pathlib.Path(target) / 'variables' / 'variables')
  checkpoint = tf.train.load_checkpoint(prefix)
  tensors = {key: checkpoint.get_tensor(key) for key in checkpoint.get_variable_to_shape_map()}
  graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(tensors[_GRAPH])
  known = {attribute.full_name: attribute.checkpoint_key for node in graph.nodes for attribute in node.attributes}
  for name, value in changes.items():
    if value is None:
      del tensors[known[name]]
      for node in graph.nodes:
        kept = [attribute for attribute in node.attributes if attribute.full_name != name]
        del node.attributes[:]
        node.attributes.extend(kept)
    else:
      assert np.shape(value) == tensors[known[name]].shape, name
      tensors[known[name]] = np.asarray(value, tensors[known[name]].dtype)
  tensors[_GRAPH] = graph.SerializeToString()
  tf.raw_ops.SaveV2(
    prefix=prefix, tensor_names=list(tensors), shape_and_slices=[''] * len(tensors), tensors=list(tensors.values())
  )
  return str(target)
