"""Finds recipes: packaged ones by name, a user's own ones by path, and what they extend."""

from __future__ import annotations

import importlib.resources
import pathlib
from collections.abc import Mapping
from importlib.abc import Traversable
from typing import Any

from configs.problems import nearest
from configs.recipe import Recipe
from configs.yaml_mapping import merge, read_mapping

_SUFFIXES = ('.yaml', '.yml')


def recipe_names() -> tuple[str, ...]:
  """Names of the packaged recipes, such as `pruned_80`."""
  return tuple(sorted(file.name[:-5] for file in _packaged().iterdir() if file.name.endswith('.yaml')))


def listed(recipes: object) -> list[object]:
  """Recipes as a list, a single one too.

  Raises:
    ValueError: neither a recipe nor a list.
  """
  if isinstance(recipes, (str, Mapping, Recipe)):
    return [recipes]
  if not isinstance(recipes, (list, tuple)):
    raise ValueError(f'must be a recipe or a list of recipes, such as [dense, pruned_80], got {recipes!r}.')
  return list(recipes)


def spelled_out(recipe: object) -> object:
  """A recipe with everything in it that its name, path or `extends` refers to.

  Args:
    recipe: a packaged recipe's name, the path of a YAML file, or a mapping,
      which may hold `extends`: a name or a path. What it extends gives
      everything but its name and summary, which would no longer be true.

  Returns:
    A mapping without `extends`; what is neither text nor mapping as it is.

  Raises:
    ValueError: no such recipe, an unreadable one, or one that extends itself.
  """
  if isinstance(recipe, str):
    return _read(recipe, seen=())
  return _extended(recipe, folder=None, seen=()) if isinstance(recipe, Mapping) else recipe


def name_of(recipe: object) -> str | None:
  """What a recipe is called, if that can be told before it is read as a whole."""
  if isinstance(recipe, Recipe):
    return recipe.name
  if isinstance(recipe, str):
    try:
      recipe = _read(recipe, seen=())
    except ValueError:
      return None
  name = recipe.get('name') if isinstance(recipe, Mapping) else None
  return name if isinstance(name, str) else None


def anchored(recipes: object, folder: pathlib.Path) -> object:
  """Recipes as a config file in `folder` names them, relative paths made absolute where such a file is there."""
  if isinstance(recipes, str):
    return _anchored(recipes, folder)
  if isinstance(recipes, list):
    return [anchored(recipe, folder) for recipe in recipes]
  if isinstance(recipes, Mapping) and isinstance(recipes.get('extends'), str):
    return {**recipes, 'extends': _anchored(recipes['extends'], folder)}
  return recipes


def _packaged() -> Traversable:
  return importlib.resources.files('configs').joinpath('recipes')


def _anchored(source: str, folder: pathlib.Path) -> str:
  path = folder / source
  return str(path.resolve()) if source not in recipe_names() and path.is_file() else source


def _read(source: str, seen: tuple[str, ...]) -> dict[str, Any]:
  if source in seen:
    raise ValueError(f"recipe '{source}' extends itself: {' -> '.join([*seen, source])}.")
  path = pathlib.Path(source)
  values = read_mapping(_text(source), f"recipe '{source}'", 'pruning: {final_sparsity: 0.8}')
  return _extended({'name': path.stem, **values}, path.parent, (*seen, source))


def _extended(recipe: Mapping[str, Any], folder: pathlib.Path | None, seen: tuple[str, ...]) -> dict[str, Any]:
  own = {key: value for key, value in recipe.items() if key != 'extends'}
  base = recipe.get('extends')
  if base is None:
    return own
  if not isinstance(base, str):
    raise ValueError(f'extends takes the name or the path of one recipe, got {base!r}.')
  inherited = _read(_anchored(base, folder) if folder else base, seen)
  return merge({key: value for key, value in inherited.items() if key not in ('name', 'summary')}, own)


def _text(source: str) -> str:
  names = recipe_names()
  path = pathlib.Path(source)
  if source not in names and path.is_file():
    try:
      return path.read_text(encoding='utf-8')
    except (UnicodeDecodeError, OSError) as error:
      raise ValueError(f"recipe '{source}' can't be read: {error}.") from None
  # A packaged recipe may be meant by its path in the checkout, wherever this runs.
  name = path.stem if path.suffix in _SUFFIXES and path.parent.as_posix() in ('.', 'configs/recipes') else source
  if name in names:
    return _packaged().joinpath(f'{name}.yaml').read_text(encoding='utf-8')
  missing = 'No recipe file' if path.suffix in _SUFFIXES else 'Unknown recipe'
  raise ValueError(f"{missing} '{source}'. Available: {', '.join(names)}.{nearest(path.stem, names)}")
