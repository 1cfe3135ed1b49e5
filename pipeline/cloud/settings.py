"""Where a cloud run keeps things, from the config and the environment, and what comes of handing it over."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pydantic

from configs.errors import FailedError, UserError
from configs.mistakes import problems_of
from configs.platform import VARIABLES, Platform, with_environment
from pipeline.targets import Places, Target


class TargetError(UserError):
  """A user's mistake about a cloud target; one sentence, or one per line."""


def platform_settings(platform: Platform, environment: Mapping[str, str] | None = None) -> Platform:
  """The config's settings, completed from environment variables.

  Raises `TargetError` where a variable's value can't be.
  """
  try:
    return with_environment(platform, os.environ if environment is None else environment)
  except pydantic.ValidationError as error:
    names = {'.'.join(location): variable for variable, location in VARIABLES.items()}
    found = problems_of(error, Platform, {})
    raise TargetError('\n'.join(f'{names[one.where]} {one.message}' for one in found)) from None


def lacking(platform: Platform, name: str) -> Iterator[str]:
  """What no pipeline can be compiled without; sentences.

  Args: name: the pipeline's.
  """
  if platform.image is None:
    yield 'No image: set platform.image or FARELITE_IMAGE to what `make image` built and you pushed.'
  if platform.pipeline_root is None:
    yield (
      'No pipeline root: set platform.pipeline_root or FARELITE_PIPELINE_ROOT to a folder in a bucket, such as '
      f'gs://BUCKET/{name}.'
    )


def lacking_to_submit(platform: Platform, target: Target, credentials: Any = None) -> Iterator[str]:
  """What no run can be submitted to a target without; sentences.

  Args: credentials: of google-auth, for Vertex AI.
  """
  if target is Target.KFP and platform.kfp.endpoint is None:
    yield (
      'No Kubeflow endpoint: set platform.kfp.endpoint or FARELITE_KFP_ENDPOINT, such as http://localhost:8080 behind '
      'kubectl port-forward --namespace kubeflow service/ml-pipeline-ui 8080:80.'
    )
  if target is not Target.VERTEX:
    return
  for setting in ('project', 'region'):
    if getattr(platform.vertex, setting) is None:
      yield f'No {setting} for Vertex AI: set platform.vertex.{setting} or FARELITE_{setting.upper()}.'
  if credentials is None:
    yield (
      "No credentials for Google Cloud: run 'gcloud auth application-default login', or name a key file in "
      'GOOGLE_APPLICATION_CREDENTIALS.'
    )


def google_credentials() -> Any:
  """What Google's clients find: a key file, the account of gcloud, the machine's own; None where there is nothing."""
  import google.auth
  import google.auth.exceptions

  try:
    return google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform'])[0]
  except google.auth.exceptions.DefaultCredentialsError:
    return None


def refuse_lacking(sentences: Iterable[str]) -> None:
  """Raises `TargetError` with all sentences, where there is one."""
  found = list(dict.fromkeys(sentences))
  if found:
    raise TargetError(found[0] if len(found) == 1 else '\n  - '.join([f'{len(found)} things are missing:', *found]))


def cloud_places(platform: Platform, name: str) -> Places:
  """Folders below the pipeline root, which is there; only the push destination may be elsewhere."""
  assert platform.pipeline_root is not None
  root = platform.pipeline_root.rstrip('/')
  return Places(
    root=root,
    serving=(platform.serving or f'{root}/serving/{name}').rstrip('/'),
    checkpoints=f'{root}/checkpoints/{name}',
    variants=f'{root}/variants/{name}',
  )


class Submission(NamedTuple):
  """A run that a backend took.

  Attributes:
    name: as the backend lists it.
    link: a page to watch it on.
  """

  name: str
  link: str


class SubmissionError(FailedError):
  """A backend could not be reached, or refused; one sentence."""
