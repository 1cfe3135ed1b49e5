"""Writes a TFLite file again in fewer bytes, with nothing lost that an interpreter reads.

A converted file spends more on its bookkeeping than on a small model's weights: names of inner tensors, a shape and a
signature of the shape for each, conversion metadata. The interpreter needs none of the names and works out inner shapes
itself. Equal vectors and tables are written once and shared, which the FlatBuffers format allows and no writer does.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

IDENTIFIER = b'TFL3'

_ALIGNMENT = 16
"""What TFLite's schema asks of buffers, for kernels that load whole vectors."""

_SMALL = 64
"""Bytes; a smaller constant is read by element, for which 8 will do."""


def shrink(model: bytes) -> bytes:
  """The same model in fewer bytes.

  Args:
    model: a TFLite file with any number of subgraphs.

  Returns:
    A file with the same operators, weights, signatures, and names of inputs
    and outputs. Names of inner tensors, metadata and descriptions are gone.
  """
  parsed = schema.ModelT.InitFromPackedBuf(model, 0)
  parsed.description = None
  parsed.metadata = None
  parsed.metadataBuffer = None
  buffers = _Buffers()
  for subgraph in parsed.subgraphs:
    named = {int(index) for index in (*subgraph.inputs, *subgraph.outputs)}
    for index, tensor in enumerate(subgraph.tensors):
      tensor.buffer = buffers.add(parsed.buffers[tensor.buffer].data)
      _strip_tensor(tensor, keep_name=index in named)
    for operator in subgraph.operators:
      operator.mutatingVariableInputs = None
      operator.intermediates = None
  parsed.buffers = buffers.kept
  return pack(parsed)


def pack(model: Any) -> bytes:
  """The bytes of a parsed model; what is equal is written once."""
  builder = _SharingBuilder(1 << 16)
  builder.Finish(model.Pack(builder), IDENTIFIER)
  return bytes(builder.Output())


def _strip_tensor(tensor: Any, keep_name: bool) -> None:
  if not keep_name:
    tensor.name = None
    tensor.shapeSignature = None
  quantization = tensor.quantization
  if quantization is not None:
    # The range it was calibrated to says nothing that scale and zero point don't.
    quantization.min = quantization.max = None
    if quantization.scale is None:
      tensor.quantization = None


class _Buffers:
  """Constants, each kept once; the first one is empty, as the format wants it."""

  def __init__(self) -> None:
    self.kept = [schema.BufferT()]
    self._index: dict[bytes, int] = {}

  def add(self, data: Any) -> int:
    """The index of a buffer with this content."""
    if data is None or not len(data):
      return 0
    content = np.asarray(data, np.uint8)
    key = content.tobytes()
    if key not in self._index:
      self._index[key] = len(self.kept)
      buffer = schema.BufferT()
      buffer.data = content
      self.kept.append(buffer)
    return self._index[key]


class _SharingBuilder(flatbuffers.Builder):
  """Writes equal vectors of scalars, and equal tables, once."""

  def __init__(self, size: int) -> None:
    super().__init__(size)
    self._shared: dict[Any, int] = {}
    self._fields: list[tuple[Any, ...]] = []
    self._vector: tuple[int, int] | None = None
    self._references = False

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
    start, key = self.objectEnd, tuple(self._fields)
    if key in self._shared:
      self._rewind(start)
      self.current_vtable = None
      self.nested = False
    else:
      self._shared[key] = super().EndObject()
    return self._shared[key]

  def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802
    key = ('numpy', x.dtype.str, x.tobytes())
    if key not in self._shared:
      self._shared[key] = self._write(np.ascontiguousarray(x), _alignment(x))
    return self._shared[key]

  def _write(self, x: np.ndarray, alignment: int) -> int:
    super().StartVector(x.itemsize, x.size, alignment)
    self.head = flatbuffers.number_types.UOffsetTFlags.py_type(self.Head() - x.nbytes)
    self.Bytes[self.Head() : self.Head() + x.nbytes] = x.tobytes(order='C')
    self.vectorNumElems = x.size
    return super().EndVector()

  def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803
    self._vector, self._references = (self.Offset(), elemSize), False
    return super().StartVector(elemSize, numElems, alignment)

  def PrependUOffsetTRelative(self, off: int) -> None:  # noqa: N802
    self._references = True
    super().PrependUOffsetTRelative(off)

  def EndVector(self, *arguments: Any) -> int:  # noqa: N802
    assert self._vector is not None
    (before, size), count = self._vector, self.vectorNumElems
    end = super().EndVector(*arguments)
    if self._references:
      return end
    # Content and length; what was padded behind it does not matter.
    key = ('vector', size, bytes(self.Bytes[self.Head() : self.Head() + 4 + size * count]))
    if key in self._shared:
      self._rewind(before)
    return self._shared.setdefault(key, end)

  def _rewind(self, offset: int) -> None:
    self.head = len(self.Bytes) - offset


def _alignment(x: np.ndarray) -> int:
  """Bytes of a constant, which come as uint8, by the kernels that read them; shapes and indices by their type."""
  if x.dtype != np.uint8:
    return x.itemsize
  return _ALIGNMENT if x.nbytes >= _SMALL else 8 if x.nbytes % 8 == 0 else 4
