"""Figures of the last run for Prometheus' textfile collector.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/, the text format, version 0.0.4.
"""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Iterator

from configs.notify import Event
from models.whole_files import write_whole
from pipeline.notifying.records import Notification


def write_metrics(path: str, told: Notification, ran: datetime.datetime) -> None:
  """Writes the file whole.

  Args: ran: when the run was on its way that is told of.
  Raises OSError: its folder is not there, or it can't be written.
  """
  write_whole(pathlib.Path(path).expanduser(), '\n'.join(_lines(told, ran)) + '\n')


def _lines(told: Notification, ran: datetime.datetime) -> Iterator[str]:
  yield from _family('last_run_timestamp_seconds', 'When farelite ran last, Unix time.', {'': ran.timestamp()}, told)
  outcomes = {f'event="{event.value}"': float(event is told.event) for event in Event if event is not Event.STALE}
  yield from _family('last_run_status', 'What the last run came to: 1 for that, 0 for all else.', outcomes, told)
  if told.rmse:
    figures = {f'currency="{_quoted(told.currency)}"': told.rmse.value}
    yield from _family('rmse', 'Root mean squared error of the last trained model on its eval split.', figures, told)
  if told.served_since:
    since = _seconds(told.served_since)
    yield from _family('served_version_timestamp_seconds', 'When what serves was pushed, Unix time.', {'': since}, told)
    age = {'': max(0.0, _seconds(told.time) - since)}
    yield from _family('served_version_age_seconds', 'Age of what serves, as of the last run.', age, told)
  if rows := told.rows:
    counts = {'kind="read"': float(rows.read), 'kind="kept"': float(rows.kept)}
    yield from _family('rows', 'Rides of the last run: rows of the source, and valid ones among them.', counts, told)
    share = {'': rows.quarantined_share}
    yield from _family('quarantined_share', 'Share of the rows that were set aside, 0 to 1.', share, told)


def _family(name: str, meaning: str, values: dict[str, float], told: Notification) -> Iterator[str]:
  """A gauge with a value for each set of labels."""
  yield f'# HELP farelite_{name} {meaning}'
  yield f'# TYPE farelite_{name} gauge'
  for labels, value in values.items():
    pipeline = f'pipeline="{_quoted(told.pipeline)}"'
    yield f'farelite_{name}{{{",".join(filter(None, (pipeline, labels)))}}} {value!r}'


def _quoted(text: str) -> str:
  return text.replace('\\', r'\\').replace('"', r'\"').replace('\n', r'\n')


def _seconds(moment: str) -> float:
  return datetime.datetime.fromisoformat(moment).timestamp()
