"""Kubeflow Pipelines 2, by its own client: runs of a compiled pipeline, at once or on a schedule."""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import kfp
import kfp_server_api
import urllib3

from configs.platform import PREFIX, Platform
from pipeline.cloud.compiled import CompiledPipeline
from pipeline.cloud.settings import Submission, SubmissionError, lacking_to_submit, refuse_lacking
from pipeline.schedule.cron import (
  Cron,
  Schedule,
  ScheduleError,
  Schedules,
  ScheduleTarget,
  State,
  check_new,
  named,
  zone_named,
)
from pipeline.targets import Target

TOKEN = f'{PREFIX}KFP_TOKEN'
"""Environment variable with a bearer token, for clusters that want one; no setting, as it is a secret."""

_MARK = 'Farelite retrains '
_PAGE = 100


def _connect(platform: Platform) -> kfp.Client:
  """A client of the cluster; raises `TargetError` without an endpoint, `SubmissionError` where nobody answers."""
  endpoint = platform.kfp.endpoint
  refuse_lacking(lacking_to_submit(platform, Target.KFP))
  assert endpoint is not None
  try:  # The client itself tries for half a minute before it gives up.
    urllib3.PoolManager().request('HEAD', endpoint, retries=False, timeout=10.0, redirect=False)
  except (urllib3.exceptions.HTTPError, ValueError) as error:
    reason = str(error).split('>: ')[-1]  # urllib3 begins with the address of an object in memory.
    raise SubmissionError(f"Nobody answers at the Kubeflow endpoint '{endpoint}': {reason}") from error
  return kfp.Client(
    host=endpoint, namespace=platform.kfp.namespace or 'kubeflow', existing_token=os.environ.get(TOKEN) or None
  )


def submit(compiled: CompiledPipeline, platform: Platform) -> Submission:
  """Starts a run and returns at once.

  Raises `TargetError` without an endpoint; `SubmissionError` where the cluster refused the run, or can't be reached.
  """
  client = _connect(platform)
  name = f'{compiled.name}-{datetime.datetime.now(datetime.timezone.utc):%Y%m%d-%H%M%S}'
  with compiled.file() as package, _refusals_reported(' the run', f' at {platform.kfp.endpoint}'):
    run = client.create_run_from_pipeline_package(
      str(package),
      run_name=name,
      experiment_name=platform.kfp.experiment or compiled.name,
      namespace=platform.kfp.namespace,
      pipeline_root=compiled.pipeline_root,
      service_account=platform.kfp.service_account,
    )
  return Submission(name, f'{(platform.kfp.endpoint or "").rstrip("/")}/#/runs/details/{run.run_id}')


@contextlib.contextmanager
def _refusals_reported(what: str = '', where: str = '') -> Iterator[None]:
  """Raises a refusal of the cluster as a `SubmissionError`, with what was refused and where nobody answers."""
  try:
    yield
  except kfp_server_api.ApiException as error:
    # Without headers and the rest of a trace.
    text = error.body or error.reason or ''
    text = text.decode(errors='replace') if isinstance(text, bytes) else str(text)
    reason = ' '.join(text.split())[:500]
    raise SubmissionError(f'Kubeflow Pipelines refused{what}: {error.status} {reason}') from error
  except (urllib3.exceptions.HTTPError, TimeoutError) as error:
    raise SubmissionError(f"Kubeflow Pipelines can't be reached{where}: {error}") from error


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
    return _connect(self._platform)

  def create(self, name: str, cron: Cron, compiled: CompiledPipeline) -> Schedule:
    """Creates a recurring run: one run at a time, and what was missed while paused is not made up for.

    Raises `ScheduleError` where the cluster's clock is another one, or there is a schedule of this name.
    """
    theirs = self._cluster_zone
    if not cron.agrees_with(zone_named(theirs, ' (--cluster-time-zone)')):
      raise ScheduleError(
        f'Kubeflow Pipelines reads cron on the clock of the cluster, {theirs}, which is not always that of '
        f'{cron.zone}. Write the expression for {theirs} with --time-zone {theirs}, or let the administrator set '
        'CRON_SCHEDULE_TIMEZONE and name it by --cluster-time-zone.'
      )
    check_new(name, [run.display_name for run in self._runs()])
    with compiled.file() as package, _refusals_reported():
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
    return self._changed(name, self._client.disable_recurring_run, State.PAUSED)

  def resume(self, name: str) -> Schedule:
    return self._changed(name, self._client.enable_recurring_run, State.ACTIVE)

  def delete(self, name: str) -> Schedule:
    return self._changed(name, self._client.delete_recurring_run)

  def _changed(self, name: str, change: Callable[[str], object], state: State | None = None) -> Schedule:
    """The schedule after a change, in its new state."""
    run = named(name, {run.display_name: run for run in self._runs()}, 'on this cluster')
    with _refusals_reported():
      change(run.recurring_run_id)
    return _schedule(run, state)

  def _runs(self) -> list[Any]:
    """The recurring runs with this project's mark, page by page."""
    found: list[Any] = []
    token: str | None = ''
    with _refusals_reported():
      while token is not None:
        page = self._client.list_recurring_runs(
          page_token=token, page_size=_PAGE, namespace=self._platform.kfp.namespace, sort_by='created_at'
        )
        found += [run for run in page.recurring_runs or [] if (run.description or '').startswith(_MARK)]
        token = page.next_page_token or None
    return found


def _schedule(run: Any, state: State | None = None) -> Schedule:
  expression, _, zone = (run.description or '').removeprefix(_MARK).rpartition(' ')
  state = state or (State.PAUSED if run.mode == 'DISABLE' or run.status == 'DISABLED' else State.ACTIVE)
  return Schedule(run.display_name, ScheduleTarget.KFP, expression, zone, state, run.recurring_run_id)
