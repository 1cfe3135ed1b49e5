"""The settings as a JSON schema, for editors and for the reference: what each may be, and what it means.

What a setting means stands once, in the `Attributes:` of its class.
"""

from __future__ import annotations

import copy
import functools
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pydantic

from configs.base import Config, joined
from configs.compression import SCHEMES
from configs.presets import RECIPES, PresetFolder
from configs.run import RunConfig

Schema = Mapping[str, Any]

_DIALECT = 'https://json-schema.org/draft/2020-12/schema'
_LISTED: Mapping[str, PresetFolder] = {'Recipe': RECIPES, 'Scheme': SCHEMES}
"""Classes whose values may go by a name."""

_ENTRY = re.compile(r'  (?P<names>\w+(?:, \w+)*)(?: \((?P<unit>[^()]+)\))?: (?P<text>.*)')


class Meaning(typing.NamedTuple):
  """What the docstring of a class says of a setting.

  Attributes:
    text: its meaning.
    unit: as it stands in brackets behind the name; empty where there is none.
  """

  text: str
  unit: str


@functools.cache
def meanings(model: type[Config]) -> dict[str, Meaning]:
  """What a class, and those that it extends, say of its settings, by name."""
  found = documented(model)
  return {name: found[name] for name in model.model_fields if name in found}


def documented(model: type[Config]) -> dict[str, Meaning]:
  """All that stands in the `Attributes:` of a class, and of those that it extends."""
  found: dict[str, Meaning] = {}
  for base in reversed(model.__mro__):
    if issubclass(base, Config):
      found |= _attributes(inspect.cleandoc(base.__doc__ or ''))
  return found


def _attributes(text: str) -> dict[str, Meaning]:
  found: dict[str, Meaning] = {}
  names: list[str] = []
  _, _, below = text.partition('\nAttributes:\n')
  for line in below.splitlines():
    entry = _ENTRY.fullmatch(line)
    if entry:
      names = entry['names'].split(', ')
      found |= dict.fromkeys(names, Meaning(entry['text'], entry['unit'] or ''))
    elif line.startswith('    '):
      found |= {name: found[name]._replace(text=f'{found[name].text} {line.strip()}') for name in names}
    else:
      return found
  return found


@functools.cache
def models() -> dict[str, type[Config]]:
  """Every class of settings by its name, the whole run's first."""
  found: dict[str, type[Config]] = {}

  def collect(annotation: Any) -> None:
    for model in _models_in(annotation):
      if model.__name__ not in found:
        found[model.__name__] = model
        for field in model.model_fields.values():
          collect(field.annotation)

  collect(RunConfig)
  return found


def _models_in(annotation: Any) -> Iterator[type[Config]]:
  """The config models inside an annotation such as `tuple[Landmark, ...]`."""
  if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
    if issubclass(annotation, Config):
      yield annotation
    return
  for part in typing.get_args(annotation):
    yield from _models_in(part)


@functools.cache
def raw_schema(model: type[pydantic.BaseModel] = RunConfig) -> dict[str, Any]:
  """What pydantic says of a model's values, its checks in words of JSON schema. Not to be changed."""
  schema = model.model_json_schema()
  return _spelled(schema, dict(_forms(schema)))


def _forms(value: Any) -> Iterator[tuple[str, str]]:
  """The patterns of texts that have a form in words, and that form."""
  if isinstance(value, dict) and 'pattern' in value and 'form' in value:
    yield value['pattern'], value['form']
  for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
    yield from _forms(one)


def _spelled(value: Any, forms: Mapping[str, str]) -> Any:
  """What pydantic leaves as it is behind a check in Python, branches that one value may fit both, and names of keys."""
  if isinstance(value, list):
    return [_spelled(one, forms) for one in value]
  if not isinstance(value, dict):
    return value
  words = {'gt': 'exclusiveMinimum', 'oneOf': 'anyOf', **(_OF_LISTS if value.get('type') == 'array' else {})}
  found = {words.get(key, key): _spelled(one, forms) for key, one in value.items() if key != 'patternProperties'}
  for pattern, one in value.get('patternProperties', {}).items():
    names = {'type': 'string', 'pattern': pattern, **({'form': forms[pattern]} if pattern in forms else {})}
    found |= {'additionalProperties': _spelled(one, forms), 'propertyNames': names}
  return found


_OF_LISTS = {'minLength': 'minItems', 'maxLength': 'maxItems'}


@functools.cache
def json_schema() -> dict[str, Any]:
  """The JSON schema of a config file, each setting with its meaning. Not to be changed.

  A file may extend another one, so no section lacks anything; an item of a list does. Where a text or number does for a
  list, or a name for a recipe, the schema takes it as a run does.
  """
  schema = described_schema()
  definitions = schema.pop('$defs')
  for name in {*definitions} - {*_item_classes(definitions)} | {''}:
    definitions.get(name, schema).pop('required', None)
  for name in _LISTED:
    definitions[name]['properties']['extends'] = _EXTENDS
  schema['properties'] = {'extends': _EXTENDS, **schema['properties']}
  return {'$schema': _DIALECT, **_lax(schema), '$defs': _lax(definitions)}


def described_schema() -> dict[str, Any]:
  """The schema of a whole run's settings, each with its meaning."""
  schema = copy.deepcopy(raw_schema())
  for name, model in models().items():
    found = schema if model is RunConfig else schema['$defs'][name]
    found['properties'] = {key: _described(one, meanings(model).get(key)) for key, one in found['properties'].items()}
    found['description'] = summary(model)
  return schema


_EXTENDS = {'type': 'string', 'description': 'A preset, or a YAML file in the folder of this one or below it.'}


def _item_classes(value: Any) -> Iterator[str]:
  """The classes of what stands in lists and can't go by a name."""
  if isinstance(value, dict):
    name = value.get('items', {}).get('$ref', '').rpartition('/')[2] if isinstance(value.get('items'), dict) else ''
    if name and name not in _LISTED:
      yield name
  for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
    yield from _item_classes(one)


def _described(schema: dict[str, Any], meaning: Meaning | None) -> dict[str, Any]:
  described = {key: value for key, value in schema.items() if key != 'title'}
  return {**described, 'description': sentence(meaning.text)} if meaning else described


def sentence(text: str) -> str:
  """A meaning as it begins a sentence."""
  return f'{text[:1].upper()}{text[1:]}'


def summary(model: type[Config]) -> str:
  """What a class is for: the first paragraph of its docstring."""
  return ' '.join(inspect.cleandoc(model.__doc__ or '').split('\n\n')[0].split())


def _lax(value: Any) -> Any:
  """What is written shorter: one item for a list of them, a name for a recipe, a number for a word."""
  if isinstance(value, list):
    return [_lax(one) for one in value]
  if not isinstance(value, dict):
    return value
  found = {key: _lax(one) if key not in ('default', 'enum') else one for key, one in value.items()}
  items = found.get('items')
  if found.get('type') != 'array' or not isinstance(items, dict):
    return found
  name = items.get('$ref', '').rpartition('/')[2]
  if name in _LISTED:
    items = {'anyOf': [{'type': 'string'}, items]}
  elif items == {'type': 'string'}:
    items = {'type': ['string', 'number']}
  elif items.get('type') != 'string' and (not name or name in models()):
    return found
  notes = {key: found.pop(key) for key in ('description', 'default') if key in found}
  return {**notes, 'anyOf': [{**found, 'items': items}, items]}


def at(schema: Schema, whole: Schema, keys: Sequence[str | int]) -> Schema | None:
  """The schema of what lies at some keys, places in lists among them; None where nothing is known to be.

  Args: whole: has the definitions.
  """
  schema = resolved(schema, whole)
  if not keys:
    return schema
  first, *rest = keys
  for option in schema.get('anyOf', [schema]):
    below = _below(resolved(option, whole), first)
    if below is not None:
      return at(below, whole, rest)
  return None


def _below(schema: Schema, key: str | int) -> Schema | None:
  if isinstance(key, int):
    items = schema.get('prefixItems', [])
    return items[key] if key < len(items) else schema.get('items')
  if key in schema.get('properties', {}):
    return schema['properties'][key]
  more = schema.get('additionalProperties')
  return more if isinstance(more, dict) else None


def keys_of(schema: Schema, whole: Schema) -> tuple[str, ...]:
  """The keys of a section, or of one that may be null; none of anything else."""
  schema = resolved(schema, whole)
  options = (resolved(option, whole) for option in schema.get('anyOf', [schema]))
  return next((tuple(option['properties']) for option in options if 'properties' in option), ())


def resolved(schema: Schema, whole: Schema) -> Schema:
  """A schema, or what it refers to with what it adds to that."""
  if '$ref' not in schema:
    return schema
  found = whole['$defs'][schema['$ref'].rpartition('/')[2]]
  return {**found, **{key: value for key, value in schema.items() if key != '$ref'}}


def expected(schema: Schema, whole: Schema, plural: bool = False) -> str:
  """What a value has to be, for the middle of a sentence: `a whole number above 0, or null`."""
  schema = resolved(schema, whole)
  options = schema.get('anyOf')
  if options:
    words = [expected(option, whole, plural) for option in options if option.get('type') != 'null']
    ends = ', or null' if len(words) < len(options) else ''
    return ' or '.join(dict.fromkeys(words)) + ends
  if 'enum' in schema or 'const' in schema:
    values = [_shown(value) for value in schema.get('enum', [schema.get('const')])]
    return f'{"any" if plural else "one"} of {", ".join(values)}' if len(values) > 1 else values[0]
  if 'properties' in schema:
    return 'sections' if plural else 'a section'
  return _of_type(schema, whole, plural)


def _shown(value: object) -> str:
  return str(value) if isinstance(value, str) and value.strip("., '") else repr(value)


def _of_type(schema: Schema, whole: Schema, plural: bool) -> str:
  kind = schema.get('type')
  if kind == 'array':
    several = 'lists' if plural else 'a list'
    pair = schema.get('prefixItems')
    if pair:
      return f'{several} of {len(pair)} {expected(pair[0], whole, plural=True)}'
    some = 'one or more ' if schema.get('minItems') else ''
    most = f', at most {schema["maxItems"]}' if 'maxItems' in schema else ''
    return f'{several} of {some}{expected(schema["items"], whole, plural=True)}{most}'
  if kind == 'object':
    values = schema.get('additionalProperties')
    of = f' of names to {expected(values, whole, plural=True)}' if isinstance(values, dict) else ''
    return f'{"mappings" if plural else "a mapping"}{of}'
  one, several = _WORDS.get(schema.get('format', ''), _WORDS.get(str(kind), ('a value', 'values')))
  return f'{several if plural else one}{_limits(schema)}'


_WORDS = {
  'boolean': ('true or false', 'true or false'),
  'integer': ('a whole number', 'whole numbers'),
  'number': ('a number', 'numbers'),
  'string': ('a text', 'texts'),
  'date': ('a day such as 2026-03-08', 'days such as 2026-03-08'),
  'null': ('null', 'null'),
}
"""What a value of a type is called, and several of them."""


def _limits(schema: Schema) -> str:
  """The range of a number, or the form of a text."""
  if 'form' in schema:
    most = f', at most {schema["maxLength"]} signs' if 'maxLength' in schema else ''
    return f' of {schema["form"]}{most}'
  if 'pattern' in schema:
    return f' that fits {schema["pattern"]}'
  if 'minLength' in schema:
    return ' that is not empty'
  low, high = schema.get('minimum'), schema.get('maximum')
  above, below = schema.get('exclusiveMinimum'), schema.get('exclusiveMaximum')
  low = None if above is not None else low
  if low is not None and high is not None:
    return f' from {_number(low)} to {_number(high)}'
  words = [
    *([f'of at least {_number(low)}'] if low is not None else []),
    *([f'above {_number(above)}'] if above is not None else []),
    *([f'of at most {_number(high)}'] if high is not None else []),
    *([f'below {_number(below)}'] if below is not None else []),
  ]
  return f' {joined(words)}' if words else ''


def _number(value: float) -> str:
  return f'{value:,}' if isinstance(value, int) or value >= 1e6 else f'{value:g}'


def plain(value: Any) -> Any:
  """A value of a config as JSON has it."""
  return pydantic.TypeAdapter(Any).dump_python(value, mode='json')
