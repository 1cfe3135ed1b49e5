"""TFLite metadata: what a file says to people and tools of its inputs, its output and its licence.

The format is TFLite's `metadata_schema.fbs`, whose field numbers stand here. Its own writers don't fit:
`tflite-support` has no wheel for Python 3.12 and later, and MediaPipe's brings OpenCV. A test reads by the first what
is written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import flatbuffers

_IDENTIFIER = b'M001'

_PARSER = '1.0.0'
"""The oldest parser that knows all fields that are written."""

_FEATURE = 1
"""The kind of content that is neither picture nor sound, in the union of kinds."""

_MODEL = {'name': 0, 'description': 1, 'graphs': 3, 'license': 5, 'parser': 7}
_GRAPH = {'inputs': 2, 'outputs': 3}
_TENSOR = {'name': 0, 'description': 1, 'content': 3}


class FileDescription(NamedTuple):
  """What the metadata of a file says.

  Attributes:
    name, description: of the model.
    tensors: by name of an input or output, what it means and in which unit.
    license: of the model, as its owner calls it; empty where that is not said.
  """

  name: str
  description: str
  tensors: Mapping[str, str]
  license: str = ''

  def content(self, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """The metadata of a file.

    Args: inputs, outputs: names in the order of the file.
    """
    builder = flatbuffers.Builder(1024)
    graph = _table(
      builder,
      {
        _GRAPH['inputs']: _vector(builder, [self._tensor(builder, name) for name in inputs]),
        _GRAPH['outputs']: _vector(builder, [self._tensor(builder, name) for name in outputs]),
      },
    )
    texts = {'name': self.name, 'description': self.description, 'license': self.license, 'parser': _PARSER}
    fields = {_MODEL[field]: builder.CreateString(text) for field, text in texts.items() if text}
    builder.Finish(_table(builder, {**fields, _MODEL['graphs']: _vector(builder, [graph])}), _IDENTIFIER)
    return bytes(builder.Output())

  def _tensor(self, builder: flatbuffers.Builder, name: str) -> int:
    builder.StartObject(0)
    feature = builder.EndObject()
    builder.StartObject(2)
    builder.PrependUint8Slot(0, _FEATURE, 0)
    builder.PrependUOffsetTRelativeSlot(1, feature, 0)
    fields = {_TENSOR['content']: builder.EndObject(), _TENSOR['name']: builder.CreateString(name)}
    if self.tensors.get(name):
      fields[_TENSOR['description']] = builder.CreateString(self.tensors[name])
    return _table(builder, fields)


def _table(builder: flatbuffers.Builder, fields: Mapping[int, int]) -> int:
  """A table of references, by the numbers of their fields."""
  builder.StartObject(max(fields) + 1)
  for number, reference in fields.items():
    builder.PrependUOffsetTRelativeSlot(number, reference, 0)
  return int(builder.EndObject())


def _vector(builder: flatbuffers.Builder, references: Sequence[int]) -> int:
  builder.StartVector(4, len(references), 4)
  for reference in reversed(references):
    builder.PrependUOffsetTRelative(reference)
  return int(builder.EndVector())
