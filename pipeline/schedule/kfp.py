"""Schedules that Kubeflow Pipelines keeps: recurring runs of a compiled pipeline."""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Callable
from typing import Any

import kfp

from configs.platform import Platform
from pipeline.cloud.compiled import CompiledPipeline
from pipeline.cloud.kfp import connect, refusals_reported
from pipeline.schedule.cron import Cron, Schedule, ScheduleError, Schedules, ScheduleTarget, State, check_new, named

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

  @functools.cached_property
  def _client(self) -> kfp.Client:
    return connect(self._platform)

  def create(self, name: str, cron: Cron, compiled: CompiledPipeline) -> Schedule:
    """Creates a recurring run: one run at a time, and what was missed while paused is not made up for.

    Raises `ScheduleError` where the cluster's clock is another one, or there is a schedule of this name.
    """
    _check_zone(cron, self._cluster_zone)
    check_new(name, [run.display_name for run in self._runs()])
    with compiled.file() as package, refusals_reported():
      experiment = self._client.create_experiment(
        self._platform.kfp.experiment or compiled.name, namespace=self._platform.kfp.namespace
      )
      run = self._client.create_recurring_run(
        experiment_id=experiment.experiment_id,
        job_name=name,
        description=f'{_MARK}{cron.expression} {cron.zone}',
        cron_expression=f'0 {cron.five_fields()}',  # Seconds come first.
        max_concurrency=1,
        no_catchup=True,
        pipeline_package_path=str(package),
        pipeline_root=compiled.pipeline_root,
        service_account=self._platform.kfp.service_account,
      )
    return _schedule(run)

  def all(self) -> tuple[Schedule, ...]:
    return tuple(map(_schedule, self._runs()))

  def pause(self, name: str) -> Schedule:
    return self._changed(name, self._client.disable_recurring_run)

  def resume(self, name: str) -> Schedule:
    return self._changed(name, self._client.enable_recurring_run)

  def delete(self, name: str) -> Schedule:
    run = self._named(name)
    with refusals_reported():
      self._client.delete_recurring_run(run.recurring_run_id)
    return _schedule(run)

  def _changed(self, name: str, change: Callable[[str], object]) -> Schedule:
    run = self._named(name)
    with refusals_reported():
      change(run.recurring_run_id)
      return _schedule(self._client.get_recurring_run(run.recurring_run_id))

  def _named(self, name: str) -> Any:
    return named(name, {run.display_name: run for run in self._runs()}, 'on this cluster')

  def _runs(self) -> list[Any]:
    """The recurring runs with this project's mark, page by page."""
    found: list[Any] = []
    token = ''
    with refusals_reported():
      while True:
        page = self._client.list_recurring_runs(
          page_token=token, page_size=_PAGE, namespace=self._platform.kfp.namespace, sort_by='created_at'
        )
        found += [run for run in page.recurring_runs or [] if (run.description or '').startswith(_MARK)]
        token = page.next_page_token or ''
        if not token:
          return found


def _schedule(run: Any) -> Schedule:
  expression, _, zone = (run.description or '').removeprefix(_MARK).rpartition(' ')
  state = State.PAUSED if run.mode == 'DISABLE' or run.status == 'DISABLED' else State.ACTIVE
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
