"""`history.html`: every run of an output directory on one page, with pictures, and what served after each."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from configs.base import joined
from configs.records import Estimate
from models.whole_files import write_whole
from pipeline.local.output import OutputDirectory
from pipeline.operations.registry import KILLED, ROLLED_BACK, RUNNING
from pipeline.report.history import History, Night
from pipeline.report.page import render
from pipeline.report.run_charts import Mark, draw_runs
from pipeline.report.sections.model import BADGES
from pipeline.report.tables import (
  Cell,
  Heading,
  Picture,
  Table,
  counted,
  figure,
  figures,
  interval,
  number,
  percent,
  row,
  size,
  table,
  whole,
  without_empty,
  words,
)
from pipeline.summary_record import Status

_WORDS = {status.value: words.lower() for status, words in BADGES.items()} | {
  ROLLED_BACK: 'rolled back',
  RUNNING: 'running',
  KILLED: 'killed',
}
_STYLES = {'pushed': 'good', 'failed': 'bad', 'anomalies': 'bad', KILLED: 'bad'}
_DOTS = {'pushed': 'fill s2', 'not_blessed': 'hollow s1'}
_FAILED_DOT = 'hollow s6'
"""Of a run that did not come to its end, but to a figure."""

_UNFINISHED = frozenset({'failed', 'anomalies', KILLED})


@dataclasses.dataclass(frozen=True)
class HistoryPage:
  """What the page shows.

  Attributes:
    status: of the newest run; a class.
    sentences: below the title.
    pictures: none where no run has a figure.
    legend: of the pictures' colours.
    nights: newest first; `None` where there is no run.
  """

  title: str
  badge: str
  status: str
  sentences: tuple[str, ...]
  pictures: tuple[Picture, ...]
  legend: tuple[tuple[str, str], ...]
  nights: Table | None


def write_history(output: OutputDirectory, found: History) -> pathlib.Path:
  """Writes the page. Returns it. Raises: OSError: it can't be written."""
  write_whole(output.history, render('history.html', history=found, page=history_page(found)))
  return output.history


def history_page(found: History) -> HistoryPage:
  """What the page of a history shows; also of one without a run."""
  launched = [night for night in found.nights if night.status != ROLLED_BACK]
  newest = launched[-1].status if launched else ''
  count = f'{counted(len(launched), "run")} of {found.name}' if launched else f'No run of {found.name} yet'
  return HistoryPage(
    title=count,
    badge=_WORDS.get(newest, newest).capitalize() or 'Empty',
    status=newest,
    sentences=tuple(_sentences(found, launched)),
    pictures=tuple(_pictures(found)),
    legend=(('pushed', 's2'), ('not pushed', 's1'), ('failed', 's6')),
    nights=_table(found) if found.nights else None,
  )


def _sentences(found: History, launched: Sequence[Night]) -> Iterator[str]:
  if not launched:
    yield 'farelite run makes the first one.'
    return
  counts = {words: sum(_WORDS.get(night.status) == words for night in launched) for words in _WORDS.values()}
  yield f'{joined(f"{count} {words}" for words, count in counts.items() if count)}.'
  yield _serving(found)
  last = launched[-1]
  if last.status != Status.PUSHED.value and last.reason:
    yield f'The last run ({_WORDS.get(last.status, last.status)}): {last.reason}'
  if found.nothing_new:
    yield f'The last call made no run: {found.nothing_new}'


def _serving(found: History) -> str:
  if found.serves is None:
    return 'No model serves.'
  begun = next((night for night in found.nights if night.served == found.serves), None)
  since = f' since {_time(begun.started)}' if begun else ''
  rmse = _rmse_by_version(found).get(found.serves)
  error = f'; its file had an RMSE of {interval(rmse)} {found.currency} when it was pushed' if rmse else ''
  return f'Version {found.serves} serves{since}{error}.'


def _rmse_by_version(found: History) -> dict[int, Estimate]:
  """The error of each version on the rides of the run that pushed it; of one that was put back, its first one."""
  known: dict[int, Estimate] = {}
  for night in found.nights:
    if night.pushed_version is None or night.pushed_version in known:
      continue
    source = known.get(night.restored_version or 0) if night.status == ROLLED_BACK else night.rmse
    if source:
      known[night.pushed_version] = source
  return known


def _time(text: str) -> str:
  return text[:16].replace('T', ' ')


def _moments(nights: Sequence[Night]) -> list[str]:
  """What runs are called below an axis: month and day, or the time where several are all of one day."""
  started = [_moment(night.started) for night in nights]
  on_one_day = len(nights) > 1 and len({moment.date() for moment in started if moment}) == 1
  return ['' if moment is None else f'{moment:%H:%M}' if on_one_day else f'{moment:%m-%d}' for moment in started]


def _moment(text: str) -> datetime.datetime | None:
  try:
    return datetime.datetime.fromisoformat(text)
  except ValueError:
    return None


class _Chart(NamedTuple):
  """A picture of one figure of each run, which is a share where it is not in bytes."""

  title: str
  y_label: str
  figure_of: Callable[[Night], float | None]
  written: Callable[[float], str]
  is_share: bool = True


_CHARTS = (
  _Chart('Size of the chosen file', 'as it is, before gzip', lambda night: night.bytes, size, is_share=False),
  _Chart('Rows set aside', 'share of the rows that were read', lambda night: night.quarantined_share, percent),
)
_DRIFT = _Chart(
  'Drift', 'largest divergence from the earlier rides, over its limit', lambda night: _drift(night), percent
)


def _pictures(found: History) -> Iterator[Picture]:
  days = _moments(found.nights)
  yield from _error_picture(found, days)
  for chart in _CHARTS:
    yield from _picture(chart, found.nights, days)
  caption = 'Each column has a limit of its own; the dashed line is 100 % of it.'
  yield from _picture(_DRIFT, found.nights, days, 1.0, caption)


def _drift(night: Night) -> float | None:
  """A divergence as a share of what is accepted."""
  return night.drift / night.drift_limit if night.drift is not None and night.drift_limit else None


def _picture(
  chart: _Chart, nights: Sequence[Night], days: Sequence[str], limit: float | None = None, caption: str = ''
) -> Iterator[Picture]:
  """A picture, where any run has the figure."""
  marks = [
    Mark(place, Estimate(float(figure)), f'{_time(night.started)}: {chart.written(figure)}', _dot(night))
    for place, night in enumerate(nights)
    if (figure := chart.figure_of(night)) is not None
  ]
  if marks:
    label = f'{chart.title} of each run'
    drawn = draw_runs(marks, days, chart.y_label, label, chart.written, limit=limit, is_share=chart.is_share)
    yield Picture(chart.title, drawn, caption)


def _error_picture(found: History, days: Sequence[str]) -> Iterator[Picture]:
  """The error of each run, a cross where it did not come to one, and that of what served as a line."""
  by_version = _rmse_by_version(found)
  shown = [night for night in found.nights if night.status != ROLLED_BACK]
  if not any(night.rmse for night in shown):
    return
  marks = [
    Mark(place, night.rmse, _title(night, found.currency), _dot(night))
    for place, night in enumerate(found.nights)
    if night.rmse or night.status in _UNFINISHED
  ]
  served = [by_version.get(night.served or 0) for night in found.nights]
  level = [estimate.value if estimate else None for estimate in served]
  drawn = draw_runs(marks, days, f'RMSE ({found.currency})', 'RMSE of each run with its interval', level=level)
  caption = 'The grey line is the RMSE of what served, as it was when that was pushed; a cross is a run without one.'
  yield Picture('RMSE with its interval', drawn, caption)


def _dot(night: Night) -> str:
  return _DOTS.get(night.status, _FAILED_DOT)


def _title(night: Night, currency: str) -> str:
  error = f'{interval(night.rmse)} {currency}' if night.rmse else night.reason
  return f'{_time(night.started)}, {_WORDS.get(night.status, night.status)}: {error}'


def _table(found: History) -> Table:
  headings = (
    *words('run, by its start (UTC)', 'newest span', 'status'),
    Heading('RMSE', found.currency, meaning='Of the chosen file, else of the trained model, on the rides of that run.'),
    *('file', 'after gzip', 'rows', 'set aside', 'drift'),
    *words('pushed', 'served after it', 'reason'),
  )
  rows = (
    row(
      _linked(night),
      night.newest or '',
      Cell(_WORDS.get(night.status, night.status), style=_STYLES.get(night.status, '')),
      _error(night),
      figure(night.bytes, size),
      figure(night.gzip_bytes, size),
      figure(night.rows_read, whole),
      figure(night.quarantined_share, percent),
      figure(night.drift, lambda value: number(value, 3), night.drift_column or ''),
      str(night.pushed_version or ''),
      str(night.served or 'nothing'),
      Cell(_reason(night), style='reason'),
      style='chosen' if found.serves is not None and night.pushed_version == found.serves else '',
    )
    for night in reversed(found.nights)
  )
  return without_empty(table('Every run and rollback, the newest first', headings, rows, sortable=True))


def _linked(night: Night) -> Cell:
  time = _time(night.started)
  if night.page is None:
    return Cell(time, note=night.run)
  return Cell(time, note=night.run, picture=Markup('<a href="{}">{}</a>').format(night.page, time))


def _error(night: Night) -> Cell:
  cell = figures(night.rmse)
  return cell if night.rmse is None or night.of_file else dataclasses.replace(cell, note=f'{cell.note}\ntrained model')


def _reason(night: Night) -> str:
  if night.restored_version:
    return f'The bytes of {night.restored_version}, in place of {night.replaced_version}. {night.reason}'
  return '' if night.status == Status.PUSHED.value else night.reason
