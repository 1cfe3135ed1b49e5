"""What differs between two configs, setting by setting."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

_ABSENT = object()
"""In the place of what a config does not have."""

_LONGEST = 160
"""Characters of a value; of more, the beginning is told."""


@dataclasses.dataclass(frozen=True)
class Difference:
  """One setting that differs; `before` and `after` are its values as text."""

  setting: str
  before: str
  after: str


def read_config(path: pathlib.Path) -> Mapping[str, Any]:
  """A config as a plain mapping; empty where there is none."""
  try:
    config = yaml.safe_load(path.read_text(encoding='utf-8'))
  except (OSError, ValueError, yaml.YAMLError):
    return {}
  return config if isinstance(config, dict) else {}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
  """What two configs do not share, in the order of the first one.

  A list of named things, such as recipes, goes by the names; a section that only one of them has is one difference.
  """
  return tuple(_differences(before, after, ''))


def _differences(before: Any, after: Any, path: str) -> Iterator[Difference]:
  first, second = _by_name(before), _by_name(after)
  if isinstance(first, Mapping) and isinstance(second, Mapping):
    for key in dict.fromkeys([*first, *second]):
      yield from _differences(first.get(key, _ABSENT), second.get(key, _ABSENT), f'{path}.{key}' if path else str(key))
  elif before != after:
    yield Difference(path, _text(before), _text(after))


def _by_name(value: Any) -> Any:
  """A list of named things as a mapping; anything else as it is. An empty list names nothing."""
  if isinstance(value, list) and all(isinstance(item, dict) and 'name' in item for item in value):
    return {item['name']: item for item in value}
  return value


def _text(value: Any) -> str:
  """A value on one line; of a section its beginning."""
  if value is _ABSENT:
    return 'not set'
  text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=math.inf)
  text = text.removesuffix('...\n').strip()
  return text if len(text) <= _LONGEST else f'{text[:_LONGEST]} …'
