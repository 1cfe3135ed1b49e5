"""Names of the fare model's layers. Apart from `configs.layers`, so that who uses a name depends on no setting."""

from __future__ import annotations

OUTPUT_LAYER = 'fare'
"""The output layer; compressed only by a recipe that names it."""

CLIP_LAYER = 'clip'
"""The custom layer in front of the dense core."""

_HIDDEN = 'dense_'
_EMBEDDING = '_embedding'


def hidden_name(depth: int) -> str:
  """The hidden layer at a depth, 0 the first."""
  return f'{_HIDDEN}{depth}'


def hidden_depth(layer: str) -> int | None:
  """Which hidden layer has this name, 0 the first; `None` where none has."""
  depth = layer.removeprefix(_HIDDEN)
  return int(depth) if depth != layer and depth.isdecimal() else None


def embedding_name(column: str) -> str:
  """The layer of a categorical column."""
  return f'{column}{_EMBEDDING}'


def is_embedding(layer: str) -> bool:
  """Whether a layer's name is that of an embedding."""
  return layer.endswith(_EMBEDDING)
