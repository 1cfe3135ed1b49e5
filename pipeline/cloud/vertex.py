"""Hands a compiled pipeline to Vertex AI Pipelines, by Google's own client."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import google.auth
import google.auth.exceptions
from google.api_core import exceptions
from google.cloud import aiplatform

from configs.platform import Platform
from pipeline.cloud.compiled import CompiledPipeline
from pipeline.cloud.settings import Submission, SubmissionError, TargetError


def pipeline_job(compiled: CompiledPipeline, platform: Platform, credentials: Any = None) -> aiplatform.PipelineJob:
  """The client's job of a compiled pipeline; nothing is sent yet.

  Args:
    platform: completed settings; the project and the region go to the client alone.
    credentials: as of `connect`, which also says what is raised.
  """
  vertex, credentials = platform.vertex, connect(platform, credentials)
  with compiled.file() as template:
    return aiplatform.PipelineJob(
      display_name=compiled.name,
      template_path=str(template),
      pipeline_root=compiled.pipeline_root,
      project=vertex.project,
      location=vertex.region,
      credentials=credentials,
      labels=(compiled.job or {}).get('labels'),
      encryption_spec_key_name=vertex.kms_key,
    )


def connect(platform: Platform, credentials: Any = None) -> Any:
  """Sets up the client; returns the credentials.

  Args: credentials: of google-auth; where there are none, those that Google's clients find: a key file, the account of
    gcloud, the machine's own.

  Raises `TargetError` where project, region or credentials are missing.
  """
  vertex = platform.vertex
  for value, name in ((vertex.project, 'project'), (vertex.region, 'region')):
    if value is None:
      raise TargetError(f'No {name} for Vertex AI: set platform.vertex.{name} or FARELITE_{name.upper()}.')
  try:
    credentials = credentials or google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform'])[0]
  except google.auth.exceptions.DefaultCredentialsError:
    raise TargetError(
      "No credentials for Google Cloud: run 'gcloud auth application-default login', or name a key file in "
      'GOOGLE_APPLICATION_CREDENTIALS.'
    ) from None
  # REST, as it passes proxies; the endpoint is the region's where none is named.
  aiplatform.init(
    project=vertex.project,
    location=vertex.region,
    credentials=credentials,
    api_endpoint=vertex.endpoint,
    api_transport='rest',
  )
  return credentials


def submit(compiled: CompiledPipeline, platform: Platform, credentials: Any = None) -> Submission:
  """Starts a run and returns at once.

  The client makes the pipeline root's bucket if there is none. Raises `TargetError`, see `pipeline_job`;
  `SubmissionError` where Vertex refused the run, or can't be reached.
  """
  job = pipeline_job(compiled, platform, credentials)
  with refusals_reported(' the run', f' as {platform.vertex.project}'):
    job.submit(service_account=platform.vertex.service_account, network=platform.vertex.network)
  return Submission(job.resource_name, job._dashboard_uri())


@contextlib.contextmanager
def refusals_reported(what: str = '', where: str = '') -> Iterator[None]:
  """Raises a refusal of Vertex as a `SubmissionError`, with what was refused and where nobody answers."""
  try:
    yield
  except exceptions.GoogleAPICallError as error:
    raise SubmissionError(f'Vertex AI refused{what}: {error.message}') from error
  except (google.auth.exceptions.GoogleAuthError, exceptions.RetryError, OSError) as error:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise SubmissionError(f"Vertex AI can't be reached{where}: {reason}") from error
