"""The command `farelite retrain`."""

from __future__ import annotations

import datetime
import sys

import click

from configs.errors import UserError
from pipeline.options import CONFIG, DATA, OUTPUT, SET, WINDOW, overridden


@click.command()
@CONFIG
@DATA
@OUTPUT
@WINDOW
@click.option('--force', is_flag=True, help='Run whatever the triggers say.')
@click.option('--from', 'first', metavar='SPAN', help='Run past spans in order, from this day or number on …')
@click.option('--to', 'last', metavar='SPAN', help='… to this one; what has been run is passed over.')
@click.option('--now', metavar='TIME', envvar='FARELITE_NOW', hidden=True, help='The time of the decision, for tests.')
@SET
def retrain(
  config: str | None,
  data: str | None,
  output: str | None,
  window: int | None,
  force: bool,
  first: str | None,
  last: str | None,
  now: str | None,
  overrides: tuple[str, ...],
) -> None:
  """Decide by retraining.triggers whether to train again, and do it: what a timer calls.

  While another run holds the output, this one has nothing to do.
  """
  from configs import loading
  from pipeline import data_source, output_directory

  moment = _moment(now)
  if (first is None) != (last is None):
    raise UserError('A back-fill needs both --from and --to.')
  try:
    resolved = loading.load(config, overridden(overrides, data, window))
    source = data_source.files_of(resolved.dataset, 'farelite retrain')
    directory = output_directory.prepare(output or f'out/{resolved.name}')
    with output_directory.locked(directory):
      if first is not None and last is not None:
        from pipeline import back_fill

        code = back_fill.run(resolved, source, directory, first, last, moment)
      else:
        from pipeline import retrain_command

        code = retrain_command.run(resolved, source, directory, moment, force)
  except output_directory.BusyError as error:
    click.echo(f'No run: another one is on its way. {error}')
    code = 0
  sys.exit(code)


def _moment(text: str | None) -> datetime.datetime:
  if text is None:
    return datetime.datetime.now(datetime.timezone.utc)
  try:
    moment = datetime.datetime.fromisoformat(text)
  except ValueError:
    raise UserError(f"--now takes a time such as 2026-03-08T03:00:00-04:00, got '{text}'.") from None
  if moment.tzinfo is None:
    raise UserError(f"--now needs an offset, such as {text}+00:00, got '{text}'.")
  return moment
