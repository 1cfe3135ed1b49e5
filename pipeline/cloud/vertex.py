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

_NO_CREDENTIALS = (
  "No credentials for Google Cloud: run 'gcloud auth application-default login', or name a key file in "
  'GOOGLE_APPLICATION_CREDENTIALS.'
)


def pipeline_job(compiled: CompiledPipeline, platform: Platform, credentials: Any = None) -> aiplatform.PipelineJob:
  """The client's job of a compiled pipeline; nothing is sent yet.

  Args:
    platform: completed settings; the project and the region go to the client alone.
    credentials: of google-auth; its defaults where there are none.

  Raises `TargetError` where project, region or credentials are missing.
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
  """Tells the client where to ask, as whom; returns the credentials. Raises `TargetError` where one is missing."""
  vertex = platform.vertex
  for value, name in ((vertex.project, 'project'), (vertex.region, 'region')):
    if value is None:
      raise TargetError(f'No {name} for Vertex AI: set platform.vertex.{name} or FARELITE_{name.upper()}.')
  credentials = credentials or default_credentials()
  # REST, as it passes proxies; the endpoint is the region's where none is named.
  aiplatform.init(
    project=vertex.project,
    location=vertex.region,
    credentials=credentials,
    api_endpoint=vertex.endpoint,
    api_transport='rest',
  )
  return credentials


def default_credentials() -> Any:
  """Where Google's clients look: a key file, the account of gcloud, the machine's own; `TargetError` where none are."""
  try:
    return google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform'])[0]
  except google.auth.exceptions.DefaultCredentialsError:
    raise TargetError(_NO_CREDENTIALS) from None


def submit(compiled: CompiledPipeline, platform: Platform, credentials: Any = None) -> Submission:
  """Starts a run and returns at once.

  The client makes the pipeline root's bucket if there is none. Raises `TargetError`, see `pipeline_job`;
  `SubmissionError` where Vertex refused the run, or can't be reached.
  """
  job = pipeline_job(compiled, platform, credentials)
  with told(' the run', f' as {platform.vertex.project}'):
    job.submit(service_account=platform.vertex.service_account, network=platform.vertex.network)
  return Submission(job.resource_name, job._dashboard_uri())


@contextlib.contextmanager
def told(what: str = '', where: str = '') -> Iterator[None]:
  """Refusals of Vertex as one `SubmissionError`; it tells what was refused, and where nobody answers."""
  try:
    yield
  except exceptions.GoogleAPICallError as error:
    raise SubmissionError(f'Vertex AI refused{what}: {error.message}') from error
  except (google.auth.exceptions.GoogleAuthError, exceptions.RetryError, OSError) as error:
    said = (str(error).splitlines() or [type(error).__name__])[0]
    raise SubmissionError(f"Vertex AI can't be reached{where}: {said}") from error
