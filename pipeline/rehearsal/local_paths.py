"""Paths of this machine inside a spec: no pod has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_ABSOLUTE = re.compile(r'(?:file://)?/(?!gcs/)(?!/)[^\s/]+/\S*')
_IN_IMAGE = ('/usr/', '/opt/', '/bin/', '/app/')


def found(content: Any) -> Iterator[tuple[str, str]]:
  """Where a value holds an absolute local path.

  Args:
    content: dictionaries, lists, numbers and text; text that is JSON is looked into.

  Yields:
    A dotted place, such as `input_config.splits.0.pattern`, and the path.
  """
  yield from _walk(content, ())


def _walk(content: Any, place: tuple[str, ...]) -> Iterator[tuple[str, str]]:
  if isinstance(content, dict):
    for key, value in content.items():
      yield from _walk(value, (*place, str(key)))
  elif isinstance(content, list):
    for index, value in enumerate(content):
      yield from _walk(value, (*place, str(index)))
  elif isinstance(content, str):
    inner = _decoded(content)
    if inner is not None:
      yield from _walk(inner, place)
    elif _ABSOLUTE.fullmatch(content) and not content.startswith(_IN_IMAGE):
      yield '.'.join(place), content


def _decoded(text: str) -> Any:
  """The value of a text that is a JSON structure, or `None`."""
  if not text.lstrip().startswith(('{', '[')):
    return None
  try:
    return json.loads(text)
  except ValueError:
    return None
