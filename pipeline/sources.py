"""Where the rides are (files or BigQuery), and which spans of them a run reads: decided before the run."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.util
import os
import pathlib
import re
import urllib.parse
from collections.abc import Collection, Mapping
from typing import Any

from components.ride_example_gen.patterns import check_pattern, excluded_numbers, has_spans, is_dated
from components.ride_example_gen.spans import Window, input_name, latest_window
from configs.dataset import Dataset
from configs.errors import UserError
from configs.platform import BigQuery

BUCKET = re.compile(r'gs://[a-z0-9][a-z0-9._-]*(/|$)')
"""How a place begins that TensorFlow reads by itself."""

_SCHEME = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*)://')
_DRIVE = re.compile(r'[A-Za-z]:\\')
_WILD = re.compile(r'[*?\[{]')


class DataSourceError(UserError):
  """There is nothing to read where the user pointed."""


@dataclasses.dataclass(frozen=True)
class DataSource:
  """Files to read, or a query or table.

  Attributes:
    base: an absolute directory or bucket URI.
    pattern: a glob below it; may hold `{SPAN}`, `{VERSION}`, `{YYYY}`, `{MM}`, `{DD}`.
    spans: number and plain glob of each span to read, oldest first, once they are resolved.
    bigquery: the query or table; base and pattern are only a name for it then.
    version: of its data, for the cache; None where it is not known, and what is read is never taken from the cache.
  """

  base: str
  pattern: str
  spans: tuple[tuple[int, str], ...] = ()
  bigquery: BigQuery | None = None
  version: str | None = None

  def with_spans(self, patterns: Mapping[int, str]) -> DataSource:
    """The same source with resolved spans: globs below `base` by span number."""
    return dataclasses.replace(self, spans=tuple(sorted(patterns.items())))

  def inputs(self) -> dict[str, str]:
    """Glob by the name of ExampleGen's input split: one for each resolved span, or the pattern as it is."""
    dated = is_dated(self.pattern)
    resolved = {input_name(number, dated=dated): pattern for number, pattern in self.spans}
    return resolved or {'rides': self.pattern}


def rides_of(dataset: Dataset) -> DataSource:
  """Where a dataset's rides are. Raises `DataSourceError`, see `data_source`."""
  source = dataset.bigquery
  if source is None:
    return data_source(dataset.path)
  return DataSource(base='bigquery:/', pattern=source.table or 'query', bigquery=source, version=source.version)


def files_of(dataset: Dataset, what: str) -> DataSource:
  """A dataset's files, for what can't take rides from elsewhere.

  Args: what: the command, for the sentence.
  Raises `DataSourceError` where the rides are in BigQuery; or see `data_source`.
  """
  if dataset.bigquery is not None:
    raise DataSourceError(
      f'{what} needs files (dataset.path), and these rides are in BigQuery; docs/beam.md says what takes those.'
    )
  return data_source(dataset.path)


def data_source(path: str | None) -> DataSource:
  """Splits a path, glob, bucket URI or `package://NAME/...` at its first wildcard: the one check of what names rides.

  Raises:
    DataSourceError: no path, no such package, a directory without a pattern, or a place that nothing here reads.
    IngestionError: nobody could say what the pattern finds, see `check_pattern`.
  """
  if not path:
    raise DataSourceError('No data: give --data FILE_OR_GLOB, or set dataset.path or dataset.bigquery in the config.')
  scheme = _SCHEME.match(path)
  if scheme and scheme[1] == 'package':
    path = _inside_package(path)
  elif scheme and scheme[1] != 'file':
    _check_bucket(path)
  else:
    path = _of_this_machine(path)
  wild = _WILD.search(path)
  cut = path.rfind('/', 0, wild.start() if wild else None)
  source = DataSource(base=path[:cut] or '/', pattern=path[cut + 1 :])
  check_pattern(source.pattern)
  return source


def _check_bucket(path: str) -> None:
  if not BUCKET.match(path):
    raise DataSourceError(
      f"'{path}' is not in a bucket that TensorFlow reads by itself; use gs://BUCKET/..., or copy the files to this "
      'machine and name them there.'
    )
  if path.endswith('/') or path.count('/') < 3:
    raise DataSourceError(f"'{path}' is a bucket or a folder; name its files, such as '{path.rstrip('/')}/*.csv'.")


def _of_this_machine(path: str) -> str:
  """An absolute path."""
  if path.startswith('file://'):
    path = urllib.parse.unquote(path.removeprefix('file://').removeprefix('localhost'))
  if '\0' in path or (_DRIVE.match(path) and not os.path.lexists(path)):
    raise DataSourceError(f"'{path}' is no path of this machine; name one such as /data/rides/*.csv.")
  try:
    path = str(pathlib.Path(path).expanduser().absolute())
  except RuntimeError:
    raise DataSourceError(f"'{path}' begins with the home of somebody unknown here; name the whole path.") from None
  if os.path.isdir(path):  # noqa: PTH112, which takes a name of any length
    raise DataSourceError(f"'{path}' is a directory; name its files, such as '{path}/*.csv' or '{path}/*.parquet'.")
  return path


def _inside_package(path: str) -> str:
  name, _, inner = path.removeprefix('package://').partition('/')
  try:
    spec = importlib.util.find_spec(name)
  except (ImportError, ValueError):
    spec = None
  if spec is None or not spec.submodule_search_locations:
    raise DataSourceError(f"'{path}' names the package '{name}', which is not installed.")
  return f'{next(iter(spec.submodule_search_locations))}/{inner}'


_SCOPES = ('https://www.googleapis.com/auth/bigquery',)
_WAIT_SECONDS = 60.0
_RETRY_SECONDS = 20.0
"""Google's clients would try for ten minutes where there is no network."""


def current(source: DataSource, project: str, endpoint: str | None = None) -> DataSource:
  """The source with the version of its data.

  A table's version is the time of its last change. A query may read several tables, views and the clock, so its result
  is new each time; it is only checked, by a dry run that costs nothing.

  Args:
    source: a query or a table.
    project: that pays.
    endpoint: another server than Google's.

  Raises `DataSourceError` for no credentials, no such table, no permission, bad SQL.
  """
  assert source.bigquery is not None
  client = _client(project, endpoint)
  if source.version is not None:
    return source
  return dataclasses.replace(source, version=_asked(client, source.bigquery))


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


def resolve_window(
  source: DataSource,
  window: int | None = None,
  *,
  newest: int | None = None,
  seen: Collection[int] = (),
  leave_out: Collection[int] = (),
  exclude: Collection[datetime.date | int] = (),
) -> tuple[DataSource, Window | None]:
  """The source with its spans filled in, and what is to be said about them. Changes nothing, only lists files.

  Args:
    window: number of spans; `None` takes the newest one alone, or everything where the pattern has no spans.
    newest, seen, leave_out: see `latest_window`.
    exclude: as `retraining.exclude` has them.

  Returns a source whose `spans` are plain globs, oldest first, and the window; a source without spans comes back as it
  is, with no window. Raises `IngestionError` where no file matches, or a window is wanted where the pattern has no
  spans.
  """
  if window is None and not has_spans(source.pattern):
    return source, None
  numbers = excluded_numbers(exclude)
  found = latest_window(
    source.base, source.pattern, window or 1, newest=newest, seen=seen, leave_out=leave_out, exclude=numbers
  )
  return source.with_spans({span.number: span.pattern for span in found.spans}), found
