"""TFLite files taken apart and written again: two joined into one, and one in fewer bytes.

A converter quantizes whole graphs, and integers destroy the feature part of this model (a coordinate in int8 resolves
kilometres). So features and model are converted by themselves, each as it should be, and joined afterwards; every
variant of a model then carries the same feature bytes.

A converted file spends more on its bookkeeping than on a small model's weights: long names of inner tensors, signatures
of their shapes, conversion metadata. What neither an interpreter nor another tool reads is left out; the shapes of
inner tensors stay, as delegates choose their operators by them. Equal vectors, strings and tables are written once and
shared, which the FlatBuffers format allows and no writer does.

What a file says of itself follows the schema's conventions: kinds of operators where older readers look for them, a
name for each tensor, as converters and quantizers tell tensors apart by their names, and the oldest runtime that
computes the file right.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from configs.compression import KeepNames
from models.compression.layers import DENSE_CORE
from models.lite.metadata import FileDescription

IDENTIFIER = b'TFL3'

_ALIGNMENT = 16
"""What TFLite's schema requires of buffers, for kernels that load whole vectors."""

_SMALL = 64
"""Bytes; a smaller constant is read number by number."""

_WIDE = {getattr(schema.TensorType, name) for name in ('INT64', 'UINT64', 'FLOAT64', 'COMPLEX64', 'COMPLEX128')}
"""Types whose numbers are aligned by 8 bytes."""

_CAST = schema.BuiltinOperator.CAST

_ROUND_TRIP = (schema.TensorType.INT32, schema.TensorType.INT64, schema.TensorType.INT32)
"""Types from cast to cast that lose nothing."""

_BUFFER_TABLE = 12
"""Bytes that a buffer takes beside its content: the length and the table that points to it."""

_RUNTIME = 'min_runtime_version'
"""Name of the metadata with the oldest runtime, such as `2.4.0`; in 16 bytes, zeros behind."""

_OLDEST = '2.4.0'
"""No file is promised to run on older ones, whatever its operators say: none was tried."""

_OLDEST_SPARSE_8_BIT = '2.8.0'
"""Older ones run sparse 8-bit kernels and give wrong predictions, without an error. The converter does not know it."""


def shrink(
  model: bytes,
  keep_names: KeepNames = KeepNames.SHORT,
  description: FileDescription | None = None,
  named: Collection[str] = (),
) -> bytes:
  """The same model in fewer bytes.

  Args:
    model: a TFLite file with any number of subgraphs.
    keep_names: of inner tensors; see `KeepNames`.
    description: of inputs and outputs, for the file's TFLite metadata; without one the file has none.
    named: layers that tensors are named by besides those of a dense core, which are known.
  Returns: A file with the same operators, weights and signatures; the inputs and outputs of a subgraph are named as its
    signature names them. Of the converter's metadata the minimum runtime version is left. Descriptions are gone, and so
    are casts of int32 to int64 and straight back, which TFX's Transform requires.
  """
  parsed = schema.ModelT.InitFromPackedBuf(model, 0)
  entries = {_RUNTIME: runtime_version(parsed).encode().ljust(16, b'\0')}
  parsed.description = parsed.metadata = parsed.metadataBuffer = None
  _name_as_signed(parsed)
  if description is not None:
    graph = parsed.subgraphs[0]
    names = ([_text(graph.tensors[index].name) for index in _indices(side)] for side in (graph.inputs, graph.outputs))
    entries[METADATA] = description.content(*names)
  for position, subgraph in enumerate(parsed.subgraphs):
    _skip_round_trips(subgraph, parsed.operatorCodes)
    _number_tensors(parsed, position)
  _share_constants(parsed)
  for subgraph in parsed.subgraphs:
    if keep_names is not KeepNames.ALL:
      subgraph.name = None
    _name_inner(subgraph, keep_names, named)
    ends = _ends(subgraph)
    for index, tensor in enumerate(subgraph.tensors):
      _strip_tensor(tensor, is_end=index in ends)
    for operator in subgraph.operators:
      _strip_operator(operator)
  for code in parsed.operatorCodes:
    # As the schema has it: readers of before 2020, and many tools, look into the field of one byte alone.
    code.builtinCode, code.deprecatedBuiltinCode = kind_of(code), min(kind_of(code), _GREATER)
  _describe(parsed, entries)
  return pack(parsed)


METADATA = 'TFLITE_METADATA'
"""Name of the metadata that describes inputs and outputs."""

_GREATER = schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES
"""Stands for kinds of operators that don't fit a byte."""


def runtime_version(model: Any) -> str:
  """The oldest runtime that computes a parsed model right, such as `2.4.0`.

  It is what the converter says by the versions of operators, and not older than what was tried. TensorFlow 2.16 says
  nothing of some operators.
  """
  known = [_text(bytes(model.buffers[entry.buffer].data)).rstrip('\0') for entry in _entries(model, _RUNTIME)]
  sparse = any(
    tensor.sparsity is not None and tensor.type == schema.TensorType.INT8
    for subgraph in model.subgraphs
    for tensor in subgraph.tensors
  )
  # TensorFlow 2.16 says nothing of what it quantized.
  return max([_OLDEST, *([_OLDEST_SPARSE_8_BIT] if sparse else []), *filter(None, known)], key=_parts)


def _parts(version: str) -> tuple[int, ...]:
  return tuple(int(part) for part in version.split('.'))


def _entries(model: Any, name: str) -> list[Any]:
  """The metadata of a name, of which there should be one."""
  return [entry for entry in model.metadata or () if _text(entry.name) == name]


def _describe(model: Any, entries: Mapping[str, bytes]) -> None:
  """Sets the metadata of a model that has none."""
  model.metadata = []
  for name, content in entries.items():
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(content, np.uint8)
    entry.name, entry.buffer = name, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata.append(entry)


def described(model: bytes) -> bytes | None:
  """The content of a file's TFLite metadata, or `None` where it has none."""
  parsed = schema.ModelT.InitFromPackedBuf(model, 0)
  found = _entries(parsed, METADATA)
  return bytes(parsed.buffers[found[0].buffer].data) if found else None


def pack(model: Any) -> bytes:
  """The bytes of a parsed model; what is equal is written once."""
  builder = _SharingBuilder(1 << 16, _alignments(model))
  builder.Finish(model.Pack(builder), IDENTIFIER)
  return bytes(builder.Output())


def _ends(subgraph: Any) -> set[int]:
  return {*_indices(subgraph.inputs), *_indices(subgraph.outputs)}


def _name_inner(subgraph: Any, keep: KeepNames, named: Collection[str]) -> None:
  """Names what is neither input nor output of a subgraph; no two tensors have the same name."""
  ends = _ends(subgraph)
  taken = {_text(subgraph.tensors[index].name) for index in ends}
  for index, tensor in enumerate(subgraph.tensors):
    if index in ends:
      continue
    if keep is KeepNames.NONE:
      tensor.name = None
      continue
    name = _text(tensor.name or b'') if keep is KeepNames.ALL else _layer_of(tensor, named)
    unique = name or _short(index)
    copies = itertools.count(1)
    while unique in taken:
      unique = f'{name}.{next(copies)}'
    tensor.name = unique
    taken.add(unique)


def _layer_of(tensor: Any, named: Collection[str]) -> str:
  """The layer that a tensor belongs to, by the converter's name of it; empty where it is none of the model's.

  The converter calls tensors by scopes: `model/dense_core/dense_0/MatMul;…`; what it folds together has them all.
  """
  name = _text(tensor.name or b'')
  scopes = name.partition(';')[0].split('/')
  if DENSE_CORE in scopes[:-2]:
    return scopes[scopes.index(DENSE_CORE) + 1].removeprefix(_QUANTIZED)
  if scopes[-1].startswith(_LOOKUP) and len(scopes) > 1:
    return scopes[-2].removeprefix(_QUANTIZED)
  known = (scope.removeprefix(_QUANTIZED) for scope in re.split('[/;]', name))
  return next((scope for scope in known if scope in named), '')


_QUANTIZED = 'quant_'
"""What tfmot puts before the name of a layer that it trains for integers."""

_LOOKUP = 'embedding_lookup'
"""What Keras calls the operation of an embedding."""


def _short(index: int) -> str:
  """A number in the 36 digits of letters."""
  digits = string.digits + string.ascii_lowercase
  return (_short(index // 36) if index >= 36 else '') + digits[index % 36]


def _name_as_signed(model: Any) -> None:
  """Names inputs and outputs as the signatures do, so that a file holds each name once."""
  for signature in model.signatureDefs or ():
    for named in (*signature.inputs, *signature.outputs):
      model.subgraphs[signature.subgraphIndex].tensors[named.tensorIndex].name = named.name


def _skip_round_trips(subgraph: Any, codes: Sequence[Any]) -> None:
  """Reads what was cast from int32 to int64 and back at its source; casts that nothing reads then go."""
  casts = {_indices(op.outputs)[0]: op for op in subgraph.operators if kind_of(codes[op.opcodeIndex]) == _CAST}
  types = [tensor.type for tensor in subgraph.tensors]
  sources: dict[int, int] = {}
  for output, operator in casts.items():
    [wide] = _indices(operator.inputs)
    [narrow] = _indices(casts[wide].inputs) if wide in casts else [wide]
    if (types[narrow], types[wide], types[output]) == _ROUND_TRIP:
      sources[output] = sources.get(narrow, narrow)
  needed, kept = {*_indices(subgraph.outputs)}, []
  # Backwards: once the second cast is gone, nothing may read the first one.
  for operator in reversed(subgraph.operators):
    if any(index in casts and index not in needed for index in _indices(operator.outputs)):
      continue
    operator.inputs = [sources.get(index, index) for index in _indices(operator.inputs)]
    needed.update(operator.inputs)
    kept.append(operator)
  subgraph.operators = kept[::-1]


def _number_tensors(model: Any, position: int) -> None:
  """Leaves out tensors of a subgraph that nothing reads or makes, and numbers the others as they come.

  Inputs first, then what operators make, then constants in the order in which they are read: neighbours then look
  alike, which takes less padding and less of a download.
  """
  graph = model.subgraphs[position]
  holders = [(graph, 'inputs'), *((operator, 'outputs') for operator in graph.operators)]
  holders += [(operator, 'inputs') for operator in graph.operators]
  holders += [(operator, 'intermediates') for operator in graph.operators if operator.intermediates is not None]
  holders.append((graph, 'outputs'))
  signatures = [signature for signature in model.signatureDefs or () if signature.subgraphIndex == position]
  named = [tensor for signature in signatures for tensor in (*signature.inputs, *signature.outputs)]
  listed = [index for holder, field in holders for index in _indices(getattr(holder, field))]
  order = [index for index in dict.fromkeys([*listed, *(tensor.tensorIndex for tensor in named)]) if index != _ABSENT]
  numbers = {index: number for number, index in enumerate(order)} | {_ABSENT: _ABSENT}
  graph.tensors = [graph.tensors[index] for index in order]
  for holder, field in holders:
    setattr(holder, field, [numbers[index] for index in _indices(getattr(holder, field))])
  for tensor in named:
    tensor.tensorIndex = numbers[tensor.tensorIndex]


_ABSENT = -1
"""Stands for an input that an operator can do without."""


def _indices(tensors: Sequence[int] | None) -> list[int]:
  return [] if tensors is None else [int(index) for index in tensors]


def kind_of(code: Any) -> int:
  """The builtin operator that a code stands for."""
  return max(code.builtinCode, code.deprecatedBuiltinCode)


def _strip_tensor(tensor: Any, is_end: bool) -> None:
  if not is_end:
    tensor.shapeSignature = None
  # It only distinguishes a scalar that is computed from a shape that is unknown.
  tensor.hasRank = tensor.hasRank and not tensor.buffer and (tensor.shape is None or not len(tensor.shape))
  quantization = tensor.quantization
  if quantization is not None:
    # The range it was calibrated to holds nothing that scale and zero point don't.
    quantization.min = quantization.max = None
    if quantization.scale is None and quantization.details is None:
      tensor.quantization = None


def _strip_operator(operator: Any) -> None:
  """Leaves out lists that are empty but for those with variable inputs or intermediate tensors."""
  if operator.mutatingVariableInputs is not None and not any(operator.mutatingVariableInputs):
    operator.mutatingVariableInputs = None
  if operator.intermediates is not None and not len(operator.intermediates):
    operator.intermediates = None


def _share_constants(model: Any) -> None:
  """Keeps each constant once, in the order that needs the least padding; an empty one is first, as in the format."""
  contents = [None if buffer.data is None else _content(buffer) for buffer in model.buffers]
  # What no tensor has belonged to metadata.
  used = [contents[tensor.buffer] for subgraph in model.subgraphs for tensor in subgraph.tensors]
  different = [content for content in dict.fromkeys(contents) if content is not None and content in used]
  arranged = _arranged(different, _alignments(model))
  order = {content: index for index, content in enumerate([None, *arranged])}
  model.buffers = [schema.BufferT() for _ in order]
  for content, buffer in zip(arranged, model.buffers[1:], strict=True):
    buffer.data = np.frombuffer(content, np.uint8)
  for tensor in (tensor for subgraph in model.subgraphs for tensor in subgraph.tensors):
    tensor.buffer = order[contents[tensor.buffer]]


def _content(buffer: Any) -> bytes:
  return np.asarray(buffer.data, np.uint8).tobytes()


def _alignments(model: Any) -> dict[bytes, int]:
  """Bytes to align each constant by; whole vectors are loaded from large ones, single numbers from small ones."""
  found: dict[bytes, int] = {}
  for tensor in (tensor for subgraph in model.subgraphs for tensor in subgraph.tensors):
    buffer = model.buffers[tensor.buffer]
    if buffer.data is not None:
      content = _content(buffer)
      needed = _ALIGNMENT if len(content) >= _SMALL else 8 if tensor.type in _WIDE else 4
      found[content] = max(needed, found.get(content, 1))
  return found


def _arranged(contents: list[bytes], alignments: Mapping[bytes, int]) -> list[bytes]:
  """Always the one next that costs the least padding before itself and before the best of those that follow."""
  result: list[bytes] = []
  left, written = list(contents), 0

  def padding(content: bytes, behind: int) -> int:
    return -(behind + len(content)) % alignments.get(content, _ALIGNMENT)

  def after(content: bytes) -> int:
    return written + padding(content, written) + len(content) + _BUFFER_TABLE

  def cost(content: bytes) -> int:
    following = (padding(other, after(content)) for other in left if other is not content and len(other) >= _SMALL)
    return padding(content, written) + min(following, default=0)

  while left:
    chosen = min(left, key=cost)
    written = after(chosen)
    left.remove(chosen)
    result.append(chosen)
  return result


class _SharingBuilder(flatbuffers.Builder):
  """Writes equal vectors of scalars, equal strings and equal tables once.

  Args: alignments: bytes to align each constant by.
  """

  def __init__(self, size: int, alignments: Mapping[bytes, int]) -> None:
    super().__init__(size)
    self._alignments = alignments
    self._shared: dict[Any, int] = {}
    self._fields: list[tuple[Any, ...]] = []
    self._vector: tuple[int, int] | None = None

  def StartObject(self, numfields: int) -> None:  # noqa: N802
    self._fields = [(numfields,)]
    super().StartObject(numfields)

  def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:  # noqa: N802
    if x is not None and x != d:
      self._fields.append((o, flags.__name__, x))
    super().PrependSlot(flags, o, x, d)

  def PrependUOffsetTRelativeSlot(self, o: int, x: int, d: int) -> None:  # noqa: N802
    if x != d:
      self._fields.append((o, 'offset', x))
    super().PrependUOffsetTRelativeSlot(o, x, d)

  def EndObject(self) -> int:  # noqa: N802
    start, key = self.objectEnd, ('table', *self._fields)
    if key in self._shared:
      self._rewind(start)
      self.current_vtable = None
      self.nested = False
    else:
      self._shared[key] = super().EndObject()
    return self._shared[key]

  def CreateString(self, s: Any, encoding: str = 'utf-8', errors: str = 'strict') -> int:  # noqa: N802
    key = ('string', s.encode(encoding, errors) if isinstance(s, str) else bytes(s))
    if key not in self._shared:
      self._shared[key] = super().CreateString(s, encoding, errors)
    return self._shared[key]

  def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802
    content = x.tobytes()
    alignment = self._alignments.get(content, _ALIGNMENT) if x.dtype == np.uint8 else x.itemsize
    key = ('vector', x.itemsize, content)
    if key not in self._shared:
      super().StartVector(x.itemsize, x.size, alignment)
      self.head = flatbuffers.number_types.UOffsetTFlags.py_type(self.Head() - len(content))
      self.Bytes[self.Head() : self.Head() + len(content)] = content
      self.vectorNumElems = x.size
      self._shared[key] = super().EndVector()
    return self._shared[key]

  def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803
    self._vector = self.Offset(), elemSize
    return super().StartVector(elemSize, numElems, alignment)

  def PrependUOffsetTRelative(self, off: int) -> None:  # noqa: N802
    self._vector = None  # References are relative to where they stand, so equal bytes point elsewhere.
    super().PrependUOffsetTRelative(off)

  def EndVector(self, *arguments: Any) -> int:  # noqa: N802
    vector, self._vector = self._vector, None
    count = self.vectorNumElems
    end = super().EndVector(*arguments)
    if vector is None:
      return end
    before, size = vector
    # Behind the length; what was padded after the content does not matter.
    key = ('vector', size, bytes(self.Bytes[self.Head() + 4 : self.Head() + 4 + size * count]))
    if key in self._shared:
      self._rewind(before)
    return self._shared.setdefault(key, end)

  def _rewind(self, offset: int) -> None:
    self.head = len(self.Bytes) - offset


def join(front: bytes, back: bytes) -> bytes:
  """One model out of two.

  Args:
    front: a TFLite file with one subgraph and one signature; its inputs stay the inputs.
    back: the same; each of its inputs has the name of one of the front's outputs and its type. Its outputs stay the
      outputs.
  Returns: A file with one subgraph, and one signature named as the back's.
  Raises: ValueError: an input of the back is no output of the front, or has another type.
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
  _describe(first, {_RUNTIME: max(map(runtime_version, (first, second)), key=_parts).encode()})
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
      names = ', '.join(sorted(map(_text, made)))
      raise ValueError(f"The model wants '{_text(wanted.name)}', but the features yield {names}.")
    feeds[wanted.tensorIndex] = made[wanted.name]
    types = graph.tensors[made[wanted.name]].type, other.tensors[wanted.tensorIndex].type
    if types[0] != types[1]:
      raise ValueError(
        f"'{_text(wanted.name)}' is made as {type_name(types[0])}, but the model wants {type_name(types[1])}."
      )
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
  wanted = (kind_of(code), code.customCode, code.version)
  for index, known in enumerate(model.operatorCodes):
    if (kind_of(known), known.customCode, known.version) == wanted:
      return index
  model.operatorCodes.append(code)
  return len(model.operatorCodes) - 1


def _text(name: bytes | str) -> str:
  return name.decode() if isinstance(name, bytes) else name


def type_name(value: int) -> str:
  """A tensor type as users know it, such as `int8`."""
  return next(name for name, number in vars(schema.TensorType).items() if number == value).lower()
