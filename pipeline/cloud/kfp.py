"""Hands a compiled pipeline to Kubeflow Pipelines 2, by its own client."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator

import kfp
import kfp_server_api
import urllib3

from configs.platform import PREFIX, Platform
from pipeline.cloud.compiled import CompiledPipeline
from pipeline.cloud.settings import Submission, SubmissionError, TargetError

TOKEN = f'{PREFIX}KFP_TOKEN'
"""Environment variable with a bearer token, for clusters that want one; no setting, as it is a secret."""


def connect(platform: Platform) -> kfp.Client:
  """A client of the cluster's API.

  Raises `TargetError` where there is no endpoint; `SubmissionError` where nobody answers there.
  """
  endpoint = platform.kfp.endpoint
  if endpoint is None:
    raise TargetError(
      'No Kubeflow endpoint: set platform.kfp.endpoint or FARELITE_KFP_ENDPOINT, such as http://localhost:8080 behind '
      'kubectl port-forward --namespace kubeflow service/ml-pipeline-ui 8080:80.'
    )
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

  Raises `TargetError`, see `connect`; `SubmissionError` where the cluster refused the run, or can't be reached.
  """
  client = connect(platform)
  name = f'{compiled.name}-{datetime.datetime.now(datetime.timezone.utc):%Y%m%d-%H%M%S}'
  with compiled.file() as package, refusals_reported(' the run', f' at {platform.kfp.endpoint}'):
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
def refusals_reported(what: str = '', where: str = '') -> Iterator[None]:
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
