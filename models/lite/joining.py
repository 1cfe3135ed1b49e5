"""Joins two TFLite files into one: the outputs of the first feed the inputs of the second.

A converter quantizes whole graphs, and integers destroy the feature part of this model (a coordinate in int8 resolves
kilometres). So features and model are converted by themselves, each as it should be, and joined afterwards; every
variant of a model then carries the same feature bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tensorflow.lite.python import schema_py_generated as schema

from models.lite.shrinking import pack


def join(front: bytes, back: bytes) -> bytes:
  """One model out of two.

  Args:
    front: a TFLite file with one subgraph and one signature; its inputs stay
      the inputs.
    back: the same; each of its inputs has the name of one of the front's
      outputs and its type. Its outputs stay the outputs.

  Returns:
    A file with one subgraph, and one signature named as the back's.

  Raises:
    ValueError: an input of the back is no output of the front, or has another
      type.
  """
  first, second = (schema.ModelT.InitFromPackedBuf(file, 0) for file in (front, back))
  graph, other = first.subgraphs[0], second.subgraphs[0]
  [signature], [last] = first.signatureDefs, second.signatureDefs
  tensors = _append_tensors(first, second, _feeds(signature, last, graph, other))
  codes = [_operator_code(first, code) for code in second.operatorCodes]
  for operator in other.operators:
    operator.opcodeIndex = codes[operator.opcodeIndex]
    operator.inputs = [tensors[index] if index >= 0 else index for index in operator.inputs]
    operator.outputs = [tensors[index] for index in operator.outputs]
    graph.operators.append(operator)
  graph.outputs = [tensors[index] for index in other.outputs]
  signature.signatureKey = last.signatureKey
  signature.outputs = last.outputs
  for output in signature.outputs:
    output.tensorIndex = tensors[output.tensorIndex]
  return pack(first)


def _feeds(signature: Any, last: Any, graph: Any, other: Any) -> dict[int, int]:
  """The front's tensor by each input tensor of the back."""
  made = {output.name: output.tensorIndex for output in signature.outputs}
  feeds = {}
  for wanted in last.inputs:
    if wanted.name not in made:
      raise ValueError(f"The model wants '{_text(wanted.name)}', but the features yield {_names(made)}.")
    feeds[wanted.tensorIndex] = made[wanted.name]
    types = graph.tensors[made[wanted.name]].type, other.tensors[wanted.tensorIndex].type
    if types[0] != types[1]:
      raise ValueError(f"'{_text(wanted.name)}' is made as {_type(types[0])}, but the model wants {_type(types[1])}.")
  return feeds


def _append_tensors(first: Any, second: Any, feeds: Mapping[int, int]) -> list[int]:
  """The index in the first model of each of the second's tensors."""
  graph, indices = first.subgraphs[0], []
  for index, tensor in enumerate(second.subgraphs[0].tensors):
    if index in feeds:
      indices.append(feeds[index])
      continue
    buffer = second.buffers[tensor.buffer]
    first.buffers.append(buffer)
    tensor.buffer = len(first.buffers) - 1
    graph.tensors.append(tensor)
    indices.append(len(graph.tensors) - 1)
  return indices


def _operator_code(model: Any, code: Any) -> int:
  wanted = (_builtin(code), code.customCode, code.version)
  for index, known in enumerate(model.operatorCodes):
    if (_builtin(known), known.customCode, known.version) == wanted:
      return index
  model.operatorCodes.append(code)
  return len(model.operatorCodes) - 1


def _builtin(code: Any) -> int:
  return max(code.builtinCode, code.deprecatedBuiltinCode)


def _text(name: bytes | str) -> str:
  return name.decode() if isinstance(name, bytes) else name


def _names(names: Mapping[Any, int]) -> str:
  return ', '.join(sorted(_text(name) for name in names))


def _type(value: int) -> str:
  return next(name for name, number in vars(schema.TensorType).items() if number == value).lower()
