"""The commands `farelite schedule create`, `list`, `pause`, `resume` and `delete`."""

from __future__ import annotations

import click

from pipeline.options import CONFIG, DATA, OUTPUT, SET, WINDOW, overridden

_TARGET = click.option(
  '--target',
  type=click.Choice(['local', 'kfp', 'vertex']),
  default='local',
  show_default=True,
  help='Who looks at the clock: systemd on this machine, Kubeflow Pipelines, or Vertex AI.',
)
_UNITS = click.option(
  '--units', metavar='DIR', help="Where local units lie; where the user's systemd looks by default."
)


@click.group()
def schedule() -> None:
  """Retrain by the clock, on a cron expression with a time zone."""


@schedule.command()
@click.option('--cron', 'expression', metavar='CRON', required=True, help="Five fields, such as '0 3 * * *'.")
@click.option('--time-zone', 'zone', metavar='ZONE', required=True, help='An IANA name, such as America/New_York.')
@_TARGET
@click.option('--name', metavar='NAME', help="Of the schedule; the config's by default.")
@CONFIG
@DATA
@OUTPUT
@WINDOW
@_UNITS
@click.option(
  '--cluster-time-zone', 'cluster_zone', default='UTC', show_default=True, help="A Kubeflow cluster's clock."
)
@click.option(
  '--crontab',
  is_flag=True,
  help='Print a line for crontab -e instead, for machines without systemd; makes the output directory, for its lock.',
)
@SET
def create(
  expression: str,
  zone: str,
  target: str,
  name: str | None,
  config: str | None,
  data: str | None,
  output: str | None,
  window: int | None,
  units: str | None,
  cluster_zone: str,
  crontab: bool,
  overrides: tuple[str, ...],
) -> None:
  """Create a schedule, and tell when it fires next."""
  from pipeline.schedule import schedule_command
  from pipeline.schedule.schedule import ScheduleTarget

  schedule_command.create(
    ScheduleTarget(target), name, expression, zone, config, overridden(overrides, data, window), output, units,
    cluster_zone, crontab,
  )  # fmt: skip


@schedule.command('list')
@_TARGET
@CONFIG
@_UNITS
@SET
def list_(target: str, config: str | None, units: str | None, overrides: tuple[str, ...]) -> None:
  """List schedules."""
  from pipeline.schedule import schedule_command
  from pipeline.schedule.schedule import ScheduleTarget

  schedule_command.show(schedule_command.keeper(ScheduleTarget(target), config, overrides, units))


def _changing(verb: str, does: str) -> click.Command:
  @click.argument('name')
  @_TARGET
  @CONFIG
  @_UNITS
  @SET
  def command(name: str, target: str, config: str | None, units: str | None, overrides: tuple[str, ...]) -> None:
    from pipeline.schedule import schedule_command
    from pipeline.schedule.schedule import ScheduleTarget

    schedules = schedule_command.keeper(ScheduleTarget(target), config, overrides, units)
    schedule_command.change(schedules, verb, name)

  return click.command(verb, help=does)(command)


schedule.add_command(_changing('pause', 'Let a schedule fire no more, for now; a run on its way goes on.'))
schedule.add_command(_changing('resume', 'Let a paused schedule fire again.'))
schedule.add_command(_changing('delete', 'Remove a schedule; a run on its way goes on.'))
