"""`farelite config`: what each setting is, has by default and means, and the same for editors."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.markup import escape

from configs import loading, reference, schema
from configs.base import Config, at
from configs.errors import UserError
from configs.reference import Setting
from configs.run import RunConfig
from models.whole_files import write_whole
from pipeline.local.terminal import VisibleConsole, plain_table, show_table, whole
from pipeline.options import refuse_idle


def write_schema(output: str | None) -> None:
  """Prints the JSON schema of a config, or writes it to a file."""
  text = json.dumps(schema.json_schema(), indent=2, ensure_ascii=False) + '\n'
  if output is None:
    click.echo(text, nl=False)
    return
  write_whole(pathlib.Path(output), text)
  click.echo(f'{output}: in the first line of a config, # yaml-language-server: $schema={output}')


def show(key: str | None, config: str | None, overrides: Sequence[str], as_json: bool, markdown: bool) -> None:
  """Prints a setting, a section with what is in it, or the sections.

  Args:
    key: dotted.
    config: whose value is shown too, with the overrides.
    markdown: print the whole reference instead.
  Raises: UserError: no such setting; `ConfigError` where the config is wrong.
  """
  if markdown:
    others = {'KEY': key, '--config': config, '--set': overrides, '--json': as_json}
    refuse_idle(others, 'with --markdown, which prints every setting')
    click.echo(reference.markdown(), nl=False)
    return
  found = reference.find(key) if key else None
  below = reference.inside(found) if found else reference.sections()
  resolved = loading.load(config, overrides) if config or overrides else None
  if as_json:
    shown = [found] if found and not below else below
    click.echo(json.dumps([_as_json(one, resolved) for one in shown], indent=2, ensure_ascii=False))
  else:
    _print(found, below, resolved)


def _as_json(setting: Setting, config: RunConfig | None) -> dict[str, Any]:
  values = {'value': schema.plain(_value(setting, config))} if config else {}
  return {**setting._asdict(), **values}


def _print(found: Setting | None, below: Iterable[Setting], config: RunConfig | None) -> None:
  console = VisibleConsole(highlight=False)
  if found:
    console.print(f'[bold]{escape(found.key)}[/]\n{escape(found.meaning)}\n', soft_wrap=True)
  rows = list(below)
  if found and not (found.is_section and rows):
    facts = {'type': found.type, 'unit': found.unit, 'default': found.default or 'required'}
    for name, text in {**facts, **({'value': _text(found, config)} if config else {})}.items():
      if text:
        console.print(f'{name:<8} {escape(text)}', soft_wrap=True)
  if rows:
    table = plain_table(*whole('key', 'value' if config else 'default'), 'meaning')
    for row in rows:
      value = _text(row, config) if config else row.default
      table.add_row(
        escape(row.key), escape(value if len(value) <= _WIDTH else f'{value[: _WIDTH - 1]}…'), escape(row.meaning)
      )
    show_table(console, table, wraps=True)


_WIDTH = 40
"""Of a value in a table."""


def _text(setting: Setting, config: RunConfig | None) -> str:
  value = _value(setting, config)
  return '' if isinstance(value, Config) else reference.written(schema.plain(value))


def _value(setting: Setting, config: RunConfig | None) -> Any:
  """What a config holds there; None where it has no such section. Raises `UserError` inside a list."""
  if '[]' in setting.key:
    section = setting.key.partition('[]')[0]
    raise UserError(f"'{setting.key}' is in each item of {section}.", f'farelite config show {section} shows them.')
  section, _, name = setting.key.rpartition('.')
  holder = at(config, section) if config and _is_there(config, section) else None
  return None if holder is None else getattr(holder, name)


def _is_there(config: Config, section: str) -> bool:
  parts = section.split('.') if section else []
  return all(at(config, '.'.join(parts[: count + 1])) is not None for count in range(len(parts)))
