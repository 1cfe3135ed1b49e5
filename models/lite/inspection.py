"""What a TFLite file really holds: operators, and the type and values of each layer's weights."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from models.lite.flatbuffer import described, kind_of, runtime_version, type_name

_MULTIPLY = (
  schema.BuiltinOperator.CONV_2D,
  schema.BuiltinOperator.DEPTHWISE_CONV_2D,
  schema.BuiltinOperator.FULLY_CONNECTED,
)
_COMBINE = (schema.BuiltinOperator.ADD, schema.BuiltinOperator.SUB, schema.BuiltinOperator.MUL)
_RECTIFY = (
  schema.BuiltinOperator.RELU,
  schema.BuiltinOperator.RELU6,
  schema.BuiltinOperator.RELU_N1_TO_1,
  schema.BuiltinOperator.RELU_0_TO_1,
)

_PASSED = (schema.BuiltinOperator.DEQUANTIZE, schema.BuiltinOperator.DENSIFY)
"""What stands between a stored constant and the operator that computes with it."""


@dataclasses.dataclass(frozen=True)
class LayerFile:
  """One layer's weights as a file holds them.

  Attributes:
    type: of the stored weights, such as `int8`.
    input_type, output_type: of what the layer computes with, and of what it yields.
    zeros: how many of them are zero, those that a sparse encoding leaves out included.
    distinct: number of distinct stored values.
    sparse: whether they are encoded sparsely.
    densified: whether a DENSIFY makes them dense again before they are used.
    scales: of quantized weights, shape [1] or [units]; empty for float ones.
    matrix: the stored values [filters, inputs], integers less their zero point; `None` where a sparse encoding leaves
      some out.
  """

  name: str
  type: str
  input_type: str
  output_type: str
  size: int
  zeros: int
  distinct: int
  sparse: bool
  densified: bool
  scales: np.ndarray
  matrix: np.ndarray | None = dataclasses.field(default=None, repr=False, compare=False)

  @property
  def sparsity(self) -> float:
    return self.zeros / self.size


MOVES = (schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE, schema.BuiltinOperator.RESHAPE)
"""Operators that compute nothing."""


def output_chain(model: Any) -> tuple[list[Any], bool]:
  """The integer tensors from the output of the last operator that computes to the file's; none where that is float.

  Args: model: parsed, with one subgraph.
  Returns: The tensors, and whether that operator is a dense layer, whose output may have any range.
  """
  [graph] = model.subgraphs
  makers = {int(index): operator for operator in graph.operators for index in operator.outputs}
  index, found = int(graph.outputs[0]), []
  while index in makers:
    if type_name(graph.tensors[index].type).startswith('int'):
      found.append(graph.tensors[index])
    kind = kind_of(model.operatorCodes[makers[index].opcodeIndex])
    if kind not in MOVES:
      return found, kind == schema.BuiltinOperator.FULLY_CONNECTED
    index = int(makers[index].inputs[0])
  return found, False


class LiteFile:
  """A parsed TFLite file with one subgraph."""

  def __init__(self, content: bytes) -> None:
    self._content = content
    self._model = schema.ModelT.InitFromPackedBuf(content, 0)
    [self._graph] = self._model.subgraphs

  def custom_operators(self) -> list[str]:
    """Names of operators that are no TFLite builtins, Flex operators among them."""
    return sorted({code.customCode.decode() for code in self._model.operatorCodes if code.customCode})

  def operators(self) -> list[str]:
    """The name of each operator, in order."""
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    return [names[self._builtin(operator)] for operator in self._graph.operators]

  def runtime_version(self) -> str:
    """The oldest runtime that computes the file right, such as `2.4.0`."""
    return runtime_version(self._model)

  def metadata_bytes(self) -> int:
    """Size of the TFLite metadata; 0 where there is none."""
    return len(described(self._content) or b'')

  def output_step(self) -> float:
    """By how much two neighbouring predictions differ, in the labels' unit; 0 where they are computed in float."""
    integers, _ = output_chain(self._model)
    return float(_scales(integers[-1])[0]) if integers else 0.0

  def weights(self) -> list[LayerFile]:
    """Every constant matrix that rows are looked up in or examples are multiplied by, the features' own among them.

    Returns: Tables, then matrices, each in the file's order, so that the dense layers come last. A file may keep no
      names of layers: each is called by its operator and shape.
    """
    found = []
    for name, position in (('GATHER', 0), ('FULLY_CONNECTED', 1)):
      for operator in self._lookups(getattr(schema.BuiltinOperator, name), position):
        rows, columns = self._stored(operator.inputs[position]).shape
        found.append(self._layer(f'{name} {rows} x {columns}', operator, position))
    return found

  def layers(self, embeddings: Mapping[str, np.ndarray], dense: Sequence[str]) -> list[LayerFile]:
    """The layers of a model.

    Args:
      embeddings: the model's tables [categories, width] by layer name; the converter keeps no order among them, so that
        they are found by their shapes and values.
      dense: names of the dense layers, first to last; they come last in a file, as the features come first.
    Returns: Embeddings, then dense layers.
    Raises: ValueError: the file has fewer layers.
    """
    found = self.tables(embeddings)
    operators = self._lookups(schema.BuiltinOperator.FULLY_CONNECTED, 1)
    if len(operators) < len(dense):
      raise ValueError(f'The file has {len(operators)} of {len(dense)} layers: {", ".join(dense)}.')
    last = operators[len(operators) - len(dense) :]
    return found + [self._layer(name, operator, 1) for name, operator in zip(dense, last, strict=True)]

  def tables(self, embeddings: Mapping[str, np.ndarray]) -> list[LayerFile]:
    """The embeddings of a model; see `layers`."""
    tables = self._lookups(schema.BuiltinOperator.GATHER, 0)
    found = []
    for name, table in embeddings.items():
      same = [op for op in tables if tuple(self._stored(op.inputs[0]).shape) == table.shape]
      if not same:
        shape = ' x '.join(str(size) for size in table.shape)
        raise ValueError(f"The file has no table of {shape} for layer '{name}'.")
      nearest = min(same, key=lambda operator: self._distance(operator.inputs[0], table))
      tables.remove(nearest)
      found.append(self._layer(name, nearest, 0))
    return found

  def kernels(self, kernels: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Where a file multiplies by the kernels of a whole model.

    Args: kernels: [filters, inputs] by layer name, first to last; see `models.compression.layers.filters`.
    Returns: By layer name the position of the operator. A kernel is found by its shape, and where there are several of
      one shape by its values, but for a factor of each filter: a normalization or a scale. Where sparse encoding leaves
      values out, the order decides.
    Raises: ValueError: there is no operator for a layer.
    """
    matrices = {place: self._matrix(place) for place in range(len(self._graph.operators))}
    found: dict[str, int] = {}
    for shape in dict.fromkeys(kernel.shape for kernel in kernels.values()):
      wanted = {name: kernel for name, kernel in kernels.items() if kernel.shape == shape}
      stored = {place: values for place, (stored, values) in matrices.items() if stored == shape}
      found |= _paired(wanted, stored)
      if missing := [name for name in wanted if name not in found]:
        size = ' x '.join(map(str, shape))
        raise ValueError(f"The file has no kernel of {size} (filters x inputs) for layer '{missing[0]}'.")
    return {name: found[name] for name in kernels}

  def layer(self, name: str, place: int) -> LayerFile:
    """The layer whose kernel the operator at a position multiplies by."""
    _, matrix = self._matrix(place)
    return dataclasses.replace(self._layer(name, self._graph.operators[place], 1), matrix=matrix)

  def _matrix(self, place: int) -> tuple[tuple[int, int] | None, np.ndarray | None]:
    """Shape and values of the kernel [filters, inputs] that an operator multiplies by; no shape where it does not."""
    operator = self._graph.operators[place]
    kind = self._builtin(operator)
    if kind not in _MULTIPLY:
      return None, None
    tensor = self._stored(operator.inputs[1])
    if self._data(tensor) is None:
      return None, None
    *positions, last = (int(size) for size in tensor.shape)
    is_depthwise = kind == schema.BuiltinOperator.DEPTHWISE_CONV_2D
    size = int(np.prod(tensor.shape))
    count = last if is_depthwise else positions[0]
    values = self._values(tensor)
    if len(values) < size:
      return (count, size // count), None
    # Integers of 8 bits, and floats of 16, don't hold what is computed with them here.
    is_float = values.dtype.kind == 'f'
    values = values.astype(np.float32) if is_float else values.astype(np.int32) - _zero_point(tensor)
    return (count, size // count), values.reshape(-1, count).T if is_depthwise else values.reshape(count, -1)

  def activations(self, dense: Sequence[str]) -> dict[str, tuple[int, int, bool]]:
    """The tensors that each dense layer takes and yields, by its name, and whether its activation is in that.

    Args: dense: see `layers`.
    """
    matrices = self._lookups(schema.BuiltinOperator.FULLY_CONNECTED, 1)[-len(dense) :]
    places = [self._graph.operators.index(operator) for operator in matrices]
    return self.activations_at(dict(zip(dense, places, strict=True)))

  def activations_at(self, places: Mapping[str, int]) -> dict[str, tuple[int, int, bool]]:
    """The same of the operators at these positions."""
    none = schema.ActivationFunctionType.NONE
    operators = {name: self._graph.operators[place] for name, place in places.items()}
    return {
      name: (int(op.inputs[0]), int(op.outputs[0]), op.builtinOptions.fusedActivationFunction != none)
      for name, op in operators.items()
    }

  def unfused(self) -> list[tuple[str, int]]:
    """What converters make a part of the operator ahead of it, and this file has by itself.

    Returns: Names of operators: products and sums with constants behind a kernel, and rectifiers behind a kernel,
      product or sum, where that feeds nothing else; each with the position of the operator ahead of it.
    """
    readers = collections.Counter(int(index) for operator in self._graph.operators for index in operator.inputs)
    readers.update(int(index) for index in self._graph.outputs)
    none, found = schema.ActivationFunctionType.NONE, []
    for name, operator in zip(self.operators(), self._graph.operators, strict=True):
      kind = self._builtin(operator)
      taken = [int(index) for index in operator.inputs[:2] if index < 0 or self._data(self._stored(index)) is None]
      place = self._makers.get(taken[0]) if len(taken) == 1 and readers[taken[0]] == 1 else None
      if place is None:
        continue
      ahead = self._graph.operators[place]
      joins = (*_MULTIPLY, *_COMBINE) if kind in _RECTIFY else _MULTIPLY if kind in _COMBINE else ()
      if self._builtin(ahead) in joins and ahead.builtinOptions.fusedActivationFunction == none:
        found.append((name, place))
    return found

  def floats(self, first: int) -> list[tuple[str, int]]:
    """Names and positions of the operators, from a position on, that compute with floats."""
    named = list(enumerate(zip(self.operators(), self._graph.operators, strict=True)))[first:]
    return [
      (name, place)
      for place, (name, operator) in named
      if self._builtin(operator) not in (*MOVES, schema.BuiltinOperator.SHAPE) and self._is_float(operator)
    ]

  def ahead(self, place: int) -> list[int]:
    """The position of an operator, and those of all that it depends on."""
    found = [place]
    for each in found:
      makers = (self._makers.get(int(index)) for index in self._graph.operators[each].inputs)
      found += [maker for maker in makers if maker is not None and maker not in found]
    return found

  @functools.cached_property
  def _makers(self) -> dict[int, int]:
    """The position of the operator that makes a tensor, by its index."""
    return {int(index): place for place, operator in enumerate(self._graph.operators) for index in operator.outputs}

  def float_operators(self, dense: Sequence[str]) -> list[str]:
    """Names of the operators from the first to the last dense layer that take or yield float32.

    Args: dense: see `layers`.
    """
    matrices = self._lookups(schema.BuiltinOperator.FULLY_CONNECTED, 1)[-len(dense) :]
    first, last = (self._graph.operators.index(operator) for operator in (matrices[0], matrices[-1]))
    core = zip(self.operators()[first : last + 1], self._graph.operators[first : last + 1], strict=True)
    return sorted({name for name, operator in core if self._is_float(operator)})

  def _is_float(self, operator: Any) -> bool:
    tensors = [self._graph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]
    return any(tensor.type == schema.TensorType.FLOAT32 for tensor in tensors)

  def _lookups(self, kind: int, position: int) -> list[Any]:
    """Operators of a kind whose input at `position` is a constant matrix."""
    return [op for op in self._graph.operators if self._builtin(op) == kind and self._is_table(op, position)]

  def _distance(self, index: int, table: np.ndarray) -> float:
    """How far a stored table is from the model's, up to its scale."""
    tensor = self._stored(index)
    stored = self._values(tensor).astype(np.float64)
    if len(stored) != table.size:
      return float('inf')
    scales = _scales(tensor)
    if len(scales):
      stored = (stored - _zero_point(tensor)) * float(scales[0])
    return float(np.abs(stored - table.reshape(-1)).mean())

  def _is_table(self, operator: Any, position: int) -> bool:
    tensor = self._stored(operator.inputs[position])
    return self._data(tensor) is not None and len(tensor.shape) == 2

  def _builtin(self, operator: Any) -> int:
    return kind_of(self._model.operatorCodes[operator.opcodeIndex])

  def _data(self, tensor: Any) -> np.ndarray | None:
    data = self._model.buffers[tensor.buffer].data
    return None if data is None or not len(data) else np.asarray(data, np.uint8)

  def _values(self, tensor: Any) -> np.ndarray:
    """A constant's stored values, flat; a sparse encoding leaves zeros out."""
    data = self._data(tensor)
    assert data is not None
    if tensor.type == schema.TensorType.INT4:
      return _unpacked(data)[: int(np.prod(tensor.shape))]
    # TFLite's types have NumPy's names.
    return data.view(type_name(tensor.type))

  def _stored(self, index: int) -> Any:
    """The constant behind a tensor: float16 weights and some 8-bit ones pass a DEQUANTIZE first."""
    for operator in self._graph.operators:
      if index in operator.outputs and self._builtin(operator) in _PASSED:
        return self._stored(operator.inputs[0])
    return self._graph.tensors[index]

  def _densified(self, index: int) -> bool:
    """Whether a DENSIFY stands between a stored constant and a tensor."""
    for operator in self._graph.operators:
      if index in operator.outputs and self._builtin(operator) in _PASSED:
        return self._builtin(operator) == schema.BuiltinOperator.DENSIFY or self._densified(operator.inputs[0])
    return False

  def _layer(self, name: str, operator: Any, position: int) -> LayerFile:
    tensor = self._stored(operator.inputs[position])
    size = int(np.prod(tensor.shape))
    values = self._values(tensor)
    # NumPy's sort of float16 is wrong on CPUs with AVX-512 FP16; float32 holds every float16.
    kept = np.unique(values.astype(np.float32) if values.dtype == np.float16 else values)
    # A sparse encoding stores the blocks that are not zero, and nothing else.
    left_out = len(values) < size
    zero = _zero_point(tensor)
    return LayerFile(
      name=name,
      type=type_name(tensor.type),
      input_type=type_name(self._graph.tensors[operator.inputs[1 - position]].type),
      output_type=type_name(self._graph.tensors[operator.outputs[0]].type),
      size=size,
      zeros=size - int(np.count_nonzero(values != zero)),
      distinct=len(kept) + (left_out and zero not in kept),
      sparse=tensor.sparsity is not None,
      densified=self._densified(operator.inputs[position]),
      scales=_scales(tensor),
    )


def _paired(kernels: Mapping[str, np.ndarray], stored: Mapping[int, np.ndarray | None]) -> dict[str, int]:
  """Which kernel stands at which position, all of one shape; those without a position are left out."""
  names, places = list(kernels), list(stored)
  values = [value for value in stored.values() if value is not None]
  if len(values) < len(places):
    return dict(zip(names, places[-len(names) :], strict=False))
  if len(names) == len(places) == 1:  # As mostly; SciPy's optimizers take half a second to import.
    return {names[0]: places[0]}
  from scipy.optimize import linear_sum_assignment

  # Of equal ones the order decides.
  apart = 1e-6 * np.abs(np.arange(len(names))[:, np.newaxis] - np.arange(len(places)))
  likeness = np.array([[_likeness(kernel, value) for value in values] for kernel in kernels.values()])
  pairs = zip(*linear_sum_assignment(apart - likeness.reshape(apart.shape)), strict=True)
  return {names[row]: places[column] for row, column in pairs}


def _likeness(kernel: np.ndarray, stored: np.ndarray) -> float:
  """Mean cosine between the filters of two kernels [filters, inputs], without its sign; 1 where both are zero."""
  product = np.abs((kernel * stored).sum(axis=1, dtype=np.float64))
  lengths = np.linalg.norm(kernel, axis=1) * np.linalg.norm(stored, axis=1)
  both_zero = ~kernel.any(axis=1) & ~stored.any(axis=1)
  return float(np.where(both_zero, 1, product / np.where(lengths > 0, lengths, 1)).mean())


def _zero_point(tensor: Any) -> int:
  """The stored value that stands for zero; not 0 in embeddings, whose scale is that of what they are joined with."""
  points = getattr(tensor.quantization, 'zeroPoint', None)
  return 0 if points is None or not len(points) else int(points[0])


def _scales(tensor: Any) -> np.ndarray:
  scales = getattr(tensor.quantization, 'scale', None)
  return np.asarray([] if scales is None else scales, np.float32)


def _unpacked(data: np.ndarray) -> np.ndarray:
  """4-bit integers, two in a byte with the lower half first, as int8."""
  halves = np.stack([data & 15, data >> 4], axis=1).reshape(-1).astype(np.int8)
  return np.where(halves > 7, halves - 16, halves).astype(np.int8)
