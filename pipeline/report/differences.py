"""What differs between two configs, setting by setting."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

_ABSENT = 'not set'


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
  """Settings that two configs do not share, in the order of the first one; a list of named things goes by the names."""
  first, second = dict(_settings(before, '')), dict(_settings(after, ''))
  return tuple(
    Difference(name, _text(first, name), _text(second, name))
    for name in dict.fromkeys([*first, *second])
    if first.get(name, _ABSENT) != second.get(name, _ABSENT)
  )


def _settings(value: Any, path: str) -> Iterator[tuple[str, Any]]:
  """Dotted paths of all values that are no sections."""
  if isinstance(value, list) and value and all(isinstance(item, dict) and 'name' in item for item in value):
    value = {item['name']: item for item in value}
  if isinstance(value, dict) and value:
    for key, below in value.items():
      yield from _settings(below, f'{path}.{key}' if path else str(key))
  else:
    yield path, value


def _text(settings: Mapping[str, Any], name: str) -> str:
  if name not in settings:
    return _ABSENT
  return yaml.safe_dump(settings[name], default_flow_style=True, allow_unicode=True).removesuffix('...\n').strip()
