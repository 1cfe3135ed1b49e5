"""Parts of a config: what one step reads of it, and can get at."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from configs.base import Config

C = TypeVar('C', bound=Config)


class Part(Generic[C]):
  """The fields of a config that a step reads, declared once: its cache key goes by them, and it gets no others.

  Text of a part is what a step's parameter holds. What comes out of the text is a config with those fields alone, so
  that reading a field that is not declared raises an AttributeError and the key can't drift from what is read.

  Args:
    fields: dotted names, such as `rules.bounds`; all below a name is a part of it, and `extras.name` is the name of
      each extra.
  Raises: ValueError: the config has no such field.
  """

  def __init__(self, model: type[C], *fields: str) -> None:
    self._model = model
    known = tuple(leaves(model))
    for field in fields:
      if not any(_is_below(leaf, field) for leaf in known):
        raise ValueError(f"{model.__name__} has no field '{field}'.")
    self.fields = tuple(leaf for leaf in known if any(_is_below(leaf, field) for field in fields))
    """Every leaf of the part."""

  @classmethod
  def all_but(cls, model: type[C], *fields: str) -> Part[C]:
    """All of a config that lies below none of `fields`."""
    cls(model, *fields)
    return cls(model, *(leaf for leaf in leaves(model) if not any(_is_below(leaf, field) for field in fields)))

  def dump(self, config: C) -> str:
    """The part as JSON; equal texts mean that the step reads the same."""
    return json.dumps(_only(self.fields, config.model_dump(mode='json')), sort_keys=True)

  def of(self, config: C) -> C:
    """The config with these fields alone."""
    return load_part(self._model, self.dump(config))


def _only(fields: Collection[str], values: Any, place: str = '') -> Any:
  """What there is of some fields in a config's values, or in those of a part of it at a dotted name."""
  if place in fields or values is None:
    return values
  if isinstance(values, list):
    return [_only(fields, each, place) for each in values]
  places = {name: f'{place}.{name}' if place else name for name in values}
  wanted = {name: below for name, below in places.items() if any(_is_below(field, below) for field in fields)}
  return {name: _only(fields, values[name], below) for name, below in wanted.items()}


def load_part(model: type[C], text: str) -> C:
  """A config with the fields alone that JSON text has, as `Part.dump` writes it or whole.

  Raises: ValueError: a field is unknown, or its value is none that it may have.
  """
  return _made(model, json.loads(text))


def leaves(model: type[Config]) -> Iterator[str]:
  """Dotted names of all fields that hold no further config; below a tuple of configs, the fields of each."""
  for name in model.model_fields:
    below, _ = _config_of(model, name)
    if below is None:
      yield name
    else:
      yield from (f'{name}.{leaf}' for leaf in leaves(below))


def _is_below(leaf: str, field: str) -> bool:
  return f'{leaf}.'.startswith(f'{field}.')


def _config_of(model: type[Config], name: str) -> tuple[type[Config] | None, bool]:
  """The config that a field holds, if any, and whether it holds many of them."""
  annotation: Any = model.model_fields[name].annotation
  if typing.get_origin(annotation) in (typing.Union, types.UnionType):
    [annotation] = [each for each in typing.get_args(annotation) if each is not type(None)][:1]
  many = typing.get_origin(annotation) is tuple
  if many:
    annotation = typing.get_args(annotation)[0]
  is_config = isinstance(annotation, type) and issubclass(annotation, Config)
  return (annotation if is_config else None), many and is_config


def _made(model: type[C], values: Mapping[str, Any]) -> C:
  if set(values) >= set(model.model_fields):
    return model.model_validate(values)
  unknown = sorted(set(values) - set(model.model_fields))
  if unknown:
    raise ValueError(f"{model.__name__} has no field '{unknown[0]}'.")
  found = {name: _value(model, name, values[name]) for name in model.model_fields if name in values}
  part = model.__new__(model)
  # Not `model_construct`: it fills in defaults, and nobody would notice that a field is not declared.
  for attribute, value in (('__dict__', found), ('__pydantic_fields_set__', set(found)),
                           ('__pydantic_extra__', None), ('__pydantic_private__', None)):  # fmt: skip
    object.__setattr__(part, attribute, value)
  return part


def _value(model: type[Config], name: str, value: Any) -> Any:
  below, many = _config_of(model, name)
  if below is None or value is None:
    annotation: Any = model.model_fields[name].annotation
    return TypeAdapter(annotation).validate_python(value)
  return tuple(_made(below, each) for each in value) if many else _made(below, value)
