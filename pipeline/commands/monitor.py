"""What `farelite monitor` does: holds fares that came in later against what was predicted and promised."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.ride_example_gen.spans import list_inputs
from configs.amounts import interval
from configs.errors import UserError
from configs.records import Estimate
from models.served_versions import served_version
from pipeline.commands.operations import recorded_config
from pipeline.local import output as local_output
from pipeline.local import terminal
from pipeline.local.terminal import plain_table, right, show_table, whole
from pipeline.monitoring.verdict import MonitoringRecord, RideGroup
from pipeline.options import print_json
from pipeline.retraining.ledger import Ledger
from pipeline.sources import data_source

BEYOND = 3
"""The exit code where a day or a slice is beyond what was promised."""


def run(
  directory: str, fares: str, predictions: str | None, as_json: bool, retrain: bool, now: datetime.datetime
) -> int:
  """Judges and prints.

  Args:
    directory: an output directory with a version that serves.
    fares: a path or a glob of rides with their fares, in the dataset's own columns.
    predictions: a log of `farelite predict`; the versions are run again where it is left out.
    retrain: whether the verdict is left for `farelite retrain`.
    now: the time that is noted, with its zone.

  Returns: 0, or `BEYOND`. Raises: UserError: there is no version, or the rides can't be read.
  """
  output = local_output.at(directory)
  config = recorded_config(output)
  served = served_version(output.serving)
  if served is None:
    raise UserError(f"'{output.serving}' holds no version, so nothing was promised; farelite run pushes one.")
  source = data_source(fares)
  files = list_inputs(source.base, source.pattern).files
  ledger = Ledger.load(output.ledger)
  terminal.prepare()
  with terminal.captured() as console:
    from pipeline.monitoring.judging import judge_later_fares
    from pipeline.monitoring.later_fares import read_later_fares

    found = read_later_fares(files, config.dataset, output.serving, ledger, predictions)
    verdict = judge_later_fares(found, config, output, served, now, predictions is not None)
    if retrain:
      verdict = verdict.model_copy(update={'retrain': True})
      verdict.write(output)
    if not as_json:
      _show(console, verdict, found.before, config.dataset.time.time_zone)
  if as_json:
    print_json(verdict.model_dump(mode='json'))
  return BEYOND if verdict.beyond else 0


def _show(console: Console, verdict: MonitoringRecord, before: int, zone: str | None) -> None:
  for kind, groups in {'day': verdict.days, 'slice': verdict.slices}.items():
    show_table(console, _table(kind, (verdict.all, *groups), verdict.currency))
    console.print()
  if verdict.left_out:
    counts = ', '.join(f'{count:,} {reason}' for reason, count in verdict.left_out.items())
    console.print(f' [cyan]i[/] Rows without a part in it: {escape(counts)}.', soft_wrap=True)
  if before:
    older = f'{before:,} rides are older than every version that is there and count as those of {verdict.served}.'
    console.print(f' [cyan]i[/] {older}', soft_wrap=True)
  if zone is None:
    unknown = 'The dataset names no time zone (dataset.time.time_zone): when a version began to serve is taken in UTC.'
    console.print(f' [cyan]i[/] {unknown}', soft_wrap=True)
  is_judged = any(group.beyond is not None for group in (verdict.all, *verdict.days, *verdict.slices))
  outcome = _VERDICTS[verdict.beyond if is_judged else None]
  asked = ' farelite retrain runs once there are new rides.' if verdict.retrain and verdict.beyond else ''
  console.print(f'[bold]{outcome}[/]: {escape(verdict.reason)}{asked}', soft_wrap=True)


_VERDICTS = {True: '[red]beyond[/]', False: '[green]within[/]', None: '[dim]not judged[/]'}


def _table(kind: str, groups: Sequence[RideGroup], currency: str) -> Table:
  figures = ('rides', f'RMSE [95 %] ({currency})', 'promised [95 %]', 'MAE [95 %]', 'bias [95 %]')
  table = plain_table(*whole(kind), *right(*figures, no_wrap=True), *whole('version', ''))
  for group in groups:
    table.add_row(
      escape(group.name),
      f'{group.rides:,}',
      *(_figure(found) for found in (group.rmse, group.promised, group.mae, group.bias)),
      ', '.join(map(str, group.versions)) if len(group.versions) < 3 else f'{len(group.versions)} versions',
      _VERDICTS[group.beyond],
    )
  return table


def _figure(found: Estimate | None) -> str:
  if found is None:
    return ''
  return escape(' '.join(interval(found.value, found.low, found.high)).rstrip())
