"""Schedules that Vertex AI keeps, of a compiled pipeline."""

from __future__ import annotations

import re
from typing import Any

from google.cloud import aiplatform

from configs.platform import Platform
from pipeline.cloud.compiled import CompiledPipeline
from pipeline.cloud.vertex import connect, pipeline_job, refusals_reported
from pipeline.schedule.cron import Cron, Schedule, Schedules, ScheduleTarget, State, check_new, named

_ZONED = re.compile(r'(?:CRON_)?TZ=(\S+) (.+)')


class VertexSchedules(Schedules):
  """The pipeline schedules of one project and region; where these or credentials are missing, it is a `TargetError`.

  Args: credentials: as of `pipeline.cloud.vertex.connect`.
  """

  def __init__(self, platform: Platform, credentials: Any = None) -> None:
    self._platform = platform
    self._credentials = credentials

  def create(self, name: str, cron: Cron, compiled: CompiledPipeline) -> Schedule:
    """Creates a schedule: one run at a time, and one that meets another is left out, not queued.

    Raises `ScheduleError` where there is a schedule of this name.
    """
    check_new(name, [schedule.display_name for schedule in self._schedules()])
    with refusals_reported():
      job = pipeline_job(compiled, self._platform, self._credentials)
      made = job.create_schedule(
        cron=f'TZ={cron.zone} {cron.five_fields()}',
        display_name=name,
        max_concurrent_run_count=1,
        allow_queueing=False,
        service_account=self._platform.vertex.service_account,
        network=self._platform.vertex.network,
      )
    return _schedule(made)

  def all(self) -> tuple[Schedule, ...]:
    return tuple(_schedule(schedule) for schedule in self._schedules())

  def pause(self, name: str) -> Schedule:
    found = self._named(name)
    with refusals_reported():
      found.pause()
    return _schedule(found, State.PAUSED)

  def resume(self, name: str) -> Schedule:
    found = self._named(name)
    with refusals_reported():
      found.resume(catch_up=False)
    return _schedule(found, State.ACTIVE)

  def delete(self, name: str) -> Schedule:
    found = self._named(name)
    schedule = _schedule(found)
    with refusals_reported():
      found.delete()
    return schedule

  def _named(self, name: str) -> aiplatform.PipelineJobSchedule:
    return named(name, {schedule.display_name: schedule for schedule in self._schedules()}, 'in this project')

  def _schedules(self) -> list[aiplatform.PipelineJobSchedule]:
    with refusals_reported():
      connect(self._platform, self._credentials)
      return list(aiplatform.PipelineJobSchedule.list())


def _schedule(found: aiplatform.PipelineJobSchedule, state: State | None = None) -> Schedule:
  zoned = _ZONED.fullmatch(found.cron)
  zone, cron = zoned.groups() if zoned else ('UTC', found.cron)
  state = state or (State.ACTIVE if found.state.name == 'ACTIVE' else State.PAUSED)
  return Schedule(found.display_name, ScheduleTarget.VERTEX, cron, zone, state, found.resource_name)
