"""Tells what a run came to, by the config's `notify` section. What fails here is logged and said, and loses no run."""

from __future__ import annotations

import contextlib
import datetime
import logging
import math
import socket
from collections.abc import Callable, Iterator
from typing import Any

import click

from configs.errors import UserError
from configs.notify import Event
from configs.records import RecordError
from configs.run import RunConfig
from models.served_versions import served_version, version_number
from models.whole_files import write_whole
from pipeline import errors
from pipeline.local import output as local_output
from pipeline.local.output import BusyError, OutputDirectory
from pipeline.notifying.metrics import write_metrics
from pipeline.notifying.records import Notification, ToldRecord, ToldRows
from pipeline.retraining.ledger import Ledger, served_since
from pipeline.summary_record import Status, Summary

_DAY = datetime.timedelta(days=1)


def tell(
  config: RunConfig,
  output: OutputDirectory,
  event: Event,
  reason: str,
  summary: Summary | None = None,
  now: datetime.datetime | None = None,
  say: Callable[[str], None] | None = None,
  ran: datetime.datetime | None = None,
) -> None:
  """Tells everybody whom the config names of an event, and that nothing is pushed where it is so; never raises.

  Args:
    summary: of the run, or of the last one where this call made none.
    now: the time, with a zone; that of the clock by default.
    say: takes a sentence for whoever looks on; standard error by default.
    ran: when the run was on its way, where that is long ago; now by default.
  """
  notify, say = config.notify, say or _on_standard_error
  if not (notify.channels or notify.prometheus):
    return
  with _or_said('The notification could not be made', say):
    now = now or datetime.datetime.now(datetime.timezone.utc)
    told = _notification(config, output, event, reason, summary, now)
    if notify.prometheus:
      with _or_said(f"notify.prometheus: '{notify.prometheus}' could not be written", say):
        write_metrics(notify.prometheus, told, ran or now)
    if notify.channels:
      _send(config, told, say)
      _tell_if_stale(config, output, told, now, say)


def event_of(summary: Summary) -> Event:
  """What a run came to, for those who are told."""
  if summary.not_registered is not None:
    return Event.FAILED
  if summary.status is Status.PUSHED and summary.newly_pushed is None:
    return Event.NOTHING_NEW
  return Event(summary.status.value)


def tell_by_hand(config: RunConfig, output: OutputDirectory, event: Event, reason: str) -> list[str]:
  """Sends a notification that no run has asked for; returns a sentence for each channel that did not take it."""
  failures: list[str] = []
  now = datetime.datetime.now(datetime.timezone.utc)
  with _or_said('The notification could not be made', failures.append):
    _send(config, _notification(config, output, event, reason, None, now), failures.append)
  return failures


def _on_standard_error(sentence: str) -> None:
  click.echo(f'Mind: {sentence}', err=True)


@contextlib.contextmanager
def _or_said(what: str, say: Callable[[str], None]) -> Iterator[None]:
  try:
    yield
  except Exception as error:
    # Python prints what is graver on standard error, with its traceback, where no session keeps a log.
    logging.getLogger(__name__).info('%s.', what, exc_info=True)
    say(f'{what}: {str(error) or type(error).__name__}')


def _notification(
  config: RunConfig,
  output: OutputDirectory,
  event: Event,
  reason: str,
  summary: Summary | None,
  now: datetime.datetime,
) -> Notification:
  serves = served_version(output.serving)
  since = None if serves is None else served_since(serves, Ledger.load(output.ledger))
  known: dict[str, Any] = {}
  if summary is not None:
    rows, metrics = summary.rows, summary.metrics
    share = 1 - rows.kept / rows.read if rows and rows.read else 0.0
    known = {
      'status': summary.status.value,
      'run': summary.run,
      'newest': summary.window.newest if summary.window else None,
      'rows': ToldRows(read=rows.read, kept=rows.kept, quarantined_share=round(share, 6)) if rows else None,
      'rmse': metrics.rmse if metrics and metrics.rmse and math.isfinite(metrics.rmse.top) else None,
      'pushed_version': version_number(summary.newly_pushed or '') if event is not Event.NOTHING_NEW else None,
      'anomalies': tuple(found.sentence for found in summary.findings if found.severity != 'info'),
      'report': str(output.page) if output.page.is_file() else None,
    }
  if event is Event.ANOMALIES and not known.get('anomalies'):
    known['anomalies'] = (reason,)
  return Notification(
    event=event,
    reason=reason,
    pipeline=config.name,
    time=now.isoformat(timespec='seconds'),
    host=socket.gethostname(),
    output=str(output.path),
    currency=config.dataset.currency,
    served_version=serves,
    served_since=since.isoformat(timespec='seconds') if since else None,
    **known,
  )


def _send(config: RunConfig, told: Notification, say: Callable[[str], None]) -> None:
  """By every channel, where the event is one that these are told."""
  if told.event in config.notify.on:
    from pipeline.notifying.channels import senders  # Brings HTTP along.

    for name, send in senders(config.notify).items():
      with _or_said(f'{name} was not told of {told.event.value}', say):
        send(told)


def _tell_if_stale(
  config: RunConfig, output: OutputDirectory, told: Notification, now: datetime.datetime, say: Callable[[str], None]
) -> None:
  """Notes that this call has told its end; tells that nothing is pushed, once a day."""
  noted = _noted(output)
  reason = stale_reason(config, output, now) if told.event is not Event.PUSHED else None
  due = noted.stale is None or now - datetime.datetime.fromisoformat(noted.stale) >= _DAY
  if reason and due:
    _send(config, told.model_copy(update={'event': Event.STALE, 'reason': reason}), say)
  at = now.isoformat(timespec='seconds') if reason and due else noted.stale
  _note(output, ToldRecord(begun=None, stale=at if reason else None))


def stale_reason(config: RunConfig, output: OutputDirectory, now: datetime.datetime) -> str | None:
  """Why a pipeline is stale by `notify.stale`; `None` if it is not. A rollback counts as a push."""
  limits = config.notify.stale
  if not limits.limited:
    return None
  ledger, serves = Ledger.load(output.ledger), served_version(output.serving)
  if limits.days is not None:
    first = ledger.runs[0].started if ledger.runs else None
    since = first if serves is None else served_since(serves, ledger)
    days = (now - since) / _DAY if since else 0.0
    if days > limits.days:
      what = 'Nothing serves' if serves is None else f'Version {serves} serves'
      return f'Nothing was pushed for {days:.1f} days, more than {limits.days:g} (notify.stale.days). {what}.'
  if limits.not_blessed is not None:
    count = _not_blessed(config, output, ledger)
    if count >= limits.not_blessed:
      return f'The last {count} runs were not blessed, at least {limits.not_blessed} (notify.stale.not_blessed).'
  return None


def _not_blessed(config: RunConfig, output: OutputDirectory, ledger: Ledger) -> int:
  """Runs in a row that were not blessed; those that failed neither count nor end the row."""
  statuses = [run.status for run in ledger.runs]
  if not statuses:  # Runs without windows stand in the metadata store alone.
    from pipeline.operations.registry import read_runs
    from pipeline.operations.store import open_store

    store = open_store(config.metadata, output.metadata, create=False)
    statuses = [entry.status for entry in read_runs(store, config, output)]
  count = 0
  for status in reversed(statuses):
    if status in ('pushed', 'rolled_back'):
      break
    count += status == 'not_blessed'
  return count


def _noted(output: OutputDirectory) -> ToldRecord:
  try:
    return ToldRecord.read(output.notified)
  except (FileNotFoundError, RecordError):  # A broken note costs a second telling, no more.
    return ToldRecord()


def _note(output: OutputDirectory, record: ToldRecord) -> None:
  write_whole(output.notified, record.to_json() + '\n')


@contextlib.contextmanager
def failures_told(config: RunConfig, place: str) -> Iterator[None]:
  """Tells of a call that ends by an error, be it before its run began.

  Args: place: the path of the output directory, which may not be there.
  """
  try:
    yield
  except BusyError:
    raise
  except Exception as error:
    known = errors.message_and_exit_code(error)
    reason = known[0].removeprefix('Error: ') if known else f'{type(error).__name__}: {error}'
    with contextlib.suppress(UserError):
      tell(config, local_output.at(place), Event.FAILED, reason)
    raise


def note_begun(config: RunConfig, output: OutputDirectory) -> None:
  """Notes that a call is on its way, so that a killed one is known, which can't tell it itself."""
  if config.notify.channels:
    with contextlib.suppress(OSError):
      began = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds')
      _note(output, _noted(output).model_copy(update={'begun': began, 'interrupted': None}))


def note_interrupted(config: RunConfig, output: OutputDirectory, error: KeyboardInterrupt) -> None:
  """Notes that a signal ended the call that is on its way."""
  if config.notify.channels:
    with contextlib.suppress(OSError):
      _note(output, _noted(output).model_copy(update={'interrupted': errors.interrupted_by(error)}))


def unfinished(output: OutputDirectory) -> tuple[datetime.datetime, str] | None:
  """When the call began that has not told its end, and why; `None` where there is none. It may be on its way."""
  noted = _noted(output)
  if noted.begun is None:
    return None
  return datetime.datetime.fromisoformat(noted.begun), noted.interrupted or 'killed, or its machine stopped'
