"""Asks BigQuery before a local run whether the rides can be read, and which state of the data they are."""

from __future__ import annotations

import datetime
from typing import Any

from configs.bigquery import BigQuery
from pipeline.data_source import DataSource, DataSourceError

_SCOPES = ('https://www.googleapis.com/auth/bigquery',)
_WAIT_SECONDS = 60.0
_RETRY_SECONDS = 20.0
"""Google's clients would try for ten minutes where there is no network."""


def current(source: DataSource, project: str, endpoint: str | None = None) -> DataSource:
  """The source with the version of its data.

  A table's version is the time of its last change. A query may read several
  tables, views and the clock, so its result is new each time; it is only
  checked, by a dry run that costs nothing.

  Args:
    source: a query or a table.
    project: that pays.
    endpoint: another server than Google's.

  Raises:
    DataSourceError: no credentials, no such table, no permission, bad SQL.
  """
  assert source.bigquery is not None
  client = _client(project, endpoint)
  if source.version is not None:
    return source
  return source.with_version(_asked(client, source.bigquery))


def _client(project: str, endpoint: str | None) -> Any:
  import google.auth
  from google.auth import exceptions
  from google.cloud import bigquery

  try:
    credentials, _ = google.auth.default(scopes=_SCOPES)
  except exceptions.GoogleAuthError:
    raise DataSourceError(
      'BigQuery needs Google Cloud credentials, and there are none: run `gcloud auth application-default login`, or '
      "export GOOGLE_APPLICATION_CREDENTIALS with the path of a service account's key."
    ) from None
  options = {'api_endpoint': endpoint} if endpoint else None
  return bigquery.Client(project=project, credentials=credentials, client_options=options)


def _asked(client: Any, source: BigQuery) -> str:
  import requests
  from google.api_core import exceptions as api
  from google.auth import exceptions as auth
  from google.cloud import bigquery

  retry = bigquery.DEFAULT_RETRY.with_timeout(_RETRY_SECONDS)
  try:
    if source.table is not None:
      table = client.get_table(source.table, retry=retry, timeout=_WAIT_SECONDS)
      return f'changed {table.modified.isoformat()}'
    dry = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    client.query(source.query, job_config=dry, retry=retry, job_retry=None, timeout=_WAIT_SECONDS)
    return f'read {datetime.datetime.now(datetime.timezone.utc).isoformat()}'
  except api.NotFound as error:
    raise DataSourceError(f'BigQuery finds no {source.table or "such table"} ({_first_line(error)}).') from None
  except api.Forbidden as error:
    raise DataSourceError(f"BigQuery refuses project '{client.project}' ({_first_line(error)}).") from None
  except api.BadRequest as error:
    raise DataSourceError(f'BigQuery does not take the query ({_first_line(error)}).') from None
  except (api.GoogleAPIError, auth.GoogleAuthError, requests.RequestException) as error:
    raise DataSourceError(f'BigQuery can not be asked ({_first_line(error)}).') from None


def _first_line(error: Exception) -> str:
  text = getattr(error, 'message', None) or str(error) or type(error).__name__
  return str(text).splitlines()[0][:300].rstrip('.')
