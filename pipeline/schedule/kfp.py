"""Schedules that Kubeflow Pipelines keeps: recurring runs of a compiled pipeline."""

from __future__ import annotations

import zoneinfo
from typing import Any

import kfp

from configs.platform import Platform
from pipeline.cloud.compiled import CompiledPipeline
from pipeline.cloud.kfp import connect, told
from pipeline.schedule.cron import Cron, Schedule, ScheduleError, Schedules, ScheduleTarget, State

_MARK = 'Farelite retrains '
_PAGE = 100


class KfpSchedules(Schedules):
  """The recurring runs of one cluster that this project made.

  Without an endpoint everything raises `TargetError`. Kubeflow reads cron expressions on the clock of the whole
  cluster, which its administrator sets (CRON_SCHEDULE_TIMEZONE); a schedule of another zone is refused, as it would
  drift by an hour twice a year.

  Args: cluster_zone: the cluster's; UTC unless it was set.
  """

  def __init__(self, platform: Platform, cluster_zone: str = 'UTC') -> None:
    self._platform = platform
    self._cluster_zone = cluster_zone

  def create(self, name: str, cron: Cron, compiled: CompiledPipeline) -> Schedule:
    """Creates a recurring run: one run at a time, and what was missed while paused is not made up for.

    Raises `ScheduleError` where the cluster's clock is another one, or there is a schedule of this name.
    """
    _check_zone(cron, self._cluster_zone)
    client = connect(self._platform)
    if any(run.display_name == name for run in self._runs(client)):
      raise ScheduleError(f"There is a schedule '{name}' already; delete it first, or give another --name.")
    with compiled.file() as package, told():
      experiment = client.create_experiment(
        self._platform.kfp.experiment or compiled.name, namespace=self._platform.kfp.namespace
      )
      run = client.create_recurring_run(
        experiment_id=experiment.experiment_id,
        job_name=name,
        description=f'{_MARK}{cron.expression} {cron.zone}',
        cron_expression=cron.six_fields(),
        max_concurrency=1,
        no_catchup=True,
        pipeline_package_path=str(package),
        pipeline_root=compiled.pipeline_root,
        service_account=self._platform.kfp.service_account,
      )
    return self._schedule(run)

  def all(self) -> tuple[Schedule, ...]:
    return tuple(self._schedule(run) for run in self._runs(connect(self._platform)))

  def pause(self, name: str) -> Schedule:
    return self._changed(name, 'disable_recurring_run')

  def resume(self, name: str) -> Schedule:
    return self._changed(name, 'enable_recurring_run')

  def delete(self, name: str) -> Schedule:
    client = connect(self._platform)
    run = self._named(client, name)
    with told():
      client.delete_recurring_run(run.recurring_run_id)
    return self._schedule(run)

  def _changed(self, name: str, method: str) -> Schedule:
    client = connect(self._platform)
    run = self._named(client, name)
    with told():
      getattr(client, method)(run.recurring_run_id)
      return self._schedule(client.get_recurring_run(run.recurring_run_id))

  def _named(self, client: kfp.Client, name: str) -> Any:
    runs = {run.display_name: run for run in self._runs(client)}
    if name not in runs:
      raise ScheduleError(f"There is no schedule '{name}' on this cluster; there: {', '.join(runs) or 'none'}.")
    return runs[name]

  def _runs(self, client: kfp.Client) -> list[Any]:
    """The recurring runs with this project's mark, page by page."""
    found: list[Any] = []
    token = ''
    with told():
      while True:
        page = client.list_recurring_runs(
          page_token=token, page_size=_PAGE, namespace=self._platform.kfp.namespace, sort_by='created_at'
        )
        found += [run for run in page.recurring_runs or [] if (run.description or '').startswith(_MARK)]
        token = page.next_page_token or ''
        if not token:
          return found

  def _schedule(self, run: Any) -> Schedule:
    expression, _, zone = (run.description or '').removeprefix(_MARK).rpartition(' ')
    enabled = run.mode != 'DISABLE' and run.status != 'DISABLED'
    state = State.ACTIVE if enabled else State.PAUSED
    return Schedule(run.display_name, ScheduleTarget.KFP, expression, zone, state, run.recurring_run_id)


def _check_zone(cron: Cron, cluster_zone: str) -> None:
  try:
    theirs = zoneinfo.ZoneInfo(cluster_zone)
  except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
    raise ScheduleError(f"Unknown time zone '{cluster_zone}' (--cluster-time-zone).") from None
  if not cron.agrees_with(theirs):
    raise ScheduleError(
      f'Kubeflow Pipelines reads cron on the clock of the cluster, {cluster_zone}, which is not always that of '
      f'{cron.zone}. Write the expression for {cluster_zone} with --time-zone {cluster_zone}, or let the '
      'administrator set CRON_SCHEDULE_TIMEZONE and name it by --cluster-time-zone.'
    )
