"""`farelite notify`: sends a notification by hand, or for a run that was killed and could not tell it itself."""

from __future__ import annotations

from collections.abc import Sequence

import click

from configs import loading
from configs.base import joined
from configs.errors import FailedError, UserError
from configs.notify import Event
from configs.run import RunConfig
from pipeline.local import output as local_output
from pipeline.local.output import OutputDirectory
from pipeline.notifying import outcome


def run(
  config: str | None, overrides: Sequence[str], output: str | None, event: str, reason: str | None, if_killed: bool
) -> None:
  """Sends a notification.

  Args:
    event: an `Event`.
    reason: its sentence.
    if_killed: whether only a run is told of, as failed, that began and has not told its end.

  Raises `UserError` where nobody would be told, and `FailedError` where a channel did not take it.
  """
  resolved = loading.load(config, overrides)
  directory, notify = local_output.at(output or f'out/{resolved.name}'), resolved.notify
  if if_killed:
    _tell_of_a_killed_run(resolved, directory)
    return
  if not notify.channels:
    raise UserError('The config names nobody to tell.', 'Set notify.command, notify.webhook or notify.apprise.')
  if Event(event) not in notify.on:
    raise UserError(
      f"Nobody is told of '{event}'.", f'Add it to notify.on, which has {joined(one.value for one in notify.on)}.'
    )
  failures = outcome.tell_by_hand(resolved, directory, Event(event), reason or 'A trial, sent by farelite notify.')
  if failures:
    raise FailedError(' '.join(failures))
  click.echo(f'Sent {event} by {joined(f"notify.{name}" for name in notify.channels)}.')


def _tell_of_a_killed_run(config: RunConfig, directory: OutputDirectory) -> None:
  unfinished = outcome.unfinished(directory)
  if not config.notify.channels or unfinished is None or local_output.holder(directory):
    click.echo('Nothing to send: no run was killed that could not tell it itself.')
    return
  failures: list[str] = []
  began, why = unfinished
  reason = f'The run that began at {began.isoformat()} was {why}.'
  outcome.tell(config, directory, Event.FAILED, reason, say=failures.append, ran=began)
  if failures:
    raise FailedError(' '.join(failures))
  click.echo(f'Sent failed: {reason}')
