"""Events of a run by OpenLineage's specification, as plain JSON: that it began, and how it ended."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import requests

from configs.run import RunConfig
from models.whole_files import is_bucket
from pipeline.summary_record import Status, Summary
from pipeline.tracking.times import began, ended

PRODUCER = 'urn:farelite'
SCHEMA = 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent'
KEY = 'OPENLINEAGE_API_KEY'
"""Environment variable of the server's key; no setting, as it is a secret."""

_TIMEOUT = 10
_NAMESPACE = uuid.UUID('7d3c3d4e-5ad7-5b0f-9f57-7c6f0d6f3a11')
"""Of the ids that runs have here."""


def send(config: RunConfig, summary: Summary) -> None:
  """Posts both events of a run that has ended.

  Raises `requests.RequestException` where the server can't be reached, or refuses one.
  """
  key = os.environ.get(KEY)
  headers = {'Authorization': f'Bearer {key}'} if key else {}
  for event in events(summary):
    answer = requests.post(config.tracking.openlineage.url or '', json=event, headers=headers, timeout=_TIMEOUT)
    answer.raise_for_status()


def events(summary: Summary) -> Iterator[dict[str, Any]]:
  """`START`, and `COMPLETE` or `FAIL`, with the times at which the run began and ended.

  The job is the pipeline's name in the namespace `farelite`; the rides are its input, a pushed version its output.
  """
  failed = summary.status in (Status.FAILED, Status.ANOMALIES)
  run: dict[str, Any] = {'runId': str(uuid.uuid5(_NAMESPACE, f'{summary.output}/{summary.run}'))}
  common = {
    'producer': PRODUCER,
    'schemaURL': SCHEMA,
    'job': {'namespace': 'farelite', 'name': summary.name},
    'inputs': [_dataset(summary.data)] if summary.data else [],
    'outputs': [],
  }
  yield {'eventType': 'START', 'eventTime': began(summary).isoformat(), 'run': run, **common}
  if summary.pushed_path and summary.status is Status.PUSHED:
    common['outputs'] = [_dataset(summary.pushed_path)]
  if failed:
    run = {**run, 'facets': {'errorMessage': _error(summary.reason)}}
  kind = 'FAIL' if failed else 'COMPLETE'
  yield {'eventType': kind, 'eventTime': ended(summary).isoformat(), 'run': run, **common}


def _error(reason: str) -> dict[str, str]:
  return {
    '_producer': PRODUCER,
    '_schemaURL': 'https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet',
    'message': reason,
    'programmingLanguage': 'Python',
  }


def _dataset(path: str) -> dict[str, str]:
  """A place by the specification's names: a bucket, a table of BigQuery, or the files of a machine."""
  if not is_bucket(path):
    return {'namespace': 'file', 'name': path}
  scheme, _, rest = path.partition('://')
  if scheme == 'bigquery':
    return {'namespace': scheme, 'name': rest}
  bucket, _, name = rest.partition('/')
  return {'namespace': f'{scheme}://{bucket}', 'name': name or '/'}
