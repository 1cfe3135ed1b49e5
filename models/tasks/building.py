"""Makes a user's model by its function, and refuses what can't be compressed, with what can be done."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from configs.base import joined
from configs.errors import UserError
from configs.task import Task, TaskKind
from models.compression import layers
from models.keras_compat import fresh_names, keras
from models.protocols import Build


class ModelError(UserError):
  """A user's model can't be compressed; the message says what of it, and what can be done."""


def builder(task: Task, seed: int) -> Build:
  """What makes the model of a task, checked once: with the same names and the same initial weights at each call.

  Args: seed: of the initial weights.
  Raises: ModelError: there is no such function, or its model can't be compressed.
  """
  try:
    function = pkgutil.resolve_name(task.build_fn)
  except (ImportError, AttributeError) as error:
    raise ModelError(
      f"task.build_fn: '{task.build_fn}' can't be imported ({error}): its module must lie on the PYTHONPATH of each "
      'process that runs a step.'
    ) from error

  def build() -> keras.Model:
    with fresh_names():
      keras.utils.set_random_seed(seed)
      return function()

  first = build()
  problems = [*_problems(first, task)]
  if problems:
    raise ModelError(f"The model of '{task.build_fn}' can't be compressed: {' '.join(problems)}")
  second = build()
  if {id(layer) for layer in first.layers} & {id(layer) for layer in second.layers}:
    raise ModelError(
      f"'{task.build_fn}' gives the same layers at each call: make model and layers inside of the function."
    )
  if [(weight.name, weight.shape) for weight in first.weights] != [
    (weight.name, weight.shape) for weight in second.weights
  ]:
    raise ModelError(f"'{task.build_fn}' gives other layers or names at each call: make the same ones each time.")
  return build


def _problems(model: object, task: Task) -> Iterator[str]:
  """What is wrong with a model, sentence by sentence."""
  if not isinstance(model, keras.Model):
    kind = f'{type(model).__module__}.{type(model).__qualname__}'
    if type(model).__module__.partition('.')[0] == 'keras':
      yield f'it is a Keras 3 model ({kind}), and tfmot knows Keras 2 alone: `import tf_keras as keras` in its module.'
    else:
      yield f'build_fn must return a tf_keras.Model, got {kind}.'
    return
  if not model._is_graph_network:
    yield (
      f'it is a subclassed model ({type(model).__name__}), whose layers only its code knows: write it as a functional '
      'or Sequential model with a known input shape.'
    )
    return
  for layer in model.layers:
    yield from _layer_problems(layer)
  for tensor, name in zip(model.inputs, model.input_names, strict=True):
    if None in tensor.shape[1:]:
      yield f"its input '{name}' has shape {list(tensor.shape)}: all sizes but that of the batch must be known."
    if tensor.dtype not in (tf.float32, tf.int32, tf.int64):
      yield f"its input '{name}' is {tensor.dtype.name}, and files take float32, int32 or int64."
  if not layers.kernel_layers(model):
    yield 'it has no dense layer and no convolution, so there is nothing to compress.'
  yield from _output_problems(model, task)


def _layer_problems(layer: keras.layers.Layer) -> Iterator[str]:
  if isinstance(layer, keras.layers.Lambda):
    yield (
      f"'{layer.name}' is a Lambda, whose code no copy of a model carries: write it as a class derived from "
      'keras.layers.Layer, with get_config, and register it by keras.saving.register_keras_serializable.'
    )
  if isinstance(layer, keras.layers.Embedding) and not layer.get_input_at(0).dtype.is_integer:
    yield (
      f"'{layer.name}' looks up what is float32, and a rounded number is another row: make its input one of whole "
      "numbers, keras.Input([1], dtype='int32')."
    )
  if isinstance(layer, keras.Model) and layer.name != layers.DENSE_CORE:
    yield f"'{layer.name}' is a model inside of the model: call its layers on the inputs one by one."
  if len(layer.inbound_nodes) > 1:
    yield f"'{layer.name}' is called {len(layer.inbound_nodes)} times: give each place a layer of its own."
  if halves := sorted({str(weight.dtype.name) for weight in layer.weights if weight.dtype.is_floating} - {'float32'}):
    yield f"'{layer.name}' has {joined(halves)} weights: train in float32."


def _output_problems(model: keras.Model, task: Task) -> Iterator[str]:
  if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2 or model.outputs[0].shape[1] is None:
    found = joined(str(list(output.shape)) for output in model.outputs)
    yield f'it gives {found}, where one output [batch, 1] or [batch, classes] is wanted.'
    return
  width, activation = int(model.outputs[0].shape[1]), _last_activation(model)
  if task.kind is TaskKind.REGRESSION:
    if width != 1:
      yield f'it gives {width} numbers per example, and a regression has one: [batch, 1].'
    return
  wanted = 'sigmoid' if width == 1 else 'softmax'
  if activation != wanted:
    yield (
      f"its output [batch, {width}] has the activation '{activation}', and a classification gives probabilities: "
      f'end it in {wanted}{" (or two classes or more in softmax)" if width == 1 else ""}.'
    )
  if task.classes and len(task.classes) != classes_of(model):
    yield f'it gives {classes_of(model)} classes, and task.classes names {len(task.classes)}.'


def _last_activation(model: keras.Model) -> str:
  """The name of what the output comes out of."""
  layer = model.outputs[0].node.layer
  if isinstance(layer, keras.layers.Softmax):
    return 'softmax'
  return str(getattr(getattr(layer, 'activation', None), '__name__', 'linear'))


def classes_of(model: keras.Model) -> int:
  """How many classes a classification model tells apart."""
  return max(2, int(model.output_shape[-1]))


def check_labels(labels: np.ndarray, classes: int, label: str, where: str) -> None:
  """Raises `ModelError` for labels [examples] that are no classes. Args: where: the split, for the message."""
  wrong = ~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))
  if wrong.any():
    raise ModelError(
      f"'{label}' of {int(wrong.sum()):,} of {len(labels):,} examples in the {where} split is no class, such as "
      f'{labels[wrong][0]:g}: classes are the whole numbers from 0 to {classes - 1}.'
    )
