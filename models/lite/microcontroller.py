"""The integer part of a lite file as a file of its own, and what a C program has to know of it.

A microcontroller may have no floating-point unit and hardly the operators that the features take. Its part is the dense
core: 8- or 16-bit integers in, one integer out. The features are computed elsewhere, by the same operators as in the
whole file, and quantized by the scale that the header holds. Of a file without features it is all but the conversions
at both ends.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from configs.compression import KeepNames
from models.lite.conversion import ConversionError
from models.lite.flatbuffer import kind_of, pack, shrink, type_name
from models.lite.interpreter import SIGNATURE, LiteRunner, runtime
from models.protocols import FileContract, RawExamples

FEATURES = 'features'
"""What the core's input of quantized features is called."""

_INTEGERS = {schema.TensorType.INT8: 'int8', schema.TensorType.INT16: 'int16'}
"""Types of quantized activations."""


@dataclasses.dataclass(frozen=True)
class Port:
  """An input or the output of an integer part.

  Attributes:
    name: in its signature.
    type: as TFLite calls it: `int8` or `int16`; a wider one is a category's index.
    count: values for one example.
    scale, zero_point: a real number is `scale * (integer - zero_point)`; 0 of both for an index.
    source: the whole file's tensor that holds the same integers.
  """

  name: str
  type: str
  count: int
  scale: float
  zero_point: int
  source: int


@dataclasses.dataclass(frozen=True)
class IntegerPart:
  """The operators of a whole file that compute in integers, as a file.

  Attributes:
    content: takes one example at a time, as every shape in it is fixed.
    inputs: quantized features, and the index of each category that is looked up.
    output: the prediction.
    alone: whether these are the file's own inputs, with no feature between.
  """

  content: bytes
  inputs: tuple[Port, ...]
  output: Port
  alone: bool = False

  def header(self, name: str) -> str:
    """A C header of its sizes and scales, with the two conversions.

    Args: name: of the variant, such as `pqat_80.int8_integer_only`.
    """
    prefix = _identifier(name).upper()
    lower, low, high = prefix.lower(), *_limits(self.output.type)
    scaled = [port for port in self.inputs if port.scale]
    lines = [
      f'// {name}: its integer part. Written by Farelite; it belongs to the file beside it alone.',
      '//',
      *(_ALONE if self.alone else _OF_FEATURES),
      f'#ifndef {prefix}_H',
      f'#define {prefix}_H',
      '',
      '#include <math.h>',
      '#include <stdint.h>',
      '',
    ]
    for position, port in enumerate(self.inputs):
      lines += [f'// Input {position}: {port.type} [1, {port.count}], {_meaning(port)}.', *_defines(prefix, port), '']
    shape = '1' if self.output.count == 1 else f'1, {self.output.count}'
    lines += [f'// Output: {self.output.type} [{shape}], {_meaning(self.output)}.', *_defines(prefix, self.output), '']
    for port in scaled:
      low, high = _limits(port.type)
      at = f'{prefix}_{_identifier(port.name).upper()}'
      one = '' if len(scaled) == 1 else f'_{_identifier(port.name)}'
      lines += [
        *(
          [f'// What a number is as an integer; beyond {low} to {high} it is the nearest of them. NaN gives {high}.']
          if self.alone
          else [
            f'// What a feature is as an integer; beyond {low} to {high} it is the nearest of them. NaN gives {high}:',
            '// give 0, the mean, for a feature of a missing value, as the whole file does.',
          ]
        ),
        f'static inline {port.type}_t {lower}_quantize{one}(float value) {{',
        f'  const float scaled = roundf(value / {at}_SCALE) + {at}_ZERO_POINT;',
        f'  return ({port.type}_t)fmaxf({low}, fminf({high}, scaled));',
        '}',
        '',
      ]
    at = f'{prefix}_{_identifier(self.output.name).upper()}'
    lines += [
      f'// {self.output.name} of an output.',
      f'static inline float {lower}_dequantize({self.output.type}_t value) {{',
      f'  return {at}_SCALE * (float)(value - {at}_ZERO_POINT);',
      '}',
      '',
      f'#endif  // {prefix}_H',
    ]
    return '\n'.join(lines) + '\n'

  def check(self, whole: bytes, examples: RawExamples, contract: FileContract) -> None:
    """Runs it on the integers that the whole file makes of raw examples.

    Raises: ValueError: it gives another output than the whole file.
    """
    few = {name: column[:_CHECKED] for name, column in examples.columns.items()}
    runner = LiteRunner(whole, default_delegates=False, contract=contract, keep_tensors=True)
    expected = runner.call(runner.taken(few))
    found = self.predict({port.name: runner.stored(port.source) for port in self.inputs})
    # Kernels differ in how they round the product of a scale and an integer, which is far less than an output's step.
    differs = np.abs(found - expected) > 1e-3 * self.output.scale
    if differs.any():
      share = differs.mean()
      raise ValueError(f'Its integer part gives other {contract.terms.predictions} than the file: {share:.1%} of them.')

  def predict(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Predictions by LiteRT, one example at a time as a microcontroller has them.

    Args: inputs: integers [examples, ...] by the inputs' names.
    Returns: float32 [examples], or [examples, classes].
    """
    interpreter_class, resolver = runtime()
    interpreter = interpreter_class(
      model_content=self.content, experimental_op_resolver_type=resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    runner = interpreter.get_signature_runner(SIGNATURE)
    count = len(next(iter(inputs.values())))
    rows = ({name: values[row : row + 1] for name, values in inputs.items()} for row in range(count))
    integers = np.concatenate([runner(**row)[self.output.name] for row in rows]).astype(np.int64)
    return (self.output.scale * (integers - self.output.zero_point)).astype(np.float32)


_OF_FEATURES = (
  '// Compute the features as the whole file does up to its QUANTIZE (engineered, standardized, clipped), in its',
  '// order; quantize each by the one scale, run the integer part on one example, and dequantize its output.',
  '//',
  "// The order is that of `farelite features` with the run's config.yaml; after a reduction, that of its report.",
)
_ALONE = (
  '// Quantize each number of an input by its scale, in the order of the whole file; run the integer part on one',
  '// example, and dequantize its output.',
)

_CHECKED = 2000
"""Examples that the part is compared with the whole on."""


def integer_part(whole: bytes) -> IntegerPart:
  """The operators of a file from its quantized features to its quantized output.

  Args: whole: with one subgraph and one output.
  Raises: ConversionError: the output comes from floats, or floats stand in between.
  """
  model = schema.ModelT.InitFromPackedBuf(whole, 0)
  [graph], [signature] = model.subgraphs, model.signatureDefs
  makers = {int(index): operator for operator in graph.operators for index in operator.outputs}
  kinds = {index: kind_of(model.operatorCodes[operator.opcodeIndex]) for index, operator in makers.items()}
  end = int(graph.outputs[0])
  if kinds.get(end) == schema.BuiltinOperator.DEQUANTIZE:
    end = int(makers[end].inputs[0])
  if graph.tensors[end].type not in _INTEGERS:
    raise ConversionError(f'Its output is computed as {type_name(graph.tensors[end].type)}, not in integers.')
  constant = {index for index, tensor in enumerate(graph.tensors) if model.buffers[tensor.buffer].data is not None}
  constant |= _fix_shapes(whole, model, constant)
  floated = {int(makers[index].inputs[0]) for index, kind in kinds.items() if kind == schema.BuiltinOperator.DEQUANTIZE}
  if floated - constant - {end}:
    raise ConversionError('Floats are computed with between its features and its output.')
  needed, taken, kept = {end}, [], []
  for operator in reversed(graph.operators):
    made = [int(index) for index in operator.outputs if index in needed]
    if not made:
      continue
    is_index = graph.tensors[made[0]].type not in _INTEGERS
    read = [int(index) for index in operator.inputs if index >= 0]
    if is_index or any(graph.tensors[index].type == schema.TensorType.FLOAT32 for index in read):
      taken += made  # The index of a category, or what QUANTIZE makes of the features.
      continue
    kept.append(operator)
    needed.update(index for index in read if index not in constant)
  kept = kept[::-1]
  taken += [int(index) for index in graph.inputs if index in needed]
  inputs = sorted(set(taken), key=lambda index: (graph.tensors[index].type not in _INTEGERS, index))
  own = {index: _own_name(signature, makers, index) for index in inputs}
  alone = all(own.values())
  names = (
    {index: str(own[index]) for index in inputs} if alone else dict(zip(inputs, _names(graph, inputs), strict=True))
  )
  output = signature.outputs[0]
  ports = tuple(_port(graph.tensors[index], names[index], index) for index in inputs)
  result = _port(graph.tensors[end], _text(output.name), end)
  graph.operators, graph.inputs, graph.outputs = kept, inputs, [end]
  signature.inputs = []
  for index in inputs:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = names[index], index
    signature.inputs.append(entry)
  output.tensorIndex = end
  _drop_codes(model)
  for tensor in graph.tensors:
    tensor.shapeSignature = None
  return IntegerPart(shrink(pack(model), KeepNames.NONE), ports, result, alone)


def _fix_shapes(whole: bytes, model: Any, constant: Collection[int]) -> set[int]:
  """Makes constants of what integer operators take and shapes alone decide; those of one example.

  Returns: Their indices.
  """
  [graph], [signature] = model.subgraphs, model.signatureDefs
  by_shapes: set[int] = set()
  taken: set[int] = set()
  for operator in graph.operators:
    read = {int(index) for index in operator.inputs if index >= 0} - set(constant)
    if kind_of(model.operatorCodes[operator.opcodeIndex]) == schema.BuiltinOperator.SHAPE or (
      read and read <= by_shapes
    ):
      by_shapes.update(int(index) for index in operator.outputs)
    elif any(graph.tensors[index].type in _INTEGERS for index in operator.outputs):
      taken |= read & by_shapes
  if not taken:
    return taken
  runner = LiteRunner(whole, default_delegates=False, keep_tensors=True)
  one = {_text(entry.name): [1, *graph.tensors[entry.tensorIndex].shape[1:]] for entry in signature.inputs}
  runner.call(runner.taken({name: np.zeros(shape, runner.inputs[name]) for name, shape in one.items()}))
  for operator in graph.operators:
    for index in map(int, operator.outputs):
      tensor = graph.tensors[index]
      # Where a shape depends on the batch, the file has none to go by.
      if tensor.type in _INTEGERS:
        tensor.shape = list(runner.stored(index).shape)
  for index in taken:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(runner.stored(index).tobytes(), np.uint8)
    graph.tensors[index].buffer = len(model.buffers)
    model.buffers.append(buffer)
  return taken


def _own_name(signature: Any, makers: Mapping[int, Any], index: int) -> str | None:
  """The name of the file's input that a tensor is, or is quantized from; `None` where it is made of others."""
  source = index if index not in makers else int(makers[index].inputs[0])
  return {int(entry.tensorIndex): _text(entry.name) for entry in signature.inputs}.get(source)


def _drop_codes(model: Any) -> None:
  """Leaves out kinds of operators that no operator is of: a microcontroller links each that it finds."""
  used = sorted({operator.opcodeIndex for operator in model.subgraphs[0].operators})
  model.operatorCodes = [model.operatorCodes[index] for index in used]
  for operator in model.subgraphs[0].operators:
    operator.opcodeIndex = used.index(operator.opcodeIndex)


def _names(graph: Any, inputs: list[int]) -> Iterator[str]:
  indices = features = 0
  for index in inputs:
    if graph.tensors[index].type in _INTEGERS:
      yield f'{FEATURES}_{features}' if features else FEATURES
      features += 1
    else:
      yield f'index_{indices}'
      indices += 1


def _port(tensor: Any, name: str, source: int) -> Port:
  scale, zero = 0.0, 0
  if tensor.type in _INTEGERS:
    scale, zero = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
  shape = [] if tensor.shape is None else tensor.shape
  return Port(name, type_name(tensor.type), int(np.prod(shape[1:])), scale, zero, source)


def _meaning(port: Port) -> str:
  if not port.scale:
    return 'the index of a category'
  low, high = (port.scale * (limit - port.zero_point) for limit in _limits(port.type))
  return f'for {low:.6g} to {high:.6g}'


def _defines(prefix: str, port: Port) -> list[str]:
  at = f'{prefix}_{_identifier(port.name).upper()}'
  lines = [f'#define {at}_COUNT {port.count}']
  if port.scale:
    # Nine digits tell every float32 from its neighbours.
    lines += [f'#define {at}_SCALE {np.float32(port.scale):.9e}f', f'#define {at}_ZERO_POINT ({port.zero_point})']
  return lines


def _identifier(name: str) -> str:
  return re.sub(r'\W', '_', name)


def _limits(type_: str) -> tuple[int, int]:
  limits = np.iinfo(type_)
  return int(limits.min), int(limits.max)


def _text(name: bytes | str) -> str:
  return name.decode() if isinstance(name, bytes) else name
