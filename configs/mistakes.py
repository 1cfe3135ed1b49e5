"""What a user reads of values that pydantic refuses: what is expected there, by the schema of the settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pydantic

from configs.base import Config, Problem, ProblemsError, nearest
from configs.presets import PresetFolder
from configs.schema import Schema, at, expected, keys_of, raw_schema, resolved
from configs.texts import visible

_SHOWN = 60
"""Characters of a value in a message."""


def problems_of(
  error: pydantic.ValidationError,
  model: type[Config],
  values: Mapping[str, Any],
  listed: Mapping[tuple[str, ...], PresetFolder] | None = None,
) -> list[Problem]:
  """Every mistake once, located by its keys, in words of this project's own.

  Args:
    model: what was validated.
    values: that were validated.
    listed: where values list what goes by a name, which then stands for its place in the list.
  """
  whole = raw_schema(model)
  details = [detail for detail in error.errors() if not _is_echo(detail, error.errors())]
  found = [one for detail in details for one in _problems(detail, whole, values, listed or {})]
  # Each branch of a union tells its own mistake about one value.
  return list(dict.fromkeys(found))


def _is_echo(detail: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> bool:
  """Whether a list is only too short without an item that is wrong by itself."""
  place = detail['loc']
  return detail['type'] == 'too_short' and any(
    other['loc'][: len(place)] == place and len(other['loc']) > len(place) for other in others
  )


def _problems(
  detail: Mapping[str, Any], whole: Schema, values: Mapping[str, Any], listed: Mapping[tuple[str, ...], PresetFolder]
) -> Iterator[Problem]:
  error = detail.get('ctx', {}).get('error')
  if detail['loc'][-1:] == (_KEY,):
    keys, schema = _located(detail['loc'][:-2], whole)
    wanted = expected(_mapping(schema, whole).get('propertyNames', {'type': 'string'}), whole)
    message = f'must have keys that are each {wanted}, got {_shown(detail["loc"][-2])}.'
    yield Problem('', message).under(*_place(keys, values, listed))
    return
  keys, schema = _located(detail['loc'], whole)
  found = error.problems if isinstance(error, ProblemsError) else [Problem('', _message(detail, schema, whole))]
  for problem in found:
    placed = problem.under(*_place(keys, values, listed))
    yield placed if placed.where else placed.under('config')


_KEY = '[key]'
"""What pydantic puts behind a key that is itself wrong."""


def _mapping(schema: Schema, whole: Schema) -> Schema:
  """A mapping, or the one among the branches of a union."""
  options = [resolved(option, whole) for option in resolved(schema, whole).get('anyOf', [schema])]
  return next((option for option in options if 'propertyNames' in option), {})


def _located(location: Sequence[str | int], whole: Schema) -> tuple[list[str | int], Schema]:
  """The keys of a place without the branches of unions that pydantic puts among them, and the schema there."""
  keys: list[str | int] = []
  schema: Schema = whole
  for position, part in enumerate(location):
    if isinstance(part, str) and part.startswith('<'):
      continue  # A tag, which no key begins like.
    below = at(whole, whole, [*keys, part])
    if below is not None:
      keys, schema = [*keys, part], below
    elif position == len(location) - 1 and keys_of(schema, whole):
      keys = [*keys, part]  # Unknown, and so nowhere in the schema.
  return keys, schema


def _message(detail: Mapping[str, Any], schema: Schema, whole: Schema) -> str:
  if detail['type'] == 'extra_forbidden':
    last = str(detail['loc'][-1])
    return f"unknown key '{last}'.{nearest(last, keys_of(schema, whole))}"
  if detail['type'] == 'missing':
    return 'is missing.'
  if detail['type'] == 'value_error':
    return detail['msg'].removeprefix('Value error, ')
  got = detail.get('input')
  wanted = expected(schema, whole)
  if detail['type'] == 'finite_number':
    wanted = wanted.replace('a number', 'a finite number', 1)
  return f'must be {wanted}, got {_shown(got)}.{_hint(got, schema, whole)}'


def _hint(got: object, schema: Schema, whole: Schema) -> str:
  """The nearest of the words that would be right, or how a section begins."""
  if keys := keys_of(schema, whole):
    return f' Its keys are set below it, such as {keys[0]}: …'
  words = [str(word) for word in resolved(schema, whole).get('enum', ())]
  return nearest(got.lower(), words) if isinstance(got, str) else ''


def _shown(value: object) -> str:
  """A value as YAML has it, in one line."""
  try:
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
  except (TypeError, ValueError):
    text = f"'{value}'"
  text = visible(text).replace('\n', '\\n')
  return text if len(text) <= _SHOWN else f'{text[: _SHOWN - 1]}…'


def _place(
  keys: Sequence[str | int], values: Mapping[str, Any], listed: Mapping[tuple[str, ...], PresetFolder]
) -> tuple[str, ...]:
  """Keys down to a mistake: a recipe or scheme by its name."""
  parts: list[Any] = list(keys)
  presets = listed.get(tuple(parts[:2]))
  if presets and len(parts) > 2 and isinstance(parts[2], int):
    item = presets.listed(values[parts[0]][parts[1]])[parts[2]]
    # A text that none could be read from is quoted by the message.
    unread = [] if isinstance(item, str) else [parts[2]]
    parts[2:3] = [presets.name_of(item)] if presets.name_of(item) else unread
  return tuple(map(str, parts))
