"""What the commands of the command line share: common options."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import click

from configs.errors import UserError

CONFIG = click.option('--config', metavar='F', help='A YAML file, or the name of a preset; chicago by default.')
SET = click.option('--set', 'overrides', metavar='A.B=C', multiple=True, help='Override a setting; may be repeated.')
DATA = click.option(
  '--data', metavar='GLOB', help='Rides to read: a path or a glob; {SPAN} or {YYYY}/{MM}/{DD} as in TFX.'
)
OUTPUT = click.option('--output', metavar='DIR', help='Where everything goes; out/NAME by default.')
WINDOW = click.option(
  '--window', type=click.IntRange(1), metavar='N', help='Read the last N spans, evaluate on the newest.'
)


JSON = click.option('--json', 'as_json', is_flag=True, help='Everything, as JSON.')
QUIET = click.option('--quiet', is_flag=True, help='Print the outcome alone.')
SHOW_CONFIG = click.option('--show-config', 'whole_config', is_flag=True, help='Print the whole config at the start.')
FAIL_UNLESS_PUSHED = click.option(
  '--fail-unless-pushed', is_flag=True, help='Exit with 3 where the model is not blessed, for schedulers.'
)


def print_json(found: object) -> None:
  """Prints what a command reports, as `--json` asks for."""
  click.echo(json.dumps(found, indent=2, ensure_ascii=False))


def overridden(overrides: Sequence[str], data: str | None, window: int | None = None) -> tuple[str, ...]:
  """The overrides of `--set`, with what `--data` and `--window` stand for.

  Raises: UserError: the rides are where nobody can read them; that comes before what else such a path has no use for.
  """
  if data:
    from pipeline.sources import data_source

    data_source(data)
  overrides = (*overrides, data_setting(data)) if data else overrides
  return (*overrides, f'retraining.window={window}') if window else tuple(overrides)


def data_setting(data: str) -> str:
  """The setting that `--data` stands for; quoted, as a glob such as `*.csv` or `{SPAN}/*` is YAML of another kind."""
  return f'dataset.path={json.dumps(data, ensure_ascii=False)}'


def refuse_idle(options: Mapping[str, object], why: str) -> None:
  """Refuses options that were given and have no effect.

  Args:
    options: values by name; what is empty was not given.
    why: the rest of the sentence, such as "with --markdown".
  Raises: UserError: one of them was given.
  """
  given = [name for name, value in options.items() if value]
  if given:
    from configs.base import joined  # Brings pydantic along, which help does without.

    have, them = ('has', 'it') if len(given) == 1 else ('have', 'them')
    raise UserError(f'{joined(given)} {have} no effect {why}; leave {them} out.')
