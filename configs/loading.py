"""Reads a run's config: a preset or a file, what it extends, and overrides.

All errors of a config are told at once, each with what would be right.
"""

from __future__ import annotations

import difflib
import importlib.resources
import pathlib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic
import yaml

from configs.run import RunConfig


class ConfigError(ValueError):
  """A user's mistake in a config; the message names each one and its mend."""


def presets() -> tuple[str, ...]:
  """Names of the packaged presets, such as `nyc`."""
  files = importlib.resources.files('configs').iterdir()
  return tuple(sorted(f.name[:-5] for f in files if f.name.endswith('.yaml')))


def load(source: str | None = None, overrides: Sequence[str] = ()) -> RunConfig:
  """Loads, merges and validates a config.

  Args:
    source: a path to a YAML file, or a preset's name or `configs/NAME.yaml`
      where no such file exists; the `chicago` preset when `None`.
    overrides: `section.key=value` texts; values are YAML.

  Raises:
    ConfigError: nothing to read, bad YAML, or values that can't be.
  """
  values = _read(source or 'chicago', seen=())
  for override in overrides:
    _override(values, override)
  return validate(values)


def validate(values: Mapping[str, Any]) -> RunConfig:
  """Validates a plain mapping; raises `ConfigError` with every error in it."""
  try:
    return RunConfig.model_validate(values)
  except pydantic.ValidationError as error:
    lines = [_sentence(detail) for detail in error.errors()]
    count = f'{len(lines)} errors' if len(lines) > 1 else '1 error'
    raise ConfigError(f'The config has {count}:\n' + '\n'.join(f'  - {line}' for line in lines)) from None


def dump(config: RunConfig) -> str:
  """The resolved config as YAML, every default written out."""
  return yaml.safe_dump(config.model_dump(mode='json'), sort_keys=False, allow_unicode=True)


def _read(source: str, seen: tuple[str, ...]) -> dict[str, Any]:
  if source in seen:
    raise ConfigError(f"'{source}' extends itself: {' -> '.join([*seen, source])}.")
  try:
    values = yaml.safe_load(_text(source))
  except yaml.YAMLError as error:
    raise ConfigError(f"'{source}' is no valid YAML: {str(error).splitlines()[0]}{_where(error)}.") from None
  if not isinstance(values, dict):
    raise ConfigError(f"'{source}' must hold a mapping of settings, such as name: and dataset:.")
  base = values.pop('extends', None)
  if base is None:
    return values
  relative = pathlib.Path(source).parent / str(base)
  found = str(relative) if relative.is_file() else str(base)
  return _merge(_read(found, (*seen, source)), values)


def _where(error: yaml.YAMLError) -> str:
  mark = getattr(error, 'problem_mark', None)
  return f' in line {mark.line + 1}' if mark else ''


def _text(source: str) -> str:
  path = pathlib.Path(source)
  if path.is_file():
    try:
      return path.read_text(encoding='utf-8')
    except (UnicodeDecodeError, PermissionError) as error:
      raise ConfigError(f"'{source}' can't be read: {error}.") from None
  name = path.stem if path.parent.name in ('', 'configs') else ''
  if name in presets():
    return importlib.resources.files('configs').joinpath(f'{name}.yaml').read_text(encoding='utf-8')
  raise ConfigError(f"No config file '{source}'. Presets: {', '.join(presets())}.{_nearest(path.stem, presets())}")


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
  merged = dict(base)
  for key, value in over.items():
    below = merged.get(key)
    merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
  return merged


def _override(values: dict[str, Any], override: str) -> None:
  path, separator, text = override.partition('=')
  keys = path.strip().split('.')
  if not separator or not all(keys):
    raise ConfigError(f"--set takes section.key=value, got '{override}'. Example: --set training.epochs=10")
  try:
    value = yaml.safe_load(text)
  except yaml.YAMLError:
    raise ConfigError(f"--set {path}: '{text}' is no valid YAML value.") from None
  for depth, key in enumerate(keys[:-1]):
    below = values.setdefault(key, {})
    if not isinstance(below, dict):
      raise ConfigError(f"--set {path}: '{'.'.join(keys[: depth + 1])}' is a value, not a section.")
    values = below
  values[keys[-1]] = value


def _sentence(detail: Mapping[str, Any]) -> str:
  where = '.'.join(str(part) for part in detail['loc']) or 'config'
  if detail['type'] == 'extra_forbidden':
    known = _keys_at(detail['loc'][:-1])
    return f"{where}: unknown key '{detail['loc'][-1]}'.{_nearest(str(detail['loc'][-1]), known)}"
  if detail['type'] == 'missing':
    return f'{where} is missing.'
  message = detail['msg'].removeprefix('Value error, ')
  if detail['type'] == 'value_error':
    return f'{where} {message}' if message.startswith('must') else f'{where}: {message}'
  got = detail.get('input')
  shown = '' if isinstance(got, (dict, list)) else f', got {got!r}'
  return f'{where}: {message[0].lower()}{message[1:]}{shown}.'


def _keys_at(location: Sequence[Any]) -> tuple[str, ...]:
  model: Any = RunConfig
  for part in location:
    if isinstance(part, int):
      continue
    field = getattr(model, 'model_fields', {}).get(part)
    model = _model_in(field.annotation) if field else None
  return tuple(getattr(model, 'model_fields', {}))


def _model_in(annotation: Any) -> Any:
  """The config model inside an annotation such as `tuple[Landmark, ...]`."""
  if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
    return annotation if issubclass(annotation, pydantic.BaseModel) else None
  return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)


def _nearest(word: str, known: Sequence[str]) -> str:
  near = difflib.get_close_matches(word, known, n=1)
  return f" Did you mean '{near[0]}'?" if near else ''
