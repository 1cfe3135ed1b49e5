"""Reads tensors out of a Transform graph that depend on no input, such as what analyzers fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf


def read_tensors(transform_fn: str, named: Mapping[str, str]) -> dict[str, np.ndarray]:
  """Values of tensors, computed by the graph's own operations.

  Args:
    transform_fn: folder of a SavedModel that tft wrote.
    named: by key of the result, the name of the operation that yields it.

  Returns:
    Those that there are in the graph.
  """
  function: Any = tf.saved_model.load(transform_fn).transform_fn
  if hasattr(function, 'concrete_functions'):
    [function] = function.concrete_functions
  known = {operation.name.rpartition('/')[2]: operation.name for operation in function.graph.get_operations()}
  found = {key: f'{known[name]}:0' for key, name in named.items() if name in known}
  graph = function.graph.as_graph_def()
  # What analyzers found is captured from outside of the function.
  captured = zip(function.graph.internal_captures, function.captured_inputs, strict=True)
  values = {inner.name: outer.numpy() for inner, outer in captured if outer.dtype != tf.resource}

  def imported() -> list[tf.Tensor]:
    constants = {name: tf.constant(value) for name, value in values.items()}
    return tf.graph_util.import_graph_def(graph, constants, list(found.values()), name='')

  # Only what is asked for is computed: the inputs, which nobody feeds, are not.
  return {key: value.numpy() for key, value in zip(found, tf.compat.v1.wrap_function(imported, [])(), strict=True)}
