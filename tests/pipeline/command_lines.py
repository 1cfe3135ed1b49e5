"""Command lines as documentation has them, read by click's own parser and not run."""

from __future__ import annotations

import shlex

import click

from pipeline.cli import main


def parsed(line: str) -> click.Command:
  """The command that what follows `farelite` means; click raises where an option is not there or a value can't be."""
  context: click.Context | None = None
  command: click.Command = main
  rest = shlex.split(line, comments=True)
  while True:
    context = command.make_context(command.name or 'farelite', rest, parent=context)
    if not isinstance(command, click.Group):
      return command
    _, found, rest = command.resolve_command(context, [*context.protected_args, *context.args])
    assert found is not None
    command = found
