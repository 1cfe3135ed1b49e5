"""Every setting with its type, unit, default and meaning: what `farelite config show` and `docs/config.md` say."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from configs.base import Config, Interval, nearest, shortened
from configs.errors import UserError
from configs.run import RunConfig
from configs.schema import described_schema, expected, meanings, models, resolved, sentence, summary

_UNITS = {
  'km': 'km', 'us': 'µs', 'mb': 'MB', 'bytes': 'bytes', 'days': 'days', 'seconds': 's', 'minutes': 'min', 'hours': 'h',
  'degrees': 'degrees', 'share': 'share', 'rides': 'rides', 'steps': 'steps', 'epochs': 'epochs', 'ratio': 'ratio',
}  # fmt: skip
"""By the last word of a name; other units stand in brackets behind the name, in the docstring of its class."""


class Setting(NamedTuple):
  """A setting, or a section of them.

  Attributes:
    key: dotted, `[]` behind a list whose items have keys.
    type: what it may be.
    unit: of its number; empty where it has none.
    default: as YAML in one line; empty where it must be given, and of a section.
    meaning: a sentence or two.
    is_section: whether keys lie below it.
  """

  key: str
  type: str
  unit: str
  default: str
  meaning: str
  is_section: bool


@functools.cache
def settings() -> tuple[Setting, ...]:
  """Every section and setting, in the order of a resolved config; what stands in several lists is told once."""
  return tuple(_below(RunConfig, None, {}, frozenset(), set()))


def _below(
  model: type[Config], above: Setting | None, given: Mapping[str, Any], around: frozenset[str], told: set[str]
) -> Iterator[Setting]:
  """The settings of a class.

  Args:
    above: the section that they lie in; None at the top.
    given: defaults that what lies above sets, in place of the class's own.
    around: the classes that this one lies in.
    told: classes of list items whose settings have been told; is added to.
  """
  own = _schema() if model is RunConfig else _schema()['$defs'][model.__name__]
  around |= {model.__name__}
  for name, schema in own['properties'].items():
    default = given[name] if name in given else schema.get('default', _REQUIRED)
    inner, marks = _section(schema)
    setting = _setting(model, name, schema, default, above, inner if not marks else None)
    yield setting
    inherited = inner is not None and any(issubclass(models()[one], inner) for one in around)
    if inner is None or inherited or (marks and inner.__name__ in told):
      continue
    told |= {inner.__name__} if marks else set()
    values = default if isinstance(default, Mapping) and not marks else {}
    yield from _below(inner, setting._replace(key=f'{setting.key}{marks}'), values, around, told)


_REQUIRED = object()


@functools.cache
def _schema() -> dict[str, Any]:
  return described_schema()


def _section(schema: Mapping[str, Any]) -> tuple[type[Config] | None, str]:
  """The class of a section or of a list's items, and `[]` for a list."""
  for option in schema.get('anyOf', [schema]):
    items = option.get('items')
    one, marks = (items, '[]') if isinstance(items, dict) else (option, '')
    found = models().get(one.get('$ref', '').rpartition('/')[2])
    if found is not None:
      return found, marks
  return None, ''


def _setting(
  model: type[Config],
  name: str,
  schema: Mapping[str, Any],
  default: object,
  above: Setting | None,
  section: type[Config] | None,
) -> Setting:
  told = meanings(model).get(name)
  meaning = told.text if told else summary(section) if section else ''
  unit = (told.unit if told else '') or _UNITS.get(name.rpartition('_')[2], '')
  # A range has the unit that stands where it is used.
  unit = above.unit if above and model is Interval else unit
  is_flag = resolved(schema, _schema()).get('type') == 'boolean'
  return Setting(
    key=f'{above.key}.{name}' if above else name,
    type=expected(schema, _schema()),
    unit='' if is_flag else unit,
    default='' if default is _REQUIRED or (section and default is not None) else written(default),
    meaning=sentence(meaning),
    is_section=section is not None,
  )


def written(value: object) -> str:
  """A value as YAML in one line; recipes and schemes, and other items that have one, by their names."""
  if isinstance(value, list):
    return f'[{", ".join(written(_named(one)) for one in value)}]'
  if isinstance(value, dict):
    return f'{{{", ".join(f"{key}: {written(one)}" for key, one in value.items())}}}'
  if isinstance(value, str) and re.fullmatch(r'[A-Za-z][\w./-]*|\d{4}-\d\d-\d\d', value):
    return value if value not in _WORDS_OF_YAML else f"'{value}'"
  return f'{value:g}' if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


_WORDS_OF_YAML = frozenset({'null', 'NULL', 'Null', 'true', 'false', 'yes', 'no', 'on', 'off'})


def _named(value: object) -> object:
  return value['name'] if isinstance(value, dict) and 'name' in value else value


def find(key: str) -> Setting:
  """The setting or section of a dotted key; a place in a list may stand for `[]`.

  Raises: UserError: there is none; names the nearest one.
  """
  wanted = re.sub(r'\.\d+(?=\.|$)', '[]', key.strip().strip('.'))
  found = {one.key: one for one in settings()}
  if wanted in found:
    return found[wanted]
  if wanted.endswith('[]') and wanted[:-2] in found:
    return found[wanted[:-2]]
  same = [one for one in found if one.rpartition('.')[2] == wanted]
  hint = f' Did you mean {shortened([repr(one) for one in same], 4)}?' if same else nearest(wanted, found)
  raise UserError(f"There is no setting '{key}'.{hint}", '' if hint else 'farelite config show lists the sections.')


def inside(setting: Setting) -> tuple[Setting, ...]:
  """What lies just below a section, or in the items of a list."""
  prefixes = (f'{setting.key}.', f'{setting.key}[].')
  return tuple(
    one for one in settings() for prefix in prefixes if one.key.startswith(prefix) and '.' not in one.key[len(prefix) :]
  )


def sections() -> tuple[Setting, ...]:
  """What stands at the top of a config."""
  return tuple(one for one in settings() if '.' not in one.key)


def markdown() -> str:
  """The whole reference, a table for each section."""
  lines = [_HEAD]
  rest = [one for one in sections() if not one.is_section]
  lines += ['', '## At the top', '', *_table(rest)]
  for section in sections():
    if section.is_section:
      below = [one for one in settings() if one.key.startswith(f'{section.key}.')]
      lines += ['', f'## {section.key}', '', section.meaning, '', *_table(below)]
  return '\n'.join(lines) + '\n'


_HEAD = """# Every setting

Made from the settings' classes by `make docs`; a test holds it to them. `farelite config show KEY` says the same about
one of them, and with `--config F` the value there; [your-city.md](your-city.md) says which ones a new city takes.

`[]` stands behind a list whose items have keys. A default of `required` must be given, by the config or by the preset
that it extends. A share is a fraction of 1: 0.2 is 20 %."""


def _table(rows: list[Setting]) -> Iterator[str]:
  yield '| key | type | unit | default | meaning |'
  yield '| --- | --- | --- | --- | --- |'
  for one in rows:
    if one.is_section:
      default = 'null' if one.default == 'null' else ''
    else:
      default = f'`{one.default}`' if one.default else 'required'
    cells = (f'`{one.key}`', one.type, one.unit, default, one.meaning)
    yield f'| {" | ".join(" ".join(cell.split()).replace("|", chr(92) + "|") for cell in cells)} |'
