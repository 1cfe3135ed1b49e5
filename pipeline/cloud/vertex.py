"""Vertex AI Pipelines, by Google's own client: runs of a compiled pipeline, at once or on a schedule."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import google.auth.exceptions
from google.api_core import exceptions
from google.cloud import aiplatform

from configs.platform import Platform
from pipeline.cloud.compiled import CompiledPipeline
from pipeline.cloud.settings import (
  Submission,
  SubmissionError,
  google_credentials,
  lacking_to_submit,
  refuse_lacking,
)
from pipeline.schedule.cron import Cron, Schedule, Schedules, ScheduleTarget, State, check_new, named
from pipeline.targets import Target

_ZONED = re.compile(r'(?:CRON_)?TZ=(\S+) (.+)')


def _connect(platform: Platform, credentials: Any) -> None:
  """Sets up the client; `TargetError` where project, region or credentials are missing."""
  vertex, credentials = platform.vertex, credentials or google_credentials()
  refuse_lacking(lacking_to_submit(platform, Target.VERTEX, credentials))
  # REST, as it passes proxies; the endpoint is the region's where none is named.
  aiplatform.init(
    project=vertex.project,
    location=vertex.region,
    credentials=credentials,
    api_endpoint=vertex.endpoint,
    api_transport='rest',
  )


def _pipeline_job(compiled: CompiledPipeline, platform: Platform) -> aiplatform.PipelineJob:
  """The client's job of a compiled pipeline; nothing is sent yet."""
  with compiled.file() as template:
    return aiplatform.PipelineJob(
      display_name=compiled.name,
      template_path=str(template),
      pipeline_root=compiled.pipeline_root,
      labels=(compiled.job or {}).get('labels'),
      encryption_spec_key_name=platform.vertex.kms_key,
    )


def submit(compiled: CompiledPipeline, platform: Platform, credentials: Any = None) -> Submission:
  """Starts a run and returns at once.

  The client makes the pipeline root's bucket if there is none. Raises `TargetError` where project, region or
  credentials are missing; `SubmissionError` where Vertex refused the run, or can't be reached.

  Args:
    platform: completed settings; the project and the region go to the client alone.
    credentials: of google-auth; where there are none, those that Google's clients find: a key file, the account of
      gcloud, the machine's own.
  """
  _connect(platform, credentials)
  job = _pipeline_job(compiled, platform)
  with _refusals_reported(' the run', f' as {platform.vertex.project}'):
    job.submit(service_account=platform.vertex.service_account, network=platform.vertex.network)
  return Submission(job.resource_name, job._dashboard_uri())


@contextlib.contextmanager
def _refusals_reported(what: str = '', where: str = '') -> Iterator[None]:
  """Raises a refusal of Vertex as a `SubmissionError`, with what was refused and where nobody answers."""
  try:
    yield
  except exceptions.GoogleAPICallError as error:
    raise SubmissionError(f'Vertex AI refused{what}: {error.message}') from error
  except (google.auth.exceptions.GoogleAuthError, exceptions.RetryError, OSError) as error:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise SubmissionError(f"Vertex AI can't be reached{where}: {reason}") from error


class VertexSchedules(Schedules):
  """The pipeline schedules of one project and region; where these or credentials are missing, it is a `TargetError`.

  Args: credentials: as of `submit`.
  """

  def __init__(self, platform: Platform, credentials: Any = None) -> None:
    self._platform = platform
    self._credentials = credentials

  def create(self, name: str, cron: Cron, compiled: CompiledPipeline) -> Schedule:
    """Creates a schedule: one run at a time, and one that meets another is left out, not queued.

    Raises `ScheduleError` where there is a schedule of this name.
    """
    check_new(name, [schedule.display_name for schedule in self._schedules()])
    with _refusals_reported():
      made = _pipeline_job(compiled, self._platform).create_schedule(
        cron=f'TZ={cron.zone} {cron.five_fields()}',
        display_name=name,
        max_concurrent_run_count=1,
        allow_queueing=False,
        service_account=self._platform.vertex.service_account,
        network=self._platform.vertex.network,
      )
    return _schedule(made)

  def all(self) -> tuple[Schedule, ...]:
    return tuple(map(_schedule, self._schedules()))

  def pause(self, name: str) -> Schedule:
    return self._changed(name, lambda found: found.pause(), State.PAUSED)

  def resume(self, name: str) -> Schedule:
    return self._changed(name, lambda found: found.resume(catch_up=False), State.ACTIVE)

  def delete(self, name: str) -> Schedule:
    return self._changed(name, lambda found: found.delete())

  def _changed(self, name: str, change: Callable[[Any], object], state: State | None = None) -> Schedule:
    """The schedule after a change, in its new state."""
    found = named(name, {schedule.display_name: schedule for schedule in self._schedules()}, 'in this project')
    schedule = _schedule(found, state)
    with _refusals_reported():
      change(found)
    return schedule

  def _schedules(self) -> list[aiplatform.PipelineJobSchedule]:
    with _refusals_reported():
      _connect(self._platform, self._credentials)
      return list(aiplatform.PipelineJobSchedule.list())


def _schedule(found: aiplatform.PipelineJobSchedule, state: State | None = None) -> Schedule:
  zoned = _ZONED.fullmatch(found.cron)
  zone, cron = zoned.groups() if zoned else ('UTC', found.cron)
  state = state or (State.ACTIVE if found.state.name == 'ACTIVE' else State.PAUSED)
  return Schedule(found.display_name, ScheduleTarget.VERTEX, cron, zone, state, found.resource_name)
