"""The resolved config as a person reads it: what decides the run, without what only repeats packaged files."""

from __future__ import annotations

from typing import Any

import yaml

from configs.compression import SCHEMES, Scheme
from configs.preset_folder import PresetFolder
from configs.recipe import Recipe
from configs.recipe_loading import RECIPES
from configs.run import RunConfig

_OPTIONAL = ('reduction', 'beam', 'metadata', 'retention', 'retraining', 'platform', 'study')
"""Sections that most runs leave as they are."""


def config_view(config: RunConfig) -> tuple[str, tuple[str, ...]]:
  """The resolved config as YAML that gives the same config when it is read again.

  Args:
    config: resolved.

  Returns:
    The text, and the sections that are left out of it as they are all by
    default. A recipe or scheme that is the packaged one of its name stands
    there by that name.
  """
  values = config.model_dump(mode='json')
  unchanged = tuple(
    name for name in _OPTIONAL if getattr(config, name) == type(config).model_fields[name].get_default()
  )
  for name in unchanged:
    del values[name]
  _named(values['training'], 'recipes', config.training.recipes, RECIPES)
  _named(values['compression'], 'schemes', config.compression.schemes, SCHEMES)
  text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
  return text, unchanged


def _named(section: dict[str, Any], key: str, items: tuple[Any, ...], presets: PresetFolder) -> None:
  section[key] = [
    item.name if _is_packaged(item, presets) else whole for item, whole in zip(items, section[key], strict=True)
  ]


def _is_packaged(item: Recipe | Scheme, presets: PresetFolder) -> bool:
  return item.name in presets.names() and item == type(item).model_validate(presets.spelled_out(item.name))
