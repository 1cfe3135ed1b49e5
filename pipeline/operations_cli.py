"""The commands for what was run: `farelite runs`, `rollback`, `prune`."""

from __future__ import annotations

import click

from configs.errors import UserError


@click.command()
@click.argument('words', nargs=-1, metavar='[DIR_OR_CONFIG] | show RUN_OR_VERSION [DIR_OR_CONFIG]')
@click.option('--json', 'as_json', is_flag=True, help='Everything, as JSON.')
def runs(words: tuple[str, ...], as_json: bool) -> None:
  """List the runs of an output directory or a config, or show what a run or version was made of.

  `farelite runs out/nyc` lists runs, models, blessings, and what serves now. `farelite runs show 1795769719 out/nyc`
  follows a version back to its rides, code and config.
  """
  from pipeline import runs_command

  asked = words[0] if words else None
  if len(words) > (3 if asked == 'show' else 1) or (asked == 'show' and len(words) == 1):
    raise UserError('farelite runs takes [DIR_OR_CONFIG], or show RUN_OR_VERSION [DIR_OR_CONFIG].')
  if asked == 'show':
    runs_command.show(words[1], words[2] if len(words) > 2 else None, as_json)
  else:
    runs_command.list_runs(asked, as_json)


@click.command()
@click.argument('directory', metavar='DIR')
@click.option('--to', type=click.IntRange(1), metavar='VERSION', help='What to put back; by default the one before.')
@click.option('--reason', required=True, help='Why; kept in the metadata store and beside the versions.')
def rollback(directory: str, to: int | None, reason: str) -> None:
  """Let an earlier pushed version of the output directory DIR serve again, under a new number."""
  from pipeline import rollback_command

  if not reason.strip():
    raise UserError('--reason is empty; say why, for whoever looks at this later.')
  rollback_command.run(directory, to, reason)


@click.command()
@click.argument('directory', metavar='DIR')
@click.option('--dry-run', is_flag=True, help='Only say what would be removed.')
@click.option('--wait', is_flag=True, help='Wait for a run on the same output, instead of being refused.')
@click.option('--set', 'overrides', metavar='A.B=C', multiple=True, help='Override a limit, such as retention.runs=5.')
def prune(directory: str, dry_run: bool, wait: bool, overrides: tuple[str, ...]) -> None:
  """Remove old runs and versions from the output directory DIR, as `retention` of its config says.

  What serves, and the artifacts that it was made of, always stays.
  """
  from pipeline import prune_command

  prune_command.run(directory, dry_run, wait, overrides)
