"""What a user's model gives as a SavedModel: signatures that TFMA and TensorFlow Serving call."""

from __future__ import annotations

import types
from collections.abc import Mapping

import tensorflow as tf

from models.keras_compat import keras
from models.serving import SERVING_DEFAULT, SERVING_RAW, TRANSFORM_FEATURES, variable_name
from models.tasks.examples import PREDICTIONS, TaskInputs


class TaskServing(tf.Module):
  """A trained model, behind the transform graph where there is one.

  Signatures: `serving_default`, serialized tf.Examples to `predictions`; `serving_raw`, the columns of a finished file
  to the same; with a graph `transform_features`, serialized tf.Examples to what the graph makes.
  """

  def __init__(self, model: keras.Model, inputs: TaskInputs) -> None:
    super().__init__(name='task_serving')
    # As `models.serving.FareServing`: the variables alone, by name, and the graph's tables where it has some.
    self.weights = {variable_name(variable): variable for variable in model.variables}
    self.graph = inputs.layer
    self._untracked = types.SimpleNamespace(model=model, inputs=inputs)

  def predictions(self, columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """`predictions`: float32 [batch], or [batch, classes], of the columns that a finished file takes."""
    model = self._untracked.model
    given = dict(columns) if self.graph is None else self.graph(dict(columns))
    found = model({name: given[name] for name in model.input_names}, training=False)
    return {PREDICTIONS: tf.reshape(found, [-1]) if found.shape[-1] == 1 else found}

  def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
    """The concrete functions by signature name."""
    examples = tf.TensorSpec([None], tf.string, name='examples')
    inputs = self._untracked.inputs

    @tf.function(input_signature=[examples], autograph=False)
    def serving_default(examples: tf.Tensor) -> dict[str, tf.Tensor]:
      return self.predictions(tf.io.parse_example(examples, inputs.examples))

    @tf.function(autograph=False)
    def serving_raw(**columns: tf.Tensor) -> dict[str, tf.Tensor]:
      return self.predictions(columns)

    @tf.function(input_signature=[examples], autograph=False)
    def transform_features(examples: tf.Tensor) -> dict[str, tf.Tensor]:
      assert self.graph is not None
      return self.graph(tf.io.parse_example(examples, inputs.graph.raw_feature_spec()))

    found = {
      SERVING_DEFAULT: serving_default.get_concrete_function(),
      SERVING_RAW: serving_raw.get_concrete_function(**inputs.specs()),
    }
    if self.graph is not None:
      found[TRANSFORM_FEATURES] = transform_features.get_concrete_function()
    return found
