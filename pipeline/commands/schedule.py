"""What `farelite schedule` does: finds who keeps the schedule, and shows what came of it."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import pathlib
import re
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column

from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.spans import check_inputs
from configs import loading
from configs.run import RunConfig
from models.whole_files import is_bucket
from pipeline.local import output as local_output
from pipeline.local import terminal
from pipeline.options import print_json, refuse_idle
from pipeline.schedule.cron import Cron, Schedule, ScheduleError, Schedules, ScheduleTarget
from pipeline.schedule.local import LocalSchedules, crontab_line, default_folder, machine_zone
from pipeline.sources import files_of, rides_of

_SHOWN = 3
_NAME = re.compile(r'[a-z0-9][a-z0-9-]{0,62}')


def create(
  target: ScheduleTarget,
  name: str | None,
  expression: str,
  zone: str,
  config: str | None,
  overrides: Sequence[str],
  output: str | None,
  units: str | None,
  cluster_zone: str | None,
  crontab: bool = False,
) -> None:
  """Creates a schedule and prints when it fires next; for a crontab, makes the output directory and prints the line.

  Raises `UserError` for a user's mistake; `SubmissionError` where the backend refused, or can't be reached.
  """
  cron = Cron.parse(expression, zone)
  if target is not ScheduleTarget.LOCAL:
    refuse_idle({'--output': output, '--units': units}, f'with --target {target.value}, only with local')
  if target is not ScheduleTarget.KFP:
    refuse_idle({'--cluster-time-zone': cluster_zone}, f'with --target {target.value}, only with kfp')
  resolved = loading.load(config, overrides)
  name = name or resolved.name
  if not _NAME.fullmatch(name):
    raise ScheduleError(f"A schedule's name has small letters, digits and hyphens, got '{name}'.")
  if crontab:
    if target is not ScheduleTarget.LOCAL:
      raise ScheduleError('--crontab is for --target local.')
    if units:
      raise ScheduleError('--crontab prints a line and writes no units; leave out --crontab or --units.')
    command, folder, lock, _ = _local_command(name, config, overrides, output, resolved)
    line = crontab_line(cron, command, folder, lock, machine_zone())
    print(f'# Farelite: retrain {name}; put this line where crontab -e shows it.\n{line}')
    if warning := _no_rides_yet(resolved):
      print(f'Warning: {warning}', file=sys.stderr)
    return
  with terminal.captured() as console:
    if target is ScheduleTarget.LOCAL:
      schedule = _local(units).create(name, cron, *_local_command(name, config, overrides, output, resolved))
    else:
      from pipeline.commands.cloud import compile_checked
      from pipeline.targets import Target

      # The spans are found by each run itself.
      compiled = compile_checked(resolved, rides_of(resolved.dataset), Target(target.value), console)
      schedule = _keeper_in_a_cloud(target, resolved, cluster_zone or 'UTC').create(name, cron, compiled)
    _show(console, [schedule])
    if target is ScheduleTarget.LOCAL and (warning := _no_rides_yet(resolved)):
      console.print(f' [yellow]![/] {escape(warning)}')
    _show_times(console, cron)


def _local(units: str | None) -> LocalSchedules:
  return LocalSchedules(pathlib.Path(units).expanduser().absolute() if units else default_folder())


def _local_command(
  name: str, config: str | None, overrides: Sequence[str], output: str | None, resolved: RunConfig
) -> tuple[list[str], str, str, list[str]]:
  """The command of the timer, the folder that it runs in, its lock, and the command that tells of a killed one."""
  files_of(resolved.dataset, 'A local schedule')  # An error now, not at three in the morning.
  folder = pathlib.Path.cwd()
  directory = local_output.prepare(output or f'out/{resolved.name}').path
  options = ['--output', str(directory)]
  if config:
    # A file keeps its place; a preset has only a name.
    options += ['--config', str(pathlib.Path(config).absolute()) if pathlib.Path(config).is_file() else config]
  for override in overrides:
    options += ['--set', override]
  farelite = [sys.executable, '-m', 'pipeline']
  tell = [*farelite, 'notify', '--if-killed', *options]
  return [*farelite, 'retrain', *options], str(folder), str(directory / f'.{name}.timer-lock'), tell


def _no_rides_yet(config: RunConfig) -> str | None:
  """A sentence where no file of this machine matches; rides may come later, and buckets are left to the run."""
  source = files_of(config.dataset, 'A local schedule')
  if is_bucket(source.base):
    return None
  try:
    check_inputs(source.base, source.pattern)
  except IngestionError as error:
    return f'{str(error).removesuffix(".")}, unless the rides come later.'
  return None


def keeper(target: str, config: str | None, overrides: Sequence[str], units: str | None) -> Schedules:
  """Who keeps the schedules of a target. Raises `UserError` for a user's mistake."""
  if target == ScheduleTarget.LOCAL:
    refuse_idle({'--config': config, '--set': overrides}, 'with --target local, only with kfp and vertex')
    return _local(units)
  refuse_idle({'--units': units}, f'with --target {target}, only with local')
  with terminal.captured():  # Google's packages warn when they are imported.
    return _keeper_in_a_cloud(ScheduleTarget(target), loading.load(config, overrides))


def _keeper_in_a_cloud(target: ScheduleTarget, config: RunConfig, cluster_zone: str = 'UTC') -> Any:
  from pipeline.cloud.settings import platform_settings

  platform = platform_settings(config.platform)
  if target is ScheduleTarget.KFP:
    from pipeline.cloud.kfp import KfpSchedules

    return KfpSchedules(platform, cluster_zone)
  from pipeline.cloud.vertex import VertexSchedules

  return VertexSchedules(platform)


def change(schedules: Schedules, verb: str, name: str) -> None:
  """Pauses, resumes or deletes a schedule and shows it.

  Raises `ScheduleError` where there is none of this name; `SubmissionError` where the backend refused, or can't be
  reached.
  """
  with terminal.captured() as console:
    schedule: Schedule = getattr(schedules, verb)(name)
    if verb == 'delete':
      console.print(f"Deleted the schedule '{escape(name)}' ({escape(schedule.cron)}, {schedule.zone}).")
    else:
      _show(console, [schedule])


def show(schedules: Schedules, as_json: bool = False) -> None:
  """Lists the schedules. Raises `SubmissionError` where the backend can't be reached."""
  if as_json:
    with terminal.captured():
      listed = [dataclasses.asdict(one) for one in schedules.all()]
    print_json(listed)
    return
  with terminal.captured() as console:
    if found := schedules.all():
      _show(console, found)
    else:
      console.print('No schedules.')


def _show(console: Console, schedules: Sequence[Schedule]) -> None:
  names = ('schedule', 'target', 'cron', 'time zone', 'state', 'kept as')
  table = terminal.plain_table(*(Column(name, overflow='fold') for name in names))
  for one in schedules:
    table.add_row(one.name, one.target.value, escape(one.cron), one.zone, one.state.value, escape(one.place))
  terminal.show_table(console, table)
  for one in schedules:
    if one.note:
      console.print(f' [yellow]![/] {escape(one.note)}')


def _show_times(console: Console, cron: Cron) -> None:
  now = datetime.datetime.now(datetime.timezone.utc)
  for time in itertools.islice(cron.times(now), _SHOWN):
    console.print(f'  next: {time:%a %Y-%m-%d %H:%M %Z} ({time.astimezone(datetime.timezone.utc):%H:%M} UTC)')
  for sentence in cron.skipped_or_doubled(now):
    console.print(f' [cyan]i[/] {escape(sentence)}')
