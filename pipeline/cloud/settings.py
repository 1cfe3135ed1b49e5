"""Where a cloud run keeps things, from the config and the environment, and what comes of handing it over."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import pydantic

from configs.errors import FailedError, UserError
from configs.platform import VARIABLES, Platform, with_environment
from pipeline.targets import Places


class TargetError(UserError):
  """A user's mistake about a cloud target; one sentence, or one per line."""


def platform_settings(platform: Platform, environment: Mapping[str, str] | None = None) -> Platform:
  """The config's settings, completed from environment variables.

  Raises `TargetError` where a variable's value can't be.
  """
  try:
    return with_environment(platform, os.environ if environment is None else environment)
  except pydantic.ValidationError as error:
    names = {location: variable for variable, location in VARIABLES.items()}
    lines = [
      f'{names[tuple(map(str, detail["loc"]))]} {detail["msg"].removeprefix("Value error, ")}'
      for detail in error.errors()
    ]
    raise TargetError('\n'.join(lines)) from None


def cloud_places(platform: Platform, name: str) -> Places:
  """Folders below the pipeline root; only the push destination may be elsewhere.

  Raises `TargetError` where there is no pipeline root.
  """
  if platform.pipeline_root is None:
    raise TargetError(
      'No pipeline root: set platform.pipeline_root or FARELITE_PIPELINE_ROOT to a folder in a bucket, such as '
      f'gs://BUCKET/{name}.'
    )
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
