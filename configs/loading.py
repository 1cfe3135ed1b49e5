"""Reads a run's config: a preset or a file, what it extends, and overrides.

All errors of a config are reported at once, each with what would be right.
"""

from __future__ import annotations

import copy
import functools
import json
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from importlib.abc import Traversable
from typing import Any

import pydantic
import yaml

from configs.base import Idle, Problem, nearest
from configs.compression import SCHEMES
from configs.errors import UserError
from configs.layering import Layers, removed
from configs.presets import RECIPES, PresetFolder, extended_file, is_file, load_yaml, merge, packaged, read_mapping
from configs.run import RunConfig

_LISTS: dict[tuple[str, ...], PresetFolder] = {('training', 'recipes'): RECIPES, ('compression', 'schemes'): SCHEMES}
"""Where a config lists what goes by a name."""


class ConfigError(UserError):
  """A user's mistake in a config; the message names each one and its fix."""


def presets() -> tuple[str, ...]:
  """Names of the packaged presets, such as `nyc`."""
  return tuple(packaged())


def presets_of(dataset: str) -> tuple[str, ...]:
  """Names of the packaged presets whose rides are of the dataset of this name, known without validating any."""
  return tuple(name for name in presets() if _merged(_layers(name)).get('dataset', {}).get('name') == dataset)


def known_presets(wanted: str) -> str:
  """Lists the presets for the message that there is no such config, with the nearest one."""
  return f'Presets: {", ".join(presets())}.{nearest(pathlib.Path(wanted).stem, presets())}'


def exists(source: str) -> bool:
  """Whether `load` finds something to read, right or wrong."""
  return _file(source) is not None


def load(source: str | None = None, overrides: Sequence[str] = (), *, kept: bool = False) -> RunConfig:
  """Loads, merges and validates a config.

  Args:
    source: a path to a YAML file, or a preset's name or `configs/NAME.yaml` where no such file exists; the `chicago`
      preset when `None`.
    overrides: `section.key=value` texts; values are YAML.
    kept: whether a run wrote the file: what has no effect in it is passed over, as a run before may have taken it.
  Raises: ConfigError: nothing to read, bad YAML, values that can't be, or settings that have no effect.
  """
  layers = _layers(source or 'chicago')
  values = copy.deepcopy(_merged(layers))
  for override in overrides:
    _override(values, override)
  return _validated(values, Layers(layers, overrides, kept))


def validate(values: Mapping[str, Any], *, kept: bool = False) -> RunConfig:
  """Validates a plain mapping; raises `ConfigError` with every error in it. Args: kept: see `load`."""
  return _validated(copy.deepcopy(dict(values)), Layers([values], kept=kept))


def _validated(values: dict[str, Any], layers: Layers) -> RunConfig:
  """The config, without the settings that give way where they have no effect; changes `values`."""
  refused: list[Problem] = []
  problems: list[Problem] = []
  config, is_partial = None, False
  while config is None:
    try:
      config, problems, is_partial = RunConfig.model_validate(values), [], False
    except pydantic.ValidationError as error:
      from configs.mistakes import problems_of  # What is expected instead, which a right config does not ask for.

      problems = problems_of(error, RunConfig, values, _LISTS)
      is_partial = any(detail['loc'] for detail in error.errors())
      # What hangs on several sections is checked only once each section is right by itself.
      idle = [found for found in problems if isinstance(found, Idle) and removed(values, found.where)]
      refused += [found for found in idle if not layers.gives_way(found)]
      if not idle:
        break
  problems = [*refused, *problems]
  if config is None or problems:
    count = f'{len(problems)} errors' if len(problems) > 1 else '1 error'
    lines = [f'  - {problem}' for problem in problems]
    more = [_FURTHER] if is_partial and _may_hide_more(values, problems) else []
    raise ConfigError('\n'.join([f'The config has {count}:', *lines, *more]))
  return config


_FURTHER = 'Further checks follow once these are mended.'


def _may_hide_more(values: dict[str, Any], problems: Sequence[Problem]) -> bool:
  """Whether a config may break rules across its sections, which are checked only once each one is right by itself.

  It does not where it is right without the settings that are wrong.
  """
  values = copy.deepcopy(values)
  for problem in problems:
    where = problem.where
    while where and not removed(values, where):
      where = where.rpartition('.')[0]  # Of an item the whole list.
  try:
    RunConfig.model_validate(values)
  except pydantic.ValidationError:
    return True
  return False


def dump(config: RunConfig) -> str:
  """The resolved config as YAML, every default written out."""
  return yaml.safe_dump(config.model_dump(mode='json'), sort_keys=False, allow_unicode=True)


def _layers(source: str, seen: tuple[str, ...] = (), root: pathlib.Path | None = None) -> list[dict[str, Any]]:
  """What a file holds, after what it extends."""
  if source in seen:
    raise ConfigError(f"'{source}' extends itself: {' -> '.join([*seen, source])}.")
  file, path = _file(source), pathlib.Path(source)
  if file is None:
    raise ConfigError(f"No config file '{source}'. {known_presets(source)}")
  root = root or path.parent
  try:
    values = read_mapping(file, f"'{source}'", 'name: and dataset:')
    for (section, key), folder in _LISTS.items():
      below = values.get(section)
      if file == path and isinstance(below, dict) and key in below:
        below[key] = folder.anchored(below[key], path.parent, root)
    base = values.pop('extends', None)
    if base is None:
      return [values]
    found = str(extended_file(str(base), path.parent, root) or base)
  except ValueError as error:
    raise ConfigError(str(error)) from None
  return [*_layers(found, (*seen, source), root), values]


def _merged(layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
  return functools.reduce(merge, layers)


def _file(source: str) -> Traversable | None:
  """A file of the user's, or else a preset by its name or by its path in the checkout."""
  path = pathlib.Path(source)
  if is_file(path):
    return path
  return packaged().get(path.stem) if path.parent.name in ('', 'configs') else None


def _override(values: dict[str, Any], override: str) -> None:
  path, separator, text = override.partition('=')
  keys = path.strip().split('.')
  if not separator or not all(keys):
    raise ConfigError(f"--set takes section.key=value, got '{override}'. Example: --set training.epochs=10")
  try:
    value = load_yaml(text)
  except ValueError as error:
    quoted = shlex.quote(f'{path}={json.dumps(text, ensure_ascii=False)}')
    raise ConfigError(
      f"--set {path}: '{text}' is no valid YAML value ({error}); quote a text inside, too: --set {quoted}"
    ) from None
  for depth, key in enumerate(keys[:-1]):
    below = values.setdefault(key, {})
    if not isinstance(below, dict):
      raise ConfigError(f"--set {path}: '{'.'.join(keys[: depth + 1])}' is a value, not a section.")
    values = below
  values[keys[-1]] = value
