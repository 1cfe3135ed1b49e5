"""YAML files that hold a mapping, and how one is laid over another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


def read_mapping(text: str, what: str, example: str) -> dict[str, Any]:
  """Parses a YAML mapping.

  Args:
    text: of the file.
    what: the file, as an error names it.
    example: what the mapping could hold.

  Raises:
    ValueError: no YAML, or no mapping.
  """
  try:
    values = yaml.safe_load(text)
  except yaml.YAMLError as error:
    mark = getattr(error, 'problem_mark', None)
    where = f' in line {mark.line + 1}' if mark else ''
    raise ValueError(f'{what} is no valid YAML: {str(error).splitlines()[0]}{where}.') from None
  if not isinstance(values, dict):
    raise ValueError(f'{what} must hold a mapping of settings, such as {example}.')
  return values


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
  """`base` with the values of `over`, section by section."""
  merged = dict(base)
  for key, value in over.items():
    below = merged.get(key)
    merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
  return merged
